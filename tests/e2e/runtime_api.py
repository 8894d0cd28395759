"""Lambda's runtime API on loopback, and AWS's own client of it that runs a zip: as on Lambda, but for the processor.

The API is AWS's (Lambda developer guide, "Using the Lambda runtime API"): the client asks for the next invocation, and
posts its response or its error.
"""

import json
import os
import queue
import subprocess
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.providers import Answer, Provider, Request

FUNCTION = "login-bot-test-notify"
CALL_SECONDS = 60


class Lambda:
    """A copy of the function: its `folder` holds the opened zip, `venv` what Lambda has anyway."""

    def __init__(self, package: Path, folder: Path, venv: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._venv = venv
        self._environment = environment
        self._api = Provider(self._answer)
        self._invocations: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        with zipfile.ZipFile(package) as opened:
            opened.extractall(folder)

    def __enter__(self) -> Self:
        self._api.__enter__()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONTZPATH": "",  # Lambda's image promises no time zones
            "PYTHONDONTWRITEBYTECODE": "1",  # its task folder is read-only
            "AWS_LAMBDA_RUNTIME_API": self._api.host,
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "_HANDLER": "bot.handler.handle",
            **self._environment,
        }
        with (self.folder.parent / "runtime.log").open("wb") as log:
            command = [str(self._venv / "bin/python"), "-m", "awslambdaric", "bot.handler.handle"]
            self._process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._invocations.put(None)
        self._api.__exit__()

    def invoke(self, event: Any) -> Any:
        """What the function answers. Fails with its error, and with its log where it says nothing."""
        self._invocations.put(event)
        try:
            result = self._results.get(timeout=CALL_SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer:\n{self.log()}") from None
        assert result.path.endswith("/response"), f"{result.path} {result.text}\n{self.log()}"
        return result.json

    def log(self) -> str:
        return (self.folder.parent / "runtime.log").read_text("utf-8", "replace")

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST":
            self._results.put(request)
            return Answer(202, '{"status": "OK"}', {"Content-Type": "application/json"})
        event = self._invocations.get()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + CALL_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{FUNCTION}",
        }
        return Answer(200, json.dumps(event), headers)
