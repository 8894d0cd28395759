"""CloudFormation would take the templates: cfn-lint holds them to AWS's own schemas."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.cli import ROOT
from tests.support.template import Packaged

OSLS_SAYS_TWICE = ("--ignore-checks", "W3005", "--")
"""What depends on what."""


def lint(*arguments: str | Path) -> str:
    """What is wrong; nothing is fetched for it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def settled(packaged: Packaged, folder: Path) -> Path:
    path = folder / f"{packaged.state['service']['provider']['stage']}.json"
    path.write_text(json.dumps(packaged.settled))
    return path


def test_what_osls_makes_is_right(dev: Packaged, prod: Packaged, local: Packaged, full: Packaged) -> None:
    assert lint(dev.path, prod.path, local.path, full.path, ROOT / "deploy" / "other-account.yml") == ""


def test_what_conditions_leave_is_right_without_ignoring_a_thing(dev: Packaged, full: Packaged, tmp_path: Path) -> None:
    assert lint(*OSLS_SAYS_TWICE, settled(dev, tmp_path), settled(full, tmp_path)) == ""


def test_a_mistake_would_show(dev: Packaged, tmp_path: Path) -> None:
    broken = settled(dev, tmp_path)
    broken.write_text(broken.read_text().replace('"VisibilityTimeout": 420', '"VisibilityTimeout": 43201'))
    assert "43201" in lint(*OSLS_SAYS_TWICE, broken)
