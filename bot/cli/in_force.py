"""Which routing file from S3 is in force in a deployed bot, and why a newer one is not: as the bot's table says it."""

from datetime import UTC, datetime

from rich.text import Text

from bot.aws import Aws
from bot.cli.show import Mistake, count, harmless, note, say
from bot.cli.trouble import explained
from bot.config import ConfigError
from bot.config.bucket import SCHEME, fetch
from bot.config.compiled import fingerprint
from bot.last_good import Good, Refused, records

Known = dict[str, tuple[Good | None, Refused | None]]


def told(table: str, routes: str) -> bool:
    """Say it of `routes`, or of every file that the table knows; whether each is in force in its newest version."""
    if not table:
        raise Mistake("--deployed asks the table of a deployed bot; name it with --table or TABLE_NAME")
    aws = Aws()
    known = _known(table, aws)
    if routes.startswith(SCHEME):
        known = {routes: known.get(routes, (None, None))}
    if not known:
        raise Mistake(f"table {table} knows no file from S3: that bot runs on its packaged file, or has not run yet")
    newest = [_told(url, good, refused, _newest(url, aws)) for url, (good, refused) in known.items()]
    return all(newest)


def _known(table: str, aws: Aws) -> Known:
    try:
        return records(table, aws)
    except Exception as error:
        if why := explained(error, f"table {table!r}", "dynamodb"):
            raise Mistake(why) from None
        raise


def _newest(url: str, aws: Aws) -> str:
    """The ETag of what is in the bucket now; empty where these credentials can't see it."""
    try:
        version = fetch(url, aws)
    except ConfigError as error:
        note(f"note: {url} {'; '.join(error.mistakes)}; what follows is what the bot saw last")
        return ""
    return version.etag if version else ""


def _told(url: str, good: Good | None, refused: Refused | None, newest: str) -> bool:
    newest = newest or _seen_last(good, refused)
    if refused is not None and newest == refused.etag:
        say(
            Text("refused ", style="bold red"), f"{url}: {_version(refused)}: {count(len(refused.mistakes), 'mistake')}"
        )
        for mistake in refused.mistakes:
            say(harmless(mistake))
    if good is None:
        say(Text("nothing in force ", style="bold red"), f"{url}: no file without mistakes was seen yet")
        return False
    is_newest = newest == good.etag
    say(
        Text("in force ", style="bold green" if is_newest else "bold yellow"),
        f"{url}: {_version(good)}, sha256 {fingerprint(good.content)}",
    )
    if not is_newest and (refused is None or newest != refused.etag):
        note(f"note: {newest} is newer and was not looked at yet; the bot looks when it is called, once a minute")
    return is_newest


def _seen_last(good: Good | None, refused: Refused | None) -> str:
    seen = [version for version in (good, refused) if version is not None]
    return max(seen, key=lambda version: version.since).etag if seen else ""


def _version(version: Good | Refused) -> str:
    since = datetime.fromtimestamp(version.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"ETag {version.etag}, since {since}"
