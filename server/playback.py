"""What is being played to the client, frame by frame, and how much of every reply has been heard.

The replies' sound waits here in the order it came. Whoever sends takes one frame whenever one is due, sound
or silence, so that what was taken is what was sent; it counts as heard `DELAY_MS` later, by when it has
passed the client's jitter buffer. Each reply is told to have started with its first frame, and to have
stopped or been cleared (`output_audio_buffer.*`); its words are told when they begin to be heard. Knows no
codec, no wire and no clock but the frames.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from server.opus import FRAME, RATE

FRAME_BYTES = 2 * FRAME
DELAY_MS = 80  # from sending to hearing: the network and a client's jitter buffer, as they are at their best
DELAY_FRAMES = DELAY_MS * RATE // 1000 // FRAME
REMEMBERED = 20  # replies

Told = Literal["started", "stopped", "cleared"]


@dataclass
class Spoken:
    """The sound of one reply."""

    response_id: str
    item_id: str
    waiting: deque[bytes] = field(default_factory=deque)
    words: deque[tuple[int, str]] = field(default_factory=deque)  # and the sample that they begin at
    pushed: int = 0  # samples
    heard: int = 0  # samples
    started: bool = False
    over: bool = False  # nothing more comes, or is to be played
    played: asyncio.Event = field(default_factory=asyncio.Event)  # all of what has come


class Playback:
    """`told` is given what happens to a response's sound, and its id.

    `caption` is given the ids of response and item, and words that are heard from now on.
    """

    def __init__(self, told: Callable[[Told, str], None], caption: Callable[[str, str, str], None]) -> None:
        self._told = told
        self._caption = caption
        self._replies: dict[str, Spoken] = {}  # by item
        self._sent: deque[tuple[Spoken, int] | None] = deque([None] * DELAY_FRAMES)  # and not heard yet
        self._held = False

    # --- what is to be played ---

    def push(self, response_id: str, item_id: str, pcm: bytes, words: str = "") -> None:
        """More of a reply: PCM16, mono, 24 kHz, and the words that begin in it; behind what waits."""
        reply = self._replies.get(item_id)
        if reply is None:
            reply = self._replies[item_id] = Spoken(response_id, item_id)
            reply.played.set()
            self._forget()
        if reply.over:
            return
        if words:
            reply.words.append((reply.pushed, words))
        if pcm:
            reply.waiting.append(pcm)
            reply.pushed += len(pcm) // 2
            reply.played.clear()
        elif reply.heard:
            self._captions(reply)

    def done(self, response_id: str, cut: bool) -> None:
        """The response is over. `cut`: it is not to be heard any further."""
        for reply in self._replies.values():
            if reply.response_id == response_id and not reply.over:
                reply.over = True
                if cut:
                    self._clear(reply)
                else:
                    self._stop(reply)

    def _clear(self, reply: Spoken) -> None:
        reply.waiting.clear()
        reply.words.clear()
        self._sent = deque(None if frame and frame[0] is reply else frame for frame in self._sent)
        reply.played.set()
        if reply.started:
            self._told("cleared", reply.response_id)

    def _stop(self, reply: Spoken) -> None:
        if reply.started and not reply.waiting:
            self._told("stopped", reply.response_id)

    def _forget(self) -> None:
        over = [item_id for item_id, reply in self._replies.items() if reply.over and not reply.waiting]
        for item_id in over[: max(0, len(self._replies) - REMEMBERED)]:
            del self._replies[item_id]

    # --- the one who sends ---

    def frame(self) -> bytes | None:
        """The next 20 ms, None: silence. One that is not full ends in silence."""
        reply = None if self._held else self._next()
        if reply is None:
            self._hear(None)
            return None
        frame = self._taken(reply.waiting)
        self._hear((reply, len(frame) // 2))
        if not reply.started:
            reply.started = True
            self._told("started", reply.response_id)
        if reply.over:
            self._stop(reply)
        return frame.ljust(FRAME_BYTES, b"\0")

    def _next(self) -> Spoken | None:
        return next((reply for reply in self._replies.values() if reply.waiting), None)

    def _taken(self, waiting: deque[bytes]) -> bytes:
        frame = b""
        while waiting and len(frame) < FRAME_BYTES:
            piece, missing = waiting.popleft(), FRAME_BYTES - len(frame)
            frame += piece[:missing]
            if len(piece) > missing:
                waiting.appendleft(piece[missing:])
        return frame

    def _hear(self, sent: tuple[Spoken, int] | None) -> None:
        self._sent.append(sent)
        heard = self._sent.popleft()
        if heard is not None:
            reply, samples = heard
            reply.heard += samples
            self._captions(reply)
            under_way = any(frame is not None and frame[0] is reply for frame in self._sent)
            if not reply.waiting and not under_way:
                reply.played.set()

    def _captions(self, reply: Spoken) -> None:
        while reply.words and reply.words[0][0] <= reply.heard:
            self._caption(reply.response_id, reply.item_id, reply.words.popleft()[1])

    # --- what the session asks (streaming.mouth.Player) ---

    @property
    def playing(self) -> str | None:
        """The response that is being played, or waits to be."""
        reply = self._next() or next((sent[0] for sent in self._sent if sent is not None), None)
        return None if reply is None else reply.response_id

    def played(self, item_id: str) -> float:
        """Milliseconds of a reply that have been heard."""
        reply = self._replies.get(item_id)
        return 0.0 if reply is None else reply.heard * 1000 / RATE

    async def played_out(self, item_id: str) -> None:
        """Wait until all that came of it has been heard."""
        if (reply := self._replies.get(item_id)) is not None:
            await reply.played.wait()

    def hold(self, on: bool) -> None:
        """Play no more of anything until released."""
        self._held = on
