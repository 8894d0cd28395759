"""The compiled form of a routing file: the same Config out of plain JSON, for those very bytes and no others."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config, compiled_beside, load, load_packaged
from bot.config.compiled import NotPlainError, StaleError, dump
from bot.config.compiled import load as load_compiled
from bot.secrets import SecretRef

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "routes.example.yml"
FILES = [EXAMPLE, *sorted((ROOT / "tests" / "routes" / "good").glob("*.yml"))]


def compiled(file: Path) -> str:
    return dump(load(str(file)), file.read_bytes())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_compiled_is_what_was_read(file: Path) -> None:
    assert load_compiled(compiled(file), file.read_bytes(), source=str(file)) == load(str(file))


def test_every_kind_of_a_senders_setting_comes_back_as_it_was() -> None:
    config = load(str(EXAMPLE))
    settings = {
        "secret": SecretRef("ssm", "/login-bot/key"),
        "looks_like_one": {"secret": "ssm:/no/secret"},
        "nothing": None,
        "numbers": (1, 2.5, True, [SecretRef("env", "KEY")]),
        "text": "käse",
    }
    name, place = next(iter(config.destinations.items()))
    odd = replace(config, destinations={**config.destinations, name: replace(place, settings=settings)})
    assert load_compiled(dump(odd, b"x"), b"x", source=odd.source) == odd


class Urgency(str):
    __slots__ = ()


@pytest.mark.parametrize("value", [{1, 2}, Urgency("high"), {1: "one"}], ids=["set", "own class", "number as key"])
def test_what_json_has_no_form_for_is_named(value: Any) -> None:
    config = load(str(EXAMPLE))
    name, place = next(iter(config.destinations.items()))
    odd = replace(config, destinations={name: replace(place, settings={"deep": [value]})})
    with pytest.raises(NotPlainError, match=rf"destinations\.{name}\.deep is a {type(value).__name__}"):
        dump(odd, b"x")


def changed(**different: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda whole: whole | different


def with_destination(**different: Any) -> Callable[[dict[str, Any]], Any]:
    def change(whole: dict[str, Any]) -> Any:
        next(iter(whole["config"]["destinations"].values())).update(different)
        return whole

    return change


STALE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "of other bytes": changed(sha256="0" * 64),
    "in another form": changed(version=0),
    "no config": changed(config=None),
    "a key too many": lambda whole: changed(config=whole["config"] | {"defaults": {"colour": "red"}})(whole),
    "no object": lambda whole: [whole],
    "a sender that is gone": with_destination(type="pager"),
    "a formatter that is gone": with_destination(formatter="pager"),
    "a secret that is none": with_destination(settings={"webhook_url": {"secret": "https://x.example"}}),
    "a setting of a kind to come": with_destination(settings={"webhook_url": {"set": []}}),
}


@pytest.mark.parametrize("change", STALE.values(), ids=STALE.keys())
def test_what_cannot_be_used_is_stale(change: Callable[[dict[str, Any]], Any]) -> None:
    file = EXAMPLE
    text = json.dumps(change(json.loads(compiled(file))))
    with pytest.raises(StaleError):
        load_compiled(text, file.read_bytes(), source=str(file))


def test_no_json_is_stale_too() -> None:
    with pytest.raises(StaleError):
        load_compiled("{", b"", source="routes.yml")


@dataclass(frozen=True)
class Package:
    """A folder with a routing file, and its compiled form beside it."""

    routes: Path

    @property
    def compiled(self) -> Path:
        return Path(compiled_beside(str(self.routes)))

    def load(self) -> Config:
        return load_packaged(str(self.routes))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    package = Package(tmp_path / "routes.yml")
    package.routes.write_bytes(EXAMPLE.read_bytes())
    package.compiled.write_text(compiled(EXAMPLE))
    return package


def test_the_compiled_form_stands_beside_its_file(package: Package) -> None:
    assert package.compiled.name == "routes.compiled.json"
    assert package.load() == load(str(package.routes))


def test_a_file_that_was_changed_since_is_read_itself(package: Package) -> None:
    package.routes.write_bytes(package.routes.read_bytes().replace(b"language: en", b"language: ja"))
    assert package.load().defaults.language == "ja"


def test_a_file_without_compiled_form_is_read_itself(package: Package) -> None:
    package.compiled.unlink()
    assert package.load() == load(str(package.routes))


@pytest.mark.parametrize("with_compiled_form", [True, False], ids=["compiled", "not compiled"])
def test_pydantic_and_yaml_are_not_imported_for_what_was_compiled(package: Package, with_compiled_form: bool) -> None:  # noqa: FBT001
    if not with_compiled_form:
        package.compiled.unlink()
    code = (
        f"import sys; from bot.config import load_packaged; load_packaged({str(package.routes)!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"pydantic", "yaml", "slack_sdk", "pymsteams"}
    imported = heavy & set(done.stdout.split())
    assert imported == (set() if with_compiled_form else heavy)
