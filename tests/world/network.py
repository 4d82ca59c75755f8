"""Connections: each delivers in order, after delays that the seed draws; a broken one may deliver late.

A client process has one connection to each node for each of its drivers. What is sent on it arrives in order; what is
answered, too. When it breaks, its requests that have not arrived may still do so, at any later moment and whatever was
sent on another connection meanwhile: a middlebox or a receive buffer had them. A direction that is cut keeps what is
sent until it is healed.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final, Protocol

from tests.world.kernel import Event, Kernel, Killed, Process

_LATENCY_S: Final = ((0.0002, 0.003), (0.0002, 0.003), (0.002, 0.03), (0.01, 0.1))  # of which a world has one


class Broken(Exception):
    """The connection went, or nobody answered in time: whether the request arrived is unknown."""


Reply = Callable[[Any], None]  # takes an answer, or a Refused


class Server(Protocol):
    """A node: takes requests, and answers now or later."""

    name: str
    up: bool

    def take(self, request: Any, reply: Reply) -> None:
        """Take a request."""


class Call:
    """A request under way."""

    __slots__ = ("answer", "arrived", "done", "late_s", "request")

    def __init__(self, request: Any) -> None:
        self.request, self.arrived, self.done = request, False, Event()
        self.late_s = 0.0  # of its answer: those that follow on its connection wait for it
        self.answer: Any = None


class Path:
    """What happens to packets between a process and a node, in both directions."""

    def __init__(self) -> None:
        self.slow_s = 0.0
        self.cut: set[str] = set()  # "there", "back"
        self.held: list[tuple[str, Callable[[], None]]] = []


class Link:
    """One connection of one driver to one node."""

    def __init__(self, network: "Network", process: Process, role: str, server: Server) -> None:
        self.process, self.role, self.server, self.open = process, role, server, True
        self._network, self._kernel = network, network.kernel
        self._random = Random(f"{network.seed} {process.name} {role} {server.name} {network.number()}")
        self._calls: list[Call] = []
        self._last = {"there": 0.0, "back": 0.0}

    def call(self, request: Any, timeout_s: float) -> Any:
        """Send a request, and return its answer.

        Raises:
            Broken: no answer came.
            Refused: the node says no.
        """
        if not self.process.alive:
            raise Killed
        if not self.open or not self.server.up:
            self.open = False
            raise Broken(f"{self.server.name} is not reachable")
        call = Call(request)
        self._calls.append(call)
        self._network.sending(self, call)  # may break this connection, or end this process
        if self.open:
            self._send("there", partial(self._arrive, call))
        if not self._kernel.wait(call.done, timeout_s):
            self._network.timed_out += 1
            self.close()
            raise Broken(f"{type(request).__name__} timed out")
        if isinstance(call.answer, Exception):
            raise call.answer
        return call.answer

    def close(self, late_s: float | None = None) -> None:
        """Break it, for both sides.

        Args:
            late_s: when what has not arrived is to arrive all the same; None: never, unless a cut holds it.
        """
        if not self.open:
            return
        self.open = False
        calls, self._calls = self._calls, []
        for call in calls:
            if late_s is not None and not call.arrived:
                self._kernel.after(late_s, partial(self._arrive, call, is_late=True))
            call.answer = Broken(f"the connection to {self.server.name} broke")
            self._kernel.set(call.done)

    def _send(self, way: str, arrive: Callable[[], None], late_s: float = 0.0) -> None:
        path = self._network.path(self.process, self.server)
        if way in path.cut:
            path.held.append((way, arrive))
            return
        kernel = self._kernel
        at = max(self._last[way], kernel.now + self._random.uniform(*self._network.latency_s) + path.slow_s + late_s)
        self._last[way] = at
        kernel.after(at - kernel.now, arrive)

    def _arrive(self, call: Call, *, is_late: bool = False) -> None:
        if call.arrived or not self.server.up:
            return
        call.arrived = True
        if is_late:
            self._network.late += 1
        self._network.arrived(self, call.request, is_late=is_late or not self.open)
        self.server.take(call.request, partial(self._answer, call))

    def _answer(self, call: Call, answer: Any) -> None:
        if self.open:
            self._send("back", partial(self._answered, call, answer), call.late_s)

    def _answered(self, call: Call, answer: Any) -> None:
        if self.open and not call.done.is_set:
            self._calls.remove(call)
            call.answer = answer
            self._kernel.set(call.done)


class Network:
    """All connections, and what is wrong with them."""

    def __init__(self, kernel: Kernel, seed: int) -> None:
        self.kernel, self.seed = kernel, seed
        self.latency_s = Random(f"latency {seed}").choice(_LATENCY_S)
        self.links: list[Link] = []
        self.late = self.timed_out = 0
        self.traps: list[
            Callable[[Link, Call], bool]
        ] = []  # each is asked of every request until it says that it took one
        self.tell: Callable[[Link, Any, bool], None] | None = (
            None  # hears of each request that arrives, and whether late
        )
        self._paths: dict[tuple[str, str], Path] = {}
        self._numbers = 0

    def number(self) -> int:
        """Return how many connections there were."""
        self._numbers += 1
        return self._numbers

    def connect(self, process: Process, role: str, server: Server) -> Link:
        """Return a new connection."""
        link = Link(self, process, role, server)
        self.links = [one for one in self.links if one.open]
        self.links.append(link)
        return link

    def path(self, process: Process, server: Server) -> Path:
        """Return the way between a process and a node."""
        return self.way(process.name, server.name)

    def way(self, process: str, server: str) -> Path:
        """Return the way between two names."""
        return self._paths.setdefault((process, server), Path())

    def heal(self, process: str, server: str) -> None:
        """Undo what was done to a way: what it held is delivered now."""
        path = self.way(process, server)
        path.cut.clear()
        path.slow_s = 0.0
        held, path.held = path.held, []
        for _, arrive in held:
            self.kernel.after(0.001, arrive)

    def sending(self, link: Link, call: Call) -> None:
        """Let traps see a request that is about to be sent."""
        for trap in self.traps[:]:
            if trap(link, call):
                self.traps.remove(trap)

    def arrived(self, link: Link, request: Any, *, is_late: bool) -> None:
        """Note that a request arrived."""
        if self.tell:
            self.tell(link, request, is_late)

    def down(self, server: Server) -> None:
        """A node went: all its connections break, and what was under way to it is lost."""
        for link in self.links:
            if link.server is server:
                link.close()

    def gone(self, process: Process) -> None:
        """A process was killed: the other side learns of it; what it has sent arrives."""
        for link in self.links:
            if link.process is process:
                link.open = False
