"""Silero: 512 samples to the probability that somebody speaks. Batched over sessions.

The network of the silero-vad package, without its wrapper: that keeps the state of the one stream it
hears in itself, while here one network serves all sessions and each session owns its state. The
package is not even imported, as its import sets torch to one thread for the whole process. The
package's silero_vad_16k.safetensors would be simpler to load, but are weights of another version
(probabilities differ by up to 0.77 on speech). No hysteresis: see streaming/endpointing.py.

A call costs about as much for four windows as for one, and three times that for 32. So where many sessions
are open, their windows wait for a tick and are judged in one call; where few are, nobody waits.
Knows no sessions and no other rate than 16 kHz.
"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streaming.endpointing import WINDOW

CONTEXT = 64  # samples of the window before, which the network sees again
WIDTH = 128  # of the LSTM
TICK_SECONDS = 0.008  # that a window waits for others, a quarter of its length
FEW = 4  # sessions up to which none waits

Windows = NDArray[np.float32]


@dataclass(frozen=True)
class SpeechState:
    """What the network remembers of one stream. A new stream begins with zeros."""

    recurrent: Tensor  # float32 [2, 128]: hidden, cell
    context: Tensor  # float32 [64]: the newest samples

    @classmethod
    def new(cls) -> SpeechState:
        return cls(torch.zeros(2, WIDTH), torch.zeros(CONTEXT))


class SpeechDetector:
    """The network, loaded once a process. `step` holds no state, so any thread may call it."""

    def __init__(self) -> None:
        """Raises FileNotFoundError where silero-vad is not installed."""
        with warnings.catch_warnings():  # torch.jit goes out of use, but is what these weights come in
            warnings.simplefilter("ignore", DeprecationWarning)
            loaded = torch.jit.load(str(_weights()), map_location="cpu")  # type: ignore[no-untyped-call]
        self._network = loaded._model.eval()
        self._streams: weakref.WeakSet[SpeechStream] = weakref.WeakSet()
        self._waiting: list[tuple[SpeechStream, Windows, asyncio.Future[None]]] = []
        for _ in range(2):  # the first calls compile, up to 100 ms
            self.step(np.zeros((1, WINDOW), np.float32), [SpeechState.new()])

    def stream(self) -> SpeechStream:
        stream = SpeechStream(self)
        self._streams.add(stream)
        return stream

    async def judge(self, stream: SpeechStream, windows: Windows) -> None:
        """The stream's next windows, float32 [N, 512], together with those of others."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(TICK_SECONDS if len(self._streams) > FEW else 0.0, self.flush)
        done = loop.create_future()
        self._waiting.append((stream, windows, done))
        await done

    def flush(self) -> None:
        """Judge what waits."""
        waiting, self._waiting = self._waiting, []
        try:
            for n in range(max((len(windows) for _, windows, _ in waiting), default=0)):
                due = [(stream, windows[n]) for stream, windows, _ in waiting if n < len(windows)]
                found = self.step(np.stack([window for _, window in due]), [s.state for s, _ in due])
                for (stream, _), probability, state in zip(due, *found, strict=True):
                    stream.judged(probability, state)
        except Exception as error:
            for _, _, done in waiting:
                if not done.done():
                    done.set_exception(error)
        for _, _, done in waiting:
            if not done.done():
                done.set_result(None)

    def step(
        self, windows: NDArray[np.float32], states: Sequence[SpeechState]
    ) -> tuple[list[float], list[SpeechState]]:
        """The next window of each of B streams: float32 [B, 512] in -1 to 1, and B states.

        Returns B probabilities and the states that follow. Raises ValueError for other shapes.
        """
        if windows.shape != (len(states), WINDOW):
            raise ValueError(f"expected windows of shape {(len(states), WINDOW)}, got {windows.shape}")
        with torch.inference_mode(), _one_thread():
            before = torch.stack([state.context for state in states])
            heard = torch.cat([before, torch.tensor(windows, dtype=torch.float32)], dim=1)
            recurrent = torch.stack([state.recurrent for state in states], dim=1)
            speech, recurrent = self._network(heard, recurrent)
            context = heard[:, -CONTEXT:].clone()
        after = [SpeechState(*memory) for memory in zip(recurrent.unbind(1), context, strict=True)]
        return speech[:, 0].tolist(), after


class SpeechStream:
    """One session's ear for speech: the shared network, and a state of its own."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self.state = SpeechState.new()
        self._taken = 0  # windows that `push` has not been asked for yet
        self._ahead: deque[float] = deque()  # what was found of them

    async def ahead(self, windows: Windows) -> None:
        """Judge the windows [N, 512] that `push` will be given next, those of an earlier call included."""
        fresh = windows[self._taken :]
        self._taken += len(fresh)
        if len(fresh):
            await self._detector.judge(self, fresh)

    def judged(self, probability: float, state: SpeechState) -> None:
        self._ahead.append(probability)
        self.state = state

    def forget(self) -> None:
        """What was judged ahead will not be asked for."""
        if self._taken:
            self._detector.flush()
            self._taken = 0
            self._ahead.clear()

    def push(self, window: Windows) -> float:
        """The next 512 samples, float32 at 16 kHz, to a probability. Raises ValueError for another size."""
        if self._taken:
            if not self._ahead:  # asked for before its tick
                self._detector.flush()
            self._taken -= 1
            return self._ahead.popleft()
        (probability,), (self.state,) = self._detector.step(window[np.newaxis], [self.state])
        return probability


def _weights() -> Path:
    package = find_spec("silero_vad")
    if package is None or package.origin is None:
        raise FileNotFoundError("voice activity detection needs the silero-vad package")
    return Path(package.origin).parent / "data" / "silero_vad.jit"


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small a network is slower on several threads: on two busy cores, 28 ms a window instead of 0.8."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
