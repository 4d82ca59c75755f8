"""Dead letters: reads segment.rejected, and resends its events, each at most once."""
