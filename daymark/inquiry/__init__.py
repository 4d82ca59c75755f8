"""What became of an event: asks the topics, and judges what is found. Knows nothing of the processor."""
