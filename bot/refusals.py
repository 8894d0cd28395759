"""What was refused is not forgotten: the raw record and the reason go to the dead-letter queue, where there is one.

A message on that queue is JSON in plain ASCII, at most 64 KB of it:

    {"reason": "why it was refused", "record_id": "the queue record's messageId, or empty",
     "cut": false, "record": "what came, as text"}

`record` is the record's body where that is text, else all that came, as JSON. Where it does not fit, its beginning
stands there, and `cut` is true. Half a surrogate pair, which no text may hold, has become a question mark.
"""

import json
import logging
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.aws import CALL_SECONDS, Aws
from bot.clock import Clock

log = logging.getLogger("bot.refusals")

MAX_MESSAGE_BYTES = 65_536
"""A message is cut here: enough to see what the record was."""

MESSAGES_A_CALL = 10  # SendMessageBatch, API reference
BYTES_A_CALL = 262_144
"""What the messages of a call may take together: SQS's limit until August 2025 (1 MiB since), and its likenesses'."""

MAX_REASON = 1000
MAX_RECORD_ID = 100  # SQS's own are 36 characters long


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is no login: what came, why it is refused, and its messageId where it came from a queue."""

    raw: object
    reason: str
    record_id: str = ""


class Refusals:
    """Logs every refusal; puts it on the dead-letter queue as well when `queue_url` names one."""

    def __init__(self, aws: Aws, clock: Clock, queue_url: str = "") -> None:
        self._aws = aws
        self._clock = clock
        self._queue_url = queue_url

    def put(self, refused: Sequence[Refusal], *, until: float) -> list[Refusal]:
        """Those that the dead-letter queue did not take: their records must come again. Never raises.

        No call begins that could take longer than `until` (seconds since the epoch), nor one after one that failed: a
        queue that does not answer costs one timeout, not one for each call.
        """
        for refusal in refused:
            fields = {"record_id": refusal.record_id, "reason": refusal.reason[:MAX_REASON]}
            log.error("refused", extra={"fields": fields})
        if not self._queue_url or not refused:
            return []
        left = {str(place): refusal for place, refusal in enumerate(refused)}
        reason = self._write(left, until)
        if left:
            log.error("refusals not written", extra={"fields": {"records": len(left), "reason": reason}})
        return list(left.values())

    def _write(self, left: dict[str, Refusal], until: float) -> str:
        """Write all, and take what was written out of `left`; why something stayed there."""
        reason = "no word about them"
        for call in _calls(left.copy()):
            if self._clock.now() + CALL_SECONDS > until:
                return "the call's time is over"
            try:
                answer = self._aws.client("sqs").send_message_batch(QueueUrl=self._queue_url, Entries=call)
                for written in answer.get("Successful", []):
                    left.pop(written["Id"], None)
                for failed in answer.get("Failed", []):
                    reason = str(failed["Code"])
            except Exception as error:  # noqa: BLE001 - botocore's tree is wide, and each means: not written
                return _code(error)
        return reason


def _code(error: Exception) -> str:
    """AWS's word for what went wrong, such as AccessDenied, or the error's type; never its text."""
    answer = getattr(error, "response", None) or {}
    code = str(answer.get("Error", {}).get("Code") or type(error).__name__)
    return re.sub(r"[^A-Za-z0-9.]", "", code)[:60]


def _calls(refused: Mapping[str, Refusal]) -> Iterator[list[dict[str, Any]]]:
    """The messages of each call, as many together as SQS takes, each with its key as `Id`."""
    call: list[dict[str, Any]] = []
    room = BYTES_A_CALL
    for key, refusal in refused.items():
        message = _message(refusal)
        if len(call) == MESSAGES_A_CALL or len(message) > room:
            yield call
            call, room = [], BYTES_A_CALL
        call.append({"Id": key, "MessageBody": message})
        room -= len(message)
    yield call


def _message(refusal: Refusal) -> str:
    text = _text(refusal.raw)
    facts = {"reason": refusal.reason[:MAX_REASON], "record_id": refusal.record_id[:MAX_RECORD_ID]}
    room = MAX_MESSAGE_BYTES - len(json.dumps(facts | {"cut": False, "record": ""}))
    record = _beginning(text, room)
    return json.dumps(facts | {"cut": len(record) < len(text), "record": record})


def _text(raw: object) -> str:
    try:
        text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    except (ValueError, RecursionError, TypeError) as error:
        return f"can't be written as JSON: {type(error).__name__}"
    return text.encode("utf-8", "replace").decode()


def _beginning(text: str, room: int) -> str:
    """As much of `text` as takes no more than `room` bytes in a JSON string: a character takes 1 to 12."""
    text = text[:room]
    fitting = bisect_right(range(len(text) + 1), room, key=lambda end: len(json.dumps(text[:end])) - len('""'))
    return text[: fitting - 1]
