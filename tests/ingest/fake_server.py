"""The real server with a delivery that is not Kafka: `python -m tests.ingest.fake_server`.

Logs its addresses as `daymark ingest` does. Its key is KEY.
"""

import sys

import uvloop

from daymark import logs
from ingest import server
from schemas.topics import Topics
from schemas.workspace import Workspace, Workspaces, digest
from tests.ingest.fakes import FakeDelivery

KEY = "dk_test"
ORIGIN = "https://shop.example"
WORKSPACES = Workspaces({"acme": Workspace("acme", (digest(KEY),))}, {digest(KEY): "acme"})


def main(*origins: str) -> None:
    """Serve on two free ports; the arguments are allowed origins."""
    logs.configure()
    config = server.Config(
        kafka={}, topics=Topics(), workspaces=lambda: WORKSPACES, rules=server.Rules(allowed_origins=origins)
    )
    http, health = (server.listen(("127.0.0.1", 0)) for _ in range(2))
    uvloop.run(server.serve(http, health, config, lambda _: FakeDelivery()))


if __name__ == "__main__":
    main(*sys.argv[1:])
