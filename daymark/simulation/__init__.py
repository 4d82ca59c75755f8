"""Simulates Engage: an audience as events, and the two ways to send them.

`audience` generates the events of a sync and their expected results; `life` is what happens in an audience hour by
hour, `delivery` its calls as they arrive, `truth` their expected results. None of these does I/O. `requests` and
`records` encode events for HTTP and for the topic.
"""
