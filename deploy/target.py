"""The processor and the Python that a package is made for, and how pip asks for their wheels from any machine."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

STORE = Path(__file__).parent.parent / ".local" / "wheels"
"""Where fetched wheels stay: a package made again needs no network."""

ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's names of processors, and what wheels call them."""

GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")
"""Wheels that run on Amazon Linux 2023, whose glibc is 2.34: the base of Lambda's runtimes from Python 3.12 on."""


class PackageError(Exception):
    """There is no package; the message names the culprit and the cure."""


@dataclass(frozen=True)
class Target:
    """Lambda's, as the template asks for it, where nothing else is said."""

    arch: str = "arm64"
    python: str = "3.13"

    @property
    def abi(self) -> str:
        return "cp" + self.python.replace(".", "")

    def wheels(self) -> list[str]:
        """The options for wheels of this target. None is ever built: what has no wheel is an error."""
        platforms = [f"--platform={glibc}_{ARCHITECTURES[self.arch]}" for glibc in GLIBC]
        abis = [f"--abi={abi}" for abi in (self.abi, "abi3", "none")]
        return ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}", *abis, *platforms]

    def install(self, requirements: Sequence[Path], folder: Path) -> None:
        """What these files pin, into `folder`, from wheels that are fetched once. Raises PackageError."""
        wheels = self._fetched(requirements)
        self._pip(
            "install",
            "--no-index",
            "--no-deps",
            "--no-compile",
            f"--find-links={wheels}",
            f"--target={folder}",
            *map(str, sorted(wheels.glob("*.whl"))),
        )

    def _fetched(self, requirements: Sequence[Path]) -> Path:
        """The folder of the wheels. A change of a pin makes another one."""
        pins = sha256(b"".join(path.read_bytes() for path in requirements)).hexdigest()[:12]
        wheels = STORE / f"{self.arch}-{self.python}-{pins}"
        if not wheels.is_dir():
            STORE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=STORE) as half:
                named = [f"--requirement={requirements[0]}", *(f"--constraint={path}" for path in requirements[1:])]
                self._pip("download", f"--dest={half}/whole", *named)
                try:
                    Path(half, "whole").rename(wheels)
                except OSError:
                    if not wheels.is_dir():  # it is, where somebody else fetched the same at the same time
                        raise
        return wheels

    def _pip(self, *words: str) -> None:
        command = [sys.executable, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", "--no-input"]
        done = subprocess.run([*command, *self.wheels(), *words[1:]], check=False, capture_output=True, text=True)  # noqa: S603 - our own words
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
            raise PackageError(f"pip found no wheels for {self.arch}, Python {self.python}: {' '.join(said)}")

    def interpreter(self) -> str | None:
        """A Python of this version on this machine, which can compile for it; None where there is none."""
        pyenv = Path(
            os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions"
        )  # its shims may stand for nothing
        for command in (sys.executable, f"python{self.python}", *map(str, pyenv.glob(f"{self.python}.*/bin/python"))):
            if _version(command) == self.python:
                return command
        return None


def _version(command: str) -> str | None:
    """`3.13`; None where the command is none, or a shim that stands for nothing."""
    ask = "import json, sys; print(json.dumps('%d.%d' % sys.version_info[:2]))"
    try:
        done = subprocess.run([command, "-c", ask], check=True, capture_output=True, text=True)  # noqa: S603 - as above
        return str(json.loads(done.stdout))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


if __name__ == "__main__":
    print(Target().interpreter() or sys.executable)  # whose virtual environments are nearest to Lambda
