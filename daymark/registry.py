"""A Confluent-compatible schema registry: finds our schemas or registers them, looks up others'.

An existing schema is not registered again, so a read-only registry is sufficient. Few calls, so no client library:
confluent-kafka's own brings an HTTP stack and an OAuth client. Invariant: whatever a registry answers, the caller gets
a value or a ClickException of one line, without a secret.
"""

import json
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urljoin
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

import click

from daymark.registries import Registry, Site
from schemas.avro import Codec, Schema, framed, single_object_header

Answer = dict[str, Any] | None  # of JSON; None: there is no such thing

_ANSWER_S, _MOST_S = 10.0, 20.0  # of one answer; after the latter no further round begins
_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0)  # before each round over all addresses: a restart, or the choice of a leader
_MOST_BYTES: Final = 4 * 1024 * 1024
_KIND: Final = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND, _REDIRECTS, _LATER = 404, {301, 302, 307, 308}, {408, 425, 429, 500, 502, 503, 504}


class _Refused(click.ClickException):
    """The registry says no."""


class _Away(Exception):
    """An address does not answer now, or what answers there is no registry."""


def registered(registry: Registry, topic: str, codec: Codec) -> Codec:
    """Return a codec that writes under the id which a registry gives its schema, as the subject `<topic>-value`.

    Raises:
        ClickException: it is not there and cannot be registered, or the registry cannot be reached.
    """
    subject = f"/subjects/{quote(topic + '-value', safe='')}"
    ours = {"schema": json.dumps(codec.source)}
    answer, why = _ask(registry, subject, ours), "nor may it be registered, by DAYMARK_SCHEMA_REGISTRY_REGISTER"
    if answer is None and registry.may_register:
        try:
            answer, why = _ask(registry, f"{subject}/versions", ours), "nor an endpoint to register it; check the URL"
        except _Refused as error:
            why = error.message
    answer = answer or _same(registry, subject, codec)
    if answer is None:
        name = codec.name.rpartition(".")[2]
        raise click.ClickException(f"the schema registry has no schemas/{name}.avsc as {topic}-value: {why}")
    found = answer.get("id")
    if type(found) is not int or not 0 <= found < 1 << 32:
        raise click.ClickException("the schema registry's answer has no id; see DAYMARK_SCHEMA_REGISTRY")
    return framed(codec, found)


def lookup(registry: Registry) -> Callable[[int], Schema]:
    """Return what finds a registry's schemas by their ids; each is asked for once. It raises ClickException."""
    known: dict[int, Schema] = {}

    def find(schema_id: int) -> Schema:
        if schema_id not in known:
            known[schema_id] = _schema(_ask(registry, f"/schemas/ids/{schema_id}"))
        return known[schema_id]

    return find


def _same(registry: Registry, subject: str, codec: Codec) -> Answer:
    """Return a subject's latest schema where it is ours in other words: docs, order of attributes."""
    answer = _ask(registry, f"{subject}/versions/latest")
    try:
        is_same = single_object_header(_schema(answer)) == single_object_header(codec.source)
    except Exception:  # noqa: BLE001  fastavro raises anything for a schema that is none
        is_same = False
    return answer if is_same else None


def _schema(answer: Answer) -> Schema:
    try:
        return {**json.loads((answer or {})["schema"])}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise click.ClickException("the schema registry's answer has no Avro record's schema") from None


def _ask(registry: Registry, path: str, body: dict[str, str] | None = None) -> Answer:
    """Ask each address until one answers, several times over."""
    try:
        trusted = ssl.create_default_context(cadata=registry.authority)
    except (ssl.SSLError, ValueError):
        raise click.ClickException("DAYMARK_SCHEMA_REGISTRY_CA: the certificates cannot be read") from None
    opener = build_opener(_NoRedirects, HTTPSHandler(context=trusted))
    data, until, fault = json.dumps(body).encode() if body else None, time.monotonic() + _MOST_S, ""
    for pause_s in _PAUSES_S:
        if time.monotonic() < until:
            time.sleep(pause_s)
            for site in registry.sites:
                try:
                    return _answer(opener, registry, site, path, data)
                except _Away as error:
                    fault = str(error)
    setting = "DAYMARK_SCHEMA_REGISTRY" + ("_CA" if "CERTIFICATE_VERIFY" in fault else "")
    raise click.ClickException(f"the schema registry does not answer: {fault}; see {setting}")


def _answer(opener: OpenerDirector, registry: Registry, site: Site, path: str, data: bytes | None) -> Answer:
    """Return an address's answer, from wherever it sends us."""
    where = f"{site.url}{path}"
    for _ in range(5):  # more would be a circle
        headers = {"Accept": _KIND, "Content-Type": _KIND, **registry.authorization(site, where)}
        try:
            with opener.open(Request(where, data, headers), timeout=_ANSWER_S) as answer:  # noqa: S310  http(s) only
                return dict(json.loads(answer.read(_MOST_BYTES)))
        except HTTPError as error:
            if error.code == _NOT_FOUND:
                return None
            where = _elsewhere(error, where)
        except (OSError, HTTPException, ValueError, TypeError, RecursionError) as error:
            raise _Away(f"{where} ({_line(getattr(error, 'reason', None) or repr(error))})") from None
    raise _Away(f"{where} (redirect loop)")


def _elsewhere(error: HTTPError, where: str) -> str:
    """Return the URL to which an answer sends us, or raise that it says no, or not now."""
    target = urljoin(where, error.headers.get("Location"))
    if error.code in _REDIRECTS and target.startswith(("http://", "https://")) and "@" not in target:
        return target
    try:
        words = _line(json.loads(error.read(_MOST_BYTES))["message"])
    except (OSError, HTTPException, ValueError, TypeError, KeyError, RecursionError):
        words = ""
    if error.code in _LATER:
        raise _Away(f"{where} ({error.code} {words})")
    raise _Refused(f"the schema registry refuses {where}: {error.code} {words}")


def _line(words: object) -> str:
    """Return a stranger's words as one short line that does nothing to a terminal."""
    return "".join(each if each.isprintable() else " " for each in str(words))[:300]


class _NoRedirects(HTTPRedirectHandler):
    """Leaves redirects to us: the standard library's follow none of a POST, and give credentials to anybody."""

    def redirect_request(self, *_: Any) -> None:
        return
