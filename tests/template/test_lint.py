"""CloudFormation would take the template: cfn-lint holds it to AWS's own schemas."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.template import Packaged


def lint(*arguments: str | Path) -> str:
    """What is wrong; nothing is fetched for it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("stage", ["dev", "prod", "local", "full"])
def test_what_osls_makes_is_right(stage: str, request: pytest.FixtureRequest) -> None:
    packaged: Packaged = request.getfixturevalue(stage)
    assert lint(packaged.path) == ""


@pytest.mark.parametrize("stage", ["dev", "full"])
def test_what_its_conditions_leave_is_right_without_ignoring_a_thing(
    stage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    packaged: Packaged = request.getfixturevalue(stage)
    settled = tmp_path / "template.json"
    settled.write_text(json.dumps(packaged.settled))
    assert lint("--ignore-checks", "W3005", "--", settled) == ""  # osls says twice what depends on what


def test_the_template_for_other_accounts_is_right() -> None:
    assert lint(ROOT / "deploy" / "other-account.yml") == ""


def test_a_mistake_would_show(dev: Packaged, tmp_path: Path) -> None:
    broken = json.loads(dev.path.read_text())
    broken["Resources"]["Intake"]["Properties"]["VisibilityTimeout"] = 43201
    (tmp_path / "template.json").write_text(json.dumps(broken))
    assert "43201" in lint(tmp_path / "template.json")
