"""What is done to a routing file when it is packaged: checked, and compiled for a quick cold start."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bot.cli import options
from bot.cli.show import Mistake, note, say
from bot.config import compiled_beside, load
from bot.config.compiled import NotPlainError, dump

COMPILE = "Example: `python -m bot compile routes.yml package/routes.compiled.json`"


def compile_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The routing file; --routes where it is left out.")] = "",
    out: Annotated[str, typer.Argument(metavar="OUT", help="Where to write; routes.compiled.json beside FILE.")] = "",
    *,
    routes: options.Routes = options.ROUTES,
) -> None:
    """Check a routing file and write its compiled form, which the function starts on without reading YAML.

    It belongs beside the file in the package, and is used for the very bytes that it was made of.
    """
    path = file or routes
    if "://" in path:
        raise Mistake(f"{path} is not packaged; name a file on this machine")
    target = Path(out or compiled_beside(path))
    config = load(path)
    try:
        target.write_text(dump(config, Path(path).read_bytes()), "utf-8")
    except NotPlainError as error:
        target.unlink(missing_ok=True)
        note(f"note: not compiled: {error}. The function reads {path} itself, and starts a little later")
        return
    except OSError as error:
        raise Mistake(f"{target} can't be written: {(error.strerror or 'no such folder').lower()}") from None
    say(Text("ok ", style="bold green"), f"{target}: {path}, compiled")
