"""The store: what is written is what is answered, once."""

import re
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import MetaData, func, inspect, select
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from schemas.forgotten import Forgotten, Thing, property_identity
from tests.timeline import postgres
from tests.timeline.rows import (
    HOUR_MS,
    INTERACTIONS,
    REJECTED,
    TODAY,
    change,
    contact_key,
    identity,
    interact,
    member,
    reaching,
    reject,
)
from timeline import store
from timeline.store import Store, deliveries
from timeline.store.batches import Batch, Change, Mark
from timeline.store.database import writing_engine
from timeline.store.keys import ContactKeys
from timeline.store.results import Flow, Membership, Wanted, WorkspaceTotals
from timeline.store.tables import TABLES, VERSION, key_secret, schema_version
from timeline.store.writing import Moved, Replaced, Writer

PETER = "peter@example.com"
KEY = contact_key("demo", PETER)


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    """URL of a database of PostgreSQL; None where it is not installed."""
    found = postgres.programs()
    if found is None:
        yield None
        return
    with postgres.running(found) as url:
        yield url.format("postgres")


@pytest.fixture(params=["sqlite", "postgresql"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Yield an empty store."""
    url = f"sqlite:///{tmp_path}/new/timeline.db"
    if request.param == "postgresql" and (url := request.getfixturevalue("server")) is None:
        pytest.skip("no PostgreSQL is installed")
    with store.opened(url) as opened:
        yield opened
    if request.param == "postgresql":
        engine = writing_engine(opened.url)
        with engine.begin() as connection:
            names = ", ".join(name for name in TABLES.tables if name not in {schema_version.name, key_secret.name})
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")  # quicker than making them anew
            connection.execute(schema_version.update().values(version=VERSION))
        engine.dispose()


@pytest.fixture
def writer(there: Store) -> Iterator[Writer]:
    opened = Writer(there.url)
    yield opened
    opened.close()


def test_a_batch_is_written_once(there: Store, writer: Writer) -> None:
    """A second writer of the same records, or one that left some out, is refused."""
    batch = Batch()
    interact(batch, PETER)
    writer.write(reaching(batch, 0, 1), 1)
    for first in (0, 2):
        with pytest.raises(Moved):
            writer.write(reaching(batch, first, 3), 1)
    assert writer.stands() == {(INTERACTIONS, 0): (1, "id")}
    assert there.overview.totals() == [WorkspaceTotals("demo", 1, 1, 0)]


def test_an_interaction_that_is_emitted_again_stays_one(there: Store, writer: Writer) -> None:
    """The last record of an id is its content, in one batch and over several; counters do not count it twice."""
    batch = Batch()
    interact(batch, PETER, description="first")
    interact(batch, PETER, description="second")
    writer.write(reaching(batch, 0, 2), 1)
    assert [entry.description for entry in there.contacts.timeline(KEY).entries] == ["second"]
    again = Batch()
    interact(again, PETER, description="third")
    interact(again, PETER, ago=1)
    writer.write(reaching(again, 2, 4), 1)
    assert [entry.description for entry in there.contacts.timeline(KEY).entries] == ["third", "https://example.com"]
    assert there.overview.totals() == [WorkspaceTotals("demo", 1, 2, 0)]


def test_a_timeline_has_pages(there: Store, writer: Writer) -> None:
    batch = Batch()
    for ago in range(5):
        interact(batch, PETER, ago)
    writer.write(reaching(batch, 0, 5), 1)
    first = there.contacts.timeline(KEY, limit=3)
    assert [(TODAY - entry.day).days for entry in first.entries] == [0, 1, 2]
    rest = there.contacts.timeline(KEY, first.before, limit=3)
    assert [(TODAY - entry.day).days for entry in rest.entries] == [3, 4]
    assert rest.before is None
    assert there.contacts.entry(identity(PETER, 4)) == rest.entries[-1]
    assert there.contacts.entry("nobody's") is None


def test_a_contact_is_found_by_the_beginning_of_its_address(there: Store, writer: Writer) -> None:
    """In all workspaces, in the order of the addresses, whatever the letter case of the question."""
    batch = Batch()
    for email, workspace in ((PETER, "demo"), ("petra@example.com", "acme"), ("zoë@example.com", "demo")):
        interact(batch, email, workspace=workspace)
    writer.write(reaching(batch, 0, 3), 1)
    found = there.contacts.search(" PET")
    assert [(each.email, each.workspace) for each in found] == [(PETER, "demo"), ("petra@example.com", "acme")]
    assert [each.last_day for each in found] == [TODAY, TODAY]
    assert [each.email for each in there.contacts.search("pet", limit=1)] == [PETER]
    assert [each.email for each in there.contacts.search("zo")] == ["zoë@example.com"]
    assert there.contacts.search("%") == []
    assert (there.contacts.key(PETER), there.contacts.key(PETER, "demo"), there.contacts.key(PETER, "acme")) == (
        KEY,
        KEY,
        None,
    )
    assert there.contacts.key("pet") is None
    contact = there.contacts.get(KEY)
    assert contact is not None
    assert (contact.email, contact.interactions, contact.first_day, contact.last_day) == (PETER, 1, TODAY, TODAY)
    assert there.contacts.get("0" * 20) is None


def test_a_calendar_has_twelve_months(there: Store, writer: Writer) -> None:
    batch = Batch()
    for ago in (0, 364, 365, 366):
        interact(batch, PETER, ago)
    writer.write(reaching(batch, 0, 4), 1)
    assert [(TODAY - each.day).days for each in there.contacts.calendar(KEY, TODAY)] == [364, 0]
    assert there.contacts.closeness(KEY, TODAY).days_365 == 2


def test_who_enters_and_leaves_is_counted_once(there: Store, writer: Writer) -> None:
    """A sync that repeats itself, a late and stale change, and one that was never seen entering."""
    batch = Batch()
    member(batch, PETER, True, HOUR_MS)
    member(batch, PETER, True, HOUR_MS + 1)  # repeated
    member(batch, PETER, False, HOUR_MS - 1)  # stale
    member(batch, "petra@example.com", True, HOUR_MS + 2)
    writer.write(reaching(batch, 0, 1), 1)
    later = Batch()
    member(later, PETER, False, 3 * HOUR_MS)
    member(later, PETER, False, 3 * HOUR_MS + 5)  # repeated
    member(later, "otto@example.com", False, 3 * HOUR_MS)
    writer.write(reaching(later, 1, 2), 1)
    audience = there.audiences.get("demo", "vip")
    assert audience is not None
    assert (audience.members, audience.entered, audience.left) == (1, 2, 2)
    assert audience.changed_at_ms == 3 * HOUR_MS + 5
    assert there.audiences.all() == there.audiences.all("demo") == [audience]
    assert there.audiences.all("acme") == []
    assert [each.email for each in there.audiences.members("demo", "vip")] == ["petra@example.com"]
    flow = there.audiences.flow("demo", "vip", 0, 9 * HOUR_MS)
    assert flow == [Flow(HOUR_MS, 2, 0), Flow(3 * HOUR_MS, 0, 2)]
    zone = timezone(timedelta(hours=-2))
    assert there.audiences.flow("demo", "vip", 0, 9 * HOUR_MS, step="day", zone=UTC) == [Flow(0, 2, 2)]
    assert there.audiences.flow("demo", "vip", 0, 9 * HOUR_MS, step="day", zone=zone) == [
        Flow(-22 * HOUR_MS, 2, 0),
        Flow(2 * HOUR_MS, 0, 2),
    ]
    assert there.contacts.memberships(KEY) == [Membership("vip", "audience", HOUR_MS, 3 * HOUR_MS)]
    otto = contact_key("demo", "otto@example.com")
    assert there.contacts.memberships(otto) == [Membership("vip", "audience", None, 3 * HOUR_MS)]


def test_a_property_has_its_value_since_it_got_it(there: Store, writer: Writer) -> None:
    """A newer event with the same value changes what is known of it, and not since when it has it."""
    for offset, (value, at_ms) in enumerate((('"gold"', 5), ('"gold"', 9), ('"iron"', 7))):
        batch = Batch()
        batch.change(change(PETER, value, at_ms, name="tier"), PETER)
        writer.write(reaching(batch, offset, offset + 1), 1)
    (found,) = there.contacts.properties(KEY)
    assert (found.name, found.kind, found.value, found.since_ms, found.changed_at_ms) == ("tier", "trait", "gold", 5, 9)
    assert there.audiences.all() == []


def test_what_is_forgotten_leaves_nothing(there: Store, writer: Writer) -> None:
    """Nor does what the topics no longer hold: the tombstones of a contact are about all that was there before."""
    batch = Batch()
    interact(batch, PETER, ago=100, emitted_at_ms=1)
    interact(batch, PETER)
    member(batch, PETER, True, HOUR_MS)
    interact(batch, "petra@example.com")
    writer.write(reaching(batch, 0, 4), 1)
    tombstones = Batch()
    tombstones.forget(identity(PETER, 0), 10_000_001)
    writer.write(reaching(tombstones, 4, 5), 1)
    assert there.contacts.timeline(KEY).entries == ()
    assert there.contacts.get(KEY) is not None
    tombstones = Batch()
    tombstones.change(Change(change(PETER, "true", 1).property_key))
    writer.write(reaching(tombstones, 5, 6), 1)
    assert there.contacts.get(KEY) is None
    assert there.contacts.memberships(KEY) == []
    assert there.overview.totals() == [WorkspaceTotals("demo", 1, 1, 0)]
    audience = there.audiences.get("demo", "vip")
    assert audience is not None
    assert audience.members == 0


def test_marks_tell_what_was_forgotten_after_the_tombstones_are_gone(there: Store, writer: Writer) -> None:
    """What came back behind the tombstone, or of a later event, stays; nothing of the contact does otherwise."""
    ids = [UUID(int=number) for number in range(2)]
    batch = Batch()
    interact(batch, PETER, interaction_id=str(ids[0]), record_partition=1, record_offset=5)
    interact(batch, PETER, ago=1, interaction_id=str(ids[1]), record_partition=1, record_offset=9)
    member(batch, PETER, True, HOUR_MS)  # of the event 1:2
    writer.write(reaching(batch, 0, 3), 1)
    vip = property_identity(f"demo {PETER} vip".encode())

    def mark(offset: int, *marks: Forgotten) -> None:
        told = Batch()
        told.marks += [Mark(1, said, 10_000_001) for said in marks]
        writer.write(reaching(told, offset, offset + 1, REJECTED), 1)

    mark(
        0, *(Forgotten(Thing.INTERACTION, each.bytes, 9, 0, 0) for each in ids), Forgotten(Thing.PROPERTY, vip, 0, 2, 0)
    )
    assert [entry.interaction_id for entry in there.contacts.timeline(KEY).entries] == [str(ids[1])]
    assert len(there.contacts.properties(KEY)) == 1
    mark(1, Forgotten(Thing.INTERACTION, ids[1].bytes, 10, 0, 0), Forgotten(Thing.PROPERTY, vip, 0, 3, 0))
    assert there.contacts.get(KEY) is None
    assert there.contacts.properties(KEY) == []
    assert there.audiences.all()[0].members == 0


def test_what_comes_back_after_it_was_forgotten_is_there(there: Store, writer: Writer) -> None:
    """In the same batch, too: the last record counts."""
    batch = Batch()
    interact(batch, PETER)
    batch.forget(identity(PETER, 0), 10_000_001)
    interact(batch, PETER, description="again", emitted_at_ms=10_000_002)
    erased = change(PETER, "true", 1, membership=True)
    batch.change(erased, PETER)
    batch.change(Change(erased.property_key))
    member(batch, PETER, True, 0)
    writer.write(reaching(batch, 0, 6), 1)
    assert [entry.description for entry in there.contacts.timeline(KEY).entries] == ["again"]
    assert there.contacts.memberships(KEY) == [Membership("vip", "audience", 0, None)]
    assert there.audiences.all()[0].members == 1


def test_deliveries_come_in_the_order_of_time(there: Store, writer: Writer) -> None:
    """Accepted and rejected ones, downwards page by page, and upwards from where someone has looked."""
    batch = Batch()
    for ago in range(3):
        interact(batch, PETER, ago, emitted_at_ms=10 + 10 * ago)
    reject(batch, 0, at_ms=15)
    reject(batch, 1, at_ms=99, reason="invalid_email", workspace="acme")
    begin = there.deliveries.cursor()
    writer.write(reaching(reaching(batch, 0, 3), 0, 2, REJECTED), 1)
    latest = there.deliveries.latest()
    assert [each.at_ms for each in latest] == [99, 30, 20, 15, 10]
    paged = there.deliveries.latest(limit=2)
    paged += there.deliveries.latest(before=paged[-1].cursor, limit=2)
    paged += there.deliveries.latest(before=paged[-1].cursor, limit=2)
    assert [each.record for each in paged] == [each.record for each in latest]
    seen = there.deliveries.since(begin, limit=2)
    seen += there.deliveries.since(seen[-1].cursor)
    assert [each.at_ms for each in seen] == [10, 15, 20, 30, 99]
    assert there.deliveries.since(there.deliveries.cursor()) == []
    for wrong in ("", "1", "1.x", "-1.2", "1.2.3"):
        with pytest.raises(ValueError, match="not a cursor"):
            there.deliveries.since(wrong)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(workspace="acme"), [99]),
        (Wanted(outcome="accepted"), [20, 10]),
        (Wanted(outcome="rejected"), [99, 15]),
        (Wanted(reason="invalid_email"), [99]),
        (Wanted(contact=KEY), [20, 10]),
        (Wanted(message_id="message-1"), [20]),
        (Wanted(message_id="lost-1"), [99]),
        (Wanted(workspace="demo", outcome="rejected"), [15]),
    ],
    ids=str,
)
def test_deliveries_are_filtered(there: Store, writer: Writer, wanted: Wanted, expected: list[int]) -> None:
    batch = Batch()
    for ago in range(2):
        interact(batch, PETER, ago, emitted_at_ms=10 + 10 * ago)
    reject(batch, 0, at_ms=15)
    reject(batch, 1, at_ms=99, reason="invalid_email", workspace="acme")
    writer.write(reaching(reaching(batch, 0, 2), 0, 2, REJECTED), 1)
    assert [each.at_ms for each in there.deliveries.latest(wanted)] == expected
    assert [each.at_ms for each in there.deliveries.since("0.0", wanted)] == expected[::-1]


def test_deliveries_of_a_contact_are_found_however_old(
    there: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a workspace only the newest are looked at; for a contact there is an index."""
    batch = Batch()
    for number, email in enumerate((PETER, "petra@example.com", "petro@example.com")):
        interact(batch, email, emitted_at_ms=10 + number)
    writer.write(reaching(batch, 0, 3), 1)
    monkeypatch.setattr(deliveries, "NEWEST", 1)
    assert [each.email for each in there.deliveries.latest(Wanted(contact=KEY))] == [PETER]
    assert [each.email for each in there.deliveries.latest(Wanted(workspace="demo"))] == ["petro@example.com"]


def test_rejections_are_counted_and_shown_whole(there: Store, writer: Writer) -> None:
    batch = Batch()
    for offset in range(3):
        reject(batch, offset, at_ms=offset * HOUR_MS)
    reject(batch, 3, reason="invalid_email", workspace="")
    batch.resent.append((0, 2))
    writer.write(reaching(batch, 0, 5, REJECTED), 1)
    counts = there.deliveries.rejections(("reason",))
    assert [(each.reason, each.count) for each in counts] == [("missing_email", 3), ("invalid_email", 1)]
    by_hour = there.deliveries.rejections(("hour", "workspace"), since_ms=HOUR_MS)
    assert sorted((each.hour_ms, each.workspace, each.count) for each in by_hour) == [
        (HOUR_MS, "demo", 1),
        (2 * HOUR_MS, "demo", 1),
    ]
    assert [each.count for each in there.deliveries.rejections(())] == [4]
    letters = [there.deliveries.rejection(f"0:{offset}") for offset in (1, 2)]
    assert [letter.resent for letter in letters if letter] == [False, True]
    assert letters[0] is not None
    assert letters[0].raw == b'{"messageId": "lost-1"}'
    assert [there.deliveries.rejection(place) for place in ("0:9", "x", "1:", "9" * 30 + ":1")] == [None] * 4
    writer.prune({0: 2, 7: 5})
    assert there.deliveries.rejection("0:1") is None
    assert there.overview.totals() == [WorkspaceTotals("", 0, 0, 1), WorkspaceTotals("demo", 0, 0, 1)]


@pytest.mark.parametrize("name", ["interactions", "properties", "rejections"])
def test_a_topic_made_anew_is_read_anew(there: Store, writer: Writer, name: str) -> None:
    """What came of it goes, with those contacts of whom nothing else is known; the rest stays."""
    batch = Batch()
    interact(batch, PETER)
    member(batch, "petra@example.com", True, 1)
    reject(batch, 0)
    writer.write(reaching(reaching(batch, 0, 2), 0, 1, "other"), 1)
    writer.wipe(INTERACTIONS, name, "made anew", 7)
    assert writer.stands() == {("other", 0): (1, "id")}
    (totals,) = there.overview.totals()
    expected = {"interactions": (1, 0, 1), "properties": (1, 1, 1), "rejections": (2, 1, 0)}[name]
    assert (totals.contacts, totals.interactions, totals.rejections) == expected
    assert len(there.audiences.all()) == (name != "properties")
    assert (there.overview.state().said, there.overview.state().said_at_ms) == ("made anew", 7)


def test_how_far_it_is_behind_is_told(there: Store, writer: Writer) -> None:
    assert (there.overview.state().behind, there.overview.state().read_at_ms) == (0, None)
    batch = Batch()
    reaching(batch, 0, 3)
    batch.reach[INTERACTIONS, 0] = batch.reach[INTERACTIONS, 0]._replace(end=10)
    writer.write(batch, 99)
    assert (there.overview.state().behind, there.overview.state().read_at_ms) == (7, 99)
    (partition,) = there.overview.reading()
    assert (partition.next_offset, partition.end_offset) == (3, 10)
    writer.survey({(INTERACTIONS, 0): (20, "id"), (REJECTED, 1): (4, "other")}, 100)
    assert (there.overview.state().behind, there.overview.state().read_at_ms) == (21, 100)
    assert writer.stands() == {(INTERACTIONS, 0): (3, "id"), (REJECTED, 1): (0, "other")}
    writer.write(reaching(Batch(), 0, 4, REJECTED, 1), 101)
    assert there.overview.state().behind == 17


def test_who_follows_misses_nothing_after_the_newest_was_erased(there: Store, writer: Writer) -> None:
    """The numbers of erased rows are not given again: what comes next comes after them."""
    batch = Batch()
    interact(batch, PETER)
    interact(batch, "petra@example.com")
    reject(batch, 0)
    reject(batch, 1)
    writer.write(reaching(batch, 0, 2), 1)
    cursor = there.deliveries.cursor()
    erasing = Batch()
    erasing.forget(identity("petra@example.com", 0), 10_000_001)
    writer.write(reaching(erasing, 2, 3), 1)
    writer.prune({0: 2})
    assert there.deliveries.since(cursor) == []
    later = Batch()
    interact(later, "otto@example.com", emitted_at_ms=10)
    reject(later, 2, at_ms=11)
    writer.write(reaching(later, 3, 4), 1)
    assert [each.email or each.record for each in there.deliveries.since(cursor)] == ["otto@example.com", "0:2"]
    writer.wipe(INTERACTIONS, "interactions", "made anew", 7)
    again = Batch()
    interact(again, PETER)
    writer.write(reaching(again, 0, 1), 1)
    assert PETER in [each.email for each in there.deliveries.since(cursor)]


def test_a_store_of_the_first_version_is_emptied_and_numbers_go_on(there: Store) -> None:
    """It is filled from the topics again, with keys that are keyed; a reader of the first version writes no more."""
    _make_first_version(there)
    with capture_logs() as logs:
        store.opened(there.url.render_as_string(hide_password=False)).close()
        store.opened(there.url.render_as_string(hide_password=False)).close()
    assert [(each["event"], each["version"]) for each in logs] == [("store.emptied", 1)]
    writer = Writer(there.url)
    assert writer.stands() == {}
    assert (there.contacts.search(""), there.overview.totals()) == ([], [])
    batch = Batch()
    interact(batch, PETER)
    reject(batch, 0)
    writer.write(reaching(batch, 0, 1), 1)
    writer.note("again", 1)
    assert there.deliveries.cursor() == "4.1"
    with pytest.raises(IntegrityError, match="version"), writer._engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO offsets (topic, partition, next_offset, end_offset, topic_id, read_at_ms)"
            " VALUES ('a', 0, 0, 0, 'b', 0)"
        )
    with writer._engine.begin() as connection:
        assert connection.scalar(select(schema_version.c.version)) == VERSION
        assert connection.scalar(select(func.length(key_secret.c.secret))) == 32
        assert {each["name"] for each in inspect(connection).get_indexes("contacts")} == {"contacts_by_email"}
    writer.close()


def _make_first_version(there: Store) -> None:
    """Let a store be as the first version left it, with three interactions."""
    old = MetaData()
    for table in TABLES.tables.values():
        table.to_metadata(old).dialect_options["sqlite"]["autoincrement"] = False
    engine = writing_engine(there.url)
    with engine.begin() as connection:
        TABLES.drop_all(connection)
        old.create_all(connection)
    writer, batch = Writer(there.url), Batch()
    for ago in range(3):
        interact(batch, PETER, ago)
    writer.write(reaching(batch, 0, 3), 1)
    writer.close()
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE key_secret",
            "ALTER TABLE offsets DROP COLUMN version",
            "DROP INDEX contacts_by_email",
            "CREATE UNIQUE INDEX contacts_by_email ON contacts (workspace, email)",
            "INSERT INTO schema_version VALUES (1)",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_keys_of_contacts_cannot_be_told_without_the_stores_secret(there: Store, writer: Writer) -> None:
    """Every process of one store makes the same ones, another store others; addresses alone tell nothing."""
    key = writer.keys.of("demo", PETER)
    other = Writer(there.url)
    assert other.keys.of("demo", PETER) == key
    other.close()
    assert len({key, ContactKeys(b"").of("demo", PETER), writer.keys.of("acme", PETER), KEY}) == 4
    assert re.fullmatch("[0-9a-f]{20}", key)


def test_a_reader_of_tables_that_were_made_anew_writes_no_more(writer: Writer) -> None:
    """Its keys are those of the tables before; nothing of its batch is written."""
    with writer._engine.begin() as connection:
        connection.execute(key_secret.update().values(secret=b"another"))
    batch = Batch()
    interact(batch, PETER)
    with pytest.raises(Replaced):
        writer.write(reaching(batch, 0, 1), 1)
    assert writer.stands() == {}


def test_a_store_of_a_newer_version_is_left_alone(there: Store) -> None:
    writer = Writer(there.url)
    with writer._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version = 99")
    writer.close()
    with pytest.raises(store.StoreDown, match="version 99"):
        store.opened(there.url.render_as_string(hide_password=False))


@pytest.mark.parametrize("url", ["timeline.db", "mysql://localhost/timeline", "sqlite://", "sqlite:///:memory:"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(store.WrongURL):
        store.opened(url)


def test_a_database_that_does_not_answer_is_said_to_be_down(tmp_path: Path) -> None:
    (tmp_path / "timeline.db").write_bytes(b"not a database" * 100)
    with pytest.raises(store.StoreDown, match="not a database"):
        store.opened(f"sqlite:///{tmp_path}/timeline.db")
    with pytest.raises(store.StoreDown):
        store.opened("postgresql://nobody@127.0.0.1:1/nothing")
