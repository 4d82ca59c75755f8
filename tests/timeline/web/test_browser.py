"""The pages in Chromium, where it is installed: what arrives by itself, what a person types, what axe finds.

`make screenshots` (DAYMARK_SCREENSHOTS names the folder) keeps the README's pictures.
"""

import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.timeline.rows import contact_key
from tests.timeline.web import showcase
from tests.timeline.web.showcase import NOW_MS, TODAY, WORKSPACE, Made
from timeline.store import Store
from timeline.store.batches import Batch, Reach
from timeline.store.database import parsed
from timeline.store.writing import Writer
from timeline.web.app import make
from timeline.web.audiences import key as audience_key

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

WAIT_MS = 60_000
# What is repeated is looked at three times, not sixty: axe is slow.
REPEATS: Final = """for (const each of document.querySelectorAll(
  ".entry:nth-of-type(n+3), .months section:nth-of-type(n+3), .feed tr:nth-child(n+12), .rows li:nth-child(n+4), rect"
)) { each.remove(); }"""
# Only colours differ in the dark.
WHICH: Final = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}},
}
SCHEMES: Final = ("light", "dark")
PETER = contact_key(WORKSPACE, "peter@example.com")
PAGES = {
    "overview": "/",
    "contacts": "/contacts",
    "contact": f"/contacts/{PETER}",
    "villain": f"/contacts/{contact_key(WORKSPACE, showcase.VILLAIN)}",
    "audiences": "/audiences",
    "audience": f"/audiences/{audience_key(WORKSPACE, 'visited_pricing')}?step=day",
    "deliveries": "/deliveries",
    "rejected": "/rejected/3:18",
    "missing": "/nothing",
}


class Site:
    """The showcase, served."""

    def __init__(self, url: str, there: Store, made: Made) -> None:
        self.url, self.there, self.made = url, there, made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Made()
    made.events = showcase.repeats()
    with showcase.filled(tmp_path_factory.mktemp("browser")) as there:
        app = make(there, made.sources(), look_every_s=0.2)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                thread.join(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Site(f"http://127.0.0.1:{port}", there, made)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=WAIT_MS)
        yield started
        started.close()


@pytest.fixture
def tab(chromium: Browser, site: Site) -> Iterator[Page]:
    """Open a tab that must not complain, nor ask anybody else for anything."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", base_url=site.url)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(site.url) else said.append(request.url))
    yield page
    context.close()
    assert [each for each in said if "404" not in each] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_complains_and_axe_finds_nothing(tab: Page, scheme: Literal["light", "dark"]) -> None:
    """Also where a sender's texts are markup, links to scripts or endless."""
    tab.emulate_media(color_scheme=scheme)
    axe, found = Axe(), []
    for name, path in PAGES.items():
        tab.goto(path, wait_until="load")
        if scheme == "light" and name in {"overview", "audience", "deliveries"}:
            _keep(tab, f"{name}-{scheme}")
        tab.evaluate(REPEATS)
        for each in axe.run(tab, options=WHICH[scheme]).response["violations"]:
            found += [(name, each["id"], node["html"][:200], node["failureSummary"]) for node in each["nodes"]]
        assert "Daymark" in tab.title()
    assert found == []


def test_every_page_fits_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 375, "height": 812})
    for name, path in PAGES.items():
        tab.goto(path, wait_until="load")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_a_phone_shows_the_newest_month_and_each_day_in_one_line(tab: Page) -> None:
    tab.set_viewport_size({"width": 375, "height": 812})
    tab.goto(PAGES["contact"], wait_until="load")
    today = tab.locator(".heat rect").last.bounding_box()
    assert today is not None
    assert 0 < today["x"] < 375
    heights = tab.locator(".entry .when").evaluate_all("all => all.map(each => each.getBoundingClientRect().height)")
    assert max(heights) < 30
    names = tab.locator(".entry .when").evaluate_all("all => all.map(each => each.scrollWidth <= each.clientWidth)")
    assert all(names)


def test_a_contact_is_found_while_typing_and_says_why(tab: Page) -> None:
    tab.goto("/contacts")
    tab.get_by_role("searchbox").press_sequentially("pet")
    tab.get_by_role("link", name="peter@example.com").click()
    today = tab.locator(f"[id='{TODAY}']")
    today.get_by_text("4 duplicates").wait_for()  # a stranger sees where to click
    today.get_by_text("Why this one?").click()
    today.get_by_text("5 events came on this day.").wait_for()
    assert today.get_by_text("won", exact=True).count() == 1
    assert today.get_by_text("duplicate", exact=True).count() == 4
    assert "@" not in tab.url
    for scheme in SCHEMES:
        tab.emulate_media(color_scheme=scheme)
        _keep(tab, f"contact-{scheme}")


def test_what_could_not_be_loaded_is_said_and_asked_for_again(tab: Page) -> None:
    tab.route("**/days/*", lambda route: route.fulfill(status=404))
    tab.goto(PAGES["contact"])
    today = tab.locator(f"[id='{TODAY}']")
    today.get_by_text("Why this one?").click()
    today.get_by_text("This could not be loaded.").wait_for()
    tab.unroute("**/days/*")
    today.get_by_text("Try again").click()
    today.get_by_text("5 events came on this day.").wait_for()


NAMES: Final = """[...document.querySelectorAll(".plot-bars text")].map(each => each.getBoundingClientRect())
  .filter(each => each.width).map(each => [each.left, each.right])"""


@pytest.mark.parametrize("width", [375, 1280])
def test_the_names_below_a_chart_have_room(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 812})
    for step in ("hour", "day"):
        tab.goto(PAGES["audience"].replace("=day", f"={step}"), wait_until="load")
        names = sorted(tab.evaluate(NAMES))
        assert all(left[1] < right[0] for left, right in itertools.pairwise(names)), (step, names)
        assert step == "hour" or (len(names) > 1 and names[-1][1] < width)


def test_a_time_and_an_address_are_one_line_where_there_is_room(tab: Page) -> None:
    tab.goto("/deliveries")
    shown = tab.locator(".feed time, .feed .mail bdi")
    heights = shown.evaluate_all("all => all.map(each => each.getBoundingClientRect().height)")
    assert 0 < max(heights) < 30


def test_deliveries_arrive_by_themselves_and_wait_while_paused(tab: Page, site: Site) -> None:
    tab.goto("/deliveries")
    tab.get_by_text("Live", exact=True).wait_for()
    _deliver(site, "nina@example.com", "A first visit")
    tab.get_by_text("A first visit").wait_for()
    tab.get_by_role("button", name="Pause").click()
    _deliver(site, "olaf@example.com", showcase.SCRIPT)
    tab.get_by_text("Paused, 1 waiting").wait_for()
    assert tab.get_by_text("olaf@example.com").count() == 0
    tab.get_by_role("button", name="Resume").click()
    tab.get_by_text("olaf@example.com").wait_for()
    assert tab.get_by_text(showcase.SCRIPT).count() == 1
    assert tab.title() != "taken"


def test_the_overview_fills_by_itself_and_is_read_by_keyboard(tab: Page) -> None:
    tab.goto("/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.get_by_text("2 running").wait_for()


def _deliver(site: Site, email: str, title: str) -> None:
    writer = Writer(parsed(site.there.url.render_as_string(hide_password=False)))
    first = writer.stands()["timeline.interactions", 0][0]
    batch = Batch()
    showcase.add_entry(batch, email, TODAY, title)
    batch.reach = {("timeline.interactions", 0): Reach(first, first + 1, first + 1, "showcase")}
    writer.write(batch, NOW_MS)
    writer.close()


def _keep(tab: Page, name: str) -> None:
    folder = os.environ.get("DAYMARK_SCREENSHOTS")
    if folder:
        tab.screenshot(path=Path(folder) / f"{name}.png")
