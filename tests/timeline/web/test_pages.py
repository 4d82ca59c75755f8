"""The pages, as a browser without JavaScript is sent them."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.timeline.rows import contact_key
from tests.timeline.web import showcase
from tests.timeline.web.asking import Read, ask, days
from tests.timeline.web.showcase import WORKSPACE, Made
from timeline.store import Store, StoreDown
from timeline.store.results import Wanted
from timeline.web.app import make
from timeline.web.audiences import key as audience_key
from timeline.web.safety import Guard, Unsafe
from timeline.web.sources import Alert, Event, Finding, Stretch, Unavailable

PETER = contact_key(WORKSPACE, "peter@example.com")
VILLAIN = contact_key(WORKSPACE, showcase.VILLAIN)
PAGES = (
    "/",
    "/doctor",
    "/contacts",
    f"/contacts/{PETER}",
    f"/contacts/{PETER}/days",
    f"/contacts/{PETER}/days/{showcase.TODAY}",
    f"/contacts/{PETER}/days/2020-11-25",
    f"/contacts/{VILLAIN}",
    "/audiences",
    f"/audiences/{audience_key(WORKSPACE, 'visited_pricing')}",
    f"/audiences/{audience_key(WORKSPACE, 'visited_pricing')}?step=day",
    "/deliveries",
    "/deliveries?outcome=rejected",
    "/deliveries?outcome=duplicate",
    "/rejected/3:17",
    "/rejected/3:18",
    "/rejected/3:19",
    "/events/5:90",
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with showcase.filled(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def made() -> Made:
    made = Made()
    made.events = showcase.repeats()
    return made


@pytest.fixture
def app(there: Store, made: Made) -> Starlette:
    return make(there, made.sources())


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_without_a_script_and_binds_the_browser(app: Starlette, path: str) -> None:
    """No inline script, style or handler; the policy forbids them, and every other origin."""
    answer = ask(app, path)
    page = Read(answer.text)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert [
        attrs for tag, attrs in page.elements if tag == "script" and not (attrs.get("src") or "").startswith("/")
    ] == []
    assert [
        tag
        for tag, attrs in page.elements
        if tag == "style" or any(name[:2] == "on" or name == "style" for name in attrs)
    ] == []
    assert [tag for tag, _ in page.elements if tag in {"main", "h1"}] == ["main", "h1"]


@pytest.mark.parametrize("path", PAGES)
def test_no_address_of_a_page_holds_an_email_or_runs_anything(app: Starlette, path: str) -> None:
    for link in Read(ask(app, path).text).links:
        assert "@" not in link
        assert link.startswith(("/", "?", "#", "https://", "http://"))


def test_what_senders_say_is_text(app: Starlette) -> None:
    """Markup stays text, only http addresses become links, and long values are cut with their length said."""
    page = Read(ask(app, f"/contacts/{VILLAIN}").text)
    assert showcase.SCRIPT in page.text
    assert "javascript:alert(document.domain)" in page.text
    assert "w" * 2_001 not in page.text
    assert "(3,000 characters)" in page.text
    assert "\u202e" not in page.text
    assert {tag for tag, _ in page.elements} & {"img", "iframe", "object"} == set()


def test_a_contact_shows_its_months_audiences_and_properties(app: Starlette) -> None:
    text = " ".join(Read(ask(app, f"/contacts/{PETER}").text).text.split())
    assert "peter@example.com" in text
    assert "days and times in Europe/Berlin" in text
    assert f"{showcase.TODAY:%B} {showcase.TODAY.year}" in text
    assert "lifetime_value" in text


def test_a_long_timeline_goes_on_where_a_page_ended(app: Starlette, there: Store) -> None:
    all_days = [f"{each.day}" for each in there.contacts.timeline(PETER, limit=1_000).entries]
    path: str | None = f"/contacts/{PETER}"
    seen: list[str] = []
    while path:
        page = Read(ask(app, path).text)
        assert 0 < len(days(page)) <= 30
        assert (f"/contacts/{PETER}" in page.links) == bool(seen)  # back to the newest
        seen += days(page)
        path = next((link for link in page.links if link.startswith(f"/contacts/{PETER}?before=")), None)
    assert seen == all_days


def test_a_day_tells_how_many_events_came_and_which_won(app: Starlette) -> None:
    answer = ask(app, f"/contacts/{PETER}/days/{showcase.TODAY}", headers={"x-fragment": "1"})
    assert "<html" not in answer.text
    text = " ".join(Read(answer.text).text.split())
    assert "5 events came on this day. The first that was processed made the entry, the others did not." in text
    assert text.index("won") < text.index("duplicate")
    assert text.count("It made no entry: event") == 4
    assert showcase.PAGES[3] in text  # what one of them would have said


def test_a_day_with_one_event_says_so(there: Store, made: Made) -> None:
    """And how far it was searched."""
    sources = made.sources()._replace(near=lambda *_: Stretch([], is_whole=False))
    text = ask(make(there, sources), f"/contacts/{PETER}/days/{showcase.TODAY}").text
    assert "One event came on this day" in text
    assert "daymark why" in text
    assert "daymark why" not in ask(make(there, made.sources()), f"/contacts/{PETER}/days/{showcase.TODAY}").text


def test_a_day_without_an_entry_tells_what_became_of_its_events(app: Starlette) -> None:
    text = Read(ask(app, f"/contacts/{PETER}/days/2020-11-25").text).text
    assert text.index("won") < text.index("duplicate")
    assert "event 5:12 had already won the day" in text
    assert showcase.SCRIPT in Read(ask(app, f"/contacts/{VILLAIN}/days/2020-11-25").text).text


def test_the_winner_of_a_day_is_known_without_kafka(there: Store, made: Made) -> None:
    def away(*_: object) -> Stretch:
        raise Unavailable("Kafka does not answer")

    text = ask(make(there, made.sources()._replace(near=away)), f"/contacts/{PETER}/days/{showcase.TODAY}").text
    assert "It was processed first" in text
    assert "Whether others came is not known now" in text


def test_days_on_which_an_event_lost_are_told(there: Store, made: Made) -> None:
    page = Read(ask(make(there, made.sources()), f"/contacts/{PETER}/days").text)
    assert [attrs["data-day"] for _, attrs in page.elements if "data-day" in attrs] == [f"{showcase.TODAY}"]
    assert f"/contacts/{PETER}/days/{showcase.TODAY}" in page.links
    assert "4 duplicates" in page.text
    made.events = []
    assert "no day has a duplicate" in ask(make(there, made.sources()), f"/contacts/{PETER}/days").text
    only_newest = made.sources()._replace(latest=lambda *_: Stretch([], is_whole=False))
    assert "as far as the newest events tell" in ask(make(there, only_newest), f"/contacts/{PETER}/days").text


def test_a_rejection_says_its_reason_once(app: Starlette) -> None:
    text = " ".join(Read(ask(app, "/deliveries?outcome=rejected").text).text.split())
    assert (text.count("Missing email address"), "missing email:" in text) == (1, False)
    page = Read(ask(app, "/rejected/3:17").text)
    assert page.text.count("Missing email address") == 1
    assert "/deliveries?outcome=rejected&reason=missing_email" in page.links


@pytest.mark.parametrize("step", ["hour", "day"])
def test_an_audiences_chart_has_a_scale_names_its_steps_and_is_a_table_too(app: Starlette, step: str) -> None:
    """In the workspace's time zone, as the page says."""
    html = ask(app, f"/audiences/{audience_key(WORKSPACE, 'visited_pricing')}?step={step}").text
    page = Read(html)
    assert f"by {step}, in Europe/Berlin" in " ".join(page.text.split())
    if step == "hour":
        return  # whether somebody entered in the last hours is chance
    bars = [attrs for tag, attrs in page.elements if tag == "rect" and attrs.get("class") in {"came", "went"}]
    rows = re.findall(r"<tr><td>\d+ [A-Z][a-z]{2} \d{4}</td>", html)
    assert 0 < len(rows) == len(bars) // 2 < 90
    assert len(re.findall(r">\d+ [A-Z][a-z]{2}</text>", html)) in {12, 13}  # Mondays
    assert re.search(r'<text x="100%"[^>]*>0</text>', html)


def test_a_search_is_sent_in_a_body_and_answered_with_keys(app: Starlette) -> None:
    page = Read(ask(app, "/contacts", "POST", form={"prefix": "PETER@"}).text)
    assert f"/contacts/{PETER}" in page.links
    assert "Nobody found" in ask(app, "/contacts", "POST", form={"prefix": "zz"}).text
    assert ask(app, "/contacts", "POST", form={"prefix": "a" * 9_000}).status_code == 413


def test_who_knows_no_address_is_shown_who_was_in_touch_last(app: Starlette, there: Store) -> None:
    """Each once, the newest first."""
    page = Read(ask(app, "/contacts").text)
    shown = [link for link in page.links if link.startswith("/contacts/")]
    newest = there.deliveries.latest(Wanted(outcome="accepted"), limit=20)
    assert shown == [*dict.fromkeys(f"/contacts/{each.contact}" for each in newest)]


def test_deliveries_are_filtered_by_a_contacts_key(app: Starlette) -> None:
    answer = ask(app, "/deliveries", "POST", form={"what": "Peter@Example.com", "outcome": "accepted"})
    assert answer.headers["location"] == f"/deliveries?outcome=accepted&contact={PETER}"
    shown = Read(ask(app, answer.headers["location"]).text)
    assert f"/contacts/{PETER}" in shown.links
    assert not any("ana" in each for each in shown.text.split())
    assert "No contact has this address" in ask(app, "/deliveries", "POST", form={"what": "no@example.com"}).text


def test_deliveries_are_filtered_by_reason_and_go_on_where_they_ended(app: Starlette) -> None:
    shown = Read(ask(app, "/deliveries?reason=missing_email").text)
    assert [link for link in shown.links if link.startswith("/rejected/")] == ["/rejected/3:17"]
    first = Read(ask(app, "/deliveries?outcome=accepted").text)
    cursor = next(attrs["value"] for tag, attrs in first.elements if tag == "button" and attrs.get("name") == "before")
    second = Read(ask(app, f"/deliveries?outcome=accepted&before={cursor}").text)
    events = [{link for link in page.links if link.startswith("/events/")} for page in (first, second)]
    assert len(events[0]) == len(events[1]) == 50
    assert events[0].isdisjoint(events[1])
    assert ask(app, "/deliveries?before=nonsense").status_code == 404


def test_a_rejection_shows_its_fault_and_the_command_that_resends_it(app: Starlette) -> None:
    answer = ask(app, "/rejected/3:18")
    page = Read(answer.text)
    assert any(tag == "span" and attrs.get("class") == "at" for tag, attrs in page.elements)
    assert "daymark rejected resend 3:18" in page.text
    assert "/events/3:401" in page.links


def test_an_event_of_a_day_that_was_won_is_a_duplicate(app: Starlette) -> None:
    page = Read(ask(app, "/events/5:90").text)
    assert "duplicate" in page.text
    target = f"/contacts/{PETER}?before={showcase.TODAY + timedelta(1)}#{showcase.TODAY}"
    assert target in page.links
    assert days(Read(ask(app, target).text))[0] == f"{showcase.TODAY}"


def test_what_is_not_there_is_said(app: Starlette) -> None:
    missing = ("/contacts/0000", "/audiences/0000", "/events/0:1", "/events/x", "/rejected/9:9", "/nothing")
    for path in (*missing, f"/contacts/{PETER}/days/today", f"/contacts/{PETER}?before=never"):
        answer = ask(app, path)
        assert answer.status_code == 404
        assert "<h1" in answer.text


def test_no_question_to_the_database_has_a_nul(app: Starlette) -> None:
    """PostgreSQL refuses it, as it would if it were away."""
    for path in ("/contacts/a%00", "/deliveries?workspace=%00", "/deliveries?message_id=a%00b"):
        assert ask(app, path).status_code == 404
    answer = ask(app, "/deliveries", "POST", form={"what": "a\0b"})
    assert answer.headers["location"] == "/deliveries?message_id=a%EF%BF%BDb"


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    with showcase.empty(tmp_path) as there:
        app = make(there, Made().sources())
        assert "daymark simulate" in ask(app, "/contacts").text
        assert "daymark simulate" in ask(app, "/audiences").text
        assert "Nothing here yet" in ask(app, "/deliveries").text
        assert ask(app, "/").status_code == 200


def test_a_store_that_is_away_is_said(there: Store, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise StoreDown("database is locked")

    monkeypatch.setattr(there.audiences, "all", down)
    answer = ask(make(there, made.sources()), "/audiences")
    assert answer.status_code == 503
    assert "database is locked" in answer.text


def test_a_source_that_is_away_leaves_the_rest(there: Store, made: Made) -> None:
    def away(*_: object) -> None:
        raise Unavailable("Kafka does not answer")

    names = ("alerts", "doctor", "why", "near", "latest", "newest", "event")
    gone: dict[str, Any] = dict.fromkeys(names, away)
    app = make(there, made.sources()._replace(**gone))
    days_of = [f"/contacts/{PETER}/days{day}" for day in ("", f"/{showcase.TODAY}", "/2020-11-25")]
    for path in ("/", "/doctor", "/deliveries", *days_of):
        answer = ask(app, path)
        assert answer.status_code == 200
        assert "Kafka does not answer" in answer.text
    assert ask(app, "/events/5:90").status_code == 503


def test_alerts_come_first(there: Store, made: Made) -> None:
    made.alerts.append(Alert("DaymarkLagging", "warning", "the oldest event waits for over a minute."))
    text = ask(make(there, made.sources()), "/").text
    assert text.index("DaymarkLagging") < text.index("Received")


def test_an_event_that_reads_as_a_rejection_is_marked(there: Store, made: Made) -> None:
    raw = b'{"timestamp": "soon", "traits": {"email": "x@example.com"}}'
    made.events = [Event("0:4", showcase.NOW_MS, WORKSPACE, raw, reason="invalid_timestamp", title="no")]
    page = Read(ask(make(there, made.sources()), "/events/0:4").text)
    assert any(attrs.get("class") == "at" for _, attrs in page.elements)


def test_what_the_doctor_finds_comes_first(app: Starlette, there: Store, made: Made) -> None:
    text = Read(ask(app, "/doctor").text).text
    assert "1 of 2 checks found something" in text
    assert text.index("persistence is off") < text.index("3 brokers")
    well = made.sources()._replace(doctor=lambda: [Finding("kafka", "ok", "3 brokers")])
    assert "All 1 checks are well" in ask(make(there, well), "/doctor").text


def test_only_loopback_names_are_answered_where_nobody_signs_in(app: Starlette) -> None:
    assert ask(app, "/", headers={"host": "attacker.example"}).status_code == 421
    assert ask(app, "/", headers={"host": "localhost:8090"}).status_code == 200
    assert ask(app, "/", headers={"host": "[::1]:8090"}).status_code == 200


def test_nothing_can_be_changed(app: Starlette) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(app, "/contacts", method).status_code == 405
    assert ask(app, "/audiences", "POST").status_code == 405


def test_elsewhere_a_token_is_asked_for(there: Store, made: Made) -> None:
    token = "correct horse battery"
    app = make(there, made.sources(), Guard("0.0.0.0", token))
    away = {"host": "timeline.example"}
    assert ask(app, "/contacts", headers=away).headers["location"] == "/login"
    assert ask(app, "/login", headers=away).status_code == 200
    assert ask(app, "/static/page.css", headers=away).status_code == 200
    assert ask(app, "/login", "POST", form={"token": "wrong"}).status_code == 403
    signed = ask(app, "/login", "POST", form={"token": token}).headers["set-cookie"].lower()
    assert "httponly" in signed
    assert "samesite=strict" in signed
    assert token not in signed
    cookie = signed.partition(";")[0]
    assert ask(app, "/contacts", headers={"cookie": cookie}).status_code == 200
    assert ask(app, "/contacts", headers={"cookie": cookie[:-1]}).status_code == 303
    assert ask(app, "/contacts", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert ask(app, "/contacts", headers={"authorization": "Bearer \xe9"}).status_code == 303


def test_a_proxys_header_counts_from_the_proxy_only(there: Store, made: Made) -> None:
    guard = Guard("0.0.0.0", proxy_header="x-forwarded-user", proxies=[ip_network("10.0.0.0/8")])
    app = make(there, made.sources(), guard)
    signed_in = {"x-forwarded-user": "ana"}
    assert ask(app, "/contacts", headers=signed_in, peer="10.1.2.3").status_code == 200
    assert ask(app, "/contacts", headers=signed_in, peer="::ffff:10.1.2.3").status_code == 200
    assert ask(app, "/contacts", headers=signed_in, peer="::ffff:192.0.2.1").status_code == 303
    assert ask(app, "/contacts", headers=signed_in, peer="192.0.2.1").status_code == 303
    assert ask(app, "/contacts", peer="10.1.2.3").status_code == 303


@pytest.mark.parametrize(
    "options",
    [
        {"host": "0.0.0.0"},
        {"host": "[::]"},
        {"host": "192.0.2.7"},
        {"host": "0.0.0.0", "token": "short"},
        {"host": "0.0.0.0", "proxy_header": "x-forwarded-user"},
    ],
)
def test_it_refuses_to_be_open_to_others(options: dict[str, Any]) -> None:
    with pytest.raises(Unsafe, match="DAYMARK_TIMELINE"):
        Guard(**options)


def test_the_overview_counts_what_ingest_rejects(there: Store, made: Made) -> None:
    """Events that no worker sees are received, on an arrow to the dead letters, and among the outcomes."""
    sources = made.sources()
    moment = sources.look()._replace(
        accepted_per_s=1000.0, outcomes_per_s={"emitted": 1000.0}, refused_per_s={"missing_email": 250.0}
    )
    app = make(there, sources._replace(look=lambda: moment))
    history = app.state.ground.history
    history.start()
    until = time.monotonic() + 60
    while not history.moments() and time.monotonic() < until:
        time.sleep(0.01)
    history.close()
    text = ask(app, "/").text
    for shows in (">1,250<", ">1,000<", ">250<", "20.0 %"):
        assert shows in text
