"""The alarms and the dashboard speak of metrics that there are, and of pages that say what to do."""

import json
import re
from typing import Any

from bot.metrics import NAMESPACE, UNITS
from tests.support.cli import ROOT
from tests.support.template import Packaged, named

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = ("python -m bot dead-letters list", "python -m bot status", "python -m bot check --deployed")

WOKEN_BY = {
    "GivenUpAlarm": (f"{NAMESPACE} GivenUp", "Sum", 1, "notBreaching"),
    "DeadLettersAlarm": ("AWS/SQS ApproximateNumberOfMessagesVisible", "Maximum", 1, "notBreaching"),
    "ErrorsAlarm": ("AWS/Lambda Errors", "Sum", 1, "notBreaching"),
    "ThrottlesAlarm": ("AWS/Lambda Throttles", "Sum", 1, "notBreaching"),
    "WaitingAlarm": (f"{NAMESPACE} OldestWaitingSeconds", "Maximum", 600, "notBreaching"),
    "ClockAlarm": (f"{NAMESPACE} OldestWaitingSeconds", "SampleCount", 1, "breaching"),
    "IntakeAlarm": ("AWS/SQS ApproximateAgeOfOldestMessage", "Maximum", 300, "notBreaching"),
    "RoutesRefusedAlarm": (f"{NAMESPACE} RoutesRefused", "Sum", 1, "notBreaching"),
}


def alarms(packaged: Packaged) -> dict[str, Any]:
    return packaged.of_type("AWS::CloudWatch::Alarm")


def test_each_alarm_watches_what_it_says(prod: Packaged) -> None:
    found = {
        name: (
            f"{each['Namespace']} {each['MetricName']}",
            each["Statistic"],
            each["Threshold"],
            each["TreatMissingData"],
        )
        for name, each in alarms(prod).items()
    }
    assert found == WOKEN_BY


def test_each_of_the_bots_metrics_has_the_dimension_under_which_it_is_written(full: Packaged) -> None:
    for each in alarms(full).values():
        if each.get("Namespace") == NAMESPACE:
            assert each["MetricName"] in UNITS
            ((dimension),) = each["Dimensions"]
            assert (dimension["Name"], named(dimension["Value"])) == ("Service", "NotifyLambdaFunction")


def test_the_alarms_of_queues_watch_the_stages_own(prod: Packaged) -> None:
    watched = {
        name: named(each["Dimensions"][0]["Value"])
        for name, each in alarms(prod).items()
        if each["Namespace"] == "AWS/SQS"
    }
    assert watched == {"DeadLettersAlarm": "DeadLetters.QueueName", "IntakeAlarm": "Intake.QueueName"}


def test_how_old_a_waiting_login_may_get_is_the_stages_own_choice(dev: Packaged, prod: Packaged) -> None:
    assert (alarms(dev)["WaitingAlarm"]["Threshold"], alarms(prod)["WaitingAlarm"]["Threshold"]) == (900, 600)


def test_every_alarm_tells_when_it_begins_and_when_it_is_over(full: Packaged) -> None:
    for name, each in alarms(full).items():
        assert list(map(named, each["AlarmActions"])) == ["Alarms"], name
        assert list(map(named, each["OKActions"])) == ["Alarms"], name


def test_every_alarm_names_a_section_of_the_operations_page(full: Packaged) -> None:
    for name, each in alarms(full).items():
        found = re.search(r'docs/operations\.md, "(Alarm: [a-z-]+)"\.$', each["AlarmDescription"])
        assert found is not None, name
        assert f"\n### {found[1]}\n" in OPERATIONS, name
        assert each["AlarmName"] == f"login-bot-prod-{found[1].removeprefix('Alarm: ')}"


def test_the_commands_that_alarms_name_are_on_that_page(full: Packaged) -> None:
    named_by_alarms = " ".join(each["AlarmDescription"] for each in alarms(full).values())
    for command in COMMANDS:
        assert command in named_by_alarms
        assert command in OPERATIONS


def test_silence_is_an_alarm_only_where_it_was_asked_for_and_in_hours_of_work(dev: Packaged, full: Packaged) -> None:
    assert "SilenceAlarm" not in alarms(dev)
    silence = alarms(full)["SilenceAlarm"]
    logins, working = silence["Metrics"]
    assert logins["MetricStat"]["Period"] * silence["EvaluationPeriods"] == 4 * 3600
    assert (silence["Threshold"], silence["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert silence["TreatMissingData"] == "breaching"
    assert working["Expression"] == "IF(DAY(logins) <= 5 AND HOUR(logins) >= 8 AND HOUR(logins) < 18, logins, 1)"


def test_a_mailbox_hears_of_alarms_where_it_was_named(dev: Packaged, full: Packaged) -> None:
    assert not dev.of_type("AWS::SNS::Subscription")
    (mail,) = full.of_type("AWS::SNS::Subscription").values()
    assert (mail["Protocol"], mail["Endpoint"], named(mail["TopicArn"])) == ("email", "ops@example.com", "Alarms")


def body(packaged: Packaged) -> dict[str, Any]:
    """The dashboard as CloudWatch reads it, with something in place of what CloudFormation puts in."""
    text = packaged.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    filled = re.sub(r"\$\{[A-Za-z:.]+\}", "filled", text).replace("${!", "${")
    return dict(json.loads(filled))


def test_the_dashboard_is_json_that_fills_its_rows(prod: Packaged) -> None:
    rows: dict[int, int] = {}
    for widget in body(prod)["widgets"]:
        rows[widget["y"]] = rows.get(widget["y"], 0) + widget["width"]
    assert set(rows.values()) == {24}


def test_the_dashboard_shows_every_metric_that_the_bot_writes(prod: Packaged) -> None:
    text = prod.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    shown = set(re.findall(r'\\?"(\w+)\\?"', text))
    assert shown >= set(UNITS)


def test_the_dashboard_shows_every_alarm(prod: Packaged) -> None:
    text = prod.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    assert {name for name in alarms(prod) if f"${{{name}.Arn}}" not in text} == set()


def test_what_the_dashboard_refers_to_is_in_the_template(prod: Packaged) -> None:
    text = prod.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    named_there = {name.split(".")[0] for name in re.findall(r"\$\{([A-Za-z.]+)\}", text)}
    assert named_there <= set(prod.resources)
