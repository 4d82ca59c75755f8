"""Replays: a group is set back in segment.events, and its workers do the same again."""
