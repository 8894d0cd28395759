"""The template that AWS would get: made by osls, with nothing asked of AWS, and settled as CloudFormation would.

packaged = Packaged.make(folder, "dev", topics="arn:…")
packaged.raw                          # as osls wrote it
packaged.settled                      # without conditions: what they leave out is gone
packaged.properties("Intake")         # … and of this, one resource's
"""

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tests.support.cli import ROOT

REGION = "eu-west-1"
OSLS = ROOT / "node_modules" / ".bin" / "osls"

FULL = {
    "topics": "arn:aws:sns:eu-west-1:123456789012:login-audit,arn:aws:sns:us-east-1:123456789012:login-audit",
    "lookupRoles": "arn:aws:iam::210987654321:role/login-bot-lookup",
    "routesObject": "login-bot-routes/dev/routes.yml",
    "secretsKey": "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "tracing": "Active",
    "alarmMail": "ops@example.com",
    "canary": "true",
    "silence": "true",
}
"""Everything that a stage may ask for."""

NOTHING = object()
"""What AWS::NoValue leaves."""


@dataclass(frozen=True)
class Packaged:
    folder: Path

    @classmethod
    def make(cls, folder: Path, stage: str, **params: str) -> Self:
        package = folder / "login-bot.zip"
        with zipfile.ZipFile(package, "w") as made:
            made.writestr("routes.yml", "default: []\n")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LOGIN_BOT_ZIP": str(package),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NODE_NO_WARNINGS": "1",
        }
        words = ["package", "--stage", stage, "--region", REGION, "--package", str(folder / "made")]
        asked = [f"--param={name}={value}" for name, value in params.items()]
        done = subprocess.run(
            [OSLS, *words, *asked], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return cls(folder / "made")

    @property
    def path(self) -> Path:
        return self.folder / "cloudformation-template-update-stack.json"

    @cached_property
    def raw(self) -> dict[str, Any]:
        return self._read(self.path)

    @cached_property
    def state(self) -> dict[str, Any]:
        return self._read(self.folder / "serverless-state.json")

    @cached_property
    def settled(self) -> dict[str, Any]:
        holds = {name: _holds(condition) for name, condition in self.raw["Conditions"].items()}
        template = {key: value for key, value in self.raw.items() if key not in ("Conditions", "Metadata")}
        template["Resources"] = {
            name: {key: value for key, value in resource.items() if key != "Condition"}
            for name, resource in template["Resources"].items()
            if holds.get(resource.get("Condition", ""), True)
        }
        return dict(_settled(template, holds))

    @property
    def resources(self) -> dict[str, Any]:
        return dict(self.settled["Resources"])

    def properties(self, name: str) -> dict[str, Any]:
        return dict(self.resources[name]["Properties"])

    def of_type(self, kind: str) -> dict[str, Any]:
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        return dict(json.loads(path.read_text("utf-8")))


def _holds(condition: Any) -> bool:
    if "Fn::Not" in condition:
        return not _holds(condition["Fn::Not"][0])
    one, other = condition["Fn::Equals"]
    return str(one) == str(other)


def _settled(value: Any, holds: dict[str, bool]) -> Any:
    if isinstance(value, dict):
        if "Fn::If" in value:
            name, then, otherwise = value["Fn::If"]
            return _settled(then if holds[name] else otherwise, holds)
        if value == {"Ref": "AWS::NoValue"}:
            return NOTHING
        settled = {key: _settled(each, holds) for key, each in value.items()}
        return {key: each for key, each in settled.items() if each is not NOTHING}
    if isinstance(value, list):
        return [each for each in (_settled(item, holds) for item in value) if each is not NOTHING]
    return value


def named(value: Any) -> Any:
    """A reference as short text: `Table`, `Intake.Arn`, the text of an Fn::Sub, the list of an Fn::Split."""
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::GetAtt":
        return ".".join(argument)
    if function == "Fn::Split":
        return argument[1].split(argument[0])
    return argument
