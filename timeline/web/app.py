"""The app: routes, the answer to each failure, and who may look."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from timeline.store import Store, StoreDown
from timeline.web import audiences, contacts, days, deliveries, events, overview
from timeline.web.forms import fields
from timeline.web.history import History
from timeline.web.pace import Paces
from timeline.web.rendering import STATIC, Ground, ground, page
from timeline.web.safety import COOKIE, Guard, Guarded
from timeline.web.sources import Sources, Unavailable


def make(there: Store, sources: Sources, guard: Guard | None = None, look_every_s: float = 5.0) -> Starlette:
    """Return the app.

    Args:
        there: the read model.
        sources: what is shown beside it.
        guard: who may look; None: whoever reaches a loopback address.
        look_every_s: seconds between two looks at the figures, which are kept for an hour.
    """
    history = History(sources.look, look_every_s)
    guard = guard or Guard()

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        history.start()
        try:
            yield
        finally:
            history.close()

    app = Starlette(
        routes=[
            *overview.ROUTES,
            *contacts.ROUTES,
            *days.ROUTES,
            *audiences.ROUTES,
            *deliveries.ROUTES,
            *events.ROUTES,
            Route("/readyz", _readiness),
            Route("/login", _login, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guarded, guard=guard)],
        exception_handlers={HTTPException: _refused, Exception: _refused, StoreDown: _down, Unavailable: _down},
        lifespan=running,
    )
    app.state.ground = Ground(there, sources, guard, history, Paces())
    return app


async def _login(request: Request) -> Response:
    guard = ground(request).guard
    if guard.is_open:
        return RedirectResponse("/", 303)
    is_wrong = False
    if request.method == "POST":
        if guard.is_token((await fields(request)).get("token", "").strip()):
            answer = RedirectResponse("/", 303)
            is_secure = request.url.scheme == "https"
            answer.set_cookie(COOKIE, guard.cookie(), httponly=True, samesite="strict", secure=is_secure)
            return answer
        is_wrong = True
    return page(request, "login.html", "Sign in", status=403 if is_wrong else 200, is_wrong=is_wrong)


def _readiness(request: Request) -> Response:
    ground(request).there.overview.state()  # a store that is away is answered 503
    return PlainTextResponse("ok\n")


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = error.detail if isinstance(error, HTTPException) and status == 404 else ""  # noqa: PLR2004
    title, text = _WORDS.get(status, ("This did not work", "The log says more."))
    text = told if told and told != "Not Found" else text
    return page(request, "failed.html", title, status=status, text=text, link="/", link_text="To the overview")


def _down(request: Request, error: Exception) -> Response:
    return page(
        request,
        "failed.html",
        "Nothing can be shown now",
        status=503,
        text=str(error),
        link=request.url.path,
        link_text="Try again",
    )


_WORDS = {
    404: ("There is no such page", "What it showed may have been erased, or be older than the topics keep."),
    405: ("This page is read only", "Changes are made by the commands of daymark."),
    413: ("That is too long", "Search for less."),
}
