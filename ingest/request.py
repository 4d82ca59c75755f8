"""What one request holds, how its response is sent, and what is recorded about it.

Owns the request's part of the quota, its reservation in Kafka's queue and its answer. Knows nothing of bodies and
batches: `intake` does. Invariant: a request is answered once, and then holds nothing.
"""

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from ingest import admission, answers
from ingest.http import response
from ingest.http.exchange import Reply
from ingest.http.response import Refusal, Response
from ingest.keys import STRANGER
from ingest.resources import Resources
from schemas.rejections import Rejection
from schemas.signature import is_signed
from schemas.workspace import PLAIN, Workspace, Workspaces

_LIMITS: Final = {answers.RATE_LIMITED.code, response.OVERLOADED.code}


class Request(msgspec.Struct, eq=False):
    """One request of a workspace, or of a stranger until its key is known.

    Attributes:
        resources: of its process.
        workspaces: as they were when it began.
        workspace: whose events they are, once that is known.
        owner: for whom it is counted in the quota, if it is.
        size: bytes that are counted for it.
        reserved: messages and bytes of Kafka's queue.
        received_at_ms: when its body was whole, in epoch milliseconds.
        signature: that it bears, empty when there is none.
        is_trusted: whether its workspace wants no signature, or this one was found right.
    """

    resources: Resources
    reply: Reply
    workspaces: Workspaces
    workspace: Workspace = PLAIN
    owner: str = STRANGER
    is_counted: bool = False
    size: int = 0
    reserved: tuple[int, int] | None = None
    received_at_ms: int = 0
    signature: bytes = b""
    is_trusted: bool = True

    def leave(self) -> None:
        """Release what is held."""
        self.release()
        if self.is_counted:
            self.is_counted = False
            self.resources.quota.give(self.owner, 1, self.size)

    def cut(self, answer: Response) -> None:
        """Release what is held, and answer a request that will never be complete: a page may read that, too."""
        self.leave()
        self.reply(answer)

    def count_for(self, owner: str) -> bool:
        """Count the request, and what it holds, for a workspace or for strangers (step 4); false when it is refused."""
        resources = self.resources
        self.owner, self.is_counted = owner, True
        if not (resources.quota.take(owner, 1, self.size) and resources.delivery.has_room(owner)):
            return self.refuse(response.OVERLOADED)
        if owner == STRANGER:
            return True
        self.workspace = self.workspaces.get(owner)
        if self.workspace.is_signed:
            self.is_trusted = False
            if not self.signature:
                return self.refuse(answers.MISSING_SIGNATURE)
        return self.workspace.rate_per_second is None or self.is_within_rate(0)

    def is_signed(self, *parts: bytes) -> bool:
        """Check that one of these parts of a body is what its signature signs; false when the request is refused."""
        if not self.is_trusted:
            self.is_trusted = any(is_signed(part, self.signature, self.workspace.secrets) for part in parts)
        return self.is_trusted or self.refuse(answers.WRONG_SIGNATURE)

    def hold(self, size: int) -> bool:
        """Count this many more bytes; false when the quota is used up and the request refused."""
        grown, self.size = size - self.size, size
        return self.resources.quota.take(self.owner, 0, grown) or self.refuse(response.OVERLOADED)

    def reserve(self, messages: int, size: int) -> bool:
        """Reserve space in Kafka's queue for a batch before it is read; false when there is none and it is refused."""
        if not self.resources.delivery.reserve(self.owner, messages, size):
            return self.refuse(response.OVERLOADED)
        self.reserved = (messages, size)
        return True

    def release(self) -> None:
        """Release the space reserved in Kafka's queue."""
        if self.reserved is not None:
            (messages, size), self.reserved = self.reserved, None
            self.resources.delivery.release(self.owner, messages, size)

    def is_within_rate(self, events: int) -> bool:
        """Charge events to the workspace's rate limit; false when it is exceeded and the request refused."""
        if self.workspace.rate_per_second is None:
            return True
        wait_s = self.resources.buckets.take(self.workspace, events)
        return not wait_s or self.answer(answers.rate_limited(wait_s))

    def refuse(self, refusal: Refusal) -> bool:
        """Refuse the request; false, as `answer` returns."""
        return self.answer(self.resources.too_large.get(refusal.code) or answers.refused(refusal))

    def refuse_recorded(self, refusal: Refusal, raw: bytes) -> bool:
        """Refuse the request, and record it where its refusal has a reason and it is known to be its workspace's."""
        reason = answers.RECORDED.get(refusal.code)
        if reason is not None and self.owner != STRANGER and self.is_trusted:
            self.received_at_ms = self.received_at_ms or time.time_ns() // 1_000_000
            self.record([raw], [Rejection(reason, refusal.message)])
        return self.refuse(refusal)

    def record(self, raws: Sequence[bytes], rejections: Sequence[Rejection]) -> None:
        """Record what was rejected, without making the sender wait: it gets its answer either way."""
        resources, name, values = self.resources, self.workspace.name, list[bytes]()
        for raw, rejection in zip(raws, rejections, strict=True):
            resources.metrics.events[rejection.reason.value,] += 1
            values += admission.rejected_values(resources.rules.rejected, raw, rejection, name, self.received_at_ms)
        resources.delivery.reject(name, values)

    def answer(self, answer: Response) -> bool:
        """Answer and release what is held; return false, for callers that ask whether to continue."""
        if answer.code in _LIMITS and self.owner != STRANGER:
            self.resources.metrics.limited[self.owner, answer.code] += 1
        self.leave()
        self.reply(answer)
        return False
