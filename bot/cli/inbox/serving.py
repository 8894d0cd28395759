"""The inbox's server: a port on loopback, the page, and the bot behind it, until Ctrl-C."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
from rich.text import Text

from bot.cli.inbox.compose import Nobody
from bot.cli.inbox.local import LocalBot
from bot.cli.inbox.server import BUILT, application
from bot.cli.show import Mistake, say
from bot.cli.wiring import listed
from bot.clock import SystemClock

HOST = "127.0.0.1"


def serve(*, routes: str, users: str, state: str, port: int) -> None:
    """Serve until Ctrl-C. Raises Mistake for a port that is taken, and where the page is not built."""
    if not BUILT.is_dir():
        raise Mistake("the inbox's page is not built yet: run `make web` once (it needs Node 20 or newer)")
    bot = LocalBot(routes=routes, state=state, people=listed(users) if users else Nobody(), clock=SystemClock())
    with listening(port) as listener:
        taken = listener.getsockname()[1]
        server = Server(bot, port=taken)
        say(Text("the inbox  ", style="bold"), f"http://{HOST}:{taken}  (posts nothing; Ctrl-C ends it)")
        bot.start()
        with suppress(KeyboardInterrupt):  # the usual end: uvicorn raises it once more after all is closed
            server.run(sockets=[listener])
        bot.close()


class Server(uvicorn.Server):
    """Lets every open page go at Ctrl-C, for a stream has no end of its own."""

    def __init__(self, bot: LocalBot, *, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        app = application(bot, port=port, token=self.token)
        super().__init__(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=2))
        self._bot = bot

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._bot.close()
        super().handle_exit(sig, frame)


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()  # from here on nobody is refused: whoever comes early waits
        except OSError as error:
            reason = error.strerror or error
            raise Mistake(f"port {port} on {HOST} can't be had ({reason}); name another with --port") from None
        yield listener
