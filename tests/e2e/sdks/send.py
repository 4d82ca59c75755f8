"""Sends identifies with a Python SDK as it is: `send.py MODULE URL DOMAIN EVENTS CONTACTS`, the key in SDK_KEY.

Runs in an environment that has the SDK and nothing of Daymark. Says, as JSON, which errors it met.
"""

import json
import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

_QUEUE = 100_000


def main(module: str, url: str, domain: str, events: str, contacts: str) -> None:
    """Send so many events of so many contacts, all of one instant, and wait until the SDK has delivered them."""
    errors: list[str] = []
    now = datetime.now(UTC)
    client: Any = import_module(module).Client(
        os.environ["SDK_KEY"],
        host=url,
        max_queue_size=_QUEUE,
        on_error=lambda error, _batch: errors.append(repr(error)),
    )
    for number in range(int(events)):
        contact = f"contact-{number % int(contacts)}"
        taken, _ = client.identify(contact, {"email": f"{contact}@{domain}"}, timestamp=now)
        if not taken:
            errors.append(f"{number} was not taken")
    client.shutdown()
    print(json.dumps(errors))  # noqa: T201  a program of its own


main(*sys.argv[1:])
