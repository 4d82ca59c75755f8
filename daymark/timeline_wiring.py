"""The read model's reader, made of the settings."""

import time
from collections.abc import Callable
from threading import Event

import click

from daymark import registry
from daymark.kafka import client_config
from daymark.settings import Settings
from schemas.avro import Schema
from timeline import store
from timeline.reading import Kinds, Reader
from timeline.records import Records
from timeline.source import KafkaDown, Source
from timeline.store.writing import Writer

ById = Callable[[int], Schema]


def read(found: Settings, stop: Event) -> None:
    """Keep the store up to date until told to stop.

    Raises:
        WrongURL: the store's address cannot be used.
        StoreDown: the database does not answer, or its tables are newer than this program.
    """
    with store.opened(found.timeline) as opened:
        writer = Writer(opened.url)
    topics = found.topics
    kinds = Kinds(interactions=topics.interactions, properties=topics.traits, rejections=topics.rejected)
    by_id = _patient(registry.lookup(found.schema_registry)) if found.schema_registry else None
    source = Source(client_config(found), kinds)
    try:
        reader = Reader(source, writer, Records(topics, by_id), kinds, clock=_now_ms, stop=stop)
        reader.run()
    finally:
        source.close()
        writer.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _patient(by_id: ById) -> ById:
    """Let a registry that does not answer be asked again, rather than end the reader."""

    def find(schema_id: int) -> Schema:
        try:
            return by_id(schema_id)
        except click.ClickException as error:
            raise KafkaDown(error.message) from None

    return find
