"""Options of the tests: rewrite what is golden, and hold classes of your own to the contracts."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.aws import LoopbackAws  # moto takes a second to import: only who asks for AWS waits for it

OUTSIDE = Path(__file__).parent / "outside"
"""Packages that are not the project's own; an operator's would be importable just so."""

sys.path.append(str(OUTSIDE))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what is drawn now")
    parser.addoption(
        "--formatter",
        action="append",
        default=[],
        metavar="package.module:Class",
        help="hold this formatter, too, to tests/test_formatters_contract.py (may be given several times)",
    )
    parser.addoption(
        "--sender",
        action="append",
        default=[],
        metavar="package.module:Class",
        help="hold this sender, too, to tests/test_senders_faults.py (may be given several times)",
    )


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The bot's log lines from DEBUG on, whatever an earlier test set up."""
    monkeypatch.setattr(logging.getLogger("bot"), "propagate", True)
    caplog.set_level(logging.DEBUG, logger="bot")
    return caplog


@pytest.fixture(scope="session")
def _aws_server() -> "Iterator[LoopbackAws]":
    from tests.support.aws import LoopbackAws  # noqa: PLC0415 - see above

    with LoopbackAws() as server:
        yield server


@pytest.fixture
def aws(_aws_server: "LoopbackAws", monkeypatch: pytest.MonkeyPatch) -> "LoopbackAws":
    """A clean AWS on loopback, and the environment points there."""
    _aws_server.reset()
    for name, value in _aws_server.environment.items():
        monkeypatch.setenv(name, value)
    return _aws_server
