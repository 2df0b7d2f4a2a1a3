"""What a client has to say to a server: events that wait for the line, and the newest audio that was sent.

Of what was sent nobody knows whether it came: the line may have dropped with it. Who comes back is told how
much of its audio is there (`soundmind.resumed`), and what is behind that goes once more, before what waits.
Some seconds of audio are kept, sent or waiting; the oldest go first. Pure: knows no sockets.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

Wire = dict[str, Any]
BYTES_A_MS = 48  # PCM16, mono, 24 kHz
KEPT_SECONDS = 10.0


class Backlog:
    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        self._most = int(seconds * 1000) * BYTES_A_MS
        self._waiting: deque[Wire | bytes] = deque()
        self._sent: deque[bytes] = deque()
        self._kept = 0  # bytes of audio in both
        self._end = 0  # bytes of audio that the server has, if all has come that was sent

    def post(self, event: Wire) -> None:
        """An event that is not audio."""
        self._waiting.append(event)

    def say(self, pcm: bytes) -> None:
        """Audio: whole samples of PCM16, mono, 24 kHz."""
        self._waiting.append(pcm)
        self._kept += len(pcm)
        while self._kept > self._most:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self._sent:
            self._kept -= len(self._sent.popleft())
            return
        at, pcm = next((at, said) for at, said in enumerate(self._waiting) if isinstance(said, bytes))
        del self._waiting[at]
        self._kept -= len(pcm)

    def next(self) -> Wire | None:
        """The next event to be sent; None: nothing waits."""
        if not self._waiting:
            return None
        said = self._waiting.popleft()
        if not isinstance(said, bytes):
            return said
        self._sent.append(said)
        self._end += len(said)
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(said).decode()}

    def unsent(self, event: Wire) -> None:
        """The line was gone before it was sent. Of audio the server will say so itself."""
        if event["type"] != "input_audio_buffer.append":
            self._waiting.appendleft(event)

    def resumed(self, milliseconds: int) -> None:
        """So much audio is there, says a server that goes on: what is behind it waits again."""
        here = milliseconds * BYTES_A_MS
        lacking = self._end - here
        while lacking > 0 and self._sent:
            pcm = self._sent.pop()
            again = pcm[-lacking:]
            self._kept -= len(pcm) - len(again)
            lacking -= len(again)
            self._waiting.appendleft(again)
        self._kept -= sum(len(pcm) for pcm in self._sent)
        self._sent.clear()
        self._end = here
