"""One file per command: its options, its help and what it calls. `daymark.cli` loads a command when it is called."""
