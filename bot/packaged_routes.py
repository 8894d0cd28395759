"""The routing in force, here that of the packaged file. From S3, routes_in_force.py has it, imported for that alone."""

from typing import Protocol

from bot.config import Config, load_packaged


class Routes(Protocol):
    @property
    def trouble(self) -> tuple[str, ...]:
        """Why the newest file is not in force, or may not be: its mistakes, or why it could not be read."""

    def in_force(self) -> Config:
        """The same object as long as nothing changes. Raises ConfigError where nothing is in force."""


class PackagedRoutes:
    """A file on this machine: in force as it was when this was made, which raises ConfigError."""

    trouble: tuple[str, ...] = ()

    def __init__(self, path: str) -> None:
        self._config = load_packaged(path)

    def in_force(self) -> Config:
        return self._config
