"""Cold: a fresh process under AWS's own runtime client, from its start until its first card is at the server.

Every candidate meets the same event, on the same loopback servers, in turns.
"""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import tasks
from bench.figures import Series
from bench.loopback import Loopback
from bench.tasks import PYTHON, Candidate
from tests.support.logins import event

DESK = event("seed")["detail"]["workspaceId"]


KNOWN, UNKNOWN, WITHOUT_PYC, IN_SSM = (
    "ours",
    "ours, a person to look up",
    "(d) ours without .pyc",
    "ours, secret in SSM",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One cold start, in milliseconds from the process's beginning; `cpu_` is the processor's time until then."""

    init: float
    card: float
    answered: float
    cpu_card: float
    peak_mb: float
    calls: dict[str, int]


def start(candidate: Candidate, cloud: Loopback, *, known: bool) -> Start:
    """Start `candidate` once. Raises RuntimeError where it brought no card."""
    cloud.steer("reset", event=event("seed"), known={DESK: "alice"} if known else {}, hook=cloud.slack)
    command = [str(PYTHON), "-m", "awslambdaric", candidate.handler]
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=candidate.folder,
        env=candidate.surroundings(cloud),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        cloud.steer("watch", pid=process.pid)
        notes = cloud.steer("over")
        process.kill()
    if notes["errors"] or notes["first_card"] is None:
        raise RuntimeError(f"{candidate.name}: no card; {notes['errors']}")
    return Start(
        init=(notes["first_call"] - began) * 1000,
        card=(notes["first_card"] - began) * 1000,
        answered=(notes["answered"] - began) * 1000,
        cpu_card=notes["cpu_at_card"] * 1000,
        peak_mb=notes["peak_mb"],
        calls=notes["calls"],
    )


def measure(folder: Path, cloud: Loopback, *, rounds: int) -> dict[str, list[Start]]:
    """By candidate, its starts; one of each in every round."""
    ours = tasks.ours(folder, cloud)
    candidates = {
        tasks.SIMPLEST: (tasks.simplest(folder), True),
        tasks.APPRISE: (tasks.on_apprise(folder, cloud), True),
        tasks.NAIVE: (tasks.naive(folder, cloud), True),
        KNOWN: (ours, True),
        UNKNOWN: (ours, False),
        IN_SSM: (tasks.ours(folder, cloud, secret="ssm:/login-bot/slack/eng"), True),
        WITHOUT_PYC: (tasks.without_pyc(ours), True),
    }
    told: dict[str, list[Start]] = {name: [] for name in candidates}
    for number in range(1 + rounds):  # the first one reads the files from the disk
        for name, (candidate, known) in candidates.items():
            began = start(candidate, cloud, known=known)
            if number:
                told[name].append(began)
    return told


def series(starts: Sequence[Start], what: str) -> Series:
    return Series(tuple(getattr(start, what) for start in starts))
