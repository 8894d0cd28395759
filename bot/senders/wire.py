"""One POST over the network, the way every sender does it, and what became of it in plain words.

One connection for each post and one TLS context for all: a kept connection that died while the function was frozen
would be found out only after the request went out, and then nobody knows. Redirects are never followed. The system's
CA store decides whom to trust (SSL_CERT_FILE names another), HTTPS_PROXY and NO_PROXY are honoured as everywhere,
except that loopback is never asked of a proxy; TLS stays end to end, so a proxy learns a host and no more.
"""

import io
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Self
from urllib.parse import unquote

from bot.patience import within
from bot.secrets import SecretError, SecretRef
from bot.senders.base import Tools, Verdict
from bot.senders.hosts import Address, refusal
from bot.tls import tls

CONNECT_SECONDS = 3.0
"""The longest wait for a look-up, and for one of a host's addresses to take the connection."""

MOST_READ = 65_536
"""Bytes of an answer that are read: providers say a line or two."""

_CHUNK = 16_384


class NoAnswerError(Exception):
    """There is no answer to judge; `verdict` is what is known without one."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said; header names are in lower case. Untrusted text: `answers` makes it fit to be shown."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a whole exchange must be over, whatever it is waiting for."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds that are left, always more than 0. Raises TimeoutError when there are none."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def read_secret(tools: Tools, ref: SecretRef, deadline: Deadline) -> str:
    """The value behind `ref`.

    Raises NoAnswerError: nothing was posted, and what is missing or denied now may be mended later, so logins wait.
    """
    try:
        if deadline.left() and tools.secrets.is_at_hand(ref):
            return tools.secrets.read(ref).get_secret_value()
        return within(deadline.left(), lambda: tools.secrets.read(ref)).get_secret_value()
    except SecretError as error:
        verdict = Verdict.again(str(error))
    except TimeoutError:
        verdict = Verdict.again(f"{ref} was not read in time")
    raise NoAnswerError(verdict)


def read_url(tools: Tools, ref: SecretRef, deadline: Deadline, *, own: Iterable[str]) -> str:
    """The URL behind `ref`, if the bot may post there. `own` are the provider's hosts, `*.` for all below one.

    Raises NoAnswerError.
    """
    url = read_secret(tools, ref, deadline)
    check(url, what=str(ref), own=own, trusted=tools.trusted_hosts)
    return url


def check(url: str, *, what: str, own: Iterable[str], trusted: Iterable[str]) -> None:
    """Raises NoAnswerError, which blames the destination, if the bot may not post to `url`, the value of `what`."""
    try:
        problem = refusal(Address.parse(url), own=own, trusted=trusted)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise NoAnswerError(Verdict.dead(f"{what}: {problem}", blames="destination"))


def post(url: str, body: bytes, headers: Mapping[str, str], *, service: str, deadline: Deadline) -> Answer:
    """Post `body` once. `service` is the provider's name in reasons. Raises NoAnswerError."""
    _check_headers(headers, service)
    with closing(_Connection(Address.parse(url), deadline)) as connection:
        try:
            connection.connect()
        except (OSError, HTTPException) as error:
            verdict = _unreached(service, error)
        else:
            try:
                return _exchanged(connection, body, headers)
            except TimeoutError:
                verdict = Verdict.unsure(f"{service} was sent the card and did not answer in time")
            except (OSError, HTTPException) as error:
                verdict = Verdict.unsure(f"{service} was sent the card and broke off ({type(error).__name__})")
    raise NoAnswerError(verdict)


def _check_headers(headers: Mapping[str, str], service: str) -> None:
    """http.client would refuse them too, and repeat the value, which is a secret as a rule."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            problem = f"{service} was not asked: the header {name} must be one line of ASCII; look at its secret"
            raise NoAnswerError(Verdict.dead(problem, blames="destination"))


class _Connection(HTTPConnection):
    """http.client's connection, except that one deadline bounds all of it: look-up, TLS, headers, each byte."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        proxy = _proxy(address)
        first = proxy.address if proxy else address
        super().__init__(first.host, first.port)
        self.address = address
        self.deadline = deadline
        self.default_port = 443 if address.scheme == "https" else 80
        self.response_class = self._response  # type: ignore[assignment]
        if proxy:
            self.set_tunnel(address.host, address.port, headers=proxy.headers)

    def connect(self) -> None:
        self.sock = _reached(self.host, self.port, self.deadline)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tunnel_host:  # type: ignore[attr-defined]
            self._tunnel()  # type: ignore[attr-defined]
        if self.address.scheme == "https":
            self.sock.settimeout(self.deadline.left())
            self.sock = tls().wrap_socket(self.sock, server_hostname=self.address.host)

    def send(self, data: Any) -> None:
        for start in range(0, len(data), _CHUNK):
            self.sock.settimeout(self.deadline.left())
            self.sock.sendall(data[start : start + _CHUNK])

    def _response(self, sock: socket.socket, **options: Any) -> HTTPResponse:
        return HTTPResponse(_Reader(sock, self.deadline), **options)  # type: ignore[arg-type]


class _Reader(io.RawIOBase):
    """A socket's bytes; every single read knows how much of the deadline is left."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _exchanged(connection: _Connection, body: bytes, headers: Mapping[str, str]) -> Answer:
    with suppress(ConnectionError):  # who refuses a card may answer and hang up before all of it was sent
        connection.request("POST", connection.address.target, body, dict(headers))
    response = connection.getresponse()
    try:
        said = response.read(MOST_READ)
        if response.length and len(said) < MOST_READ:
            raise ConnectionError("the body ended early")
    except (OSError, HTTPException):
        if response.status < 300:
            raise
        said = b""  # the status says no, whatever the rest would have said
    finally:
        response.close()
    found = {name.lower(): value for name, value in reversed(response.headers.items())}
    return Answer(response.status, found, said.decode("utf-8", "replace"))


def _reached(host: str, port: int, deadline: Deadline) -> socket.socket:
    seconds = min(CONNECT_SECONDS, deadline.left())
    trouble: OSError | None = None
    for family, kind, protocol, _, where in within(seconds, lambda: _looked_up(host, port)):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_SECONDS, deadline.left()))
            sock.connect(where)
        except OSError as error:
            sock.close()
            trouble = error
        else:
            return sock
    raise trouble or socket.gaierror("no address")


def _looked_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _unreached(service: str, error: Exception) -> Verdict:
    """Nothing was posted. Whether waiting helps is the question."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Verdict.dead(f"{service} has no certificate to trust: {error.verify_message}", blames="destination")
    if isinstance(error, socket.gaierror):
        return Verdict.again(f"{service} was not reached: its host's name was not found")
    if isinstance(error, TimeoutError):
        return Verdict.again(f"{service} was not reached in time")
    if isinstance(error, ssl.SSLError):
        return Verdict.again(f"{service} was not reached: no TLS came about")
    number = getattr(error, "errno", None)  # a proxy that says no, or talks nonsense, has none
    return Verdict.again(f"{service} was not reached: {os.strerror(number) if number else 'no way through'}")


@dataclass(frozen=True, slots=True)
class _Proxy:
    address: Address
    headers: Mapping[str, str]


def _proxy(address: Address) -> _Proxy | None:
    """The proxy that the environment names for `address`, None where it is reached directly."""
    if address.scheme != "https" or address.loopback or not any(map(os.environ.get, ("https_proxy", "HTTPS_PROXY"))):
        return None
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415 - 10 ms, rarely needed

    url = getproxies_environment().get("https", "")
    if not url or proxy_bypass(address.host):
        return None
    credentials, _, place = url.removeprefix("http://").rstrip("/").rpartition("@")
    try:
        found = Address.parse(f"http://{place}")
    except ValueError:
        found = None
    if found is None or found.target != "/":
        raise NoAnswerError(Verdict.again("HTTPS_PROXY names no proxy (http://host:port)"))
    encoded = b64encode(unquote(credentials).encode()).decode()
    return _Proxy(found, {"Proxy-Authorization": f"Basic {encoded}"} if credentials else {})
