"""What the timeline's pages show beside the read model: figures, events, and what `why` and `doctor` say.

Does not: write anything, join a group or move offsets. Each look may fail with `timeline.web.sources.Unavailable`,
which says why in a sentence.
"""
