"""Names and dotted paths → classes. A built-in and somebody's own class come through the same door."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any


class PluginError(Exception):
    """No such class, or not one that can be used; the message names the culprit and the cure."""


def load(name: str, registry: Mapping[str, str], *, kind: str, needs: Sequence[str]) -> Any:
    """The class that `name` stands for, with every attribute in `needs`."""
    path = registry.get(name, name)
    module_name, colon, class_name = path.partition(":")
    if not colon:
        from difflib import get_close_matches  # noqa: PLC0415 - for mistakes alone

        close = get_close_matches(name, registry, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(registry)}"
        raise PluginError(f"no {kind} {name!r}{hint} (your own class is named 'package.module:Class')")
    try:
        found = getattr(import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        raise PluginError(
            f"{kind} {name!r}: there is no module {error.name!r}; is it in the package that was deployed?"
        ) from None
    except AttributeError:
        raise PluginError(f"{kind} {name!r}: module {module_name!r} has no class {class_name!r}") from None
    except Exception as error:  # noqa: BLE001 - somebody's own module may fail in any way at import
        raise PluginError(f"{kind} {name!r}: importing {module_name!r} failed: {type(error).__name__}") from None
    lacks = [attribute for attribute in needs if not hasattr(found, attribute)]
    if lacks:
        raise PluginError(f"{kind} {name!r} lacks {', '.join(lacks)}; see docs/adding-a-channel.md")
    return found
