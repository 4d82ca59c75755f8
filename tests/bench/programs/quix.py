"""Quix Streams 3, as its documentation has it: a stateful filter lets the first event of a contact's day pass.

`quix.py KAFKA SOURCE TARGET GROUP STATE`. Runs in an environment that has quixstreams and nothing of Daymark. The state
is RocksDB in the folder STATE with a changelog in Kafka; results, changelog and offsets are one transaction.
"""

import sys
from importlib import import_module
from typing import Any

BATCH = 10_000  # a transaction's, as the others have


def main(kafka: str, source: str, target: str, group: str, state: str) -> None:
    """Work until SIGTERM, which the library takes."""
    quix: Any = import_module("quixstreams")
    app = quix.Application(
        broker_address=kafka,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=BATCH,
        commit_interval=1.0,
        state_dir=state,
        auto_create_topics=True,  # of the state's changelog; those of events and results are there
        consumer_extra_config={"fetch.queue.backoff.ms": 20},
        producer_extra_config={"compression.type": "lz4", "linger.ms": 5},
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(source, value_deserializer="json"))
    said = False

    def is_first(event: dict[str, Any], store: Any) -> bool:
        nonlocal said
        if not said:
            said = True
            sys.stdout.write("assigned\n")
            sys.stdout.flush()
        day = event["timestamp"][:10]  # the state is the contact's: it goes by the record's key
        if store.exists(day):
            return False
        store.set(day, 1)
        return True

    def result(event: dict[str, Any]) -> dict[str, Any]:
        page = event.get("context", {}).get("page", {})
        said_of = event.get("event") or page.get("url") or "Contact visited your website"
        return {"day": event["timestamp"][:10], "timestamp": event["timestamp"], "description": said_of}

    events.filter(is_first, stateful=True).apply(result).to_topic(app.topic(target, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
