"""What the README shows is what a run prints."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import invoke

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMAND = re.compile(r"^\$ \.venv/bin/python (-m bot .*?)(?:\s+#.*)?$", re.MULTILINE)
NOT_HERE = ("send-test", "run", "inbox")  # they post, or serve until Ctrl-C


def words(command: str) -> list[str]:
    return [
        word for part in shlex.split(command) for word in (sorted(map(str, ROOT.glob(part))) if "*" in part else [part])
    ]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder as a new user has it after `cp routes.example.yml routes.yml`."""
    for name in ("bot", "formatters", "tests", "samples", "docs", "routes.example.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "routes.yml").write_text((ROOT / "routes.example.yml").read_text())
    return tmp_path


def test_the_card_in_the_readme_is_the_one_that_is_drawn(clone: Path) -> None:
    block = README.split("```console\n", 1)[1].split("```", 1)[0]
    command, _, shown = block.partition("\n")
    found = COMMAND.match(command)
    assert found is not None
    done = subprocess.run(
        [sys.executable, *words(found.group(1))],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "80"},
    )
    assert (done.returncode, done.stdout) == (0, shown), done.stderr


@pytest.mark.parametrize("command", [found for found in COMMAND.findall(README) if not found.startswith(NOT_HERE, 7)])
def test_every_command_in_the_readme_works(clone: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    _, _, *rest = words(command)
    done = invoke(*rest, COLUMNS="80")
    assert done.exit_code == 0, done.stderr
    assert done.stdout


def test_the_readmes_routing_file_is_right(tmp_path: Path) -> None:
    (tmp_path / "routes.yml").write_text(README.split("```yaml\n", 1)[1].split("```", 1)[0])
    done = invoke("check", tmp_path / "routes.yml")
    assert done.exit_code == 0, done.stdout
