"""What became of an event: searches the topics and interprets what is found. Knows nothing of the processor."""
