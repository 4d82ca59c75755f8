"""Three Kafka nodes and a Valkey as processes of this machine, to be hurt as those in containers are (`ground`)."""

import signal
from collections.abc import Sequence

from daymark.local import ports
from daymark.local.kafka import Kafka
from daymark.local.properties import Node
from daymark.local.valkey import Valkey
from tests.faults.hurtable import Ports


class Cluster(Kafka):
    """Nodes with two more listeners each, advertised at the ports of proxies."""

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
