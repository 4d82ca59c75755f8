"""Follows a replay to its end."""

import time
from typing import Final

import click
from confluent_kafka import Consumer, KafkaException

from daymark import bar
from daymark.auditing.raws import Raws
from daymark.replaying.plan import Plan

_LOOK_S: Final = 1.0
_STILL_S: Final = 15.0  # without a step forward it is asked whether workers run


def watch(consumer: Consumer, raws: Raws, planned: Plan, group: str) -> None:
    """Return when the group is back at its previous offsets, or has come to --to."""
    moved = planned.moved
    behind, moved_at, told = planned.awaited, time.monotonic(), False
    with bar.shown() as shown:
        shown.expect(planned.awaited)
        while behind:
            time.sleep(_LOOK_S)
            try:
                stands = raws.committed(consumer)
            except KafkaException:  # a broker on its way: it is asked again
                continue
            left = sum(part.left(stands[number]) for number, part in moved.items())
            if left < behind:
                moved_at, told = time.monotonic(), False
            elif time.monotonic() - moved_at > _STILL_S and not told:
                with_lane = ", with DAYMARK_BACKFILL_LANE=on" if raws.has_backfill else ""
                click.echo(f"No progress: are workers of {group} running{with_lane}?", err=True)
                told = True
            shown.advance("Replaying", behind - left)
            behind = left
