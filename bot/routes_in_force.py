"""The routing of a file on S3, which changes without a deployment.

The newest version without mistakes is in force. Where the newest has mistakes, or S3 does not answer,
the last good one stays, also for a copy of the bot that starts cold. Where there never was a good one, nothing is in
force and nothing is posted: what came in waits in its queue. The packaged file is never taken instead, for the operator
named another: it only says what that one may name.
"""

import logging

from bot.aws import Aws
from bot.clock import Clock
from bot.config import Config, ConfigError, compiled
from bot.config.bucket import Version, fetch
from bot.config.fence import Fence
from bot.last_good import Good, LastGood, Refused
from bot.patience import Within, within

log = logging.getLogger("bot.routes_in_force")

LOOK_SECONDS = 5.0
"""How long a look at S3 may take: the logins of this call wait for it."""


class HotRoutes:
    """A file on S3, looked at again when the last look is `every` seconds old; with 0, whenever it is asked for."""

    def __init__(
        self,
        url: str,
        aws: Aws,
        clock: Clock,
        *,
        every: float,
        fence: Fence,
        last_good: LastGood | None = None,
        within: Within = within,
    ) -> None:
        self.refused: tuple[str, ...] = ()
        self._unread: tuple[str, ...] = ()  # why the last look came to nothing
        self._url = url
        self._aws = aws
        self._clock = clock
        self._every = every
        self._fence = fence
        self._last_good = last_good
        self._within = within
        self._config: Config | None = None
        self._seen = ""  # the ETag of the newest file, good or refused
        self._unkept: Good | None = None
        self._looked_at = float("-inf")

    def in_force(self) -> Config:
        if self._config is None:
            self._recall()
        if self._config is None or self._is_time():
            self._look()
        if self._config is None:
            raise ConfigError(self._url, self.refused or self._unread)
        return self._config

    @property
    def trouble(self) -> tuple[str, ...]:
        return self._unread or self.refused

    def _is_time(self) -> bool:
        return not 0 <= self._clock.now() - self._looked_at < self._every  # also when the clock was put back

    def _recall(self) -> None:
        """Start on the last good file of all copies, if it still is one for this version of the bot."""
        good = self._last_good.read() if self._last_good else None
        if good is None:
            return
        try:
            config = compiled.load(good.compiled, good.content, source=self._url)
            if self._fence.holds(config):
                self._config, self._seen = config, good.etag
                return
        except compiled.StaleError:
            pass
        self._recall_afresh(good)

    def _recall_afresh(self, good: Good) -> None:
        version = Version(good.content, good.etag)
        try:
            self._config = self._understood(version)
        except ConfigError as error:
            self._log_mistakes(good.etag, error)
            return
        self._seen = good.etag
        self._unkept = Good.of(version, self._config, good.since)

    def _look(self) -> None:
        """Look at S3 and follow what is there."""
        self._looked_at = self._clock.now()
        try:
            newest = self._within(LOOK_SECONDS, lambda: fetch(self._url, self._aws, unless=self._seen))
        except (ConfigError, TimeoutError) as error:
            self._unread = getattr(error, "mistakes", (f"can't be read: S3 did not answer in {LOOK_SECONDS:g} s",))
            log.warning("routes not read", extra={"fields": {"source": self._url, "reason": "; ".join(self._unread)}})
            return
        self._unread = ()
        if newest is not None:
            self._follow(newest)
        self._keep()

    def _follow(self, newest: Version) -> None:
        self._seen = newest.etag
        try:
            self._config = self._understood(newest)
        except ConfigError as error:
            self.refused = error.mistakes
            self._log_mistakes(newest.etag, error)
            if self._last_good:
                self._last_good.refuse(Refused(newest.etag, error.mistakes, self._looked_at))
            return
        self.refused = ()
        self._unkept = Good.of(newest, self._config, self._looked_at)
        fields = {"source": self._url, "etag": newest.etag, "sha256": newest.sha256}
        log.info("routes in force", extra={"fields": fields})

    def _keep(self) -> None:
        if self._last_good and self._unkept and self._last_good.keep(self._unkept):
            self._unkept = None

    def _understood(self, version: Version) -> Config:
        from bot.config.file import understand  # noqa: PLC0415 - pydantic and YAML cost a cold start 70 ms

        return understand(version.content, source=self._url, fence=self._fence)

    def _log_mistakes(self, etag: str, error: ConfigError) -> None:
        for mistake in error.mistakes:
            fields = {"source": self._url, "etag": etag, "mistake": mistake}
            log.error("routes refused", extra={"fields": fields})
