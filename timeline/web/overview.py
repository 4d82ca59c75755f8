"""The overview: the last hour's figures, the pipeline with numbers on its arrows, what the doctor says."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.web import charts, shown
from timeline.web.rendering import ground, page
from timeline.web.sources import Alert, Finding, Moment, Unavailable

_WIDTH, _HEIGHT = 240, 44
_ENTRY, _REPEAT = "emitted", "duplicate"
_URGENT: Final = {"fault": 0, "warning": 1}


class Figure(NamedTuple):
    """A number with the hour behind it."""

    name: str
    value: str
    unit: str
    note: str
    line: charts.Line


def _overview(request: Request) -> Response:
    found = ground(request)
    moments: Sequence[Moment] = ()
    alerts: Sequence[Alert] = ()
    trouble = None
    try:
        moments, alerts = found.history.moments(), found.sources.alerts()
    except Unavailable as error:
        trouble = str(error)
    now = moments[-1] if moments else None
    return page(
        request,
        "overview.html",
        "Overview",
        fragment="now.html",
        now=now,
        trouble=trouble,
        alerts=alerts,
        figures=_figures(moments),
        pipeline=_pipeline(now),
        outcomes=_outcomes(moments),
        totals=found.there.overview.totals(),
        reading=found.there.overview.state(),
    )


def _doctor(request: Request) -> Response:
    findings: Sequence[Finding] = ()
    trouble = None
    try:
        findings = ground(request).sources.doctor()
    except Unavailable as error:
        trouble = str(error)
    findings = sorted(findings, key=lambda each: _URGENT.get(each.state, len(_URGENT)))
    return page(
        request,
        "doctor.html",
        "Doctor",
        fragment="findings.html",
        findings=findings,
        wrong=[each for each in findings if each.state in _URGENT],
        trouble=trouble,
        reading=ground(request).there.overview.state(),
    )


def _figures(moments: Sequence[Moment]) -> list[Figure]:
    now = moments[-1] if moments else None
    latest = [each for each in moments if each.p99_s is not None]
    p50, p99 = (latest[-1].p50_s, latest[-1].p99_s) if latest else (None, None)
    received = [each.accepted_per_s + charts.total(each.refused_per_s.values()) for each in moments]
    worked = [charts.total(each.outcomes_per_s.values()) for each in moments]
    lags = [float(each.lag_records) for each in moments]
    oldest = f"the oldest waits for {shown.seconds(now.lag_s)}" if now and now.lag_records else "nothing waits"
    slow = f"p99 {shown.seconds(p99)}, from receipt to commit" if latest else "from receipt to commit"
    return [
        Figure("Received", _last(received), "events/s", _most(received), _line(received)),
        Figure("Processed", _last(worked), "events/s", _most(worked), _line(worked)),
        Figure("Lag", _last(lags), "events", oldest if moments else "no figures yet", _line(lags)),
        Figure(
            "Latency, at most",
            shown.seconds(p50),
            "p50" if latest else "",
            slow,
            _line([each.p50_s or 0.0 for each in moments]),
        ),
    ]


def _last(values: Sequence[float]) -> str:
    return shown.number(values[-1]) if values else shown.NOTHING


def _most(values: Sequence[float]) -> str:
    if not values:
        return "no figures yet"
    return f"at most {shown.number(max(values))} in the last hour" if any(values) else "nothing in the last hour"


def _line(values: Sequence[float]) -> charts.Line:
    return charts.line(values, _WIDTH, _HEIGHT)


def _pipeline(now: Moment | None) -> Mapping[str, Any]:
    """Return the numbers and words of the picture."""
    if now is None:
        words = dict.fromkeys(("taken", "passed", "refused", "read", "emitted", "traits", "rejected"), shown.NOTHING)
        return words | {
            "known": False,
            "ingest": "not seen",
            "workers": "not seen",
            "lag": "",
            "store": "not seen",
            "ingest_ill": False,
            "workers_ill": False,
        }
    rejected = sum(rate for name, rate in now.outcomes_per_s.items() if name not in {_ENTRY, _REPEAT})
    refused = charts.total(now.refused_per_s.values())
    ingests, workers = ([part for part in now.parts if part.kind == kind] for kind in ("ingest", "worker"))
    return {
        "known": True,
        "taken": shown.number(now.accepted_per_s + refused),
        "passed": shown.number(now.accepted_per_s),
        "refused": shown.number(refused),
        "read": shown.number(charts.total(now.outcomes_per_s.values())),
        "emitted": shown.number(now.outcomes_per_s.get(_ENTRY, 0.0)),
        "traits": shown.number(now.traits_per_s),
        "rejected": shown.number(rejected),
        "ingest": f"{len(ingests)} running",
        "workers": f"{len(workers)} running",
        "lag": f"{now.lag_records:,} waiting",
        "store": now.store.partition(":")[0],
        "ingest_ill": not ingests or any(part.state != "ok" for part in ingests),
        "workers_ill": not workers or any(part.state != "ok" for part in workers),
    }


def _outcomes(moments: Sequence[Moment]) -> list[tuple[str, float, float]]:
    """Return each outcome's share of the last hour and its mean rate, the most frequent first."""
    sums: dict[str, float] = {}
    for each in moments:
        for name, rate in (*each.outcomes_per_s.items(), *each.refused_per_s.items()):
            sums[name] = sums.get(name, 0.0) + rate
    whole = sum(sums.values())
    ordered = sorted(sums.items(), key=lambda each: -each[1])
    return [(name, rate / whole, rate / len(moments)) for name, rate in ordered if rate]


ROUTES: Final = [Route("/", _overview), Route("/doctor", _doctor)]
