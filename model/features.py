"""Samples to log-mel, whole or as a stream.

The front end of Step-Audio 2 (stepfun-ai/Step-Audio-R1, utils.py): 479 zeros on the right, a periodic
Hann window of 400, hop 160, power, slaney mel, log10, and a floor 8 below the loudest value of the
piece. The floor is a property of the whole piece, which a stream cannot know: the stream keeps the
values before the floor, and `normalise` applies the loudest value heard so far. Before a word has been
spoken that is the room's, beside which a hiss would be a sound: so ordinary speech is expected.
Knows nothing of encoders, sessions or other sample rates.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import torch

from model.config import HOP, N_FFT, REACH, SAMPLE_RATE
from model.windows import Window

RIGHT_PADDING = 479
DYNAMIC_RANGE = 8.0  # log10 units below the loudest value
FLOOR = 1e-10  # power
ORDINARY = 1.0  # the loudest value of ordinary speech, as microphones give it


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's scale: linear to 1 kHz, logarithmic above."""
    log = 15.0 + np.log(np.maximum(hz, 1e-9) / 1000.0) / (np.log(6.4) / 27.0)
    return np.where(hz >= 1000.0, log, hz * 3.0 / 200.0)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    log = 1000.0 * np.exp((np.log(6.4) / 27.0) * (mel - 15.0))
    return np.where(mel >= 15.0, log, mel * 200.0 / 3.0)


@lru_cache(maxsize=4)
def mel_filters(n_mels: int) -> torch.Tensor:
    """Slaney-normalised triangles, 0 to 8000 Hz: float32 [n_mels, 201]."""
    top = float(_hz_to_mel(np.array(SAMPLE_RATE / 2.0)))
    edges = _mel_to_hz(np.linspace(0.0, top, n_mels + 2))
    bins = np.linspace(0.0, SAMPLE_RATE / 2.0, N_FFT // 2 + 1)
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    triangles = np.maximum(0.0, np.minimum(-ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]))
    slaney = 2.0 / (edges[2:] - edges[:-2])
    return torch.from_numpy((triangles * slaney[:, None]).astype(np.float32))


@lru_cache(maxsize=1)
def _window() -> torch.Tensor:
    return torch.hann_window(N_FFT)


def _log_power(framed: torch.Tensor, n_mels: int) -> torch.Tensor:
    """Frames [T, 400] to log10 mel power [n_mels, T], before the floor."""
    power = torch.fft.rfft(framed * _window(), dim=-1).abs().square()
    return torch.matmul(mel_filters(n_mels), power.T).clamp(min=FLOOR).log10()


def normalise(log_power: torch.Tensor, loudest: float, complete: bool = True) -> torch.Tensor:
    """Apply the floor below `loudest` (log10 power) and Whisper's scale. Same shape.

    Not `complete`: louder speech may follow in the piece.
    """
    if not complete:
        loudest = max(loudest, ORDINARY)
    return (log_power.clamp(min=loudest - DYNAMIC_RANGE) + 4.0) / 4.0


def log_mel(samples: np.ndarray | torch.Tensor, n_mels: int) -> torch.Tensor:
    """One piece of audio, whole: float32 [N] at 16 kHz to float32 [n_mels, (N + 479) // 160].

    The last two frames are padding. Raises ValueError for an empty piece.
    """
    stream = LogMelStream(n_mels)
    stream.append(samples)
    stream = stream.ended()
    return normalise(stream.log_power, stream.loudest)


def as_heard(
    samples: np.ndarray | torch.Tensor, n_mels: int, windows: Iterable[Window]
) -> Iterator[tuple[torch.Tensor, Window]]:
    """Each window of a piece that has ended, [n_mels, frames] as it was encoded while the piece was heard."""
    stream = LogMelStream(n_mels)
    stream.append(samples)
    power = stream.ended().log_power
    loudest = power.amax(0).cummax(0).values
    for window in windows:
        so_far = float(loudest[window.end - 1])
        yield normalise(power[:, window.first : window.end], so_far, window.complete), window


class LogMelStream:
    """Log-mel of one growing piece. A frame appears as soon as the samples it reaches have come.

    Its frames are exactly those of the whole piece; `ended` adds those of the padding.
    """

    def __init__(self, n_mels: int) -> None:
        self.n_mels = n_mels
        self.loudest = float(np.log10(FLOOR))  # over the frames so far, log10 power
        self._frames: list[torch.Tensor] = []  # of [n_mels, t]
        self._count = 0
        self._tail = torch.empty(0)  # samples that later frames still reach
        self._received = 0
        self._finished = False

    def __len__(self) -> int:
        """Frames so far."""
        return self._count

    @property
    def log_power(self) -> torch.Tensor:
        """All frames so far, before the floor: [n_mels, T]."""
        if len(self._frames) > 1:
            self._frames = [torch.cat(self._frames, dim=1)]
        return self._frames[0] if self._frames else torch.empty(self.n_mels, 0)

    def append(self, samples: np.ndarray | torch.Tensor) -> None:
        """Take float32 samples [N] at 16 kHz, in -1 to 1."""
        if self._finished:
            raise ValueError("the piece is finished")
        block = torch.as_tensor(samples, dtype=torch.float32)
        if block.ndim != 1:
            raise ValueError(f"expected mono samples of shape [N], got {tuple(block.shape)}")
        started = self._received > REACH
        self._received += block.numel()
        self._tail = torch.cat([self._tail, block])
        if not started and self._received > REACH:
            self._tail = _reflected(self._tail)
        if self._received > REACH:
            self._take()

    def ended(self) -> LogMelStream:
        """A copy that ends here: with the reference's padding, and the frames that reach into it.

        The stream itself goes on. Raises ValueError when nothing was heard yet.
        """
        whole = copy.copy(self)
        whole._frames = list(self._frames)
        whole._finish()
        return whole

    def _finish(self) -> None:
        if self._received == 0:
            raise ValueError("the piece is empty")
        if self._received <= REACH:  # too short to have been reflected yet
            self._tail = _reflected(torch.cat([self._tail, torch.zeros(RIGHT_PADDING)]))
        else:
            self._tail = torch.cat([self._tail, torch.zeros(RIGHT_PADDING)])
        # torch.stft reflects on the right too, into zeros and, for the frame it drops, the last samples.
        self._received += RIGHT_PADDING
        self._take(limit=self._received // HOP)
        self._finished = True

    def _take(self, limit: int | None = None) -> None:
        count = (self._tail.numel() - N_FFT) // HOP + 1
        if limit is not None:
            need = (limit - self._count - 1) * HOP + N_FFT
            if need > self._tail.numel():
                extra = need - self._tail.numel()
                self._tail = torch.cat([self._tail, self._tail[-extra - 1 : -1].flip(0)])
            count = limit - self._count
        if count <= 0:
            return
        fresh = _log_power(self._tail.unfold(0, N_FFT, HOP)[:count], self.n_mels)
        self._frames.append(fresh)
        self._count += count
        self.loudest = max(self.loudest, float(fresh.max()))
        self._tail = self._tail[count * HOP :]


def _reflected(head: torch.Tensor) -> torch.Tensor:
    """Put the reflection of the first 200 samples before them, as a centred STFT does."""
    return torch.cat([head[1 : REACH + 1].flip(0), head])
