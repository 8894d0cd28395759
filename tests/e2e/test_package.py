"""The two zips: the one that AWS gets, and the one that this machine runs in its place."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.package import COMPILED_MB, SOURCE_MB, package
from deploy.target import Target
from tests.e2e.conftest import build
from tests.e2e.stage import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("package")]


Zips = Callable[[str, str], Path]


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_a_zip_made_again_is_the_same_to_the_byte(zips: Zips, tmp_path: Path) -> None:
    again = build(tmp_path / "again.zip", "arm64", "3.13")
    assert zips("arm64", "3.13").read_bytes() == again.read_bytes()


def test_the_zips_of_two_processors_differ_in_compiled_libraries_alone(zips: Zips) -> None:
    arm, intel = contents(zips("arm64", "3.13")), contents(zips("x86_64", "3.13"))
    libraries = {name: name.replace("aarch64", "x86_64") for name in arm if name.endswith(".so")}
    assert len(libraries) >= 2
    assert {libraries.get(name, name) for name in arm} == set(intel)
    assert all(arm[name] == intel[name] for name in arm if name not in libraries)


def test_every_file_is_compiled_and_taken_as_it_is_where_that_python_is_at_hand(zips: Zips) -> None:
    """PEP 552: the flags' lowest bits are 01 for a .pyc of a hash that nobody checks."""
    found = contents(zips("arm64", "3.13"))
    compiled = {name: content for name, content in found.items() if name.endswith(".pyc")}
    assert {int.from_bytes(content[4:8], "little") for content in compiled.values()} <= {1}
    modules = [name for name in found if name.endswith(".py")]
    assert len(compiled) in (0, len(modules))


def test_nothing_of_the_operators_side_nor_of_lambdas_own_is_in_it(zips: Zips) -> None:
    names = contents(zips("arm64", "3.13"))
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {"boto3", "botocore", "urllib3", "typer", "rich", "starlette", "uvicorn", "tests", "bin"}
    assert not [name for name in names if name.startswith("bot/cli") or ".dist-info" in name or name.endswith(".pyi")]
    assert {"bot", "formatters", "routes.yml", "routes.compiled.json", "tzdata"} <= tops


def test_no_path_of_the_machine_that_made_it_is_in_it(zips: Zips) -> None:
    ours = str(ROOT).encode()
    assert not [name for name, content in contents(zips("arm64", "3.13")).items() if ours in content]


def test_it_is_as_small_as_promised_with_bytecode_and_without(zips: Zips, tmp_path: Path) -> None:
    with_bytecode = zips("arm64", "3.13").stat().st_size
    without = package(NotHere(), ROOT / "routes.example.yml", tmp_path / "source.zip").size
    assert without <= SOURCE_MB * 1e6
    assert with_bytecode <= COMPILED_MB * 1e6


class NotHere(Target):
    """A machine without Lambda's Python."""

    def interpreter(self) -> None:
        return None
