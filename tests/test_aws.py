"""boto3's clients: one for each service and region, whoever asks; short waits, no retries, no small talk."""

import logging
import threading
from typing import Any

import pytest

from bot.aws import CONNECT_SECONDS, READ_SECONDS, Aws, NoRegionError
from tests.support.aws import CREDENTIALS, LoopbackAws
from tests.support.providers import Answer, Provider


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)
    return Aws()


def test_a_client_is_made_once_for_each_service_and_region(known: Aws) -> None:
    assert known.client("sns") is known.client("sns")
    assert known.client("sns") is not known.client("sns", region="us-east-1")
    assert known.client("sns").meta.region_name == "eu-west-1"
    assert known.client("sns", region="us-east-1").meta.region_name == "us-east-1"


def test_s3_is_there_for_whoever_asked_for_another_service_first(known: Aws) -> None:
    """As behind a proxy, where boto3 asks DynamoDB for the last good routing file, and then S3 for the newest."""
    known.client("sns")
    known.client("sqs")
    assert known.client("s3").meta.service_model.service_name == "s3"


def test_many_threads_get_one_client(known: Aws) -> None:
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(known.client("sqs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_waits_are_short_and_nothing_is_said_twice(known: Aws) -> None:
    config = known.client("sns").meta.config
    assert (config.connect_timeout, config.read_timeout) == (CONNECT_SECONDS, READ_SECONDS)
    assert config.retries["total_max_attempts"] == 1


def test_a_failure_is_not_retried(known: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with Provider(lambda _: Answer(503)) as provider:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", provider.url)
        client = known.client("sns")
        with pytest.raises(client.exceptions.ClientError):
            client.list_topics()
        assert len(provider.requests) == 1


def test_an_endpoint_comes_from_the_environment(aws: LoopbackAws) -> None:
    assert Aws().client("sns").meta.endpoint_url == aws.url


def test_without_a_region_it_says_what_to_set(known: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegionError, match="no AWS region for sns: set AWS_DEFAULT_REGION"):
        known.client("sns")


def test_botocores_small_talk_stays_with_it_and_its_warnings_do_not(
    known: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    known.client("sns")
    for name in ("botocore", "botocore.parsers", "botocore.auth", "botocore.endpoint", "boto3"):
        with caplog.at_level(logging.DEBUG, logger=name):
            logging.getLogger(name).debug("an answer's body")
            logging.getLogger(name).warning("a warning from %s", name)
    assert "an answer's body" not in caplog.text
    assert caplog.text.count("a warning from") == 5
