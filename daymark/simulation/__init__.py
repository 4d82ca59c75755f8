"""Engage, simulated: an audience as events, and the two roads that carry them.

`audience` makes the events of a sync and knows what must come of them; `life` is what happens in an audience hour by
hour, `delivery` its calls as they arrive, `truth` what must come of them. None of these does I/O. `requests` and
`records` carry events, over HTTP and straight into the topic.
"""
