"""What would be wrong with a stage once it is deployed: looked for before anything is, a sentence for each.

No secret is decrypted for it: AWS is only asked whether there is one of that name. A parameter of the type String,
which nothing encrypts, comes with its value; it is neither looked at nor kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Self

from bot.aws import Aws
from bot.cli.show import Mistake
from bot.cli.trouble import DENIED, explained
from bot.config import Config
from bot.events import SAMPLE_SOURCE
from bot.secrets import SecretRef

MISSING = frozenset({"ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"})
SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"})


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as serverless.yml describes it: what its function may reach, and where its routes are."""

    name: str
    region: str
    stack: str
    table: str
    table_stays: bool
    routes_object: str
    """`bucket/key` of a routing file on S3; empty where the packaged one is used."""
    secrets_prefix: str
    topics: frozenset[str]
    lookup_roles: frozenset[str]
    environment: frozenset[str]
    architecture: str
    """The processor: `arm64` or `x86_64`."""
    takes_samples: bool

    @classmethod
    def of(cls, service: Mapping[str, Any]) -> Self:
        """From the service as osls has resolved it."""
        says, provider = service["custom"]["stage"], service["provider"]
        return cls(
            name=provider["stage"],
            region=provider["region"],
            stack=f"{service['service']}-{provider['stage']}",
            table=f"{service['service']}-{provider['stage']}",
            table_stays=says["tableWhenRemoved"] != "Delete",
            routes_object=says["routesObject"],
            secrets_prefix=says["secretsPrefix"],
            topics=frozenset(filter(None, says["topics"].split(","))),
            lookup_roles=frozenset(filter(None, says["lookupRoles"].split(","))),
            environment=frozenset(service["functions"]["notify"]["environment"]),
            architecture=provider["architecture"],
            takes_samples=SAMPLE_SOURCE in says["sources"],
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """What keeps a stage from working, and what could not be looked at."""

    mistakes: tuple[str, ...]
    notes: tuple[str, ...]


def out_of_reach(config: Config, stage: Stage) -> Iterator[str]:
    """What the routing file names and the function could not use. AWS is not asked."""
    param = f"params.{stage.name} of serverless.yml"
    for place, ref in secrets_of(config):
        if ref.scheme == "env" and ref.name not in stage.environment:
            yield f"{place}: the function's environment has no {ref.name}: keep the secret in ssm: or secretsmanager:"
        elif ref.scheme != "env" and not _bare(ref).startswith(stage.secrets_prefix):
            yield (
                f"{place}: the function's role reads secrets under {stage.secrets_prefix} only, not {ref}: move it"
                f" there, or change secretsPrefix in {param}"
            )
    for destination in config.destinations.values():
        topic = destination.settings.get("topic_arn")
        if topic is not None and topic not in stage.topics:
            yield f"destinations.{destination.name}: the role may not publish to {topic}: add it to topics in {param}"
    for account, known in config.accounts.items():
        if known.role_arn not in stage.lookup_roles:
            yield (f"accounts.{account}: the role may not take on {known.role_arn}: add it to lookupRoles in {param}")


def secrets_of(config: Config) -> Iterator[tuple[str, SecretRef]]:
    """Every secret that a destination or an account refers to, and where."""
    for destination in config.destinations.values():
        yield from ((f"destinations.{destination.name}", ref) for ref in _refs(destination.settings))
    for account, known in config.accounts.items():
        yield from ((f"accounts.{account}", ref) for ref in _refs(known))


def _refs(value: object) -> Iterator[SecretRef]:
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _refs(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _refs(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _refs(getattr(value, field.name))


def _bare(ref: SecretRef) -> str:
    """The name below which the role is let in: without an ARN's head and a path's first slash."""
    for head in (":parameter/", ":secret:"):
        if head in ref.name:
            return ref.name.split(head, 1)[1]
    return ref.name.removeprefix("/")


def absent(config: Config, stage: Stage, aws: Aws) -> Findings:
    """The secrets that are not there."""
    mistakes, notes = [], []
    places: dict[tuple[str, str], list[str]] = {}
    for place, ref in secrets_of(config):
        if ref.scheme != "env":
            places.setdefault((ref.scheme, ref.name), []).append(place)
    for (scheme, name), named_by in places.items():
        code = _asked(scheme, name, stage, aws)
        where = f"{', '.join(named_by)}: {scheme}:{name}"
        if code in MISSING:
            cure = 'store it (docs/operations.md, "Secrets"), or deploy to the region that has it'
            mistakes.append(f"{where} is missing in {stage.region}: {cure}")
        elif code:
            notes.append(f"{where} could not be looked for ({code}); the function may find it all the same")
    return Findings(tuple(mistakes), tuple(notes))


def _asked(scheme: str, name: str, stage: Stage, aws: Aws) -> str:
    """AWS's code for why there is no such secret to be seen; empty where there is one."""
    try:
        if scheme == "ssm":
            aws.client("ssm", region=stage.region).get_parameter(Name=name)
        else:
            aws.client("secretsmanager", region=stage.region).describe_secret(SecretId=name)
    except Exception as error:
        code = _code(error)
        if code in MISSING | DENIED:
            return code
        if why := explained(error, f"secret {scheme}:{name}", scheme):
            raise Mistake(why) from None
        raise
    return ""


def account(stage_name: str, region: str, aws: Aws) -> str:
    """The account that these credentials deploy to. Raises Mistake where there are none, or AWS takes them no more."""
    try:
        return str(aws.client("sts", region=region).get_caller_identity()["Account"])
    except Exception as error:
        if why := explained(error, f"stage {stage_name!r}", "sts"):
            raise Mistake(why) from None
        raise


@dataclass(frozen=True, slots=True)
class Stack:
    """A stage on AWS: how it is, and what it says of itself."""

    status: str
    outputs: Mapping[str, str]


def stack(stage: Stage, aws: Aws) -> Stack | None:
    """The stage's stack; None where there is none."""
    try:
        (found,) = aws.client("cloudformation", region=stage.region).describe_stacks(StackName=stage.stack)["Stacks"]
    except Exception as error:
        if _code(error) == "ValidationError":  # how CloudFormation says that there is none
            return None
        if why := explained(error, f"stack {stage.stack!r}", "cloudformation"):
            raise Mistake(why) from None
        raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    return Stack(str(found["StackStatus"]), outputs)


def in_the_way(stage: Stage, aws: Aws) -> str:
    """Why CloudFormation could not make or change the stage now; empty where it can."""
    found = stack(stage, aws)
    if found is None:
        return _left_over(stage, aws)
    if found.status.endswith("_IN_PROGRESS"):
        return f"stack {stage.stack} is {found.status}: somebody deploys or removes it now; wait, then try again"
    if found.status not in SETTLED:
        cure = f"make remove STAGE={stage.name}, then deploy again"
        return f"stack {stage.stack} is {found.status}, which CloudFormation changes no more: {cure}"
    return ""


def _left_over(stage: Stage, aws: Aws) -> str:
    """Why a new stack could not be made: the table of a removed stage is still there."""
    try:
        aws.client("dynamodb", region=stage.region).describe_table(TableName=stage.table)
    except Exception as error:
        if _code(error) in MISSING | DENIED:  # who may not look hears it from CloudFormation
            return ""
        if why := explained(error, f"table {stage.table!r}", "dynamodb"):
            raise Mistake(why) from None
        raise
    return (
        f"table {stage.table} is left from a stage that was removed, and a new one can't be made beside it:"
        ' docs/operations.md, "Remove", says how to save what it holds and to drop it'
    )


def _code(error: Exception) -> str:
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
