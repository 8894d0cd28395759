"""Warm: the processor's milliseconds for a login, in a container that has seen many; every candidate in turns.

Its own processor's alone: what the servers need is in another process. A digest's cost is that of its whole batch from
the queue, divided by its logins.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from bench import tasks
from bench.figures import Series
from bench.loopback import Loopback
from bench.tasks import PYTHON, Candidate
from tests.support.logins import event

DYNAMODB, SQLITE = "ours, DynamoDB", "ours, SQLite"
DRIVEN = Path(__file__).with_name("driven.py")
DESKS = 50
SINGLE, THREE = "one card, one destination", "one card, three destinations"
WALL = "one card, one destination, on the clock"
DIGEST, STORM = "in a batch of 150", "in a batch of 500"

PEERS_BATCH = 10
"""They have no digest: every login of a batch costs them the same, so ten tell as much as five hundred."""

_numbers = count(1)


def login() -> dict[str, Any]:
    """A login that nobody saw before, of one of a few people."""
    number = next(_numbers)
    raw = event("seed") | {"id": f"00000000-0000-0000-0000-{number:012}"}
    return raw | {"detail": raw["detail"] | {"workspaceId": desk(number % DESKS)}}


def desk(number: int) -> str:
    return f"ws-{number:09}"


def batch(size: int) -> dict[str, Any]:
    """As a queue brings `size` logins to a function."""
    return {"Records": [{"messageId": str(number), "body": json.dumps(login())} for number in range(size)]}


class Container:
    """One warm process of a candidate."""

    def __init__(self, candidate: Candidate, process: "subprocess.Popen[str]") -> None:
        self.name = candidate.name
        self._process = process

    def call(self, event: Mapping[str, Any]) -> tuple[float, float]:
        """Milliseconds of its processor, and milliseconds on the clock."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(event), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended in the middle of a call")
        cpu, wall = json.loads(line)
        return float(cpu), float(wall)


@contextmanager
def container(candidate: Candidate, cloud: Loopback, *, without: Sequence[str] = ()) -> Iterator[Container]:
    command = [str(PYTHON), str(DRIVEN), candidate.handler]
    surroundings = candidate.surroundings(cloud) | {"UNTHROTTLED": "1"}
    with subprocess.Popen(
        command,
        cwd=candidate.folder,
        env={name: value for name, value in surroundings.items() if name not in without},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield Container(candidate, process)
        assert process.stdin is not None
        process.stdin.close()


def measure(folder: Path, cloud: Loopback, *, rounds: int) -> dict[str, dict[str, Series]]:
    """By figure, then by candidate: milliseconds a login."""
    cloud.steer("reset", known={desk(number): f"user-{number}" for number in range(DESKS)}, hook=cloud.slack)
    figures: dict[str, dict[str, Series]] = {}
    for figure, everybody in ((SINGLE, False), (THREE, True)):
        with ExitStack() as open_:
            containers = _containers(open_, folder, cloud, everybody=everybody)
            figures[figure], walls = _in_turns(containers, rounds, 1)
            if not everybody:
                figures[WALL] = walls
                for figure_of, size in ((DIGEST, 150), (STORM, 500)):
                    figures[figure_of], _ = _in_turns(containers, max(2, rounds // 10), size)
    return figures


def profile(folder: Path, cloud: Loopback, *, calls: int) -> str:
    """Where the processor's time of a warm login goes, as text."""
    cloud.steer("reset", known={desk(number): f"user-{number}" for number in range(DESKS)}, hook=cloud.slack)
    candidate = tasks.ours(folder, cloud)
    done = subprocess.run(
        [str(PYTHON), str(DRIVEN), candidate.handler, str(calls)],
        cwd=candidate.folder,
        env=candidate.surroundings(cloud),
        input="\n".join(json.dumps(login()) for _ in range(2 * calls)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()) + "\n"


def _containers(open_: ExitStack, folder: Path, cloud: Loopback, *, everybody: bool) -> dict[str, Container]:
    notify = tasks.EVERYBODY if everybody else tasks.EVERYBODY[:1]
    ours = tasks.ours(folder, cloud, notify=notify)
    people = folder / "people.csv"
    people.write_text(
        "workspace_id,user_name\n" + "".join(f"{desk(number)},user-{number}\n" for number in range(DESKS))
    )
    laptop = {"STATE_FILE": str(folder / f"state-{everybody}.sqlite"), "USERS_FILE": str(people)}
    on_sqlite = Candidate("ours, SQLite", ours.folder, ours.handler, {**ours.environment, **laptop})
    off_lambda = ("TABLE_NAME", "AWS_LAMBDA_FUNCTION_NAME")
    found = {
        DYNAMODB: container(ours, cloud),
        SQLITE: container(on_sqlite, cloud, without=off_lambda),
        tasks.APPRISE: container(tasks.on_apprise(folder, cloud, everybody=everybody), cloud),
        tasks.NAIVE: container(tasks.naive(folder, cloud, everybody=everybody), cloud),
    }
    return {name: open_.enter_context(each) for name, each in found.items()}


def _in_turns(
    containers: Mapping[str, Container], rounds: int, logins: int
) -> tuple[dict[str, Series], dict[str, Series]]:
    """By candidate: milliseconds a login, of its processor and on the clock."""
    cpus: dict[str, list[float]] = {name: [] for name in containers}
    walls: dict[str, list[float]] = {name: [] for name in containers}
    warm_up = max(1, rounds // 5)
    for number in range(warm_up + rounds):
        for name, each in containers.items():
            size = logins if name.startswith("ours") else min(logins, PEERS_BATCH)
            cpu, wall = each.call(login() if logins == 1 else batch(size))
            if number >= warm_up:
                cpus[name].append(cpu / size)
                walls[name].append(wall / size)
    return _series(cpus), _series(walls)


def _series(told: Mapping[str, list[float]]) -> dict[str, Series]:
    return {name: Series(tuple(costs)) for name, costs in told.items()}
