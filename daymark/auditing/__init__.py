"""The audit: compares what must be in the output topics, given segment.events alone, with what is committed there.

It shares the parsing of events with the processor (`schemas`), but no decision logic. `records` turns Kafka's messages
into values and `ledger` those into small facts on disk; `judging` compares the facts of one contact-day, one event or
one property at a time.
"""
