"""The zip that Lambda gets: what runs there and nothing else, for a processor that this machine need not have.

`make package` makes it. Made again from the same files, it is the same to the byte: a deployment that changes nothing
uploads nothing, and whoever wants to know what runs makes the zip and compares.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

from bot.config import ConfigError, load
from bot.config.compiled import NotPlainError, dump
from bot.config.fence import is_dotted
from deploy.target import ARCHITECTURES, PackageError, Target

ROOT = Path(__file__).parent.parent

PROVIDED = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"})
"""Lambda's Python runtimes bring boto3 and what it needs: `requests` uses their urllib3, too."""

PINNED = ("requirements.txt", "deploy/pins.txt")
"""What the function needs, and what that needs in its turn."""

JUNK = (
    # what no program imports
    "*.pyi *.pyx *.pxd *.c *.h */py.typed *.dist-info/* bin/* */tests/* */__pycache__/* */__main__.py",
    "tzdata/zoneinfo/*.tab tzdata/zoneinfo/*.zi tzdata/zoneinfo/leapseconds",
    # of libraries, what this bot does not use
    "_yaml/* slack/* pydantic/v1/* pydantic/experimental/* pydantic/color.py pydantic/mypy.py",
    "slack_sdk/aiohttp_version_checker.py slack_sdk/audit_logs/* slack_sdk/oauth/* slack_sdk/rtm/* slack_sdk/rtm_v2/*",
    "slack_sdk/scim/* slack_sdk/signature/* slack_sdk/socket_mode/* slack_sdk/*/async_* slack_sdk/*/legacy_*",
    "charset_normalizer/*.so charset_normalizer/cli/*",  # its .py do the same, and are not called here
    # of the bot, the operator's side
    "bot/cli/* bot/__main__.py",
)

SOURCE_MB, COMPILED_MB = 4, 6
"""How large AWS's zip may be, without and with .pyc files. Every cold start fetches it, so it is kept in sight."""

ROUTES = "routes.yml"
"""What the routing file is called in the zip, whatever it is called here: the function's `ROUTES` says so."""

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: a file's real one would make another zip of the same files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    path: Path
    target: Target
    compiled: bool
    parts: Mapping[str, int]
    """What each top-level name takes in the zip, in bytes, the largest first."""

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def limit_mb(self) -> int:
        return COMPILED_MB if self.compiled else SOURCE_MB

    def __str__(self) -> str:
        pyc = "with .pyc" if self.compiled else f"without .pyc, for there is no Python {self.target.python} here"
        size = f"{self.size / 1e6:.2f} MB of {self.limit_mb}"
        digest = sha256(self.path.read_bytes()).hexdigest()
        return f"{self.path}: {self.target.arch}, Python {self.target.python}, {pyc}, {size}\nsha256 {digest}"


def package(target: Target, routes: Path, out: Path, include: Sequence[Path] = ()) -> Package:
    """Make the zip at `out`. Raises PackageError, and then there is none."""
    out.unlink(missing_ok=True)
    interpreter = target.interpreter()
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch)
        target.install([ROOT / name for name in PINNED], stage)
        _check_pins(stage)
        _drop(stage)
        for source in (ROOT / "bot", ROOT / "formatters", *include):
            _copy(source, stage)
        _add_routes(routes, stage)
        if interpreter:
            _compile(interpreter, stage)
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(stage, out)
    made = Package(path=out, target=target, compiled=interpreter is not None, parts=_parts(out))
    _check_size(made)
    return made


def is_junk(name: str) -> bool:
    """Of a file by its name in the zip, such as `yaml/loader.py`."""
    return any(fnmatch(name, pattern) for pattern in " ".join(JUNK).split())


def _check_pins(stage: Path) -> None:
    """What came along must be pinned too: a zip made next month is made of the same wheels."""
    lines = [line for name in PINNED for line in (ROOT / name).read_text("utf-8").splitlines()]
    pinned = {_project(line.partition("==")[0]) for line in lines if "==" in line}
    loose = {name: version for name, version in _distributions(stage) if name not in pinned | PROVIDED}
    if loose:
        lines = [f"{name}=={version}" for name, version in sorted(loose.items())]
        raise PackageError(f"not pinned: {', '.join(lines)}; add a line for each to {PINNED[-1]}")


def _distributions(stage: Path) -> Iterator[tuple[str, str]]:
    """Name and version of everything that pip put here."""
    for path in stage.glob("*.dist-info"):
        name, _, version = path.stem.partition("-")
        yield _project(name), version


def _project(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _drop(stage: Path) -> None:
    """Junk, and what Lambda has anyway."""
    provided = set(_provided(stage))
    for path in sorted(stage.rglob("*"), reverse=True):  # what is in a folder comes before the folder
        name = path.relative_to(stage).as_posix()
        if path.is_file() and (name in provided or is_junk(name)):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _provided(stage: Path) -> Iterator[str]:
    for record in stage.glob("*.dist-info/RECORD"):
        if _project(record.parent.stem.partition("-")[0]) in PROVIDED:
            yield from (row[0] for row in csv.reader(record.read_text("utf-8").splitlines()))


def _copy(source: Path, stage: Path) -> None:
    if not source.exists():
        raise PackageError(f"{source} is not here; INCLUDE names folders and files of yours that the routing file uses")
    files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
    for path in files:
        name = path.relative_to(source.parent)
        if not is_junk(name.as_posix()):
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, stage / name)


def _add_routes(routes: Path, stage: Path) -> None:
    """The checked file, compiled where it can be, and whether every class that it names is in the package."""
    config = load(str(routes))
    for place in config.destinations.values():
        for dotted in filter(is_dotted, (place.type, place.formatter)):
            module = stage.joinpath(*dotted.partition(":")[0].split("."))
            if not (module.is_dir() or module.with_suffix(".py").is_file()):
                top = dotted.partition(".")[0].partition(":")[0]
                raise PackageError(f"destinations.{place.name}: {dotted} is not in the package; add it: INCLUDE={top}")
    content = routes.read_bytes()
    (stage / ROUTES).write_bytes(content)
    try:
        (stage / "routes.compiled.json").write_text(dump(config, content), "utf-8")
    except NotPlainError as error:
        print(f"note: {routes} is not compiled: {error}. The function reads it itself, and starts a little later")


def _compile(interpreter: str, stage: Path) -> None:
    """Beside every .py its .pyc, which Lambda takes as it is: it could keep none of its own, its disk is read-only."""
    command = [interpreter, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
    command += ["-s", str(stage), "-p", "/var/task", str(stage)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # sets of constants are written in the order of their hashes
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - our own
    if done.returncode:
        raise PackageError(f"{interpreter} can't compile the package: {(done.stdout + done.stderr).strip()}")


def _write(stage: Path, out: Path) -> None:
    """Names in order, and no times, modes or owners of this machine."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), LONG_AGO)
            entry.create_system = 3  # Unix, also where it is made on something else
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, path.read_bytes(), compresslevel=9)


def _parts(path: Path) -> dict[str, int]:
    parts: Counter[str] = Counter()
    with zipfile.ZipFile(path) as made:
        for entry in made.infolist():
            parts[entry.filename.partition("/")[0]] += entry.compress_size
    return dict(parts.most_common())


def _check_size(made: Package) -> None:
    if made.size <= made.limit_mb * 1e6 or made.target.arch != Target.arch:  # wheels for others are larger
        return
    size, largest = made.size, ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in list(made.parts.items())[:5])
    made.path.unlink()
    raise PackageError(f"the zip is {size / 1e6:.2f} MB and may be {made.limit_mb}; its largest parts: {largest}")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m deploy.package", description=__doc__)
    asked.add_argument("--arch", choices=sorted(ARCHITECTURES), default=Target.arch)
    asked.add_argument("--python", default=Target.python, help="the version that runs it, such as 3.13")
    asked.add_argument("--routes", type=Path, help="the routing file; routes.yml, or the example where there is none")
    asked.add_argument("--include", type=Path, nargs="*", default=[], help="packages and modules of your own")
    asked.add_argument("--out", type=Path, default=Path("dist/login-bot.zip"))
    said = asked.parse_args()
    sys.path[:0] = [str(path.resolve().parent) for path in said.include]
    routes = said.routes or usual_routes()
    checked = subprocess.run([sys.executable, "-m", "bot", "check", str(routes)], check=False)  # noqa: S603 - our own
    if checked.returncode:
        sys.exit(f"no package: {routes} has mistakes")
    try:
        print(package(Target(said.arch, said.python), routes, said.out, said.include))
    except (PackageError, ConfigError) as error:
        sys.exit(f"no package: {error}")


def usual_routes() -> Path:
    """The operator's own file. Where there is none yet, the example shows what a package is, and can post nowhere."""
    if Path(ROUTES).is_file():
        return Path(ROUTES)
    print(f"note: no {ROUTES} here, so the package holds routes.example.yml. ROUTES_FILE=… names another")
    return ROOT / "routes.example.yml"


if __name__ == "__main__":
    main()
