"""Peer (a), the least that a function can do: publish the raw event. No name, no card, no memory."""

import json
import os
from typing import Any

import boto3

sns = boto3.client("sns")


def handle(event: Any, context: Any) -> None:  # noqa: ARG001 - Lambda's signature
    sns.publish(TopicArn=os.environ["TOPIC_ARN"], Message=json.dumps(event))
