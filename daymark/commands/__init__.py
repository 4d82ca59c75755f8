"""One file a command: its options and help, and what it calls. `daymark.cli` loads a command when it is called."""
