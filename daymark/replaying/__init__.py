"""Replays: a group's offsets in segment.events are reset, and its workers process the events again."""
