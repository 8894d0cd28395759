"""The inbox's page and what it asks for, on loopback. Made for one person on their own machine."""

import html
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from bot.cli.inbox.compose import MOST_AT_ONCE, PLATFORMS, PRODUCTS, Composed, Form, compose, look
from bot.cli.inbox.guard import BodyError, Guard, read_json
from bot.cli.inbox.local import LocalBot
from bot.cli.inbox.watch import faults
from bot.cli.show import Mistake, count
from bot.config import ConfigError
from bot.events import RefusedError
from bot.outbox.base import OutboxError
from formatters import formatter_class

WEB = Path(__file__).parents[3] / "web"
PAGE = WEB / "inbox" / "inbox.html"
BUILT = WEB / "built" / "inbox"
"""The page's scripts, as `make web` bundles them."""
FILES = ("inbox.css", "composer.css", "columns.css", "cards.css", "inbox.svg")
MOST_CARDS = 50
"""Cards in one answer: a column shows a few, and asks for more when somebody scrolls there."""


def application(bot: LocalBot, *, port: int, token: str) -> ASGIApp:
    """Everything that the inbox answers, guarded."""
    inbox = _Inbox(bot, token)
    routes = [
        Route("/", inbox.page),
        *(Route(f"/{name}", _file(name)) for name in FILES),
        Mount("/built", StaticFiles(directory=BUILT, check_dir=False)),
        Route("/state", inbox.state),
        Route("/cards", inbox.cards),
        Route("/changes", inbox.changes),
        Route("/stream", inbox.stream),
        Route("/look", inbox.look, methods=["POST"]),
        Route("/send", inbox.send, methods=["POST"]),
        Route("/answer", inbox.answer, methods=["POST"]),
        Route("/events", inbox.events, methods=["POST"]),
    ]
    handlers: Any = {
        BodyError: _body_error,
        RefusedError: _refused,
        Mistake: _mistake,
        OutboxError: _mistake,
        HTTPException: _http,
        Exception: _failed,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), port=port, token=token)


class _Inbox:
    def __init__(self, bot: LocalBot, token: str) -> None:
        self._bot = bot
        self._token = token

    def page(self, _: Request) -> Response:
        return HTMLResponse(PAGE.read_text("utf-8").replace("{token}", html.escape(self._token)))

    def state(self, _: Request) -> Response:
        """All but the cards: destinations and what waits for them, the routing file, what the form offers."""
        bot, routing = self._bot, self._bot.config.routing
        found = {
            "rev": bot.shelf.rev(),
            "now": bot.clock.now(),
            "columns": _columns(bot),
            "routing": _routing_file(bot),
            "directories": [{"id": home.id, "name": home.name} for home in routing.directories.values()],
            "platforms": PLATFORMS,
            "products": PRODUCTS,
            "refusals": bot.shelf.refusals(),
        }
        return JSONResponse(found)

    def cards(self, request: Request) -> Response:
        """`?destination=…[&before=ID][&limit=N]`: a destination's cards, newest first."""
        before = request.query_params.get("before")
        found = self._bot.shelf.page(
            request.query_params.get("destination", ""),
            before=_number(before, "before") if before else None,
            limit=min(_number(request.query_params.get("limit", "20"), "limit"), MOST_CARDS),
        )
        return JSONResponse(found)

    def changes(self, request: Request) -> Response:
        """`?since=REV`: the cards that are new or overtaken since."""
        rev = self._bot.shelf.rev()
        found = self._bot.shelf.changes(_number(request.query_params.get("since", "0"), "since"), 4 * MOST_CARDS)
        return JSONResponse({"rev": rev, "cards": found})

    async def stream(self, _: Request) -> Response:
        """Server-sent events: one whenever something is new; what it is, the page asks for."""
        return StreamingResponse(self._beats(), media_type="text/event-stream")

    async def _beats(self) -> AsyncIterator[str]:
        yield "retry: 1000\ndata: hello\n\n"
        async for rung in self._bot.bell.rings():
            yield "data: new\n\n" if rung else ": still here\n\n"

    async def look(self, request: Request) -> Response:
        """`{"login": FORM[, "routes": TEXT]}`: what would become of it, on the file in force or on another text."""
        data = _object(await read_json(request))
        return JSONResponse(await run_in_threadpool(self._look, data))

    def _look(self, data: dict[str, Any]) -> dict[str, Any]:
        config = self._bot.config
        if (text := data.get("routes")) is not None:
            from bot.config.file import understand  # noqa: PLC0415 - pydantic and YAML, for this alone

            try:
                config = understand(str(text).encode("utf-8", "replace"), source="this text")
            except ConfigError as error:
                return {"faults": [{"line": each.line, "text": each.text} for each in faults(error.mistakes)]}
        now = self._bot.clock.now()
        composed = compose(Form.read(data.get("login")), 1, now)
        return look(config, self._bot.people, composed, now)

    async def send(self, request: Request) -> Response:
        """`{"login": FORM, "count": N}`: send it, N times with a name of its own each."""
        data = _object(await read_json(request))
        number = data.get("count", 1)
        if not isinstance(number, int) or not 1 <= number <= MOST_AT_ONCE:
            raise BodyError(400, f"count must be a whole number from 1 to {MOST_AT_ONCE}")
        composed = compose(Form.read(data.get("login")), number, self._bot.clock.now())
        became = await run_in_threadpool(self._bot.take, composed)
        return JSONResponse({"said": _sum(became), "events": became})

    async def answer(self, request: Request) -> Response:
        """`{"destination": NAME, "answer": …}`: what that channel answers from now on."""
        data = _object(await read_json(request))
        await run_in_threadpool(self._bot.answer, str(data.get("destination")), str(data.get("answer")))
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        """One WorkSpaces Access event or an array of them: what became of each. 400 where all were refused."""
        try:
            found = await read_json(request)
        except BodyError as error:
            await run_in_threadpool(self._bot.refuse, str(error))
            raise
        raws = found if isinstance(found, list) else [found]
        became = await run_in_threadpool(self._bot.take, Composed(raws, {}))
        refused = bool(became) and all(each["became"] == "refused" for each in became)
        return JSONResponse({"events": became}, status_code=400 if refused else 200)


def _columns(bot: LocalBot) -> list[dict[str, Any]]:
    """Every destination of the file in force, and those of which only cards are left."""
    counts = bot.shelf.counts()
    waiting = {row.destination: row.waiting for row in bot.outbox.status()}
    names = dict.fromkeys((*bot.config.destinations, *counts))
    return [_column(bot, name, counts.get(name, 0), waiting.get(name, 0)) for name in names]


def _column(bot: LocalBot, name: str, cards: int, waiting: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "cards": cards, "waiting": waiting, "next": None, "listed": False}
    destination = bot.config.destinations.get(name)
    if destination is None:
        return column
    following = bot.record.next_turn(destination.pace.group) if waiting else None
    return column | {
        "listed": True,
        "kind": formatter_class(destination.formatter).makes,
        "type": bot.file.config.destinations[name].type,
        "next": following if following is not None and isfinite(following) else None,
        "answer": bot.answers.get(name, "takes"),
    }


def _routing_file(bot: LocalBot) -> dict[str, Any]:
    return {
        "path": bot.file.path,
        "applied_at": datetime.fromtimestamp(bot.file.applied_at, UTC).isoformat(),
        "faults": [{"line": each.line, "text": each.text} for each in bot.file.faults],
        "text": bot.file.text,
    }


def _sum(became: list[dict[str, Any]]) -> str:
    """What became of a batch, in one sentence."""
    if refused := [each["reason"] for each in became if each["became"] == "refused"]:
        return f"refused: {refused[0]}"
    known = sum(each["became"] == "known already" for each in became)
    names = dict.fromkeys(name for each in became for name in each["hears"])
    heard = f"heard by {', '.join(names)}" if names else "heard by nobody"
    return f"{count(len(became), 'login')}, {heard}" + (f"; {known:,} known already, said once" if known else "")


def _object(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise BodyError(400, "the body must be a JSON object")
    return found


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise BodyError(400, f"{name} must be a whole number")
    return int(text)


def _file(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return FileResponse(PAGE.with_name(name))

    return answer


def _said(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=status)


def _body_error(_: Request, error: BodyError) -> Response:
    return _said(error.status, str(error))


def _refused(_: Request, error: RefusedError) -> Response:
    return _said(400, str(error))


def _mistake(_: Request, error: Mistake | OutboxError) -> Response:
    return _said(503, str(error))


def _http(_: Request, error: HTTPException) -> Response:
    return _said(error.status_code, error.detail)


def _failed(_: Request, error: Exception) -> Response:
    return _said(500, f"the inbox failed with {type(error).__name__}; that is a mistake of its own")
