"""What an event is: pure functions and values. No I/O, no clock, no driver import."""
