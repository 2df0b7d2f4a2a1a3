"""Which samples a chunk of live audio encodes, and which embeddings it hands on.

The encoder is bidirectional: what it says about the newest frames is wrong until it has heard what
follows. So a token is *settled* once 320 ms behind it have been heard; it is then encoded once, with
capped left context at its true position, and never changes. The tail, *unsettled*, is encoded when
somebody asks. All of it is arithmetic on counts within one piece of 25 s; knows no samples, no clocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.config import (
    FRAMES_PER_TOKEN,
    HOP,
    PIECE_SAMPLES,
    REACH,
    SAMPLE_RATE,
    SAMPLES_PER_TOKEN,
    audio_tokens,
    frames,
)

STEP = 5  # tokens a chunk: 400 ms
LOOK_AHEAD = 4  # tokens: 320 ms
LEFT = 50  # tokens of left context at most: 4 s
TAIL_LEFT = (
    25  # the same for the tail, which somebody waits for: 2 s, and at a turn's end it is mostly silence
)
TOKEN_MS = SAMPLES_PER_TOKEN * 1000 // SAMPLE_RATE
PIECE_TOKENS = PIECE_SAMPLES // SAMPLES_PER_TOKEN  # whole ones


@dataclass(frozen=True)
class Window:
    """Mel frames [first, end) of a piece to encode; of them come the tokens [start, stop) of the piece.

    `real` of the frames are audio, the others are the padding at the end of a piece.
    """

    first: int
    end: int
    real: int
    start: int
    stop: int

    @property
    def complete(self) -> bool:
        """Nothing of its piece is to come."""
        return self.end - self.first > self.real

    @property
    def keep(self) -> slice:
        """The tokens to keep, counted from the window's own first token."""
        base = self.first // FRAMES_PER_TOKEN
        return slice(self.start - base, self.stop - base)


@dataclass(frozen=True)
class Windows:
    """The windows' sizes in tokens of 80 ms."""

    step: int = STEP
    look_ahead: int = LOOK_AHEAD
    left: int = LEFT
    tail_left: int = TAIL_LEFT

    @classmethod
    def of(cls, look_ahead_ms: float, left_context_ms: float) -> Windows:
        """Windows of another look-ahead and left context; the tail never has more of it than the rest.

        Raises ValueError for what is no multiple of 80 ms within a piece.
        """
        look_ahead = _tokens("the look-ahead", look_ahead_ms)
        left = _tokens("the left context", left_context_ms)
        return cls(look_ahead=look_ahead, left=left, tail_left=min(TAIL_LEFT, left))

    def settled(self, start: int, samples: int) -> Window | None:
        """The next chunk from token `start` on, or None as long as too little of it is settled.

        `samples` of the piece were heard. A full piece settles whole: nothing of it is to come.
        """
        if samples >= PIECE_SAMPLES and start + self.step >= audio_tokens(PIECE_SAMPLES):
            return self.tail(start, PIECE_SAMPLES)
        stop = start + self.step
        end = (stop + self.look_ahead) * FRAMES_PER_TOKEN
        if samples >= PIECE_SAMPLES:
            end = min(end, frames(PIECE_SAMPLES))
        elif samples < self.samples_needed(start):
            return None
        first = _first(start, self.left)
        return Window(first, end, end - first, start, stop)

    def samples_needed(self, start: int) -> int:
        """Samples of the piece that must have been heard before the chunk from token `start` is settled."""
        last = (start + self.step + self.look_ahead) * FRAMES_PER_TOKEN - 1
        return min(last * HOP + REACH, PIECE_SAMPLES)

    def tail(self, start: int, samples: int) -> Window | None:
        """What is heard from token `start` on, as the end of its piece; None where that is no token."""
        stop = audio_tokens(samples)
        if stop <= start:
            return None
        first = _first(start, self.tail_left)
        real = frames(samples)
        return Window(first, real + 2, real - first, start, stop)

    def every(self, samples: int) -> list[Window]:
        """Those of a piece that has ended, the tail last."""
        found, start = [], 0
        while window := self.settled(start, samples):
            found.append(window)
            start = window.stop
        if tail := self.tail(start, samples):
            found.append(tail)
        return found


def _tokens(what: str, ms: float) -> int:
    tokens = round(ms / TOKEN_MS)
    if not 0 <= tokens <= PIECE_TOKENS or abs(tokens * TOKEN_MS - ms) > 1e-6:
        whole = PIECE_TOKENS * TOKEN_MS
        raise ValueError(f"expected {what} to be a multiple of {TOKEN_MS} ms from 0 to {whole}, got {ms:g}")
    return tokens


def whole(samples: int) -> Window:
    """A piece that is encoded in one go."""
    return Window(0, frames(samples) + 2, frames(samples), 0, audio_tokens(samples))


def _first(start: int, left: int) -> int:
    return max(0, start - left) * FRAMES_PER_TOKEN
