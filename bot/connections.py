"""Connections to one host that stay open from post to post: http.client's, at half of what urllib3 needs for a post."""

import ssl
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util.wait import wait_for_read


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
        self._idle: list[HTTPConnection] = []
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
        except (OSError, HTTPException) as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        self._idle.append(connection)
        return answer

    def _open(self) -> HTTPConnection:
        """One that is idle and that nobody closed meanwhile (Lambda sleeps between calls), or a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last
                break
            if connection.sock is not None and not wait_for_read(connection.sock, timeout=0.0):
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


def _close(connections: list[Any]) -> None:
    for connection in connections:
        connection.close()
