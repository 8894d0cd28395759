"""`compile`: the packaged routing file's compiled form, and what stands in its way."""

from pathlib import Path

import pytest

from bot.config import load, load_packaged
from tests.support.cli import invoke, write

GOOD = "destinations:\n  ops: {type: console}\ndefault: [ops]\n"


def test_the_compiled_form_is_written_beside_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "routes.yml", GOOD)
    done = invoke("compile", file)
    assert done.exit_code == 0
    assert "compiled" in done.stdout
    assert (tmp_path / "routes.compiled.json").is_file()
    assert load_packaged(str(file)) == load(str(file))


def test_it_can_be_written_elsewhere_and_is_the_same_each_time(tmp_path: Path) -> None:
    file = write(tmp_path, "routes.yml", GOOD)
    for name in ("one.json", "two.json"):
        assert invoke("compile", file, tmp_path / name).exit_code == 0
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert not (tmp_path / "routes.compiled.json").exists()


def test_a_broken_file_is_not_compiled(tmp_path: Path) -> None:
    file = write(tmp_path, "routes.yml", "destinations: {}\n")
    done = invoke("compile", file)
    assert done.exit_code == 1
    assert "destinations" in done.stderr
    assert not (tmp_path / "routes.compiled.json").exists()


ODD = """
from dataclasses import dataclass
from decimal import Decimal
from bot.senders.console import ConsoleSender

class Odd(ConsoleSender):
    @dataclass(frozen=True, kw_only=True)
    class Settings:
        share: Decimal
"""


def test_settings_without_a_plain_form_leave_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "odd_sender.py", ODD)
    monkeypatch.syspath_prepend(tmp_path)
    file = write(tmp_path, "routes.yml", 'destinations: {a: {type: "odd_sender:Odd", share: 1}}\ndefault: [a]\n')
    write(tmp_path, "routes.compiled.json", "of yesterday")
    done = invoke("compile", file)
    assert done.exit_code == 0
    assert "destinations.a.share is a Decimal" in done.stderr
    assert not (tmp_path / "routes.compiled.json").exists()


@pytest.mark.parametrize(
    ("file", "out", "said"),
    [
        ("s3://bucket/routes.yml", "", "is not packaged"),
        ("routes.yml", "nowhere/x.json", "can't be written"),
    ],
    ids=["in a bucket", "no such folder"],
)
def test_what_cannot_be_compiled_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, out: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "routes.yml", GOOD)
    done = invoke("compile", file, out)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
