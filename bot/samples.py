"""Made-up logins, marked as samples on their cards: they show that a channel works when nobody logs in."""

from datetime import datetime
from typing import Any

from bot.config import Config
from bot.events import MAX_ID, Login, Person

CANARY_TYPE = "Login Bot Canary"
CANARY_SOURCE = "login-bot"
"""The event that asks for one sample at every destination: a dead channel is seen before somebody needs it."""


def sample(
    config: Config,
    destination: str,
    *,
    event_id: str,
    at: datetime,
    account: str = "123456789012",
    region: str = "eu-west-1",
) -> Login:
    """A made-up login of a directory that the destination hears of, where there is one; with no destination, of any."""
    homes = config.routing.directories.values()
    home = next((home for home in homes if not destination or destination in (home.notify or ())), None)
    return Login(
        event_id=event_id,
        workspace_id="ws-sample000",
        directory_id=home.id if home else "d-0000000000",
        directory_name=home.name if home else "",
        logged_in_at=at,
        emitted_at=at,
        received_at=at,
        account=account,
        region=region,
        address="203.0.113.7",
        client="WorkSpaces Desktop client",
        platform="Windows",
        person=Person(name="sample.user"),
        sample=True,
    )


def canary_id(event: object) -> str:
    """The id under which the samples of a canary event are known, the same whenever it comes again; empty for others.

    `event` is what a rule or schedule sends: `{"detail-type": "Login Bot Canary", "source": "login-bot", "id": …}`.
    """
    if not isinstance(event, dict) or (event.get("detail-type"), event.get("source")) != (CANARY_TYPE, CANARY_SOURCE):
        return ""
    known_by: Any = event.get("id") or event.get("time")
    return f"canary-{known_by}"[:MAX_ID]
