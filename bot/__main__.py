"""Starts the operator's side: `python -m bot --help`."""

import sys

if __name__ == "__main__":
    try:
        from bot.cli import main
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in ("bot", "formatters"):
            raise
        sys.exit(f"error: {error.name} is not installed here; run `make run` first, then .venv/bin/python -m bot")
    main()
