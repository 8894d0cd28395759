"""Peer (b), the same job on Apprise: its Slack and its Teams Workflows plugin.

The plugins are made by their classes: by their URLs, Apprise would import all of its plugins to find the two.
"""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apprise import Apprise, NotifyFormat

from bench.peers import people


def _plugins() -> Iterator[Any]:
    for url in os.environ.get("SLACK_URL", "").split():
        from apprise.plugins.slack import NotifySlack  # noqa: PLC0415 - only what is in use, as ours

        base, _, tokens = url.partition("/services/")
        slack = NotifySlack(**dict(zip(("token_a", "token_b", "token_c"), tokens.split("/"), strict=True)))
        slack.webhook_url = f"{base}/services"  # loopback in the place of hooks.slack.com
        yield slack
    for url in os.environ.get("TEAMS_URL", "").split():
        from apprise.plugins.workflows import NotifyWorkflows  # noqa: PLC0415 - as above

        flow = urlsplit(url)
        workflow, signature = flow.path.split("/")[2], parse_qs(flow.query)["sig"][0]
        yield NotifyWorkflows(workflow=workflow, signature=signature, host=flow.hostname, port=flow.port, secure=True)


channels = Apprise()
for plugin in _plugins():
    if "UNTHROTTLED" in os.environ:
        plugin.request_rate_per_sec = 0  # where the processor's time is measured, its pauses are not
    channels.add(plugin)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return people.each(event, tell)


def tell(event: dict[str, Any]) -> None:
    title, facts = people.told(event)
    body = "\n".join(f"**{label}** {text}" for label, text in facts)
    if not channels.notify(title=title, body=body, body_format=NotifyFormat.MARKDOWN):
        raise RuntimeError("a channel did not take it")
