"""AWS near by, whose every call can be counted, failed or made the last: over moto in this process, or over one table.

aws = FaultyAws(SmallTable())            # or of moto: with nearby() as aws, on_loopback(server) as aws
store = DynamoOutbox("t", aws, clock)
aws.fault = Fault(at=3, how=dies)        # the third call from now on takes effect, and nobody hears of it
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from bot.aws import Aws, Keys
from tests.support.aws import CREDENTIALS, LoopbackAws
from tests.support.outbox_table import SmallTable

Send = Callable[[], Any]


class Died(BaseException):
    """The process ends here: nothing of it goes on."""


def dies(number: int, at: int, send: Send) -> Any:
    """The process dies when call `at` took effect; 0 is before the first."""
    if at == 0:
        raise Died
    answer = send()
    if number == at:
        raise Died
    return answer


def answer_lost(number: int, at: int, send: Send) -> Any:
    """Call `at` takes effect, and its answer never arrives."""
    answer = send()
    if number == at:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")
    return answer


def out_of_order(number: int, at: int, send: Send) -> Any:
    """Call `at` takes effect unheard, and from then on the table answers nothing."""
    if number > at:
        raise server_error()
    answer = send()
    if number == at:
        raise server_error()
    return answer


def throttled(number: int, at: int, send: Send) -> Any:
    """Call `at` is turned away."""
    if number == at:
        raise client_error("ThrottlingException", 400)
    return send()


def server_error() -> ClientError:
    return client_error("InternalServerError", 500)


def client_error(code: str, status: int = 400, message: str = "of DynamoDB") -> ClientError:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "AnyOperation")


@dataclass
class Fault:
    """What befalls the calls from now on, counted from 1."""

    at: int
    how: Callable[[int, int, Send], Any]
    calls: int = 0

    @property
    def happened(self) -> bool:
        return self.calls >= self.at

    def __call__(self, send: Send) -> Any:
        self.calls += 1
        return self.how(self.calls, self.at, send)


class FaultyAws(Aws):
    """`calls` counts what was asked of any client, by operation; `keys` are those that a role lent, each with a region.

    `before` may do something else just before each call, or change what is asked; `answered` may change the answer.
    """

    def __init__(self, table: SmallTable | None = None) -> None:
        super().__init__()
        self._table = table
        self.calls: Counter[str] = Counter()
        self.keys: list[tuple[Keys, str | None]] = []
        self.fault: Fault | None = None
        self.before: Callable[[str, dict[str, Any]], None] | None = None
        self.answered: Callable[[str, dict[str, Any], Any], Any] | None = None

    def client(self, service: str, *, region: str | None = None) -> Any:
        return _Client(super().client(service, region=region) if self._table is None else self._table, self)

    def client_with(self, keys: Keys, service: str, *, region: str | None) -> Any:
        self.keys.append((keys, region))
        return super().client_with(keys, service, region=region)

    def reset(self) -> None:
        self.fault = self.before = self.answered = None
        self.calls.clear()
        self.keys.clear()

    def spent(self) -> dict[str, int]:
        """The calls since it was last asked."""
        spent = dict(self.calls)
        self.calls.clear()
        return spent


class _Client:
    def __init__(self, real: Any, aws: FaultyAws) -> None:
        self._real = real
        self._aws = aws

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._real, operation)
        if not callable(method) or operation in ("get_waiter", "exceptions"):
            return method

        def call(**request: Any) -> Any:
            if self._aws.before is not None:
                self._aws.before(operation, request)
            self._aws.calls[operation] += 1
            answer = method(**request) if self._aws.fault is None else self._aws.fault(lambda: method(**request))
            return answer if self._aws.answered is None else self._aws.answered(operation, request, answer)

        return call


@contextmanager
def nearby() -> Iterator[FaultyAws]:
    """One client for a whole file of tests: it takes a third of a second to make."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        aws = FaultyAws()
        aws.client("dynamodb")
        yield aws


@contextmanager
def on_loopback(server: LoopbackAws) -> Iterator[FaultyAws]:
    """The clients of that server, as good as new: they are made once, for each takes a third of a second."""
    aws = _clients(server.url)
    aws.reset()
    yield aws
    aws.reset()


@cache
def _clients(_: str) -> FaultyAws:
    return FaultyAws()
