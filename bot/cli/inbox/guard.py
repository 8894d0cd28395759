"""Who may talk to the inbox: this machine's own browser and programs, and no page of another origin.

A page of another site can make the browser send a form, a text/plain fetch, or, with a name of its own that leads to
127.0.0.1 (DNS rebinding), anything at all. So the Host must be this server, an Origin must be this server's own page
and carry the token that only that page was given, and a body must be JSON, for which a browser asks leave first.
"""

import json
from collections.abc import Mapping
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.events import MAX_EVENT_BYTES

MAX_BODY_BYTES = 4 * MAX_EVENT_BYTES
"""1 MiB: a thousand logins."""

TOKEN = "x-inbox-token"  # noqa: S105 - a header's name
OPEN_TO_PROGRAMS = "/events"

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
CACHED = "/built/"
"""Scripts, which the browser may keep: it asks each time whether they are still the same."""


class Guard:
    """Turns away what does not belong here, before anything else sees it; every answer gets the headers."""

    def __init__(self, app: ASGIApp, *, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = "no-cache" if scope["path"].startswith(CACHED) else "no-store"
                own = [(name.encode(), value.encode()) for name, value in (*HEADERS.items(), ("cache-control", kept))]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        turned_away = self._turn_away(Request(scope))
        await (turned_away or self._app)(scope, receive, send_guarded)

    def _turn_away(self, request: Request) -> JSONResponse | None:
        headers = request.headers
        if headers.get("host", "").lower() not in self._hosts:
            return _no(421, f"this server is called {' or '.join(sorted(self._hosts))}")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return _no(403, "pages of other origins may not talk to the inbox")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _is_followed_link(request):
            return _no(403, "pages of other sites may not talk to the inbox")
        return None if request.method in ("GET", "HEAD") else self._turn_away_post(request)

    def _turn_away_post(self, request: Request) -> JSONResponse | None:
        headers = request.headers
        by_a_program = "origin" not in headers and request.url.path == OPEN_TO_PROGRAMS
        if not by_a_program and not compare_digest(headers.get(TOKEN, "").encode(), self._token.encode()):
            return _no(403, "the token is missing or of an earlier run; reload the page")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _no(415, "only application/json is read")
        return None


def _is_followed_link(request: Request) -> bool:
    """Whether somebody goes to the page itself, by a link such as those in the documentation: not in a frame."""
    return request.method == "GET" and request.url.path == "/" and request.headers.get("sec-fetch-dest") == "document"


class BodyError(Exception):
    """The body can't be read. `status` is what HTTP calls it."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


async def read_json(request: Request) -> object:
    """The body as JSON. Raises BodyError; a body without an end is read no further than it may be long."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise BodyError(413, f"more than {MAX_BODY_BYTES:,} bytes; send fewer events at once")
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BodyError(400, f"no JSON: {error}") from None
    return found


def _no(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status_code=status)
