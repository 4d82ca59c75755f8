"""The audit: compares what must be in the output topics, given segment.events alone, with what is committed there.

It shares the reading of events with the processor (`schemas`), and none of its deciding. `records` turns Kafka's
messages into values and `ledger` those into small facts on disk; `judging` compares the facts of one contact-day, one
event or one property at a time.
"""
