"""One spoken turn: samples in, context out, while it is being spoken.

Settled audio leaves in chunks of 400 ms, encoded once; the unsettled tail is added when the turn ends,
or whenever somebody wants to know what has been heard so far. A turn longer than 25 s becomes several
pieces, as in training. Knows no voice detection, no engine and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.config import PIECE_SAMPLES, SAMPLES_PER_TOKEN
from model.features import LogMelStream, normalise
from model.prompt import Prompt
from model.windows import Window, Windows
from streaming.context import Audio, Context

Samples = NDArray[np.float32]


class Ear:
    """`key` names the turn for the engine's prefix cache and must be unique to this audio."""

    def __init__(self, key: str, prompt: Prompt, n_mels: int, windows: Windows) -> None:
        self._key = key
        self._prompt = prompt
        self._n_mels = n_mels
        self._windows = windows
        self._heard: list[Samples] = []
        self._piece = -1
        self._head = Context()
        self._open_piece()

    def _open_piece(self) -> None:
        self._piece += 1
        self._mel = LogMelStream(self._n_mels)
        self._unread: list[Samples] = []  # what it is to hear next, in one pass
        self._samples = 0  # of this piece
        self._settled = 0  # tokens of this piece
        self._head += Context.of([self._prompt.audio_start])  # goes out with the next chunk

    @property
    def samples(self) -> NDArray[np.int16]:
        """Everything heard, for the conversation."""
        whole = np.concatenate([np.empty(0, np.float32), *self._heard])
        pcm: NDArray[np.int16] = np.clip(np.rint(whole * 32768.0), -32768, 32767).astype(np.int16)
        return pcm

    @property
    def blocks(self) -> Sequence[Samples]:
        """The same as it came: heard once more, it is encoded in the same chunks."""
        return self._heard

    @property
    def seconds(self) -> float:
        return sum(block.size for block in self._heard) / 16_000

    @property
    def settled(self) -> int:
        """Samples of the turn that have left."""
        return self._piece * PIECE_SAMPLES + self._settled * SAMPLES_PER_TOKEN

    def hear(self, samples: Samples) -> Context:
        """Take float32 samples [N] at 16 kHz; returns what has become settled, maybe nothing."""
        self._heard.append(samples)
        out = Context()
        while samples.size:
            if self._samples == PIECE_SAMPLES:
                self._head += Context.of([self._prompt.audio_end])
                self._open_piece()
            block, samples = np.split(samples, [PIECE_SAMPLES - self._samples])
            self._unread.append(block)
            self._samples += block.size
            while window := self._windows.settled(self._settled, self._samples):
                out += self._head + self._encode(window, str(window.start))
                self._head = Context()
                self._settled = window.stop
        return out

    def end(self) -> Context:
        """What is missing behind the settled part if the turn ended here. Changes nothing."""
        out = self._head
        window = self._windows.tail(self._settled, self._samples)
        if window:
            out += self._encode(window, f"{window.start}/{self._samples}")
        return out + Context.of([self._prompt.audio_end])

    def _encode(self, window: Window, name: str) -> Context:
        if self._unread:
            self._mel.append(np.concatenate(self._unread))
            self._unread.clear()
        # The last frames of a piece reach into the padding behind it.
        mel = self._mel if window.end <= len(self._mel) else self._mel.ended()
        power = mel.log_power[:, window.first : window.end]
        frames = normalise(power, mel.loudest, window.complete).half()
        tokens = window.stop - window.start
        part = Audio(f"{self._key}:{self._piece}:{name}", 0, tokens, (frames, window))
        return Context(tuple(self._prompt.patches(tokens)), (part,))


def whole(key: str, samples: NDArray[np.int16], prompt: Prompt, n_mels: int) -> Context:
    """A past turn, encoded offline: each piece of 25 s in one go, between audio_start and audio_end."""
    offline = Windows(step=PIECE_SAMPLES, look_ahead=0)  # nothing settles before its piece ends
    ear = Ear(key, prompt, n_mels, offline)
    settled = ear.hear(samples.astype(np.float32) / 32768.0)
    return settled + ear.end()
