"""One login through the function, warm, on loopback: the wall clock and the processor's time, beside a bare post.

The bare post is the least that any bot must do: the raw event, as JSON, to the same server with the standard
library. The two take turns in one run, so the ratio holds on a machine whose speed drifts.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

from bot.handler import handle
from tests.support.logins import event
from tests.support.providers import Provider

ROUNDS = 200
WARM_UP = 10

ROUTES = """
trusted_hosts: ["{host}"]
destinations:
  one: {{type: slack, webhook_url: "env:BENCH_WEBHOOK"}}
directories:
  d-9067000001: {{name: Engineering, notify: [one]}}
default: [one]
"""


@dataclass
class Figures:
    """Milliseconds of each round."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], Any]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall.append((time.perf_counter() - wall) * 1000)
        self.cpu.append((time.process_time() - cpu) * 1000)

    def row(self) -> str:
        spread = f"{min(self.wall):7.2f} {median(self.wall):7.2f} {max(self.wall):7.2f}"
        return f"{self.name:<44}{spread}   {median(self.cpu):7.2f}"


def main() -> int:
    with TemporaryDirectory() as folder, Provider.slack() as slack:
        _set_up(Path(folder), slack)
        ours = Figures("one login, one Slack card (handle, SQLite)")
        bare = Figures("the raw event, posted and no more")
        for number in range(WARM_UP + ROUNDS):
            raw = event("seed") | {"id": f"bench-{number}"}
            rounds = (Figures("warm-up"), Figures("warm-up")) if number < WARM_UP else (ours, bare)
            rounds[0].time(lambda raw=raw: handle(raw, None))  # type: ignore[misc]
            rounds[1].time(lambda raw=raw: _post(slack.url, raw))  # type: ignore[misc]
        _report(ours, bare, cards=len(slack.posts) - WARM_UP - ROUNDS)
    return 0


def _set_up(folder: Path, slack: Provider) -> None:
    (folder / "routes.yml").write_text(ROUTES.format(host=slack.host))
    (folder / "users.csv").write_text("workspace_id,user_name\nws-8n1k2m3p4,alice\n")
    os.environ |= {
        "ROUTES": str(folder / "routes.yml"),
        "USERS_FILE": str(folder / "users.csv"),
        "STATE_FILE": str(folder / "state.sqlite"),
        "BENCH_WEBHOOK": slack.url,
        "LOG_LEVEL": "ERROR",
    }


def _post(url: str, raw: dict[str, Any]) -> None:
    request = Request(url, data=json.dumps(raw).encode(), headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        answer.read()


def _report(ours: Figures, bare: Figures, *, cards: int) -> None:
    print(
        f"warm, {ROUNDS} rounds after {WARM_UP}, Python {platform.python_version()}, {os.cpu_count()} cores, loopback\n"
    )
    print(f"{'':<44}{'wall ms: min  median     max':>23}   {'cpu ms':>7}")
    print(ours.row())
    print(bare.row())
    print(f"\nratio of the medians: wall {median(ours.wall) / median(bare.wall):.2f}, ", end="")
    print(f"cpu {median(ours.cpu) / median(bare.cpu):.2f}   (the server's own time is in both)")
    print(f"cards at the server: {cards} of {ROUNDS + WARM_UP}")


if __name__ == "__main__":
    sys.exit(main())
