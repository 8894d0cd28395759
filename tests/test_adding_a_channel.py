"""The guide to adding a channel is right: its example works as it stands there, in two steps."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.plugins import PluginError
from bot.senders import REGISTRY, sender_class
from bot.senders.base import Outcome, Verdict
from tests.support.providers import Answer, Provider
from tests.support.senders import Case, staged

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "adding-a-channel.md").read_text()


@pytest.fixture
def gong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The guide's example, as somebody's own module."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "gong_of_the_guide.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "gong_of_the_guide:GongSender"
    sys.modules.pop("gong_of_the_guide", None)


def test_the_example_posts(gong: str) -> None:
    with Provider(lambda _: Answer(200, "gone")) as provider, staged(Case(gong, 0), provider.host) as stage:
        assert stage.send(5.0) == Verdict.sent()
        assert set(provider.posts[0].json) == {"title", "body", "loud"}
        provider.script(Answer(200, "not now"), Answer(429, headers={"Retry-After": "2"}))
        assert stage.send(5.0).outcome is Outcome.UNSURE
        assert stage.send(5.0).after == 2.0
        stage.sender.refresh()
        assert len(provider.posts) == 3


def test_there_are_two_steps() -> None:
    assert re.findall(r"^## Step (\d)", GUIDE, re.MULTILINE) == ["1", "2"]


def test_its_line_is_like_those_of_the_registry() -> None:
    (line,) = re.findall(r'^    ("gong": .*)$', GUIDE, re.MULTILINE)
    assert (
        f"    {line}".replace("gong", "slack").replace("Gong", "Slack")
        in (ROOT / "bot" / "senders" / "__init__.py").read_text()
    )
    assert REGISTRY["slack"] == "bot.senders.slack:SlackSender"


def test_what_it_names_is_there() -> None:
    for path in re.findall(r"`((?:bot|tests|formatters)/[\w./-]+)`", GUIDE):
        assert "gong" in path or (ROOT / path).exists(), path


def test_a_class_that_lacks_something_is_told_what() -> None:
    with pytest.raises(
        PluginError, match=r"lacks Settings, takes, formatter, send, refresh; see docs/adding-a-channel"
    ):
        sender_class("pathlib:Path")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("slak", "did you mean 'slack'?"),
        ("carrier-pigeon", "there are slack, teams, sns, console"),
        ("nobody.here:Sender", "there is no module 'nobody'"),
        ("pathlib:Sender", "module 'pathlib' has no class 'Sender'"),
    ],
)
def test_a_type_that_is_none_says_the_cure(name: str, why: str) -> None:
    with pytest.raises(PluginError, match=re.escape(why)):
        sender_class(name)
