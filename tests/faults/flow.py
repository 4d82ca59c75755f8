"""One TCP flow that the kernel drops, one way: what a firewall or a broken route does to one connection of many.

The sender's kernel keeps what was sent and repeats it, also after the sender has given up and closed: once the flow is
healed, requests arrive that nobody waits for any more. Needs root and iptables, and touches no packet of other flows.
"""

import os
import shutil
import subprocess
from typing import NamedTuple

_IPTABLES = "iptables"


class Flow(NamedTuple):
    """What is sent from one port of this machine to another."""

    source: int
    target: int

    def drop(self) -> None:
        """Drop it from now on."""
        self._tell("--insert")

    def heal(self) -> None:
        """Let it pass again."""
        self._tell("--delete")

    def _tell(self, action: str) -> None:
        ports = ("--sport", str(self.source), "--dport", str(self.target))
        rule = ("OUTPUT", "--out-interface", "lo", "--protocol", "tcp", *ports, "--jump", "DROP")
        subprocess.run([_IPTABLES, "--wait", action, *rule], check=True)


def lacks() -> str:
    """Return what this machine lacks for it, nothing if it can."""
    if os.geteuid():
        return "only root may let the kernel drop packets"
    return "" if shutil.which(_IPTABLES) else "there is no iptables: install it"
