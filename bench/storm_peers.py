"""What peers (b) and (c) do in a storm: their own code, in the storms' simulated world, against the same limits.

    python -m bench.storm_peers on_apprise 1000     # its library is where `make bench` put it

They are deployed as such functions are: a queue, batches of ten, two pollers, records that failed come back when their
visibility is over, and after the third time they are in a dead-letter queue, where no channel hears of them.
"""

import importlib.util
import json
import logging
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
from botocore.exceptions import ClientError

from bench.tasks import LIBRARIES
from tests.support.providers import Answer, Request
from tests.support.storm import people
from tests.support.storm.aws import Directory
from tests.support.storm.channels import LATENCY, SlackChannel, TeamsChannel
from tests.support.storm.clock import Process, SimClock
from tests.support.storm.queue import Message, Queue
from tests.support.storm.world import CALL_SECONDS, COLD_START, POLL_SECONDS, POLLERS, Storm

PEERS = Path(__file__).with_name("peers")
BATCH, RECEIVES = 10, 3
HOOK = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
FLOW = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?sig=bench"
BOTO3_TRIES = 5

_NAMED = re.compile(r"\buser-0(\d{8})\b")


class Patient(SlackChannel):
    """Slack as these peers would have it: what is posted while it says 429 does not prolong the 429."""

    def _hear(self, request: Request) -> Answer:
        closed_until = self._closed_until
        answer = super()._hear(request)
        if self._clock.now() < closed_until:
            self._closed_until = closed_until
        return answer


class AtOnce(Executor):
    """In the place of Apprise's threads, which a simulated clock does not know: one channel after the other."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed on, as threads do
            future.set_exception(error)
        return future


class PeerStorm:
    """The storms' world around somebody else's function."""

    def __init__(self, peer: str, logins: int) -> None:
        self._peer = peer
        self.storm = Storm(logins=logins, known=False)
        self.clock = SimClock()
        self.emitted = self.storm.emitted(self.clock.now())
        self.queue = Queue(self.clock, self.storm.messages(self.emitted), self._body)
        self.channels: dict[str, SlackChannel | TeamsChannel] = {
            "slack": Patient(self.clock, logins),
            "teams": TeamsChannel(self.clock, logins),
        }
        self._directory = Directory(self.clock)
        self._receives: Counter[str] = Counter()
        self._idle: list[ModuleType] = []

    def run(self) -> dict[str, list[float]]:
        """By channel: cards, never told, told twice, posts over the limit, seconds until the last that was told."""
        people.named_on_slack = people.named_on_teams = _named  # their cards are not ours
        with ExitStack() as open_:
            for channel in self.channels.values():
                open_.enter_context(channel)
            os.environ["SLACK_URL"] = f"http://{self.channels['slack'].host}{HOOK}"
            os.environ["TEAMS_URL"] = f"https://{self.channels['teams'].host}{FLOW}"
            self._slow_down_posts()
            for number in range(POLLERS):
                self.clock.start(self._poll, Process(f"poller {number}"))
            self.clock.run(lambda: self.queue.next_visible is None)
        return {name: self._figures(name) for name in self.channels}

    def describe_workspaces(self, *, WorkspaceIds: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        """As boto3's client does it where nobody says otherwise: up to five tries, ever longer pauses."""
        for attempt in range(BOTO3_TRIES):
            try:
                return self._directory.describe_workspaces(WorkspaceIds=WorkspaceIds)
            except ClientError:
                if attempt == BOTO3_TRIES - 1:
                    raise
                self.clock.sleep(random.random() * 2**attempt)
        raise AssertionError

    def _poll(self) -> None:
        while (visible := self.queue.next_visible) is not None:
            if visible > self.clock.now():
                self.clock.sleep(min(visible - self.clock.now(), POLL_SECONDS))
                continue
            records = self.queue.receive(BATCH)
            self._receives.update(record["messageId"] for record in records)
            said = self._call({"Records": records}) if records else None
            if said is not None:
                failed = {each["itemIdentifier"] for each in said["batchItemFailures"]}
                self.queue.delete(record["messageId"] for record in records if record["messageId"] not in failed)
            self.queue.delete(each for each, times in self._receives.items() if times >= RECEIVES)

    def _call(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """One call of the function; None when it did not come to an end in its time."""
        copy = self._idle.pop() if self._idle else self._started()
        process = Process("call", self.clock.now() + CALL_SECONDS)
        said: list[Any] = self.clock.side_by_side(lambda each: copy.handle(each, None), [event], process)
        if not said:
            return None
        self._idle.append(copy)
        answered: dict[str, Any] = said[0]
        return answered

    def _started(self) -> ModuleType:
        """One more container: the function's module, made afresh."""
        self.clock.sleep(COLD_START)
        spec = importlib.util.spec_from_file_location(self._peer, PEERS / f"{self._peer}.py")
        assert spec is not None
        assert spec.loader is not None
        copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
        sys.modules["bench.peers.people"].workspaces = self  # type: ignore[attr-defined]
        for plugin in getattr(copy, "channels", ()):
            self._keep_its_pace(plugin)
            sys.modules["apprise.apprise"]._shared_executor = AtOnce()  # type: ignore[attr-defined]  # noqa: SLF001
        return copy

    def _keep_its_pace(self, plugin: Any) -> None:
        """Apprise's own throttle, on the simulated clock."""
        last = -1e9

        def throttle(*_: Any, **__: Any) -> None:
            nonlocal last
            self.clock.sleep(max(0.0, last + plugin.request_rate_per_sec - self.clock.now()))
            last = self.clock.now()

        plugin.throttle = throttle

    def _slow_down_posts(self) -> None:
        """A post takes as long as everybody's in a storm; loopback has no TLS there."""
        send = requests.Session.send

        def slowly(session: requests.Session, request: requests.PreparedRequest, **how: Any) -> requests.Response:
            request.url = str(request.url).replace("https://127.0.0.1", "http://127.0.0.1")
            self.clock.dawdle(LATENCY / 2)
            answer = send(session, request, **how)
            self.clock.dawdle(LATENCY / 2)
            return answer

        requests.Session.send = slowly  # type: ignore[assignment,method-assign]

    def _body(self, message: Message) -> str:
        return people.event(message.login, self.emitted[message.login], "d-9067000001")

    def _figures(self, name: str) -> list[float]:
        notes = self.channels[name].notes
        waits = [at - self.emitted[number] for number, at in enumerate(notes.named_at) if at]
        return [notes.cards, len(notes.named_at) - len(waits), notes.twice, notes.broken, max(waits, default=0.0)]


def _named(message: Mapping[str, Any]) -> list[int]:
    return sorted({int(number) for number in _NAMED.findall(json.dumps(message))})


def main(peer: str, logins: str) -> None:
    logging.disable(logging.CRITICAL)
    os.environ |= {"AWS_DEFAULT_REGION": people.REGION, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    sys.path.append(str(LIBRARIES / "apprise"))
    began = time.process_time()
    told = PeerStorm(peer, int(logins)).run()
    print(json.dumps({"channels": told, "cpu": time.process_time() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
