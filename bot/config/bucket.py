"""A routing file in a bucket: its newest version, and nothing where it has not changed since."""

import re
from dataclasses import dataclass
from typing import Any

from bot.aws import Aws, NoRegionError
from bot.config import MAX_BYTES, ConfigError
from bot.config.compiled import fingerprint

SCHEME = "s3://"
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^\x00-\x1f]{1,1024})")

_CURES = {
    "NoSuchKey": "there is no such file; put it there",
    "NoSuchBucket": "there is no such bucket; mend its name",
    "404": "there is no such file; put it there",
    "AccessDenied": "there is no such file, or the role may not read it; it needs s3:GetObject on it",
    "403": "there is no such file, or the role may not read it; it needs s3:GetObject on it",
    "PermanentRedirect": "the bucket is in another region; use one in the bot's own",
    "301": "the bucket is in another region; use one in the bot's own",
}
"""S3 says AccessDenied, too, of a file that is not there, to whoever may not list the bucket."""


@dataclass(frozen=True, slots=True)
class Version:
    """The bytes (one more than MAX_BYTES at the most), and S3's name for them."""

    content: bytes
    etag: str

    @property
    def sha256(self) -> str:
        return fingerprint(self.content)


def fetch(url: str, aws: Aws, *, unless: str = "") -> Version | None:
    """The newest version of `s3://bucket/key`; None where its ETag is still `unless`. Raises ConfigError."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(url, ("is no file in a bucket; write it like s3://bucket/routes.yml",))
    asked = {"Bucket": found[1], "Key": found[2]} | ({"IfNoneMatch": unless} if unless else {})
    try:
        answer = aws.client("s3").get_object(**asked)
        content = answer["Body"].read(MAX_BYTES + 1)
        answer["Body"].close()
    except Exception as error:  # noqa: BLE001 - botocore's tree and urllib3's, which it lets through, share no root
        if _code(error) in ("304", "NotModified"):
            return None
        raise ConfigError(url, (f"can't be read: {_why(error)}",)) from None
    return Version(content, str(answer["ETag"]))


def _code(error: Exception) -> str:
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _why(error: Exception) -> str:
    """AWS's trouble in one sentence, by its code: never its text."""
    if isinstance(error, NoRegionError):
        return str(error)
    if not (code := re.sub(r"[^A-Za-z0-9]", "", _code(error))[:60]):
        return f"S3 did not answer ({type(error).__name__})"
    return f"{_CURES[code]} (S3 said {code})" if code in _CURES else f"S3 said {code}"
