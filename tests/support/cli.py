"""The operator's side for tests: commands run in this process or, where a real terminal's ways matter, in their own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from bot.cli import app

ROOT = Path(__file__).parent.parent.parent

UNSET = (
    "AWS_ENDPOINT_URL",
    "COLUMNS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "LOG_LEVEL",
    "NO_COLOR",
    "PY_COLORS",
    "ROUTES",
    "SLACK_WEBHOOK_URL",
    "SNS_TOPIC_ARN",
    "STATE_FILE",
    "TABLE_NAME",
    "TEAMS_WEBHOOK_URL",
    "TRUSTED_HOSTS",
    "TTY_COMPATIBLE",
    "USERS_FILE",
)
"""What a developer's shell may hold and a test must not see."""

USERS = "workspace_id,user_name,display_name,email\nws-8n1k2m3p4,alice,,\nws-5f6g7h8j9,bob,Bob Example,\n"

CONSOLE_ROUTES = """\
destinations:
  eng: {type: console, title: eng, formatter: slack}
  ops: {type: console}
  it: {type: console, formatter: teams, language: ja, timezone: Asia/Tokyo}
directories:
  d-9067000001: {name: Engineering, timezone: Asia/Tokyo, notify: [eng]}
  d-9067000002: {name: Finance, notify: [it, ops]}
  d-9067000003: {name: Attic}
default: [ops]
routes:
  - {match: {user: "svc-*"}, notify: []}
  - {match: {platform: Web, network: 198.51.100.0/24}, notify: [ops], continue: true}
  - {match: {region: us-west-2, not: {user: bob}}, notify: [eng]}
"""


def invoke(*arguments: object, stdin: str | bytes | None = None, **environment: str) -> Result:
    """A command in this process. A mistake of ours comes through as its exception."""
    shell: dict[str, str | None] = dict.fromkeys(UNSET) | environment
    with _as_a_new_process():
        return CliRunner(env=shell).invoke(app, [str(each) for each in arguments], input=stdin, catch_exceptions=False)


@contextmanager
def _as_a_new_process() -> Iterator[None]:
    """Logging as it is when a process starts, whatever an earlier test set up; afterwards as it was."""
    logger = logging.getLogger("bot")
    before = logger.handlers, logger.level
    logger.handlers, logger.level = [], logging.NOTSET
    try:
        yield
    finally:
        logger.handlers, logger.level = before


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bot", *map(str, arguments)]


def shell(**environment: str) -> Mapping[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in UNSET}
    return clean | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | environment


def spawn(
    *arguments: object, cwd: Path = ROOT, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, its output piped."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=shell(**environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def write(folder: Path, name: str, content: Any) -> Path:
    """A file in `folder`: text as it is, lists as JSON lines, other values as JSON."""
    path = folder / name
    if isinstance(content, list):
        content = "".join(json.dumps(each) + "\n" for each in content)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
