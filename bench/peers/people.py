"""What peers (b) and (c) share: who logged in, in a few words, and the two doors (an event, or a batch of a queue).

Written as such functions are written: one look-up a person, remembered as long as the container lives; no outbox, so
a record whose card failed goes back to the queue whole, and a card that was sent twice was sent twice.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3

workspaces = boto3.client("workspaces")


@lru_cache(maxsize=50_000)
def user_of(workspace_id: str) -> str:
    found = workspaces.describe_workspaces(WorkspaceIds=[workspace_id])["Workspaces"]
    return str(found[0]["UserName"]) if found else workspace_id


def told(event: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The card's title and its facts."""
    detail = event["detail"]
    return f"{user_of(detail['workspaceId'])} logged in", [
        ("WorkSpace", detail["workspaceId"]),
        ("Directory", detail["directoryId"].removeprefix("domain/")),
        ("Client", f"{detail['workspacesClientProductName']} on {detail['clientPlatform']}"),
        ("Address", detail["clientIpAddress"]),
        ("Time", detail["loginTime"]),
    ]


def each(event: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Tell a direct event, or every record of a batch; those that failed go back. A direct one raises."""
    if "Records" not in event:
        tell(event)
        return {}
    failed = []
    for record in event["Records"]:
        try:
            tell(json.loads(record["body"]))
        except Exception:  # noqa: BLE001 - whatever it was, the record goes back
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
