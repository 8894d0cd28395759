"""Providers on loopback that play Slack, Teams, SNS or a relay, do as they are told, and show what they were sent.

    with Provider.slack() as slack:
        slack.script(Answer(429, headers={"Retry-After": "1"}), Answer(200, "ok"))   # then the usual answer again
        ...                                                                          # post to slack.url
        assert slack.posts[0].json["text"] == "alice logged in"

`url` is what a webhook's secret would hold, `host` is what `trusted_hosts` must name. Safe with many callers at once.
"""

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.client import parse_headers, responses
from typing import Any, Self
from urllib.parse import parse_qs

HOOK = "/services/T0000SECRET/B0000SECRET/hook-secret-4f1d9a"
"""The path of `url`: all of it is secret, as a webhook's is. No part of it may be seen anywhere."""

LONGEST = 5.0
"""Seconds until a provider that says nothing, or never ends, gives up: a caller without a deadline is found out."""

TLS_HELLO = b"\x16"

TRICKLE_SECONDS = 0.02
"""The time between two bytes of a provider that trickles: faster than any timeout for a single read."""


class How(Enum):
    """How an answer reaches the caller, or does not."""

    WHOLE = "whole"
    SILENCE = "silence"  # the request is read, nothing ever comes back
    CLOSE = "close"  # the request is read, the connection ends
    RESET = "reset"  # the request is read, the connection is torn
    GARBAGE = "garbage"  # bytes that are no HTTP
    TRICKLE_HEADERS = "trickle headers"  # one byte at a time
    TRICKLE_BODY = "trickle body"
    CUT = "cut"  # the body ends before its length


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a provider was sent. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body's fields, where it is a form, as SNS's is."""
        return {key: values[0] for key, values in parse_qs(self.text, keep_blank_values=True).items()}


@dataclass(frozen=True)
class Answer:
    """What a provider says: after `delay` seconds, with its Content-Length, and then it ends the connection."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    how: How = How.WHOLE
    delay: float = 0.0


Rule = Callable[[Request], Answer]
"""What a provider says to a request that no script answers."""


class Provider:
    """A server on 127.0.0.1 and a port of its own; with a `certificate` context it speaks TLS."""

    def __init__(self, rule: Rule, *, path: str = HOOK, certificate: ssl.SSLContext | None = None) -> None:
        self.rule = rule
        self.path = path
        self._certificate = certificate
        self._script: deque[Answer] = deque()
        self._requests: list[Request] = []
        self._connections = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))

    @classmethod
    def slack(cls, *, certificate: ssl.SSLContext | None = None) -> Self:
        """An incoming webhook: 200, `ok`."""
        return cls(lambda _: Answer(200, "ok", {"Content-Type": "text/html"}), certificate=certificate)

    @classmethod
    def slack_api(cls, *, certificate: ssl.SSLContext | None = None) -> Self:
        """The Web API; `url` is a `base_url`."""
        return cls(_post_message, path="/api/", certificate=certificate)

    @classmethod
    def teams(cls, *, certificate: ssl.SSLContext | None = None) -> Self:
        """A Workflows webhook: 202, empty."""
        path = "/workflows/0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sig=hook-secret-4f1d9a"
        return cls(lambda _: Answer(202), path=path, certificate=certificate)

    @classmethod
    def sns(cls, *, certificate: ssl.SSLContext | None = None) -> Self:
        """The SNS API; `url` is an AWS_ENDPOINT_URL_SNS. It takes every Publish (moto knows more of SNS)."""
        return cls(_publish, path="", certificate=certificate)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://{self.host}{self.path}"

    @property
    def requests(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(self._requests)

    @property
    def posts(self) -> tuple[Request, ...]:
        return tuple(request for request in self.requests if request.method == "POST")

    @property
    def connections(self) -> int:
        """How often somebody connected, also without a word."""
        with self._lock:
            return self._connections

    def script(self, *answers: Answer) -> None:
        """What it says next, one answer for each request; then its rule speaks again."""
        with self._lock:
            self._script.extend(answers)

    def always(self, answer: Answer) -> None:
        """What it says from now on, when the script has run out."""
        self.rule = lambda _: answer

    def _met(self) -> None:
        with self._lock:
            self._connections += 1

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            self._requests.append(request)
            scripted = self._script.popleft() if self._script else None
        return scripted or self.rule(request)

    def _secured(self, plain: socket.socket) -> socket.socket:
        return self._certificate.wrap_socket(plain, server_side=True) if self._certificate else plain

    def _wait(self, seconds: float) -> None:
        self._over.wait(seconds)

    def _ticks(self) -> Iterator[None]:
        for _ in range(int(LONGEST / TRICKLE_SECONDS)):
            if self._over.wait(TRICKLE_SECONDS):
                return
            yield


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up on us is what many tests are about."""


def _handler_for(provider: Provider) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            provider._met()
            wire = provider._secured(self.request)
            with contextlib.closing(wire), contextlib.suppress(OSError):
                request = _read(wire)
                if request is not None:
                    _say(wire, provider._answer(request), provider)

    return Handler


def _read(wire: socket.socket) -> Request | None:
    with wire.makefile("rb") as lines:
        if lines.peek(1)[:1] == TLS_HELLO:
            return None  # a greeting in TLS may hold no line break to wait for
        first = lines.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers = {name.lower(): value for name, value in parse_headers(lines).items()}
        if headers.get("expect", "").lower() == "100-continue":
            wire.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = lines.read(int(headers.get("content-length", "0")))
    return Request(method=first[0], path=first[1], headers=headers, body=body)


def _say(wire: socket.socket, answer: Answer, provider: Provider) -> None:
    if answer.delay:
        provider._wait(answer.delay)
    body = answer.body.encode()
    given = {"Content-Length": str(len(body) + (10 if answer.how is How.CUT else 0)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Odd')}"]
    lines += [f"{name}: {value}" for name, value in (given | dict(answer.headers)).items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    match answer.how:
        case How.WHOLE | How.CUT:
            wire.sendall(head + body)
        case How.SILENCE:
            provider._wait(LONGEST)
        case How.RESET:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case How.GARBAGE:
            wire.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        case How.TRICKLE_HEADERS:
            wire.sendall(lines[0].encode() + b"\r\nX-Slow: ")
            _trickle(wire, provider)
        case How.TRICKLE_BODY:
            wire.sendall(head.replace(f"Content-Length: {len(body)}".encode(), b"Content-Length: 60000"))
            _trickle(wire, provider)
        case How.CLOSE:
            pass


def _trickle(wire: socket.socket, provider: Provider) -> None:
    for _ in provider._ticks():
        wire.sendall(b"o")


def _post_message(request: Request) -> Answer:
    said = {"ok": True, "channel": request.json.get("channel"), "ts": "1795410000.000100"}
    return Answer(200, json.dumps(said), {"Content-Type": "application/json; charset=utf-8"})


def _publish(_: Request) -> Answer:
    body = (
        '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
        "<MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult>"
        "<ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>"
    )
    return Answer(200, body, {"Content-Type": "text/xml"})


def refused_address() -> str:
    """`host:port` of loopback where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"
