"""What the output topics say, in a database, and pages that show it. Reads Kafka, writes nothing to it.

`reading` follows the topics and keeps `store` up to date; `store` answers questions. Knows nothing of ingest and the
processor: what it shows is what any reader of the topics sees.
"""
