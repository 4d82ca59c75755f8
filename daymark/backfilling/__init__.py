"""Backfill: Segment's archive, read line by line and sent into segment.events; each identify once."""
