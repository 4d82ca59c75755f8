"""The real server with a delivery that is not Kafka: `python -m tests.ingest.fake_server`.

Logs its addresses as `daymark ingest` does. Its key is KEY; that of a workspace with hardly any rate is SLOW_KEY, and
that of one whose requests must be signed with SECRET is SIGNED_KEY.
"""

import os
import sys

import uvloop

from daymark import logs
from ingest import server
from schemas.signature import Secret
from schemas.topics import Topics
from schemas.workspace import Workspace, Workspaces, digest
from tests.ingest.fakes import FakeDelivery

KEY, SLOW_KEY, SIGNED_KEY = "dk_test", "dk_slow", "dk_signed"
SECRET = Secret("a-shared-secret")
ORIGIN = "https://shop.example"
WORKSPACES = Workspaces(
    {
        "acme": Workspace("acme", (digest(KEY),)),
        "slow": Workspace("slow", (digest(SLOW_KEY),), rate_per_second=0.001),
        "signed": Workspace("signed", (digest(SIGNED_KEY),), is_signed=True, secrets=(SECRET,)),
    },
    {digest(KEY): "acme", digest(SLOW_KEY): "slow", digest(SIGNED_KEY): "signed"},
)


def main(*origins: str) -> None:
    """Serve on two free ports; the arguments are allowed origins."""
    logs.configure()
    config = server.Config(
        kafka={},
        topics=Topics(),
        workspaces=lambda: WORKSPACES,
        rules=server.Rules(allowed_origins=origins),
        drain_s=float(os.environ.get("DRAIN_S", "0")),
    )
    http, health = (server.bind(("127.0.0.1", 0)) for _ in range(2))
    uvloop.run(server.serve(http, health, config, lambda _: FakeDelivery()))


if __name__ == "__main__":
    main(*sys.argv[1:])
