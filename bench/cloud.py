"""A cloud on loopback, in a process of its own: what a function calls, what calls it, and what it posts to.

    python -m bench.cloud CERTIFICATE     # serves until its standard input ends; prints its two ports

It plays Lambda's runtime API (plain, as on Lambda), DynamoDB, the parameter store, WorkSpaces, SNS, a Slack webhook and
a Teams flow (TLS, as in life). It answers out of memory within a fraction of a millisecond, so that it is not what is
measured; its own processor's time counts for nobody. It knows no limit but DynamoDB's: storms are on simulated time.
"""

import asyncio
import contextlib
import json
import re
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from bot.clock import SystemClock
from bot.events import Person
from bot.names import DynamoNames
from tests.support.storm.aws import SimAws
from tests.support.storm.clock import SimClock
from tests.support.storm.table import Table

SLACK = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
TEAMS = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
RUNTIME = "/2018-06-01/runtime/"
TABLE, PLACE, USER = "login-bot", ("123456789012", "eu-west-1"), "alice"
OVER_SECONDS = 20.0
AHEAD_MS = 60_000
"""How long a call may take."""

_WORKSPACE = re.compile(rb"ws-[0-9a-z]{8,63}")


class Memory(Table):
    """The storms' table, on no clock: every call is over at once."""

    def __init__(self) -> None:
        super().__init__(SimClock())

    @contextlib.contextmanager
    def called(self, operation: str) -> Any:
        self.calls[operation] += 1
        yield


@dataclass
class Notes:
    """What was seen since the last reset. Times are of the machine's one monotonic clock, in seconds."""

    calls: Counter[str] = field(default_factory=Counter)
    first_call: float | None = None
    """When Lambda's runtime client asked for its first event: the end of init."""
    first_card: float | None = None
    cpu_at_card: float | None = None
    answered: float | None = None
    peak_mb: float | None = None
    errors: list[str] = field(default_factory=list)


class Cloud:
    def __init__(self) -> None:
        self.reset({})

    def reset(self, asked: dict[str, Any]) -> None:
        """Forget everything. `event` comes next, `known` are people's names by desk, `hook` is every secret's value."""
        known: dict[str, str] = asked.get("known", {})
        self.notes = Notes()
        self._hook = str(asked.get("hook", ""))
        self._pid: int | None = None
        self._event: bytes | None = json.dumps(asked["event"]).encode() if "event" in asked else None
        self._over = asyncio.Event()
        self._table = Memory()
        aws = SimAws(dynamodb=self._table)
        DynamoNames(TABLE, aws, SystemClock()).remember(PLACE, {id_: Person(name=name) for id_, name in known.items()})
        self._table.calls.clear()

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, extra header lines, body."""
        if path.startswith("/bench/"):
            return await self._steered(path, body)
        if path.startswith(RUNTIME):
            return await self._runtime(path, headers)
        return self._service(method, path, headers, body)

    async def _steered(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        if path == "/bench/reset":
            self.reset(json.loads(body))
        elif path == "/bench/watch":
            self._pid = json.loads(body)["pid"]
        elif path == "/bench/over":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), OVER_SECONDS)
        notes = vars(self.notes) | {"cpu_now": _cpu(self._pid)}
        return 200, "", json.dumps(notes).encode()

    async def _runtime(self, path: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
        if path.endswith("/invocation/next"):
            self.notes.first_call = self.notes.first_call or time.monotonic()
            if self._event is None:
                await asyncio.sleep(3600)  # the function is frozen now; whoever measures ends it
                raise ConnectionError
            event, self._event = self._event, None
            deadline = int(time.time() * 1000) + AHEAD_MS
            given = f"Lambda-Runtime-Aws-Request-Id: bench\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n"
            given += "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:bench\r\n"
            given += "Lambda-Runtime-Trace-Id: Root=1-67aa0000-bench\r\nContent-Type: application/json\r\n"
            return 200, given, event
        if path.endswith("/error"):
            self.notes.errors.append(headers.get("lambda-runtime-function-error-type", "error"))
        self._over.set()
        self.notes.answered = time.monotonic()
        self.notes.peak_mb = _peak_mb(self._pid)
        return 202, "", b"{}"

    def _service(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        if path.startswith(SLACK):
            return 200, "", self._card("slack", b"ok")
        if path == TEAMS:
            return 202, "", self._card("teams", b"")
        if "x-amz-target" in headers:
            service, _, operation = headers["x-amz-target"].rpartition(".")
            self.notes.calls[f"{service.partition('_')[0]}.{operation}"] += 1
            return self._dynamodb(operation, body) if service.startswith("DynamoDB") else self._json(operation, body)
        if path.startswith("/service/WorkspacesService/"):
            self.notes.calls["WorkSpaces." + path.rpartition("/")[2]] += 1
            return 200, "Smithy-Protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n", self._people(body)
        if body.startswith(b"Action=Publish") or b"&Action=Publish" in body:
            self.notes.calls["SNS.Publish"] += 1
            self._card("sns", b"")
            return 200, "Content-Type: text/xml\r\n", _PUBLISHED
        self.notes.errors.append(f"{method} {path}"[:200])
        return 404, "", b"{}"

    def _card(self, channel: str, said: bytes) -> bytes:
        self.notes.calls[f"card.{channel}"] += 1
        if self.notes.first_card is None:
            self.notes.first_card, self.notes.cpu_at_card = time.monotonic(), _cpu(self._pid)
        return said

    def _dynamodb(self, operation: str, body: bytes) -> tuple[int, str, bytes]:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        try:
            said: Any = getattr(self._table, name)(**json.loads(body))
            status = 200
        except ClientError as error:
            said, status = {"__type": f"com.amazonaws.dynamodb.v20120810#{error.response['Error']['Code']}"}, 400
        return status, "Content-Type: application/x-amz-json-1.0\r\n", json.dumps(said).encode()

    def _json(self, operation: str, body: bytes) -> tuple[int, str, bytes]:
        asked = json.loads(body)
        said: dict[str, Any] = {"Parameter": {"Name": asked.get("Name", ""), "Value": self._hook}}
        if operation == "DescribeWorkspaces":
            said = {"Workspaces": [{"WorkspaceId": id_, "UserName": USER} for id_ in asked["WorkspaceIds"]]}
        return 200, "Content-Type: application/x-amz-json-1.1\r\n", json.dumps(said).encode()

    def _people(self, body: bytes) -> bytes:
        ids = [found.decode() for found in _WORKSPACE.findall(body)]
        return _cbor({"Workspaces": [{"WorkspaceId": id_, "UserName": USER} for id_ in ids]})


_PUBLISHED = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>bench</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></PublishResponse>"
)


def _cbor(value: Any) -> bytes:
    """As much of RFC 8949 as an answer needs: maps, lists and texts."""
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(_cbor(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(_cbor, value))
    text = str(value).encode()
    return _head(3, len(text)) + text


def _head(kind: int, length: int) -> bytes:
    if length < 24:
        return bytes([kind << 5 | length])
    return bytes([kind << 5 | 25]) + length.to_bytes(2)


def _cpu(pid: int | None) -> float | None:
    """Seconds of processor that a process has had, user and system, all threads: clock_getcpuclockid of Linux."""
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | 2) if pid is not None else None
    return None


def _peak_mb(pid: int | None) -> float | None:
    """The most memory that a process ever had, resident."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return None


async def _converse(cloud: Cloud, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length") or 0))
            status, given, said = await cloud.answer(method, path.partition("?")[0], headers, body)
            writer.write(f"HTTP/1.1 {status} OK\r\n{given}Content-Length: {len(said)}\r\n\r\n".encode("latin-1") + said)
            await writer.drain()
    writer.close()


async def _serve(certificate: str) -> None:
    cloud = Cloud()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(cloud, reader, writer)

    plain = await asyncio.start_server(converse, "127.0.0.1", 0, limit=2**22)
    secure = await asyncio.start_server(converse, "127.0.0.1", 0, limit=2**22, ssl=context)
    print(plain.sockets[0].getsockname()[1], secure.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1]))
