"""The figures of running parts, read from their metrics: what `daymark top` shows."""
