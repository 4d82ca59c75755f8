"""The audit: compares what segment.events requires of the output topics with what is committed there.

It shares the parsing of events with the processor (`schemas`), but no decision logic. `records` turns Kafka messages
into values and `ledger` turns those into small facts on disk; `judging` compares the facts of one contact-day, event or
property at a time.
"""
