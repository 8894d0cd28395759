"""Says that something is new: rung from any thread, heard by every open page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

HEARTBEAT_SECONDS = 15.0
"""A page that hears nothing for so long would not know whether it is still connected."""


class Bell:
    def __init__(self) -> None:
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.closed = False

    def ring(self) -> None:
        for loop, event in tuple(self._listeners):
            with suppress(RuntimeError):  # that page's loop has ended meanwhile
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """Let every listener go."""
        self.closed = True
        self.ring()

    async def rings(self) -> AsyncIterator[bool]:
        """True for each ring, or several at once; False where nothing happened for a while. Ends with `close`."""
        event = asyncio.Event()
        listener = (asyncio.get_running_loop(), event)
        self._listeners.add(listener)
        try:
            while not self.closed:
                try:
                    await asyncio.wait_for(event.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield False
                else:
                    event.clear()
                    yield True
        finally:
            self._listeners.discard(listener)
