"""What a deployment weighs: the zip, and the modules that a first call imports."""

import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deploy.package
from bench import cold
from bench.loopback import Loopback
from bench.tasks import PYTHON, ROOT, Candidate
from deploy.target import Target
from tests.support.logins import event


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One module's import: its own microseconds, with all that it imported in turn, and how deep it stands."""

    name: str
    own: int
    whole: int
    depth: int


def imports(candidate: Candidate, cloud: Loopback) -> list[Imported]:
    """What a cold start imports, up to its first card, outermost first. `-X importtime` itself takes some time."""
    cloud.steer("reset", event=event("seed"), known={cold.DESK: "alice"}, hook=cloud.slack)
    command = [str(PYTHON), "-X", "importtime", "-m", "awslambdaric", candidate.handler]
    with subprocess.Popen(
        command,
        cwd=candidate.folder,
        env=candidate.surroundings(cloud),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        cloud.steer("over")
        process.terminate()
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    return list(reversed(list(_read(lines))))


def _read(lines: list[str]) -> Iterator[Imported]:
    for line in lines:
        own, _, rest = line.removeprefix("import time:").partition("|")
        whole, _, name = rest.partition("|")
        if line.startswith("import time:") and own.strip().isdigit():
            bare = name.strip()
            yield Imported(name=bare, own=int(own), whole=int(whole), depth=(len(name.rstrip()) - len(bare) - 1) // 2)


def megabytes(folder: Path) -> tuple[float, float]:
    """Of the zip without .pyc and with it: the one that is deployed, whatever this machine's processor is."""
    package = deploy.package.package(Target(), ROOT / "routes.example.yml", folder / "deployed.zip")
    with zipfile.ZipFile(package.path) as made:
        compiled = [entry for entry in made.infolist() if entry.filename.endswith(".pyc")]
    of_compiled = sum(entry.compress_size + ENTRY_BYTES + 2 * len(entry.filename) for entry in compiled)
    return (package.size - of_compiled) / 1e6, package.size / 1e6


ENTRY_BYTES = 30 + 46
"""What a zip writes about each file, before it and at its end, beside its name."""
