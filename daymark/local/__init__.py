"""A real Apache Kafka and a real Valkey on this machine, from packages: what `daymark up` and the tests run.

Owns: fetching and checking Kafka's jars, starting, stopping and killing nodes, ending what a killed parent left behind.
Does not: know of ingest, of workers or of any setting of Daymark; callers pass folders and ports.
Invariant: only processes that this package started are ever signalled, and none is left when its owner stops it.

`kit.prepare` gives what Kafka runs on, `kafka.Kafka` a cluster of one or more nodes, `valkey.Valkey` a server,
`tools.run` Kafka's own command-line tools.
"""
