"""What goes into the zip and what does not, and what is said where there can be none. Nothing is fetched."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.config import load_packaged
from deploy.package import SOURCE_MB, is_junk, package, usual_routes
from deploy.target import PackageError, Target

ROOT = Path(__file__).parent.parent
OUTSIDE = ROOT / "tests" / "outside"


@dataclass(frozen=True)
class Shelf(Target):
    """A target whose libraries lie ready, and which this machine can't compile for."""

    files: Mapping[str, bytes] = field(default_factory=dict)

    def install(self, requirements: Sequence[Path], folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def interpreter(self) -> str | None:
        return None


def routing(folder: Path, destination: str = "{type: console}") -> Path:
    path = folder / "team.yml"
    path.write_text(f"destinations:\n  ops: {destination}\ndefault: [ops]\n")
    return path


def names(zipped: Path) -> set[str]:
    with zipfile.ZipFile(zipped) as opened:
        return set(opened.namelist())


@pytest.mark.parametrize(
    "name",
    [
        "pydantic_core/_pydantic_core.pyi",
        "yaml/_yaml.pyx",
        "requests/py.typed",
        "requests-2.34.2.dist-info/METADATA",
        "bin/slack",
        "certifi/tests/test_certify.py",
        "bot/__pycache__/handler.cpython-311.pyc",
        "slack_sdk/web/async_client.py",
        "slack_sdk/web/legacy_client.py",
        "bot/cli/running.py",
        "bot/__main__.py",
    ],
)
def test_what_no_call_needs_is_left_out(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize(
    "name",
    [
        "bot/handler.py",
        "bot/clock.py",
        "formatters/languages/ja.py",
        "certifi/cacert.pem",
        "tzdata/zoneinfo/Asia/Tokyo",
        "tzdata/zones",
        "slack_sdk/web/client.py",
        "pydantic_core/_pydantic_core.cpython-313-aarch64-linux-gnu.so",
    ],
)
def test_what_a_call_may_need_is_kept(name: str) -> None:
    assert not is_junk(name)


def test_what_lambda_has_is_left_out_and_what_it_has_not_is_kept(tmp_path: Path) -> None:
    files = {
        "urllib3/__init__.py": b"",
        "urllib3-2.8.0.dist-info/RECORD": b"urllib3/__init__.py,sha256=x,0\nsix.py,,\n",
        "six.py": b"",
        "requests/__init__.py": b"",
        "requests-2.34.2.dist-info/RECORD": b"requests/__init__.py,,\n",
    }
    made = package(Shelf(files=files), routing(tmp_path), tmp_path / "a.zip")
    tops = {name.partition("/")[0] for name in names(made.path)}
    assert tops == {"bot", "formatters", "requests", "routes.yml", "routes.compiled.json"}


def test_a_library_that_came_along_without_a_pin_stops_it(tmp_path: Path) -> None:
    target = Shelf(files={"left_pad-1.3.0.dist-info/RECORD": b""})
    with pytest.raises(PackageError, match=r"not pinned: left-pad==1\.3\.0; add a line for each to deploy/pins\.txt"):
        package(target, routing(tmp_path), tmp_path / "a.zip")


def test_the_routing_file_gets_the_name_that_the_function_looks_for_and_its_compiled_form(tmp_path: Path) -> None:
    made = package(Shelf(), routing(tmp_path), tmp_path / "a.zip")
    with zipfile.ZipFile(made.path) as opened:
        opened.extractall(tmp_path / "task")
    assert list(load_packaged(str(tmp_path / "task" / "routes.yml")).destinations) == ["ops"]
    assert "team.yml" not in names(made.path)


def test_a_class_of_your_own_must_come_along(tmp_path: Path) -> None:
    routes = routing(tmp_path, "{type: console, formatter: 'mycompany.cards:Terse'}")
    with pytest.raises(PackageError, match=r"destinations\.ops: mycompany\.cards:Terse is not .*INCLUDE=mycompany"):
        package(Shelf(), routes, tmp_path / "a.zip")
    made = package(Shelf(), routes, tmp_path / "a.zip", include=[OUTSIDE / "mycompany"])
    assert {"mycompany/__init__.py", "mycompany/cards.py"} <= names(made.path)


def test_what_is_to_be_included_must_be_here(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"nowhere is not here"):
        package(Shelf(), routing(tmp_path), tmp_path / "a.zip", include=[tmp_path / "nowhere"])


def test_a_zip_that_is_too_large_is_none_and_its_largest_parts_are_named(tmp_path: Path) -> None:
    target = Shelf(files={"heavy/weights.bin": os.urandom(SOURCE_MB * 1_000_000)})
    with pytest.raises(
        PackageError, match=r"the zip is 4\.\d\d MB and may be 4; its largest parts: heavy 4\.00 MB, bot"
    ):
        package(target, routing(tmp_path), tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_zip_made_again_is_the_same_whenever_its_files_were_written(tmp_path: Path) -> None:
    routes = routing(tmp_path)
    first = package(Shelf(files={"b.py": b"1", "a.py": b"2"}), routes, tmp_path / "1.zip")
    os.utime(routes, (0, 0))
    routes.chmod(0o600)
    second = package(Shelf(files={"a.py": b"2", "b.py": b"1"}), routes, tmp_path / "2.zip")
    assert first.path.read_bytes() == second.path.read_bytes()


def test_it_says_what_it_made(tmp_path: Path) -> None:
    said = str(package(Shelf(), routing(tmp_path), tmp_path / "a.zip"))
    assert "a.zip: arm64, Python 3.13, without .pyc, for there is no Python 3.13 here, 0." in said


def test_a_mistake_in_the_routing_file_stops_it_before_anything_is_fetched(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.package", "--out", str(tmp_path / "a.zip")]
    command += ["--routes", str(routing(tmp_path, "{type: consol}"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "line 2: destinations.ops.type" in done.stdout
    assert "has mistakes" in done.stderr
    assert not (tmp_path / "a.zip").exists()


def test_without_a_routing_file_the_example_is_packaged_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert usual_routes().name == "routes.example.yml"
    assert "no routes.yml here" in capsys.readouterr().out
    (tmp_path / "routes.yml").touch()
    assert usual_routes().name == "routes.yml"
    assert not capsys.readouterr().out


def test_the_wheels_asked_for_are_those_of_the_target() -> None:
    asked = Target(arch="arm64", python="3.13").wheels()
    assert {"--only-binary=:all:", "--python-version=3.13", "--abi=cp313", "--platform=manylinux2014_aarch64"} <= set(
        asked
    )
    assert not [word for word in asked if "x86_64" in word]
