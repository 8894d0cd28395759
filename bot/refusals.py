"""What was refused is not forgotten: the raw record and the reason go to the dead-letter queue, where there is one."""

import json
import logging
from typing import Any

from bot.aws import Aws

log = logging.getLogger("bot.refusals")

MAX_RECORD_BYTES = 65_536
"""A refused record is cut here: enough to see what it was, and far from SQS's own limit."""


class Refusals:
    """Logs every refusal; puts it on the dead-letter queue as well when `queue_url` names one."""

    def __init__(self, aws: Aws, queue_url: str = "") -> None:
        self._aws = aws
        self._queue_url = queue_url

    def put(self, raw: object, reason: str, *, record_id: str = "") -> bool:
        """False when the dead-letter queue did not take it: then the record must come again. Never raises."""
        log.error("refused", extra={"fields": {"record_id": record_id, "reason": reason}})
        if not self._queue_url:
            return True
        try:
            self._queue().send_message(QueueUrl=self._queue_url, MessageBody=_body(raw, reason))
        except Exception as error:  # noqa: BLE001 - botocore's tree is wide, and each means: not written
            fields = {"record_id": record_id, "reason": type(error).__name__}
            log.error("refusal not written", extra={"fields": fields})  # noqa: TRY400 - the reason says it all
            return False
        return True

    def _queue(self) -> Any:
        return self._aws.client("sqs")


def _body(raw: object, reason: str) -> str:
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    cut = text.encode("utf-8", "replace")[:MAX_RECORD_BYTES].decode("utf-8", "ignore")
    return json.dumps({"reason": reason, "record": cut, "cut": len(cut) < len(text)})
