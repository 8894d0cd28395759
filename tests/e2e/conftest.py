"""The deployed stage, made once for all tests that look at it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.emulator import Emulator
from tests.e2e.stage import ROOT, Stage, door, run
from tests.support.aws import LoopbackAws
from tests.support.providers import Provider

EMULATOR = Path(os.environ.get("EMULATOR_VENV", ROOT / ".venv-e2e"))
LAMBDA = Path(os.environ.get("LAMBDA_VENV", ROOT / ".venv-lambda"))
"""Virtual environments that `make e2e` sets up."""


def version(venv: Path) -> str:
    """Of a virtual environment's Python, such as 3.13."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([venv / "bin/python", "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    scratch = tmp_path_factory.mktemp("stage")
    with ExitStack() as open_:
        emulator = open_.enter_context(Emulator(EMULATOR / "bin/ministack", scratch / "emulator"))
        moto = open_.enter_context(LoopbackAws())
        eng, ops = open_.enter_context(Provider.slack()), open_.enter_context(Provider.slack())
        topic = emulator.client("sns").create_topic(Name="login-audit")["TopicArn"]
        made = Stage(
            emulator=emulator,
            eng=eng,
            ops=ops,
            teams=open_.enter_context(Provider.teams()),
            workspaces=open_.enter_context(door(moto.url)),
            topic=topic,
            desk=scratch,
        )
        made.prepare()
        made.deploy(version(EMULATOR))
        made.let_batches_through()
        made.make_lookup_role()
        yield made


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The zip with the example's routes for a processor and a Python, each made once."""
    folder = tmp_path_factory.mktemp("zips")

    @cache
    def made(arch: str, python: str) -> Path:
        return build(folder / f"{arch}-{python}.zip", arch, python)

    return made


def build(out: Path, arch: str, python: str) -> Path:
    command = [sys.executable, "-m", "deploy.package", "--arch", arch, "--python", python, "--out", str(out)]
    run([*command, "--routes", "routes.example.yml"], os.environ)
    return out
