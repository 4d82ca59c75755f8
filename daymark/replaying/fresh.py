"""Whether a replay can judge every event anew: nobody has claimed anything under this claim key.

Deduplication keys are keyed hashes, so a new key is a new epoch of claims: it begins for all workers at once, with
their restart, and no claim has to be found and deleted while others are made. The old claims expire by themselves.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import click
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, but not marked so

from daymark.replaying.start import Earliest, Start
from processor.claims import Claims
from processor.errors import ClaimsAway, Fatal
from schemas.topics import Topics

_ANSWER_S: Final = 30.0


def check_bounds(starts: Sequence[Start], bounds: Sequence[str]) -> None:
    """See that it begins at the earliest event, for everything.

    Args:
        starts: where it is to begin.
        bounds: options that bound it.

    Raises:
        UsageError: it does not.
    """
    if bounds or not all(isinstance(start, Earliest) for start in starts):
        raise click.UsageError(
            "--fresh goes with --from earliest alone: under a new claim key an event in the middle would win a day "
            "whose first event lies before it."
        )


def check_key(claims: Claims) -> None:
    """See that the claim key is new.

    Args:
        claims: under the key that workers are to have; closed afterwards.

    Raises:
        UsageError: the store knows it.
        ClickException: the store does not answer.
    """
    try:
        with closing(claims):
            is_known = claims.is_known()
    except (ClaimsAway, Fatal) as error:
        raise click.ClickException(str(error)) from None
    if is_known:
        raise click.UsageError(
            "--fresh takes a DAYMARK_CLAIM_KEY that the store does not know: under this one its claims would be found "
            "again. Stop all workers, set a new key (openssl rand -hex 32) for them and for this command, run it, then "
            "start them. If that was done and this command was interrupted, run it without --fresh."
        )


def begins(admin: AdminClient, topics: Topics, partitions: Mapping[str, Sequence[int]]) -> int:
    """Return the instant, in epoch milliseconds, after all results so far: that of the newest, by its worker's clock.

    Args:
        admin: of the cluster, in which no worker of the group runs.
        topics: their names.
        partitions: of each topic.

    Raises:
        KafkaException: Kafka does not answer.
    """
    newest: Any = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(
        {
            TopicPartition(topic, number): newest
            for topic in (topics.interactions, topics.traits)
            for number in partitions[topic]
        },
        request_timeout=_ANSWER_S,
    )
    newest_ms = max(future.result().timestamp for future in asked.values())
    return newest_ms + 1 if newest_ms >= 0 else time.time_ns() // 1_000_000
