"""Connections to one host that stay open from post to post: http.client's, at half of what urllib3 needs for a post."""

import ssl
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util.wait import wait_for_read

MOST_IDLE_SECONDS = 20.0
"""How long a connection rests and is used again. While Lambda freezes a process, the other side may give up and nobody
hears of it: a post on such a connection would wait for an answer in vain."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """One for each post at a time, so safe among threads. Raises what boto3 raises where there is no answer."""

    def __init__(self, url: str, trusted: ssl.SSLContext, *, connect_seconds: float, read_seconds: float) -> None:
        place = urlsplit(url)
        self._url, self._path = url, place.path or "/"
        self._read_seconds = read_seconds
        self._made: partial[HTTPConnection] = partial(HTTPConnection, place.netloc, timeout=connect_seconds)
        if place.scheme == "https":
            self._made = partial(HTTPSConnection, place.netloc, timeout=connect_seconds, context=trusted)
        self._idle: list[tuple[HTTPConnection, float]] = []
        """Each with the time since when it rests."""
        weakref.finalize(self, _close, self._idle)

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = self._open()
        try:
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.headers.items()}
            answer = Answer(response.status, found, response.read())
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except Exception as error:  # an OverflowError of an absurd length, too
            connection.close()
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        if answer.status < 200:  # what follows it would be taken for the next call's answer
            connection.close()
            early = f"answered with {answer.status}"
            raise ConnectionClosedError(endpoint_url=self._url, error=early)
        self._idle.append((connection, time.time()))
        return answer

    def _open(self) -> HTTPConnection:
        """One that rested for a moment and that nobody closed or wrote to meanwhile, or a new one."""
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread took the last
                break
            if abs(time.time() - since) < MOST_IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()
        return self._opened()

    def _opened(self) -> HTTPConnection:
        connection = self._made()
        try:
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        connection.sock.settimeout(self._read_seconds)
        return connection


def _is_quiet(connection: HTTPConnection) -> bool:
    sock = connection.sock
    if sock is None or wait_for_read(sock, timeout=0.0):
        return False
    return not (isinstance(sock, ssl.SSLSocket) and sock.pending())


def _close(idle: list[tuple[HTTPConnection, float]]) -> None:
    for connection, _ in idle:
        connection.close()
