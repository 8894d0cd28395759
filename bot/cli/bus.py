"""A sample login put on the event bus of a deployed stage: it takes the whole way that a real one takes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.aws import Aws
from bot.cli.show import Mistake
from bot.cli.trouble import explained
from bot.config import Config
from bot.events import DETAIL_TYPE, SAMPLE_SOURCE, Login
from bot.samples import sample

PRODUCTION = frozenset({"prod", "production"})


def put_sample(config: Config, dest: str, *, stage: str, bus: str) -> tuple[Login, str]:
    """The sample login, of a directory that `dest` hears of where it is named, and its event's id.

    Raises Mistake where the stage takes no samples, or the bus did not take this one.
    """
    if stage.casefold() in PRODUCTION:
        raise Mistake(
            f"stage {stage} takes no samples: its rule listens to Amazon WorkSpaces alone, so that nobody can make up a"
            " login there; try another stage, or wait for the canary"
        )
    made = sample(config, dest, event_id="", at=datetime.now(UTC))
    login = replace(made, person=None)  # the function asks AWS, and nobody is there
    try:
        answer = Aws().client("events").put_events(Entries=[_entry(login, bus)])
    except Exception as error:
        if why := explained(error, f"event bus {bus!r}", "events"):
            raise Mistake(why) from None
        raise
    (entry,) = answer["Entries"]
    if answer["FailedEntryCount"]:
        raise Mistake(f"event bus {bus!r} did not take it: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}")
    return login, str(entry["EventId"])


def _entry(login: Login, bus: str) -> dict[str, Any]:
    detail = {
        "actionType": "successfulLogin",
        "clientIpAddress": login.address,
        "clientPlatform": login.platform,
        "directoryId": login.directory_id,
        "loginTime": login.logged_in_at.isoformat(timespec="milliseconds"),
        "workspaceId": login.workspace_id,
        "workspacesClientProductName": login.client,
    }
    return {
        "EventBusName": bus,
        "Source": SAMPLE_SOURCE,
        "DetailType": DETAIL_TYPE,
        "Time": login.emitted_at,
        "Detail": json.dumps(detail),
    }
