"""The cloud on loopback as a measurement sees it: started, steered, and what a function in it must be told."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import trustme

from bench.cloud import SLACK, TABLE, TEAMS

TOPIC = "arn:aws:sns:eu-west-1:123456789012:login-audit"


@dataclass(frozen=True, slots=True)
class Loopback:
    plain: int
    """The port of Lambda's runtime API, and of who steers."""
    secure: int
    """The port of everything that speaks TLS."""
    trusted: Path
    """Whom to trust: all that everybody trusts, and this cloud."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.secure}"

    @property
    def slack(self) -> str:
        return f"https://{self.host}{SLACK}"

    @property
    def teams(self) -> str:
        return f"https://{self.host}{TEAMS}?api-version=2016-06-01&sig=bench"

    def steer(self, what: str, **asked: Any) -> dict[str, Any]:
        """Ask for `reset`, `watch` (a pid), `over` (answers when the function has answered) or `notes`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=60)
        connection.request("POST", f"/bench/{what}", json.dumps(asked))
        said: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return said

    def environment(self) -> dict[str, str]:
        """What Lambda tells a function, as far as it matters here, and where this cloud is."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_SESSION_TOKEN": "bench",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.plain}",
            "AWS_ENDPOINT_URL": f"https://{self.host}",
            "AWS_CA_BUNDLE": str(self.trusted),
            "REQUESTS_CA_BUNDLE": str(self.trusted),
            "SSL_CERT_FILE": str(self.trusted),
            "PYTHONDONTWRITEBYTECODE": "1",  # a task's folder is read-only on Lambda
            "TABLE_NAME": TABLE,
            "TOPIC_ARN": TOPIC,
            "HOOK": self.slack,
            "TEAMS_HOOK": self.teams,
        }


@contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """A cloud that lives as long as the block; `folder` takes its certificate."""
    authority = trustme.CA()
    certificate, trusted = folder / "cloud.pem", folder / "trusted.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    trusted.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    command = [sys.executable, "-m", "bench.cloud", str(certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        plain, secure = map(int, process.stdout.readline().split())
        yield Loopback(plain, secure, trusted)
        process.stdin.close()
