"""The inbox for tests: its real server on a free port of loopback, on a clock that only the test moves."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from bot.cli.inbox.local import LocalBot
from bot.cli.inbox.serving import Server, listening
from bot.clock import Clock
from bot.listed_people import ListedPeople
from tests.support.cli import USERS, write
from tests.support.clock import FakeClock

ROUTES = """\
destinations:
  eng-slack: {type: slack, webhook_url: "ssm:/hook/eng"}
  ops-slack: {type: slack, token: "ssm:/token", channel: C0123456789}
  it-teams: {type: teams, webhook_url: "ssm:/hook/it", language: ja, timezone: Asia/Tokyo, fallback: ops-slack}
  audit-mail: {type: sns, topic_arn: "arn:aws:sns:eu-west-1:123456789012:logins"}
directories:
  d-9067000001: {name: Engineering, notify: [eng-slack]}
  d-9067000002: {name: Finance, notify: [it-teams, audit-mail]}
default: [ops-slack]
routes:
  - {match: {user: "svc-*"}, notify: []}
"""

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Said:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class RunningInbox:
    bot: LocalBot
    routes: Path
    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        """One request as it is written here, Host included; `body` is bytes, or anything to be said as JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, content, named)
            answer = connection.getresponse()
            return Said(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        said = self.ask("GET", path)
        assert said.status == 200, said.text
        return said.json

    def page_posts(self, path: str, body: Any, **headers: str) -> Said:
        """As the inbox's own page posts."""
        own = {"Content-Type": "application/json", "Origin": self.url, "X-Inbox-Token": self.token}
        return self.ask("POST", path, body, **(own | headers))

    def program_posts(self, body: Any, **headers: str) -> Said:
        """As curl posts to /events."""
        return self.ask("POST", "/events", body, **(JSON | headers))

    def cards(self, destination: str) -> Any:
        return self.get(f"/cards?destination={destination}")


@contextmanager
def inbox(folder: Path, *, routes: str = ROUTES, clock: Clock | None = None, port: int = 0) -> Iterator[RunningInbox]:
    """Serves; told is only what the test tells (`bot.tell()`), unless it starts the bot. `port` is an earlier one's."""
    file = folder / "routes.yml"
    if not file.exists():
        file.write_text(routes)
    people = ListedPeople(str(write(folder, "users.csv", USERS)))
    bot = LocalBot(routes=str(file), state=str(folder / "state.sqlite"), people=people, clock=clock or FakeClock())
    with listening(port) as listener:
        port = listener.getsockname()[1]
        server = Server(bot, port=port)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield RunningInbox(bot, file, port, server.token)
        finally:
            bot.close()
            server.should_exit = True
            thread.join()
            bot.shelf.close()
