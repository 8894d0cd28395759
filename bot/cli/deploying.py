"""Putting a stage on AWS and taking it away: what can be wrong is looked at first, then osls does the rest."""

import json
import os
import re
import subprocess
import zipfile
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bot.aws import Aws
from bot.cli import options, readiness
from bot.cli.readiness import Stage
from bot.cli.show import Mistake, complain, count, note, say, say_rows
from bot.cli.trouble import explained
from bot.config import Config, load

DEPLOY = "Example: `python -m bot deploy --stage dev`; `make deploy STAGE=dev` also makes the package that it needs"
REMOVE = "Example: `python -m bot remove --stage dev`, or `make remove STAGE=dev`"

OSLS = Path("node_modules/.bin/osls")
ZIP = "dist/login-bot.zip"
PACKAGED_ROUTES = "routes.yml"
PROCESSORS = {"arm64": "-aarch64-linux-gnu.so", "x86_64": "-x86_64-linux-gnu.so"}
"""What a compiled module's name ends with that is for one of Lambda's processors."""

Name = Annotated[str, typer.Option("--stage", metavar="STAGE", help="dev, prod, or a name of your own.")]
Region = Annotated[str, typer.Option("--region", help="Instead of AWS_REGION, AWS_DEFAULT_REGION or the profile's.")]


def deploy(*, stage: Name = "", region: Region = "", routes: options.Routes = options.ROUTES) -> None:
    """Deploy a stage to AWS, with the credentials of the AWS environment or profile.

    First the routing file, the package, the credentials, the region, the secrets and the role are checked; a mistake
    stops the deployment before anything was changed. AWS itself goes back to what was there where it fails halfway.
    """
    name = _named(stage)
    if "://" in routes:
        raise Mistake(f"{routes} is not packaged; name a file on this machine (ROUTES, or --routes)")
    config = load(routes)
    _check_zip(routes)
    where = _region(region)
    aws = Aws()
    account = readiness.account(name, where, aws)
    ready = _packaged(name, where)
    _check_processor(ready)
    _check(config, ready, aws)
    say(Text("checked ", style="bold green"), f"{routes} · account {account} · {where} · stage {name}")
    if _osls("deploy", "--stage", name, "--region", where, "--package", _folder(name)):
        raise Mistake(
            f"stage {name} was not deployed: AWS's reason is above, and CloudFormation put back what was there"
        )
    _say_where(ready, aws)


def remove(
    *, stage: Name = "", region: Region = "", yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False
) -> None:
    """Take a stage away from AWS: function, queues, alarms, log, and the table where the stage does not keep it."""
    name = _named(stage)
    if not _zip().is_file():
        raise Mistake(f"there is no {_zip()}, and osls removes no stage without one: make package")
    where = _region(region)
    aws = Aws()
    account = readiness.account(name, where, aws)
    ready = _packaged(name, where)
    if readiness.stack(ready, aws) is None:
        raise Mistake(f"there is no stage {name} in {where}, account {account}: nothing to remove")
    stays = (
        f"table {ready.table} stays" if ready.table_stays else f"table {ready.table} goes, with all that waits in it"
    )
    say(f"stage {name} in account {account}, {where}: {stays}; what is in the queues and the log goes")
    if not yes and typer.prompt("Type the stage's name to remove it", default="", show_default=False) != name:
        raise Mistake("nothing was removed")
    if _osls("remove", "--stage", name, "--region", where):
        raise Mistake(f"stage {name} was not removed, or not all of it: AWS's reason is above")
    say(Text("removed ", style="bold green"), f"stage {name}; {stays if ready.table_stays else 'nothing stays'}")


def _named(stage: str) -> str:
    """The stage's name, as the names of its table, queues and role can hold it."""
    if not stage:
        raise Mistake("name the stage, such as STAGE=dev for make, or --stage dev")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stage):
        raise Mistake(f"{stage!r} is no name for a stage: small letters, digits and -, 20 at the most, such as dev")
    return stage


def _check_zip(routes: str) -> None:
    """The package is there, and was made of the routing file that was checked."""
    path = _zip()
    try:
        with zipfile.ZipFile(path) as package:
            packaged = package.read(PACKAGED_ROUTES)
    except (OSError, KeyError, zipfile.BadZipFile):
        raise Mistake(f"{path} is no package with a {PACKAGED_ROUTES}: make package") from None
    if packaged != Path(routes).read_bytes():
        raise Mistake(f"{path} was made of another {PACKAGED_ROUTES} than {routes}: make package")


def _check_processor(stage: Stage) -> None:
    """The package was made for the processor that the stage asks for: another's would fail at its first import."""
    with zipfile.ZipFile(_zip()) as package:
        names = package.namelist()
    for processor, ending in PROCESSORS.items():
        if processor != stage.architecture and any(name.endswith(ending) for name in names):
            raise Mistake(
                f"{_zip()} is for {processor}, but serverless.yml says architecture: {stage.architecture};"
                f" change it there, or make deploy STAGE={stage.name} ARCH={stage.architecture}"
            )


def _zip() -> Path:
    return Path(os.environ.get("LOGIN_BOT_ZIP") or ZIP)


def _region(asked: str) -> str:
    """The one region that everything here speaks of. Raises Mistake where there is none, two, or one misspelt."""
    import boto3  # noqa: PLC0415 - only who asks AWS waits for it

    said = {name: os.environ[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name)}
    if not asked and len(set(said.values())) > 1:
        both = " and ".join(f"{name} is {value}" for name, value in said.items())
        raise Mistake(f"{both}: unset one, or name the region with --region")
    try:
        session = boto3.Session()
    except Exception as error:
        if why := explained(error, "the stage", "sts"):
            raise Mistake(why) from None
        raise
    region = asked or next(iter(said.values()), None) or session.region_name
    if not region:
        raise Mistake("no AWS region: set AWS_DEFAULT_REGION to the one whose WorkSpaces the bot tells of")
    if region not in _regions():
        close = get_close_matches(region, _regions(), n=1)
        raise Mistake(f"there is no AWS region {region!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    os.environ["AWS_DEFAULT_REGION"] = region  # whoever asks AWS later, and names none
    return str(region)


@cache
def _regions() -> tuple[str, ...]:
    """AWS's regions, of all its partitions, as this boto3 knows them."""
    import boto3  # noqa: PLC0415 - see above

    aws = boto3.Session(region_name="us-east-1")
    return tuple(each for part in aws.get_available_partitions() for each in aws.get_available_regions("sts", part))


def _packaged(name: str, region: str) -> Stage:
    """The stage as serverless.yml describes it, and its template made of it."""
    if _osls("package", "--stage", name, "--region", region, "--package", _folder(name)):
        raise Mistake("serverless.yml has a mistake: it is above; nothing was changed")
    state = json.loads((Path(_folder(name)) / "serverless-state.json").read_text("utf-8"))
    return Stage.of(state["service"])


def _folder(name: str) -> str:
    return f"dist/{name}"


def _check(config: Config, stage: Stage, aws: Aws) -> None:
    """Everything that would keep the function from telling logins, all at once; nothing is changed yet."""
    if why := readiness.in_the_way(stage, aws):
        raise Mistake(why)
    in_force = load(f"s3://{stage.routes_object}") if stage.routes_object else config
    found = readiness.absent(in_force, stage, aws)
    for each in found.notes:
        note(f"note: {each}")
    if mistakes := [*readiness.out_of_reach(in_force, stage), *found.mistakes]:
        complain(*mistakes)
        complain(f"{count(len(mistakes), 'mistake')}: nothing was deployed")
        raise typer.Exit(1)


def _osls(*words: str) -> int:
    """Run osls and let it talk; its exit code."""
    if not OSLS.is_file():
        raise Mistake(f"there is no {OSLS}: make deploy sets it up (Node 20 or newer and npm are needed)")
    environment = os.environ | {"NODE_NO_WARNINGS": "1"}  # they are for who writes osls
    return subprocess.run([str(OSLS), *words], check=False, env=environment).returncode  # noqa: S603 - our own pinned tool


def _say_where(stage: Stage, aws: Aws) -> None:
    found = readiness.stack(stage, aws)
    rows = [
        ("dashboard", "DashboardUrl"),
        ("function", "FunctionName"),
        ("table", "TableName"),
        ("intake", "IntakeUrl"),
        ("dead letters", "DeadLettersUrl"),
        ("alarms", "AlarmsTopic"),
    ]
    say(Text("deployed ", style="bold green"), f"stage {stage.name} in {stage.region}")
    say_rows("what", "where", rows=[(what, found.outputs[key]) for what, key in rows if found and key in found.outputs])
    if stage.takes_samples:
        say(f"a sample login, from the bus to the cards: python -m bot send-test --deployed --stage {stage.name}")
    say(f"what waits, and who is held: python -m bot status --table {stage.table}")
