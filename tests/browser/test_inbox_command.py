"""`make run` in a terminal: the cards there, then the same cards in the browser until Ctrl-C."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ROOT, command, shell
from tests.support.inbox import ROUTES

pytestmark = pytest.mark.browser  # it needs the built page, and no more of a browser


@contextmanager
def served(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, the host that it names, and the lines that it said before."""
    with subprocess.Popen(
        command(*arguments, "--port", "0"), cwd=ROOT, env=shell(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line)
                if found := re.match(r"the inbox  http://(127\.0\.0\.1:\d+)  ", line):
                    yield process, found[1], said
                    break
        finally:
            process.kill()


def get(host: str, path: str) -> Any:
    connection = HTTPConnection(host, timeout=30)
    connection.request("GET", path)
    try:
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_the_sample_logins_are_in_the_terminal_then_in_the_browser_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with served("demo", "--serve", "--state", tmp_path / "demo.sqlite") as (process, host, said):
        assert "8 cards, 0 already said\n" in said
        counts = {column["name"]: column["cards"] for column in get(host, "/state")["columns"]}
        assert counts == {"eng-slack": 2, "ops-slack": 2, "it-teams": 2, "audit-mail": 2}
        assert get(host, "/cards?destination=it-teams")[0]["why"][0]["why"] == "directories.d-9067000002"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_ctrl_c_ends_it_though_a_page_is_open(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yml"
    routes.write_text(ROUTES)
    with served("inbox", "--routes", routes, "--state", tmp_path / "inbox.sqlite") as (process, host, _):
        page = HTTPConnection(host, timeout=30)
        page.request("GET", "/stream")
        stream = page.getresponse()
        assert stream.readline() == b"retry: 1000\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        page.close()
