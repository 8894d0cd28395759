"""What Lambda would unzip: a folder for the bot and for each peer, made afresh from what `make bench` installed.

`.venv-bench` is a Python that knows what Lambda's own knows, boto3 and AWS's runtime client; `.venv-bench/libraries`
holds what each task brings itself.
"""

import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.loopback import Loopback
from bot.config import compiled_beside, load
from bot.config.compiled import dump
from deploy.package import Package, package
from deploy.target import Target

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv-bench"
PYTHON = HOME / "bin" / "python"
LIBRARIES = HOME / "libraries"

SIMPLEST, APPRISE, NAIVE = "(a) raw event to SNS, boto3", "(b) on Apprise", "(c) requests + boto3"

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
        return {**cloud.environment(), **self.environment}


def simplest(folder: Path) -> Candidate:
    task = _peer(folder / "sns", None, "sns")
    return Candidate(SIMPLEST, task, "bench.peers.sns.handle")


def on_apprise(folder: Path, cloud: Loopback, *, everybody: bool = False) -> Candidate:
    task = _peer(folder / "apprise", "apprise", "people", "on_apprise")
    return Candidate(APPRISE, task, "bench.peers.on_apprise.handle", _channels(cloud, everybody=everybody))


def naive(folder: Path, cloud: Loopback, *, everybody: bool = False) -> Candidate:
    task = _peer(folder / "naive", "requests", "people", "naive")
    return Candidate(NAIVE, task, "bench.peers.naive.handle", _channels(cloud, everybody=everybody))


def ours(
    folder: Path, cloud: Loopback, *, notify: tuple[str, ...] = EVERYBODY[:1], secret: str = "env:HOOK"
) -> Candidate:
    """The packaged zip, on a routing file that names no more destinations than are in use."""
    routes = folder / f"routes-{len(notify)}-{secret.partition(':')[0]}" / "routes.yml"
    routes.parent.mkdir(exist_ok=True)
    more = MORE if len(notify) > 1 else ""
    routes.write_text(ROUTES.format(host=cloud.host, secret=secret, more=more, notify=", ".join(notify)))
    Path(compiled_beside(str(routes))).write_text(dump(load(str(routes)), routes.read_bytes()))
    environment = {"ROUTES": str(routes), "OPS_HOOK": f"{cloud.slack}2", "AWS_CA_BUNDLE": ""}  # SSL_CERT_FILE is enough
    return Candidate("ours", unzipped(zipped(folder)), "bot.handler.handle", environment)


@cache
def zipped(folder: Path) -> Package:
    """What `make package` makes, for this machine's processor: once in a run."""
    arch = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return package(Target(arch), ROOT / "routes.example.yml", folder / "ours.zip")


def unzipped(package: Package) -> Path:
    task = package.path.with_suffix("")
    if not task.exists():
        with zipfile.ZipFile(package.path) as made:
            made.extractall(task)
    return task


def without_pyc(candidate: Candidate) -> Candidate:
    """The same, as a zip without .pyc would be unzipped into a folder that nobody may write to."""
    task = candidate.folder.with_name(f"{candidate.folder.name}-without-pyc")
    if not task.exists():
        shutil.copytree(candidate.folder, task, copy_function=os.link, ignore=shutil.ignore_patterns("*.pyc"))
    return Candidate(f"(d) {candidate.name}, without .pyc", task, candidate.handler, candidate.environment)


def _channels(cloud: Loopback, *, everybody: bool) -> dict[str, str]:
    if everybody:
        return {"SLACK_URL": f"{cloud.slack} {cloud.slack}2", "TEAMS_URL": cloud.teams}
    return {"SLACK_URL": cloud.slack}


def _peer(task: Path, library: str | None, *modules: str) -> Path:
    """A peer as it would be unzipped: its library, its own few modules, and their .pyc, as ours."""
    if task.exists():
        return task
    if library:
        shutil.copytree(LIBRARIES / library, task, ignore=shutil.ignore_patterns("bin", "__pycache__"))
    (task / "bench" / "peers").mkdir(parents=True)
    for name in ("__init__", "peers/__init__", *(f"peers/{module}" for module in modules)):
        shutil.copy(ROOT / "bench" / f"{name}.py", task / "bench" / f"{name}.py")
    subprocess.run([PYTHON, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(task)], check=True)
    return task
