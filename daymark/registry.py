"""A Confluent-compatible schema registry: registers our schemas, looks up others'.

Two calls, so no client library: confluent-kafka's own brings an HTTP stack and an OAuth client.
"""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import click

from schemas.avro import Codec, Schema, framed

_ANSWER_S = 10.0
_KIND = "application/vnd.schemaregistry.v1+json"


def registered(url: str, topic: str, codec: Codec) -> Codec:
    """Return a codec that writes under the id which a registry gives its schema, as the subject `<topic>-value`.

    Raises:
        ClickException: the registry refuses it (an incompatible schema, say) or cannot be reached.
    """
    found = _ask(url, f"/subjects/{quote(topic + '-value', safe='')}/versions", {"schema": json.dumps(codec.source)})
    return framed(codec, int(found["id"]))


def lookup(url: str) -> Callable[[int], Schema]:
    """Return what finds a registry's schemas by their ids; each is asked for once."""
    known: dict[int, Schema] = {}

    def find(schema_id: int) -> Schema:
        if schema_id not in known:
            known[schema_id] = json.loads(_ask(url, f"/schemas/ids/{schema_id}")["schema"])
        return known[schema_id]

    return find


def _ask(url: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    parts = urlsplit(url)
    where = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) + path
    data = None if body is None else json.dumps(body).encode()
    request = Request(where, data, {"Accept": _KIND, "Content-Type": _KIND})  # noqa: S310  settings allow http(s) only
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
    try:
        with urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as error:
        raise click.ClickException(
            f"the schema registry refuses {where}: {error.code} {error.read().decode()[:500]}"
        ) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"the schema registry does not answer at {where}: {error}; see DAYMARK_SCHEMA_REGISTRY"
        ) from None
