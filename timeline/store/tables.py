"""The tables, version by version (docs/timeline.md is generated from this file).

Instants are epoch milliseconds, in columns named `…_ms`; days are dates. Text is compared byte by byte in both
databases, so that a search by prefix is a range of an index. Interactions and rejections are numbered as they arrive:
`seq` is what a reader of new rows keeps, so the number of a row that was erased is never given to another.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.dialects import sqlite

VERSION: Final = 2  # of the schema, in the table `schema_version`; `migrations` knows the way from any before

_KEY = String(20).with_variant(String(20, collation="C"), "postgresql")
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_SEQ = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")  # SQLite numbers rows itself only in an INTEGER

TABLES: Final = MetaData()


def _text(name: str, doc: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, _TEXT, primary_key=primary_key, nullable=nullable, doc=doc)


def _instant(name: str, doc: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, doc=f"{doc}, in epoch milliseconds.")


def _contact_key(*, primary_key: bool = False) -> Column[str]:
    doc = "The contact: 20 hex digits that stand for it in this database; see `contacts`."
    return Column("contact_key", _KEY, primary_key=primary_key, nullable=False, doc=doc)


def _place(name: str, topic: str) -> tuple[Column[int], Column[int]]:
    return (
        Column(f"{name}_partition", Integer, nullable=False, doc=f"Partition of the record in {topic}."),
        Column(f"{name}_offset", BigInteger, nullable=False, doc=f"Offset of the record in {topic}."),
    )


schema_version: Final = Table(
    "schema_version",
    TABLES,
    Column("version", Integer, primary_key=True, doc="The version that the tables have; one row."),
    comment="Which version of this schema the tables have.",
)

key_secret: Final = Table(
    "key_secret",
    TABLES,
    Column("secret", LargeBinary, primary_key=True, doc="32 random bytes, drawn when the tables were made; one row."),
    comment="What the keys of contacts are made with. Whoever knows it can tell which key an address has.",
)

offsets: Final = Table(
    "offsets",
    TABLES,
    _text("topic", "The topic.", primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False, doc="Its partition."),
    Column("next_offset", BigInteger, nullable=False, doc="The offset of the first record that is not in the tables."),
    Column("end_offset", BigInteger, nullable=False, doc="Where the partition ended when it was last looked at."),
    _text("topic_id", "Kafka's id of the topic: another one means that it was deleted and made anew."),
    _instant("read_at_ms", "When that was: every ten seconds, while a reader runs"),
    # A reader of version 1 has no such column: it fails, rather than write keys that are not this version's.
    Column("version", Integer, nullable=False, doc="The version of the schema that the reader writes."),
    comment="How far each partition is read. Written in the same transaction as the rows that its records became.",
)

notes: Final = Table(
    "notes",
    TABLES,
    Column("seq", _SEQ, primary_key=True, autoincrement=True, doc="A number, in the order of arrival."),
    _instant("at_ms", "When"),
    _text("said", "What happened, in words."),
    sqlite_autoincrement=True,
    comment="What the reader has to say, such as that a topic was made anew and is read from its beginning.",
)

workspaces: Final = Table(
    "workspaces",
    TABLES,
    _text("workspace", "Its name; empty for rejections of which no workspace is known.", primary_key=True),
    Column("contacts", BigInteger, nullable=False, doc="Rows of `contacts`."),
    Column("interactions", BigInteger, nullable=False, doc="Rows of `interactions`."),
    Column("rejections", BigInteger, nullable=False, doc="Rows of `rejections`."),
    comment="Each workspace, and how many rows it has.",
)

contacts: Final = Table(
    "contacts",
    TABLES,
    _contact_key(primary_key=True),
    _text("workspace", "The workspace."),
    _text("email", "The normalised e-mail address."),
    Index("contacts_by_email", "email", "workspace", unique=True),
    sqlite_with_rowid=False,
    comment="Everyone who has an interaction or a property. A key is BLAKE2b (10 bytes, keyed with the secret of"
    " `key_secret`) of the workspace, a line break and the e-mail, in UTF-8.",
)

interactions: Final = Table(
    "interactions",
    TABLES,
    Column("seq", _SEQ, primary_key=True, autoincrement=True, doc="A number, in the order of arrival."),
    Column("interaction_id", String(36), nullable=False, doc="The id of the interaction: UUIDv5 of contact and day."),
    _contact_key(),
    _text("workspace", "The workspace."),
    Column("day", Date, nullable=False, doc="The calendar day, in the workspace's time zone."),
    _instant("at_ms", "When it happened, as the event says"),
    _text("description", "What the timeline shows."),
    _text("described_by", "Where the description comes from: event, url or standard."),
    _text("url", "The event's url: free text.", nullable=True),
    _text("event", "The event's name.", nullable=True),
    _text("message_id", "Segment's messageId of the event that won the day.", nullable=True),
    _instant("received_at_ms", "When ingest received the event", nullable=True),
    _instant("emitted_at_ms", "When the worker wrote the record"),
    *_place("source", "segment.events"),
    *_place("record", "timeline.interactions"),
    Index("interactions_by_id", "interaction_id", unique=True),
    Index("interactions_by_contact", "contact_key", "day"),
    sqlite_autoincrement=True,
    comment="One row for each contact and day.",
)

properties: Final = Table(
    "properties",
    TABLES,
    Column(
        "property_key", _KEY, primary_key=True, doc="The first 20 hex digits of BLAKE2b (16 bytes) of the record's key."
    ),
    _contact_key(),
    _text("workspace", "The workspace."),
    _text("name", "The property's name."),
    _text("kind", "What computed it: audience, trait or journey."),
    _text("value", "Its value, as JSON."),
    Column("membership", Boolean, nullable=True, doc="Of an audience or journey: whether the contact is in it."),
    _instant("since_ms", "Since when it has this value, as far as the topic still tells"),
    _instant("changed_at_ms", "What the newest event says of when it changed"),
    _text("message_id", "Segment's messageId of that event.", nullable=True),
    *_place("source", "segment.events"),
    Index("properties_by_contact", "contact_key", "name"),
    Index("properties_by_name", "workspace", "name", "membership", "contact_key"),
    sqlite_with_rowid=False,
    comment="The newest value of each property of each contact.",
)

moves: Final = Table(
    "moves",
    TABLES,
    Column("property_key", _KEY, primary_key=True, doc="The membership: see `properties`."),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False, doc="When, in epoch milliseconds."),
    _contact_key(),
    Column("entered", Boolean, nullable=False, doc="true: entered; false: left."),
    Index("moves_by_contact", "contact_key", "at_ms"),
    sqlite_with_rowid=False,
    comment="Each time that a contact entered or left an audience or journey; repeated syncs do not count.",
)

audiences: Final = Table(
    "audiences",
    TABLES,
    _text("workspace", "The workspace.", primary_key=True),
    _text("name", "The property's name.", primary_key=True),
    _text("kind", "audience or journey."),
    Column("members", BigInteger, nullable=False, doc="How many contacts are in it."),
    _instant("changed_at_ms", "When the newest change of a member was, as the event says"),
    comment="Each audience and journey, and how many are in it.",
)

audience_hours: Final = Table(
    "audience_hours",
    TABLES,
    _text("workspace", "The workspace.", primary_key=True),
    _text("name", "The property's name.", primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True, autoincrement=False, doc="When the hour began (UTC)."),
    Column("entries", BigInteger, nullable=False, doc="How many entered in it."),
    Column("exits", BigInteger, nullable=False, doc="How many left in it."),
    comment="How many contacts entered and left an audience, hour by hour.",
)

rejections: Final = Table(
    "rejections",
    TABLES,
    Column("seq", _SEQ, primary_key=True, autoincrement=True, doc="A number, in the order of arrival."),
    *_place("record", "segment.rejected"),
    _text("reason", "The reason: one word of the closed list."),
    _text("message", "The reason in words."),
    _text("stage", "Which part refused it: ingest or processor."),
    _text("workspace", "The workspace; empty where none is known."),
    Column("raw", LargeBinary, nullable=False, doc="The event's bytes."),
    _instant("received_at_ms", "When ingest received the event", nullable=True),
    _instant("rejected_at_ms", "When the record was written"),
    Column("source_partition", Integer, nullable=True, doc="Partition in segment.events; none: it never got there."),
    Column("source_offset", BigInteger, nullable=True, doc="Offset in segment.events."),
    Column("resent", Boolean, nullable=False, doc="Whether it was mended and sent again."),
    Index("rejections_by_place", "record_partition", "record_offset", unique=True),
    Index("rejections_by_time", "rejected_at_ms", "workspace", "reason"),
    sqlite_autoincrement=True,
    comment="The dead letters.",
)
