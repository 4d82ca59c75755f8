"""Sends requests over several connections at once, each until it has a final response.

A rejection is final. After 408, 410, 429, 460, 5xx except 501, 505 and 511, a lost connection or a time-out, the same
bytes are sent again, after Retry-After or with back-off, as Segment's SDKs do, so that nothing is lost. Memory holds
only the requests in flight.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from daymark.simulation.connection import Answer, Connection
from daymark.simulation.requests import Request, Target, answered
from daymark.simulation.tally import Pace, Tally

_ANSWER_S = 15.0  # SDKs wait this long; the contract promises 5 s

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_NOT_TRIED_AGAIN = frozenset({501, 505, 511})
_TRIED_AGAIN = frozenset({408, 410, 429, 460})

# Every other request will fail too: the key, the URL or the proxy is wrong.
_HOPELESS = frozenset({401, 403, 404, 405, 415})


class Hopeless(Exception):
    """A response, or the lack of one, after which retrying is pointless."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to send: concurrent connections, events per second (None: unlimited), seconds until a request has failed."""

    concurrency: int
    rate: float | None
    patience_s: float


async def send(requests: Iterable[Request], to: Target, manner: Manner, tally: Tally) -> None:
    """Send every request and count the results.

    Args:
        requests: taken one by one, as connections become free.
        to: where they go.
        manner: how to send them.
        tally: is updated.

    Raises:
        Hopeless: the server cannot be reached at all, or refuses every request.
    """
    try:
        first = await Connection.open(to.host, to.port, tls=to.tls)
    except OSError as error:
        raise Hopeless(f"{to.host}:{to.port} cannot be reached ({error.strerror or error})") from None
    first.close()
    source, pace = iter(requests), Pace(manner.rate, asyncio.get_running_loop().time())
    workers = [asyncio.create_task(_work(source, pace, to, manner, tally)) for _ in range(manner.concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _work(source: Iterator[Request], pace: Pace, to: Target, manner: Manner, tally: Tally) -> None:
    line = _Line(to)
    try:
        for request in source:
            await _wait(pace.delay(len(request.events), asyncio.get_running_loop().time()))
            answer = await _settle(request, line, manner.patience_s, tally)
            _count(request, answer, tally)
            tally.advance(len(request.events))
    finally:
        line.close()


async def _wait(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _settle(request: Request, line: "_Line", patience_s: float, tally: Tally) -> Answer | None:
    """Return the final response to a request; None if there was none within `patience_s`."""
    now = asyncio.get_running_loop().time
    last_s, pause_s = now() + patience_s, _FIRST_PAUSE_S
    while True:
        answer = await line.ask(request.data)
        if answer is not None:
            tally.answers[answer.status] += 1
            if not _is_tried_again(answer.status):
                return answer
        asked_s = answer.retry_after_s if answer else None
        wait_s = random.uniform(pause_s / 2, pause_s) if asked_s is None else asked_s  # noqa: S311  spreads the load
        if now() + wait_s > last_s:
            return None
        await asyncio.sleep(wait_s)
        tally.tried_again += 1
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _is_tried_again(status: int) -> bool:
    return status in _TRIED_AGAIN or (status >= 500 and status not in _NOT_TRIED_AGAIN)  # noqa: PLR2004  server errors


def _count(request: Request, answer: Answer | None, tally: Tally) -> None:
    if answer is None:
        tally.failed += len(request.events)
        return
    codes = answered(answer.body, len(request.events))
    if answer.status in _HOPELESS:
        raise Hopeless(f"the server answers {answer.status} ({codes[0] if codes else 'no reason given'})")
    for event, code in zip(request.events, codes or [f"status_{answer.status}"] * len(request.events), strict=True):
        tally.judge(event, code)


class _Line:
    """A connection that is reopened when it is lost."""

    def __init__(self, to: Target) -> None:
        self._to = to
        self._connection: Connection | None = None

    async def ask(self, request: bytes) -> Answer | None:
        """Return the response; None if the connection could not be made or was lost."""
        try:
            if self._connection is None or not self._connection.is_open:
                async with asyncio.timeout(_ANSWER_S):
                    self._connection = await Connection.open(self._to.host, self._to.port, tls=self._to.tls)
            return await self._connection.ask(request, _ANSWER_S)
        except OSError:  # TimeoutError is one
            self.close()
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
