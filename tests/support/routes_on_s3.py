"""A routing file on S3 for tests: a bucket and a table on loopback, and copies of the bot that start cold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.config.fence import Fence
from bot.last_good import LastGood
from bot.outbox.dynamodb import create_table
from bot.routes_in_force import HotRoutes
from tests.support.aws import REGION, LoopbackAws
from tests.support.clock import FakeClock
from tests.support.outbox_aws import FaultyAws, client_error, on_loopback

BUCKET, KEY = "login-bot-routes", "team/routes.yml"
URL = f"s3://{BUCKET}/{KEY}"
TABLE = "login-bot"


def routes(language: str = "en", more: str = "") -> str:
    return f"defaults: {{language: {language}}}\ndestinations:\n  ops: {{type: console}}\n{more}default: [ops]\n"


BROKEN = "destinations:\n  ops: {type: console, fallback: opps}\ndefault: [opps]\n"
MISTAKES = (
    "line 2: destinations.ops.fallback: no destination 'opps'; did you mean 'ops'?",
    "line 3: default[0]: no destination 'opps'; did you mean 'ops'?",
)


@dataclass
class Stage:
    """A bucket, a table and a clock; `copy` is a copy of the bot that starts cold."""

    outside: LoopbackAws
    aws: FaultyAws
    clock: FakeClock = field(default_factory=FakeClock)

    def put(self, content: str | bytes) -> str:
        body = content.encode() if isinstance(content, str) else content
        return str(self.outside.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body)["ETag"])

    def remove(self) -> None:
        self.outside.client("s3").delete_object(Bucket=BUCKET, Key=KEY)

    def copy(self, *, every: float = 60.0, fence: Fence | None = None, table: bool = True) -> HotRoutes:
        last_good = LastGood(TABLE, self.aws, URL) if table else None
        return HotRoutes(URL, self.aws, self.clock, every=every, fence=fence or Fence(), last_good=last_good)

    def fails(self, *operations: str, code: str = "InternalError") -> None:
        """From now on these operations of any service fail."""

        def before(operation: str, _: dict[str, Any]) -> None:
            if operation in operations:
                raise client_error(code, 500)

        self.aws.before = before


@contextmanager
def staged(aws: LoopbackAws) -> Iterator[Stage]:
    """A clean stage in the world of `aws`."""
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    create_table(aws.client("dynamodb"), TABLE)
    with on_loopback(aws) as bots:
        yield Stage(aws, bots)
