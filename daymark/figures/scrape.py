"""Reads metrics pages: a part's samples at one moment, and rates between two moments."""

import http.client
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

_ANSWER_S: Final = 2.0
_AT_ONCE: Final = 16
_BY_NAME: Final = "dns+"

Labels = tuple[tuple[str, str], ...]


class Scrape(NamedTuple):
    """A part's samples, by name and labels, at an instant (monotonic seconds); None: it does not answer."""

    url: str
    at_s: float
    samples: Mapping[tuple[str, Labels], float] | None

    def has(self, name: str) -> bool:
        """Whether there is a metric."""
        return any(each == name for each, _ in self.samples or ())

    def values(self, name: str) -> dict[Labels, float]:
        """Return a metric's values, by labels."""
        return {labels: value for (each, labels), value in (self.samples or {}).items() if each == name}

    def total(self, name: str) -> float:
        """Return the sum over all labels."""
        return sum(self.values(name).values())

    def most(self, name: str) -> float:
        """Return the highest value, or 0 without any."""
        return max(self.values(name).values(), default=0.0)


def addresses(urls: Sequence[str]) -> list[str]:
    """Return the parts, `dns+HOST:PORT` replaced by each address of that name, such as a headless Service's.

    A name that cannot be resolved stays one, so that it is seen not to answer.
    """
    return [each for url in urls for each in (_resolved(url) if url.startswith(_BY_NAME) else [url])]


def _resolved(url: str) -> list[str]:
    name = url.removeprefix(_BY_NAME)
    try:
        target = urlsplit(f"//{name}")
        found = socket.getaddrinfo(target.hostname, target.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return [name]
    hosts = sorted({str(at[0]) for *_, at in found})
    return [f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}" for host in hosts]


def scrapes(urls: Sequence[str]) -> list[Scrape]:
    """Return each part's current samples. Blocks for two seconds at most."""
    with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(urls)))) as pool:
        return [*pool.map(scrape, urls)]


def scrape(url: str) -> Scrape:
    """Return one part's current samples."""
    target = urlsplit(url if "//" in url else f"//{url}")
    try:
        with closing(http.client.HTTPConnection(target.hostname or "", target.port, timeout=_ANSWER_S)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        found = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    except (OSError, http.client.HTTPException, ValueError):
        return Scrape(url, time.monotonic(), None)
    return Scrape(url, time.monotonic(), found)


class Span(NamedTuple):
    """Two scrapes of each part, one after the other; a counter that started or restarted in between counts from 0."""

    pairs: Sequence[tuple[Scrape, Scrape]]

    def rates(self, name: str, label: str) -> dict[str, float]:
        """Return a counter's growth per second by one of its labels, over all parts, if it grew."""
        found: dict[str, float] = {}
        for before, now in self.pairs:
            seconds, earlier = max(now.at_s - before.at_s, 1e-9), before.values(name)
            for labels, value in now.values(name).items():
                grown = value - earlier.get(labels, 0.0)
                if grown := value if grown < 0 else grown:
                    word = dict(labels).get(label, "")
                    found[word] = found.get(word, 0.0) + grown / seconds
        return found

    def rate(self, name: str) -> float:
        """Return a counter's growth per second, over all parts and labels."""
        return sum(self.rates(name, "").values())

    def quantile(self, share: float, histogram: str) -> float | None:
        """Return the upper bound of the bucket that contains a quantile of the observations; None: there were none."""
        grown: dict[float, float] = {}
        for before, now in self.pairs:
            earlier = before.values(f"{histogram}_bucket")
            for labels, value in now.values(f"{histogram}_bucket").items():
                bound = float(dict(labels)["le"])
                grown[bound] = grown.get(bound, 0.0) + max(0.0, value - earlier.get(labels, 0.0))
        count = max(grown.values(), default=0.0)
        if not count:
            return None
        return next(bound for bound in sorted(grown) if grown[bound] >= share * count)
