"""An AWS account on loopback: ministack as a process of its own, with every call's permission checked.

What it does not do, and what a test does about it:
- It reads no metrics out of the log: `Stage.publish_metrics` reads the lines as CloudWatch would.
- It asks for `sqs:SendMessageBatch`, which AWS has not got: `Stage.let_batches_through` adds it to the deployed role.
- It takes no event of the source `aws.workspaces`, as AWS takes none: logins come from the stage's second source.
- It knows no WorkSpaces: the function's `AWS_ENDPOINT_URL_WORKSPACES` is moto's.
- It waits for no batching window, retries no asynchronous call, sets no TTL from the template, and lets EventBridge
  write to a queue without its policy. The tests of the template hold those.
- It runs a function on its own interpreter and with its own site-packages, on this machine's processor.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import boto3

REGION = "eu-west-1"
ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"

STARTS_SECONDS = 30.0
TRIES = 3
"""A free port may be somebody else's by the time that the emulator asks for it."""


class Emulator:
    """`command` starts it. What it writes stays in `home`: its log is there, too."""

    def __init__(self, command: Path, home: Path) -> None:
        self._command = command
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._clients: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        for _ in range(TRIES):
            self._start()
            if self._answers():
                return self
            self._end()
        raise AssertionError(f"the emulator did not start:\n{self.log()[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environment(self, account: str = ACCOUNT) -> dict[str, str]:
        """For a program of the account's owner: a key of twelve digits is that account's root."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, account: str = ACCOUNT) -> Any:
        """A boto3 client of the account's owner."""
        if (service, account) not in self._clients:
            session = boto3.Session(account, "test", region_name=REGION)
            self._clients[service, account] = session.client(service, endpoint_url=self.url)
        return self._clients[service, account]

    def log(self) -> str:
        return (self._home / "emulator.log").read_text("utf-8", "replace")

    def _start(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        with (self._home / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._command], env=environment, cwd=self._home, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        assert self._process is not None
        until = time.monotonic() + STARTS_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1):
                    return self._process.poll() is None
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return False

    def _end(self) -> None:
        """The functions that it runs are of its own process group, and end with it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None
