"""The routing in force, here that of the packaged file. From S3, routes_in_force.py has it, imported for that alone."""

from typing import Protocol

from bot.config import Config, load_packaged


class Routes(Protocol):
    refused: tuple[str, ...]
    """The mistakes of the newest file, where it is not in force for them."""

    def in_force(self) -> Config:
        """The same object as long as nothing changes. Raises ConfigError where nothing is in force."""


class PackagedRoutes:
    """A file on this machine: in force as it was when this was made, which raises ConfigError."""

    def __init__(self, path: str) -> None:
        self.refused: tuple[str, ...] = ()
        self._config = load_packaged(path)

    def in_force(self) -> Config:
        return self._config
