"""Cold: a fresh process under AWS's own runtime client, from its start until its first card is at the server.

Every candidate meets the same event, on the same loopback servers, in turns.
"""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.loopback import Loopback
from bench.tasks import PYTHON, Candidate
from tests.support.logins import event

DESK = event("seed")["detail"]["workspaceId"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One cold start, in milliseconds from the process's beginning; `cpu_` is the processor's time until then."""

    init: float
    card: float
    answered: float
    cpu_card: float
    cpu_answered: float
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
        stderr=__import__("os").environ.get("DBG") and None or subprocess.DEVNULL,
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
        cpu_answered=notes["cpu_at_answer"] * 1000,
        peak_mb=notes["peak_mb"],
        calls=notes["calls"],
    )
