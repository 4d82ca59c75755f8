"""Dead letters: what segment.rejected holds, and how it is sent again, each record at most once."""
