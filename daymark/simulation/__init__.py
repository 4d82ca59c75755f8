"""Simulates Engage: generates the events of an audience and sends them, over HTTP or straight to the topic.

`audience` generates the events of one sync and their expected results; `life` is the history of an audience hour by
hour, `delivery` the order in which its calls arrive, `truth` their expected results. None of these does I/O. `requests`
and `records` encode events for HTTP and for the topic.
"""
