"""Three Kafka nodes and a Valkey as processes of this machine, to be hurt as those in containers are (`ground`)."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from daymark.local import ports
from daymark.local.kafka import Kafka
from daymark.local.kit import Kit
from daymark.local.properties import Node
from daymark.local.valkey import Valkey
from tests.faults import upgrade
from tests.faults.hurtable import Ports

_LEAVES_S, _TOOL_S = 30.0, 600.0


class Cluster(Kafka):
    """Nodes with two more listeners each, advertised at the ports of proxies.

    A node that has a folder `disk` in its home keeps half of its partitions there.
    """

    def __init__(self, kit: Kit, folder: Path, *, becomes: Kit | None = None, **options: Any) -> None:
        """Take what they run on and, for an upgrade, what they are to run on later."""
        super().__init__(kit, folder, **options)
        self._becomes = becomes or kit

    def upgrade(self, number: int) -> Callable[[], None]:
        """Tell a node to stop; what is returned starts it again, with its data, as the later version."""
        child = self._children[number]
        child.ask_to_stop()

        def start() -> None:
            child.stop(_LEAVES_S)
            self._kit = self._becomes  # of whoever is started from now on
            self.launch()

        return start

    def raise_level(self) -> Callable[[], None]:
        """Begin to raise the cluster's features to those of the later version; what is returned waits for that."""
        tool = upgrade.raise_level(self._becomes, self.bootstrap)

        def wait() -> None:
            said, _ = tool.communicate(timeout=_TOOL_S)
            assert tool.returncode == 0, f"the feature level could not be raised: {said}"
            assert "metadata.version was upgraded" in said, f"no feature level was raised: {said}"

        return wait

    def announce(self, ports_of: Ports) -> None:
        """Say, for each node and listener, the port it listens on and the one that it advertises."""
        self._ports = ports_of

    def _format(self, nodes: Sequence[Node]) -> None:
        # The first thing after the settings are written: of two lines Java takes the later one.
        for node in nodes:
            own = {name: places for (number, name), places in self._ports.items() if number == node.number}
            listens = [f"{name}://{ports.LOOPBACK}:{port}" for name, (port, _) in own.items()]
            tells = [f"{name}://{ports.LOOPBACK}:{port}" for name, (_, port) in own.items()]
            plain, controller = f"PLAINTEXT://{ports.LOOPBACK}:{node.port}", node.controller_port
            protocols = [f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *own)]
            with (node.home / "server.properties").open("a") as file:
                file.write(
                    f"listeners={','.join([plain, f'CONTROLLER://{ports.LOOPBACK}:{controller}', *listens])}\n"
                    f"advertised.listeners={','.join([plain, *tells])}\n"
                    f"listener.security.protocol.map={','.join(protocols)}\n"
                    "inter.broker.listener.name=PLAINTEXT\n"
                )
                if (node.home / "disk").exists():
                    file.write(f"log.dirs={node.home / 'data'},{node.home / 'disk'}\n")
        super()._format(nodes)


class Store(Valkey):
    """A server that can be frozen."""

    def freeze(self) -> None:
        """Stop it without its knowledge."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.running:
            self._child.process.send_signal(number)
