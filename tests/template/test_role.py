"""What the function may do: every statement, what it allows, and that it is what the code calls."""

import ast
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import xform_name

from tests.support.cli import ROOT
from tests.support.template import FULL, Packaged, named

ARN = "arn:${AWS::Partition}"
HERE = "${AWS::Region}:${AWS::AccountId}"

STATEMENTS = {
    "WriteItsLog": (["logs:CreateLogStream", "logs:PutLogEvents"], "NotifyLogGroup.Arn"),
    "TakeIn": (["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], "Intake.Arn"),
    "PutAsideWhatIsNoLogin": (["sqs:SendMessage"], "DeadLetters.Arn"),
    "KeepAndTell": (
        [
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
        ],
        "Table.Arn",
    ),
    "ReadParameters": (["ssm:GetParameter"], f"{ARN}:ssm:{HERE}:parameter/login-bot/*"),
    "ReadSecrets": (["secretsmanager:GetSecretValue"], f"{ARN}:secretsmanager:{HERE}:secret:login-bot/*"),
    "LookUpPeople": (["workspaces:DescribeWorkspaces"], "*"),
    "DecryptSecrets": (["kms:Decrypt"], FULL["secretsKey"]),
    "TellTopics": (["sns:Publish"], FULL["topics"].split(",")),
    "ReadRoutes": (["s3:GetObject"], f"{ARN}:s3:::{FULL['routesObject']}"),
    "LookUpPeopleInOtherAccounts": (["sts:AssumeRole"], [FULL["lookupRoles"]]),
    "Trace": (["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
}
"""All that there is. Whoever adds a line here says in review why the bot needs it."""

ONLY_IF_ASKED = {"DecryptSecrets", "TellTopics", "ReadRoutes", "LookUpPeopleInOtherAccounts", "Trace"}

LAMBDAS_OWN = {
    "kms:Decrypt",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
"""What Lambda, and AWS behind the stores of secrets, does in the role's name."""

SERVICES = ("dynamodb", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts", "workspaces")
ALIKE = {"sqs:SendMessageBatch": "sqs:SendMessage"}
"""Operations that IAM calls by another's name."""
NOT_ON_LAMBDA = {"dynamodb:CreateTable", "dynamodb:UpdateTimeToLive"}
"""`create_table`, for tests and for whoever deploys without the template."""


def statements(packaged: Packaged) -> list[dict[str, Any]]:
    (role,) = packaged.of_type("AWS::IAM::Role").values()
    assert set(role) == {"RoleName", "Description", "AssumeRolePolicyDocument", "Policies", "Tags"} - {"Tags"} | (
        {"Tags"} & set(role)
    )
    return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def test_every_statement_is_one_that_was_thought_about(full: Packaged) -> None:
    found = {each["Sid"]: (each["Action"], named(each["Resource"])) for each in statements(full)}
    assert found == STATEMENTS
    assert {each["Effect"] for each in statements(full)} == {"Allow"}


def test_what_a_stage_does_not_ask_for_its_role_may_not(dev: Packaged) -> None:
    assert {each["Sid"] for each in statements(dev)} == set(STATEMENTS) - ONLY_IF_ASKED


def test_no_action_is_a_wildcard_and_everything_else_that_is_one_is_known(full: Packaged) -> None:
    wild = set()
    for each in statements(full):
        assert not any("*" in action for action in each["Action"])
        assert set(each) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        resources = named(each["Resource"])
        wild |= {
            each["Sid"] for resource in ([resources] if isinstance(resources, str) else resources) if "*" in resource
        }
    assert wild == {"LookUpPeople", "ReadParameters", "ReadSecrets", "Trace"}


def test_the_key_of_the_secrets_opens_secrets_alone(full: Packaged) -> None:
    (decrypt,) = (each for each in statements(full) if each["Sid"] == "DecryptSecrets")
    through = decrypt["Condition"]["StringEquals"]["kms:ViaService"]
    assert list(map(named, through)) == [
        "ssm.${AWS::Region}.${AWS::URLSuffix}",
        "secretsmanager.${AWS::Region}.${AWS::URLSuffix}",
    ]


def test_lambda_alone_takes_the_role_on(full: Packaged) -> None:
    (role,) = full.of_type("AWS::IAM::Role").values()
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")


@pytest.fixture(scope="module")
def operations() -> dict[str, str]:
    """boto3's name of every operation of the services that the bot uses, and IAM's."""
    found: dict[str, str] = {}
    for service in SERVICES:
        client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        for operation in client.meta.service_model.operation_names:
            action = f"{service}:{operation}"
            found.setdefault(xform_name(operation), ALIKE.get(action, action))
    return found


def said_by_the_code() -> Iterator[str]:
    """Names that are called on something, and words that may name an operation, in all that is in the zip."""
    for path in (ROOT / "bot").rglob("*.py"):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_role_may_do_what_the_code_calls_and_no_more(full: Packaged, operations: dict[str, str]) -> None:
    called = {operations[name] for name in said_by_the_code() if name in operations} - NOT_ON_LAMBDA
    allowed = {action for each in statements(full) for action in each["Action"]}
    assert called == allowed - LAMBDAS_OWN
