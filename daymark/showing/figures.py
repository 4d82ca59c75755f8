"""The figures of `daymark top` as the pages show them, and which alerts they would raise. Keeps one look back."""

import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from daymark.figures.scrape import Scrape, scrapes
from daymark.figures.summary import STORE_EVICTING, STORE_FULL, STORE_UNAVAILABLE, Part, Summary, summed
from timeline.web import sources
from timeline.web.sources import Alert, Moment, Unavailable

_LAGGING_S: Final = 60.0
_REJECTING: Final = 0.1
_FINE: Final = {"emitted", "duplicate"}


class _Rule(NamedTuple):
    """An alert of deploy/prometheus, as far as two looks can tell."""

    name: str
    severity: str
    summary: str
    fires: Callable[[Summary], bool]


RULES: Final = (
    _Rule("DaymarkDown", "critical", "a part does not answer.", lambda now: _any(now, "away")),
    _Rule(
        "DaymarkIngestWithoutKafka",
        "critical",
        "ingest cannot reach Kafka and answers 503; senders retry.",
        lambda now: any(part.kind == "ingest" and part.state != "ok" for part in now.parts),
    ),
    _Rule(
        "DaymarkLagging",
        "warning",
        "the oldest event waits for over a minute: interactions come late, none is lost.",
        lambda now: now.lag_seconds > _LAGGING_S,
    ),
    _Rule(
        "DaymarkPaused",
        "critical",
        "the claims store is unavailable, workers wait.",
        lambda now: now.store == STORE_UNAVAILABLE,
    ),
    _Rule(
        "DaymarkClaimsFull", "critical", "the claims store is full: workers wait.", lambda now: now.store == STORE_FULL
    ),
    _Rule(
        "DaymarkClaimsEvicting",
        "critical",
        "the claims store may evict claims: set maxmemory-policy noeviction.",
        lambda now: now.store == STORE_EVICTING,
    ),
    _Rule(
        "DaymarkRejecting",
        "warning",
        "over a tenth of the events are rejected: a sender or a custom format is wrong.",
        lambda now: _rejected(now) > _REJECTING * (sum(now.events_per_s.values()) + sum(_refused(now).values())),
    ),
    _Rule("DaymarkAuditFound", "critical", "`daymark audit` has found something.", lambda now: bool(now.found)),
)


class Figures:
    """Looks at the metrics of some parts. For use by several threads."""

    def __init__(self, urls: Callable[[], Sequence[str]]) -> None:
        """Prepare; `urls` names the parts at each look, since workers come and go."""
        self._urls, self._lock = urls, threading.Lock()
        self._before: dict[str, Scrape] = {}
        self._summary: Summary | None = None

    def look(self) -> Moment:
        """Return what the parts do, since the look before.

        Raises:
            Unavailable: no part is known.
        """
        urls = self._urls()
        if not urls:
            raise Unavailable("No running part is known: name their DAYMARK_ADMIN addresses to `daymark timeline`.")
        with self._lock:
            now = scrapes(urls)
            summary = summed([self._before.get(each.url, each) for each in now], now)
            self._before = {each.url: each for each in now}
            self._summary = summary
        return moment_of(summary)

    def alerts(self) -> list[Alert]:
        """Return the alerts that would fire if what the last look saw went on."""
        summary = self._summary
        if summary is None:
            return []
        return [Alert(rule.name, rule.severity, rule.summary) for rule in RULES if rule.fires(summary)]


def moment_of(summary: Summary) -> Moment:
    """Return what the overview shows of a summary of two looks."""
    return Moment(
        at_ms=summary.at_ms,
        accepted_per_s=summary.accepted_per_s.get("accepted", 0.0),
        outcomes_per_s=summary.events_per_s,
        traits_per_s=summary.traits_per_s.get("emitted", 0.0),
        lag_records=summary.lag_records,
        lag_s=summary.lag_seconds,
        p50_s=summary.commit_p50_s,
        p99_s=summary.commit_p99_s,
        store=summary.store,
        parts=[_part(part) for part in summary.parts],
        refused_per_s=_refused(summary),
    )


def _part(part: Part) -> sources.Part:
    detail = ""
    if part.kind == "worker":
        detail = f"{part.partitions} partitions, lag {part.lag_records:,}"
    elif part.kind == "ingest":
        detail = f"{part.connections:,} connections, {part.queued:,} queued"
    return sources.Part(part.kind, part.url.removeprefix("http://"), part.state, part.events_per_s, detail)


def _any(now: Summary, kind: str) -> bool:
    return any(part.kind == kind for part in now.parts)


def _refused(now: Summary) -> dict[str, float]:
    """Return what ingest rejects, by reason."""
    return {name: rate for name, rate in now.accepted_per_s.items() if name not in {"accepted", "failed"}}


def _rejected(now: Summary) -> float:
    by_workers = sum(rate for name, rate in now.events_per_s.items() if name not in _FINE)
    return by_workers + sum(_refused(now).values())
