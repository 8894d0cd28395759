"""What Lambda would unzip: a folder for the bot and for each peer, made afresh from what `make bench` installed.

`.venv-bench` is a Python that knows what Lambda's own knows, boto3 and AWS's runtime client; `.venv-bench/libraries`
holds what each task brings itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.loopback import Loopback

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv-bench"
PYTHON = HOME / "bin" / "python"
LIBRARIES = HOME / "libraries"

EVERYBODY = ("eng-slack", "ops-slack", "it-teams")
ROUTES = """
trusted_hosts: ["{host}"]
destinations:
  eng-slack: {{type: slack, webhook_url: "{secret}", pace: {{gap: 0, messages: 1000, per: 1}}}}
{more}
directories:
  d-9067000001: {{name: Engineering, notify: [{notify}]}}
default: [eng-slack]
"""
MORE = """
  ops-slack: {type: slack, webhook_url: "env:OPS_HOOK", pace: {gap: 0, messages: 1000, per: 1}}
  it-teams: {type: teams, webhook_url: "env:TEAMS_HOOK", pace: {gap: 0, messages: 1000, per: 1}}
"""
"""No pace: on loopback there is no limit to keep, and a pause would be measured as ours."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A function as it would be deployed: its folder, its handler, and its own environment."""

    name: str
    folder: Path
    handler: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def surroundings(self, cloud: Loopback) -> dict[str, str]:
        return cloud.environment() | self.environment


def simplest(folder: Path) -> Candidate:
    task = _task(folder / "sns", None, peers=("sns",))
    return Candidate("(a) raw event to SNS, boto3", task, "peers.sns.handle")


def on_apprise(folder: Path, cloud: Loopback, *, everybody: bool = False) -> Candidate:
    task = _task(folder / "apprise", "apprise", peers=("people", "on_apprise"))
    return Candidate("(b) on Apprise", task, "peers.on_apprise.handle", _channels(cloud, everybody=everybody))


def naive(folder: Path, cloud: Loopback, *, everybody: bool = False) -> Candidate:
    task = _task(folder / "naive", "requests", peers=("people", "naive"))
    return Candidate("(c) requests + boto3", task, "peers.naive.handle", _channels(cloud, everybody=everybody))


def ours(folder: Path, cloud: Loopback, *, notify: tuple[str, ...] = EVERYBODY[:1], secret: str = "env:HOOK") -> Candidate:
    """The bot on a routing file of its own, compiled, that names no more destinations than are in use."""
    routes = folder / f"routes-{len(notify)}-{secret.partition(':')[0]}" / "routes.yml"
    routes.parent.mkdir(exist_ok=True)
    more = MORE if len(notify) > 1 else ""
    routes.write_text(ROUTES.format(host=cloud.host, secret=secret, more=more, notify=", ".join(notify)))
    subprocess.run([sys.executable, "-m", "bot", "compile", routes], cwd=ROOT, check=True, capture_output=True)
    task = folder / "ours"
    if not task.exists():
        _task(task, "ours", sources=("bot", "formatters"))
    return Candidate("ours", task, "bot.handler.handle", {"ROUTES": str(routes), "OPS_HOOK": f"{cloud.slack}2"})


def without_pyc(candidate: Candidate) -> Candidate:
    """The same, as a zip without .pyc would be unzipped into a folder that nobody may write to."""
    task = candidate.folder.with_name(f"{candidate.folder.name}-without-pyc")
    if not task.exists():
        shutil.copytree(candidate.folder, task, copy_function=os.link, ignore=shutil.ignore_patterns("*.pyc"))
    return Candidate(f"{candidate.name}, without .pyc", task, candidate.handler, candidate.environment)


def _channels(cloud: Loopback, *, everybody: bool) -> dict[str, str]:
    if everybody:
        return {"SLACK_URL": f"{cloud.slack} {cloud.slack}2", "TEAMS_URL": cloud.teams}
    return {"SLACK_URL": cloud.slack}


def _task(task: Path, libraries: str | None, *, peers: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Path:
    if task.exists():
        return task
    if libraries:
        shutil.copytree(LIBRARIES / libraries, task, copy_function=os.link, ignore=shutil.ignore_patterns("bin"))
    for name in sources:
        shutil.copytree(ROOT / name, task / name, ignore=shutil.ignore_patterns("__pycache__", "cli", "__main__.py"))
    for name in ("__init__", *peers):
        if peers:
            (task / "peers").mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "bench" / "peers" / f"{name}.py", task / "peers")
    subprocess.run([PYTHON, "-m", "compileall", "-q", task], check=True)
    return task
