"""The deployed stage, from the bus to the cards, on its good days and on its bad ones."""

import json

import pytest

from tests.e2e.emulator import OTHER_ACCOUNT
from tests.e2e.stage import ENGINEERING, FINANCE, UNLISTED, Stage, at_least, caller, eventually, posts
from tests.support.providers import HOOK, Answer

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stage")]

NEW_HOOK = HOOK.replace("hook-secret", "another-secret")


def test_a_login_on_the_bus_becomes_a_card_in_slack(stage: Stage) -> None:
    event_id = stage.log_in("erin")
    (card,) = eventually(lambda: posts(stage.eng, "erin"), "the card")
    assert "erin logged in" in card.json["text"]
    assert eventually(lambda: stage.mark("eng-slack", event_id), "its mark in the outbox")
    (line,) = eventually(lambda: stage.told(event_id), "its line in the log")
    assert (line["level"], line["destination"], line["outcome"]) == ("INFO", "eng-slack", "sent")
    assert not any("erin" in json.dumps(each) or HOOK in json.dumps(each) for each in stage.lines())


def test_teams_a_mailbox_and_the_default_hear_of_theirs(stage: Stage) -> None:
    mailbox = stage.listen(stage.topic)
    stage.log_in("fred", FINANCE)
    stage.log_in("gail", UNLISTED)
    (card,) = eventually(lambda: posts(stage.teams, "fred"), "the card in Teams")
    assert card.json["attachments"][0]["content"]["type"] == "AdaptiveCard"
    (mail,) = eventually(lambda: stage.arrived(mailbox), "the mail")
    assert "fred" in mail["Subject"]
    assert "203.0.113.7" in mail["Message"]
    assert eventually(lambda: posts(stage.ops, "gail"), "the card for a directory that nobody listed")


def test_the_operators_sample_takes_the_whole_way(stage: Stage) -> None:
    before = len(stage.eng.posts)
    stage.operator("send-test", "eng-slack", "--deployed", "--stage", "local", table=False)
    (card,) = eventually(lambda: stage.eng.posts[before:], "the sample's card")
    assert "sample" in card.text.casefold()


def test_what_happened_is_counted_and_timed(stage: Stage) -> None:
    event_id = stage.log_in("hugo")
    eventually(lambda: stage.told(event_id), "the card")
    for name in ("Logins", "Cards", "Verdicts", "AwsDelay", "BotDelay", "LookUps"):
        assert eventually(lambda of=name: stage.metrics(of), f"the metric {name}"), name  # type: ignore[misc]
    assert all(0 <= value < 60 for line in stage.metrics("BotDelay") for value in line["BotDelay"])


def test_an_event_that_comes_twice_makes_one_card(stage: Stage) -> None:
    event_id = stage.log_in("ivy")
    eventually(lambda: posts(stage.eng, "ivy"), "the card")
    again = stage.event("ivy", id_=event_id)
    stage.queue(again, again, stage.event("judy", id_="after-the-repeat"))
    eventually(lambda: posts(stage.eng, "judy"), "the card of who came after")
    eventually(stage.intake_is_empty, "an empty queue")
    assert len(posts(stage.eng, "ivy")) == 1


def test_slack_in_trouble_gets_one_card_when_it_is_well_again(stage: Stage) -> None:
    stage.eng.script(Answer(429, "", {"Retry-After": "1"}), Answer(500, "rollup_error"), Answer(200, "ok"))
    event_id = stage.log_in("kim")
    outcomes = ["again", "again", "sent"]
    lines = eventually(lambda: at_least(3, stage.told(event_id)), "the third try")
    assert [line["outcome"] for line in lines] == outcomes
    stage.tick()
    assert len(posts(stage.eng, "kim")) == len(outcomes)


def test_a_channel_that_is_gone_is_given_up_loudly_and_replayed_when_it_is_back(stage: Stage) -> None:
    bell = stage.listen(stage.outputs["AlarmsTopic"])
    stage.eng.always(Answer(404, "no_service"))
    event_id = stage.log_in("leo")
    (line,) = eventually(lambda: stage.told(event_id), "its line in the log")
    assert (line["level"], line["outcome"]) == ("ERROR", "dead")
    stage.eng.always(Answer(200, "ok"))
    stage.tick()
    (card,) = eventually(lambda: posts(stage.ops, "leo"), "the fallback's card")
    assert "404" in card.text
    (letter,) = stage.given_up(event_id)
    assert letter["destination"] == "eng-slack"
    assert "404" in letter["reason"]
    eventually(lambda: stage.metrics("GivenUp"), "the metric")

    stage.publish_metrics("GivenUp")
    assert stage.alarm("given-up")["StateValue"] == "ALARM"
    assert any("given-up" in each["Message"] for each in eventually(lambda: stage.arrived(bell), "the alarm"))

    tries = len(posts(stage.eng, "leo"))
    stage.operator("dead-letters", "replay", "--dest", "eng-slack")
    stage.tick()
    eventually(lambda: len(posts(stage.eng, "leo")) == tries + 1, "the card, replayed")
    assert not stage.given_up(event_id)


def test_a_poison_record_goes_to_the_dead_letters_and_its_neighbours_are_told(stage: Stage) -> None:
    stage.queue(
        stage.event("mona", id_="before-the-poison"),
        '{"detail-type": "WorkSpaces Access", "detail": ',
        json.dumps({"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2"}),
        stage.event("nina", id_="after-the-poison"),
    )
    assert eventually(lambda: posts(stage.eng, "mona") and posts(stage.eng, "nina"), "the neighbours' cards")
    letters = stage.dead_letters(2)
    assert all(letter["reason"] for letter in letters)
    assert {letter["record"][:14] for letter in letters} == {'{"detail-type"'}
    eventually(stage.intake_is_empty, "an empty queue")


def test_a_route_changed_in_s3_counts_from_the_next_login_on(stage: Stage) -> None:
    directories = {ENGINEERING: {"name": "Engineering", "notify": ["it-teams"]}}
    with stage.routes(directories=directories):
        stage.log_in("olga")
        assert eventually(lambda: posts(stage.teams, "olga"), "the card elsewhere")
        assert not posts(stage.eng, "olga")


def test_a_broken_file_in_s3_leaves_the_last_good_one_in_force_and_says_so(stage: Stage) -> None:
    with stage.routes(default=["opps-slack"]):
        stage.log_in("paul")
        assert eventually(lambda: posts(stage.eng, "paul"), "the card by the last good file")
        stage.tick()
        assert eventually(lambda: stage.metrics("RoutesRefused"), "the metric")
        assert "opps-slack" in stage.operator("check", "--deployed", code=1)


def test_without_permission_to_the_file_in_s3_the_last_good_one_stays_and_the_alarms_metric_says_so(
    stage: Stage,
) -> None:
    stage.tick()  # the file has been in force
    before = len(stage.metrics("RoutesRefused"))
    with stage.without("ReadRoutes"):
        stage.log_in("pia")
        assert eventually(lambda: posts(stage.eng, "pia"), "the card by the last good file")
        eventually(stage.intake_is_empty, "the end of that call")
        stage.tick()
        assert eventually(lambda: len(stage.metrics("RoutesRefused")) > before, "the metric")
        (line, *_) = [each for each in stage.lines() if each.get("message") == "routes not read"]
        assert "s3:GetObject" in line["reason"]


def test_a_rotated_secret_is_used_from_the_next_login_on(stage: Stage) -> None:
    stage.log_in("pete")
    eventually(lambda: posts(stage.eng, "pete"), "a card at the old address, which is now remembered")
    eventually(stage.intake_is_empty, "the end of that call: the next one finds the same copy of the bot")
    stage.eng.rule = lambda request: Answer(200, "ok") if request.path == NEW_HOOK else Answer(404, "no_service")
    stage.put_parameter("/login-bot/slack/eng", stage.eng.url.replace(HOOK, NEW_HOOK))
    try:
        event_id = stage.log_in("quinn")
        old, new = eventually(lambda: at_least(2, posts(stage.eng, "quinn")), "the card at the new address")
        assert (old.path, new.path) == (HOOK, NEW_HOOK)
        lines = eventually(lambda: stage.told(event_id), "its line in the log")
        assert [line["outcome"] for line in lines][-1] == "sent"
        assert not stage.given_up(event_id)
    finally:
        stage.eng.always(Answer(200, "ok"))
        stage.put_parameter("/login-bot/slack/eng", stage.eng.url)


def test_without_permission_to_the_table_nothing_is_told_and_nothing_is_lost(stage: Stage) -> None:
    with stage.impatient_queue():
        with stage.without("KeepAndTell"):
            stage.log_in("rosa")
            (line, *_) = eventually(
                lambda: [each for each in stage.lines() if each.get("message") == "not kept"], "a line"
            )
            assert line["level"] == "ERROR"
            assert "AccessDenied" in line["reason"]
            assert eventually(lambda: stage.metrics("NotKept"), "the metric")
            assert not posts(stage.eng, "rosa")
        assert eventually(lambda: posts(stage.eng, "rosa"), "the card, with the permission back")


@pytest.mark.parametrize(
    ("sid", "directory", "destination", "code"),
    [
        pytest.param("ReadParameters", ENGINEERING, "eng-slack", "AccessDenied", id="its secret"),
        pytest.param("TellTopics", FINANCE, "audit-mail", "AuthorizationError", id="its topic"),
    ],
)
def test_without_permission_to_a_channels_own_the_log_names_what_is_missing(
    stage: Stage, sid: str, directory: str, destination: str, code: str
) -> None:
    with stage.without(sid), stage.routes(defaults={"timezone": "Europe/Paris"}):  # another file: secrets are read anew
        event_id = stage.log_in("sam", directory)
        line, *_ = eventually(lambda: [each for each in stage.told(event_id) if code in each["reason"]], "a line")
    assert line["destination"] == destination
    assert line["level"] in ("WARNING", "ERROR")
    assert line["outcome"] != "sent"


def test_people_of_another_account_are_looked_up_with_its_role(stage: Stage) -> None:
    stage.queue(stage.event("tara", id_="of-another-account", account=OTHER_ACCOUNT))
    (card,) = eventually(lambda: posts(stage.eng, "tara"), "the card with a name")
    assert OTHER_ACCOUNT in card.text
    sts = stage.emulator.client("sts")
    callers = {sts.get_access_key_info(AccessKeyId=caller(request))["Account"] for request in stage.workspaces.requests}
    assert OTHER_ACCOUNT in callers


def test_the_clock_wakes_the_bot_by_itself(stage: Stage) -> None:
    """Each tick counts what waits. The rule's minute is a real one here."""
    eventually(lambda: len(stage.metrics("OldestWaitingSeconds")) > stage.ticks, "a tick that nobody here made")
