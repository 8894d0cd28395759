"""AWS as boto3's clients show it, on simulated time: DescribeWorkspaces with its throttling, secrets, and topics."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from bot.aws import Aws
from tests.support.storm import people
from tests.support.storm.channels import Bucket, Topic
from tests.support.storm.clock import SimClock

DESCRIBE_SECONDS = 0.12


class Directory:
    """DescribeWorkspaces of one account and region: two calls a second over all callers, then ThrottlingException."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._pace = Bucket(clock, 2, 2.0)
        self.calls = 0
        self.throttled = 0

    def describe_workspaces(self, *, WorkspaceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        self.calls += 1
        self._clock.dawdle(DESCRIBE_SECONDS / 2)
        if not self._pace.has_room():
            self.throttled += 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeWorkspaces")
        assert len(WorkspaceIds) <= 25
        self._clock.dawdle(DESCRIBE_SECONDS / 2)
        users = [{"WorkspaceId": id_, "UserName": people.user(people.number_of(id_))} for id_ in WorkspaceIds]
        return {"Workspaces": users}


class Parameters:
    """The parameter store: where each channel's secret URL is kept."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        return {"Parameter": {"Value": self._values[Name]}}


class Topics:
    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self._topics = topics

    def publish(self, *, TopicArn: str, **message: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        return self._topics[TopicArn].publish(**message)


class SimAws(Aws):
    """The bot's door to AWS, with simulated services behind it."""

    def __init__(self, **services: Any) -> None:
        super().__init__()
        self._services = services

    def client(self, service: str, *, region: str | None = None) -> Any:
        return self._services[service]
