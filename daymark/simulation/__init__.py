"""Engage, simulated: an audience as events, and the two roads that carry them.

`audience` makes the events and knows what must come of them; it does no I/O. `requests` and `records` carry them, over
HTTP and straight into the topic.
"""
