"""What an emulated account does not hold the template to: windows, retries, policies, what stays and who may in."""

import json
from typing import Any

import pytest

from bot.cli.readiness import Stage
from bot.config import bucket
from bot.environment import Environment
from bot.outbox.dynamodb.table import EXPIRES, TABLE
from bot.samples import canary_id
from tests.support.cli import ROOT
from tests.support.template import FULL, REGION, Packaged, named

DAYS = 86400


# taking in


def test_the_queue_hides_what_is_being_worked_on_for_six_calls_and_a_window(dev: Packaged, local: Packaged) -> None:
    for stage in (dev, local):
        timeout = stage.properties("NotifyLambdaFunction")["Timeout"]
        window = stage.properties("NotifyEventSourceMappingSQSIntake")["MaximumBatchingWindowInSeconds"]
        assert stage.properties("Intake")["VisibilityTimeout"] >= 6 * timeout + window


def test_records_come_in_batches_and_only_what_was_not_kept_goes_back(dev: Packaged) -> None:
    mapping = dev.properties("NotifyEventSourceMappingSQSIntake")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (500, 1)
    assert mapping["Enabled"] is True


def test_a_large_batch_has_the_window_that_aws_wants_for_it(dev: Packaged, local: Packaged) -> None:
    for stage in (dev, local):
        mapping = stage.properties("NotifyEventSourceMappingSQSIntake")
        assert mapping["BatchSize"] <= 10 or mapping["MaximumBatchingWindowInSeconds"] >= 1


def test_a_login_is_received_as_often_as_its_queue_can_hold_it(dev: Packaged) -> None:
    intake = dev.properties("Intake")
    assert "RedrivePolicy" not in intake
    assert intake["MessageRetentionPeriod"] == 14 * DAYS


def test_eventbridge_tries_as_long_as_it_can_and_then_leaves_a_dead_letter(dev: Packaged) -> None:
    (target,) = dev.properties("Logins")["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAYS, "MaximumRetryAttempts": 185}
    assert named(target["DeadLetterConfig"]["Arn"]) == "DeadLetters.Arn"
    assert named(target["Arn"]) == "Intake.Arn"
    assert dev.properties("DeadLetters")["MessageRetentionPeriod"] == 14 * DAYS


@pytest.mark.parametrize(
    ("stage", "sources"),
    [
        ("dev", ["aws.workspaces", "login-bot.sample"]),
        ("local", ["aws.workspaces", "login-bot.sample"]),
        ("prod", ["aws.workspaces"]),
        ("own", ["aws.workspaces"]),
    ],
)
def test_nobody_can_make_up_a_login_but_where_it_is_tried_out(
    stage: str, sources: list[str], request: pytest.FixtureRequest
) -> None:
    packaged: Packaged = request.getfixturevalue(stage)
    pattern = packaged.properties("Logins")["EventPattern"]
    assert pattern == {"source": sources, "detail-type": ["WorkSpaces Access"]}


# who may in


@pytest.mark.parametrize(("queue", "policy"), [("Intake", "IntakePolicy"), ("DeadLetters", "DeadLettersPolicy")])
def test_only_the_stages_own_rule_may_write_to_a_queue(dev: Packaged, queue: str, policy: str) -> None:
    said = dev.properties(policy)
    assert list(map(named, said["Queues"])) == [queue]
    (statement,) = said["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert named(statement["Resource"]) == f"{queue}.Arn"
    assert named(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == "Logins.Arn"


def statements(packaged: Packaged) -> list[tuple[str, dict[str, Any]]]:
    """Every statement that lets somebody in to a resource."""
    return [
        (name, statement)
        for name, resource in packaged.resources.items()
        if resource["Type"].endswith("Policy")
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_no_resource_is_public(full: Packaged) -> None:
    let_in = {name: statement["Principal"] for name, statement in statements(full) if statement["Effect"] == "Allow"}
    assert let_in == {
        "IntakePolicy": {"Service": "events.amazonaws.com"},
        "DeadLettersPolicy": {"Service": "events.amazonaws.com"},
        "AlarmsPolicy": {"Service": "cloudwatch.amazonaws.com"},
    }
    bucket_of_zips = full.properties("ServerlessDeploymentBucket")
    assert set(bucket_of_zips["PublicAccessBlockConfiguration"].values()) == {True}
    assert not full.of_type("AWS::Lambda::Url")


def test_only_the_schedules_may_call_the_function(full: Packaged) -> None:
    permissions = full.of_type("AWS::Lambda::Permission")
    assert {each["Principal"] for each in permissions.values()} == {"events.amazonaws.com"}
    sources = {named(each["SourceArn"]) for each in permissions.values()}
    assert sources == {"NotifyEventsRuleSchedule1.Arn", "NotifyEventsRuleSchedule2.Arn"}


def test_what_rests_is_encrypted(dev: Packaged) -> None:
    assert dev.properties("Table")["SSESpecification"] == {"SSEEnabled": True}
    assert {dev.properties(queue)["SqsManagedSseEnabled"] for queue in ("Intake", "DeadLetters")} == {True}


# the table


def test_the_table_is_the_one_that_the_outbox_is_tested_on(dev: Packaged) -> None:
    table = dev.properties("Table")
    assert {key: table[key] for key in TABLE} == TABLE
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES, "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize(
    ("stage", "policy"),
    [("dev", "Delete"), ("local", "Delete"), ("prod", "RetainExceptOnCreate"), ("own", "RetainExceptOnCreate")],
)
def test_the_table_goes_only_where_nothing_real_is_in_it(
    stage: str, policy: str, request: pytest.FixtureRequest
) -> None:
    table = request.getfixturevalue(stage).resources["Table"]
    assert table["DeletionPolicy"] == policy
    assert table["UpdateReplacePolicy"] == "Retain"


# the function


def test_the_function_is_the_one_that_was_packaged_for(dev: Packaged) -> None:
    function = dev.properties("NotifyLambdaFunction")
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert (function["MemorySize"], function["Timeout"]) == (256, 60)
    assert function["Handler"] == "bot.handler.handle"


def test_its_log_is_json_ends_some_day_and_lets_the_metrics_through(dev: Packaged, prod: Packaged) -> None:
    assert dev.properties("NotifyLambdaFunction")["LoggingConfig"] == {"LogFormat": "JSON"}  # INFO unless it says more
    assert dev.properties("NotifyLogGroup")["RetentionInDays"] == 30
    assert prod.properties("NotifyLogGroup")["RetentionInDays"] == 90


def test_its_settings_are_such_as_the_code_reads(full: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = full.properties("NotifyLambdaFunction")["Environment"]["Variables"]
    for name, value in variables.items():
        monkeypatch.setenv(name, str(named(value)))
    read = Environment.read()
    assert read.routes == f"s3://{FULL['routesObject']}"
    assert read.routes.startswith(bucket.SCHEME)
    assert (read.table_name, read.dead_letter_queue_url) == ("Table", "DeadLetters")
    assert (read.refresh_seconds, read.log_level) == ("60", "INFO")
    assert set(variables) == {
        "ROUTES",
        "ROUTES_REFRESH_SECONDS",
        "TABLE_NAME",
        "DEAD_LETTER_QUEUE_URL",
        "LOG_LEVEL",
    }


def test_without_a_file_on_s3_the_routes_are_those_in_the_zip(dev: Packaged) -> None:
    assert dev.properties("NotifyLambdaFunction")["Environment"]["Variables"]["ROUTES"] == "routes.yml"


def test_only_an_emulated_account_keeps_its_workspaces_elsewhere(dev: Packaged, local: Packaged) -> None:
    name = "AWS_ENDPOINT_URL_WORKSPACES"
    assert local.properties("NotifyLambdaFunction")["Environment"]["Variables"][name] == "http://127.0.0.1:9"
    assert name not in dev.properties("NotifyLambdaFunction")["Environment"]["Variables"]


# the clock and the canary


def test_the_clock_ticks_each_minute(dev: Packaged) -> None:
    clock = dev.properties("NotifyEventsRuleSchedule1")
    assert (clock["ScheduleExpression"], clock["State"]) == ("rate(1 minute)", "ENABLED")
    assert "Input" not in clock["Targets"][0]


def test_what_the_clock_or_the_canary_failed_at_is_tried_twice_more(dev: Packaged) -> None:
    asynchronous = dev.properties("NotifyLambdaEvConf")
    assert asynchronous["MaximumRetryAttempts"] == 2
    waits = 60 + 120  # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    calls = 2 * dev.properties("NotifyLambdaFunction")["Timeout"]
    assert asynchronous["MaximumEventAgeInSeconds"] > waits + calls, "or the second is given up for its age"


def test_the_canary_is_an_event_that_the_function_knows(full: Packaged) -> None:
    canary = full.properties("NotifyEventsRuleSchedule2")
    transformer = canary["Targets"][0]["InputTransformer"]
    tick = {"id": "11111111-2222", "time": "2026-11-23T08:00:00Z", "account": "123456789012", "region": REGION}
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        text = text.replace(f"<{name}>", json.dumps(tick[path.removeprefix("$.")]))
    event = json.loads(text)
    assert canary_id(event) == "canary-11111111-2222"
    assert (event["account"], event["region"]) == ("123456789012", REGION)


@pytest.mark.parametrize(("stage", "state"), [("dev", "DISABLED"), ("full", "ENABLED")])
def test_the_canary_flies_where_it_was_asked_for(stage: str, state: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(stage).properties("NotifyEventsRuleSchedule2")["State"] == state


# what `make deploy` reads of it


def test_make_deploy_sees_what_the_stage_asks_for(full: Packaged, dev: Packaged) -> None:
    assert Stage.of(full.state["service"]) == Stage(
        name="prod",
        region=REGION,
        stack="login-bot-prod",
        table="login-bot-prod",
        table_stays=True,
        routes_object=FULL["routesObject"],
        secrets_prefix="login-bot/",
        topics=frozenset(FULL["topics"].split(",")),
        lookup_roles=frozenset({FULL["lookupRoles"]}),
        environment=frozenset(full.properties("NotifyLambdaFunction")["Environment"]["Variables"])
        | {"AWS_ENDPOINT_URL_WORKSPACES"},
        architecture="arm64",
        takes_samples=False,
    )
    assert Stage.of(dev.state["service"]).takes_samples
    assert dev.properties("Table")["TableName"] == Stage.of(dev.state["service"]).table


def test_osls_is_pinned_to_the_byte() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]["osls"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/osls"]
    assert wanted == locked["version"]
    assert locked["integrity"].startswith("sha512-")
