"""What a live listener does with audio, in one loop: packets in, settled windows and the tail out."""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import SAMPLE_RATE, pieces
from model.features import LogMelStream, normalise
from model.windows import Window, Windows

PACKET = SAMPLE_RATE // 10


def voice(seconds: float, seed: int = 0) -> Tensor:
    """Something that is voiced, pauses and changes its pitch: float32 [N] at 16 kHz."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 130 + 40 * torch.sin(2 * torch.pi * 0.7 * t) + 15 * torch.sin(2 * torch.pi * 2.3 * t)
    phase = 2 * torch.pi * torch.cumsum(pitch, 0) / SAMPLE_RATE
    tone = sum((torch.sin(n * phase) / n for n in range(1, 12)), torch.zeros_like(t))
    loudness = (torch.sin(2 * torch.pi * 1.9 * t) + 0.3).clamp(min=0)
    return 0.1 * tone * loudness + 0.01 * torch.randn(t.shape, generator=generator)


Heard = tuple[Tensor, Window]  # log-mel [n_mels, T] in half precision


def windows_of(samples: Tensor, n_mels: int, sizes: Windows | None = None) -> list[list[Heard]]:
    """The windows of each piece of 25 s, as they come live."""
    sizes = sizes or Windows()
    found = []
    for start, end in pieces(samples.numel()):
        stream, taken = LogMelStream(n_mels), 0
        piece: list[Heard] = []
        for at in range(start, end, PACKET):
            stream.append(samples[at : min(at + PACKET, end)])
            heard = min(at + PACKET, end) - start
            while (window := sizes.settled(taken, heard)) is not None:
                piece.append((_mel(stream, window), window))
                taken = window.stop
        if (window := sizes.tail(taken, end - start)) is not None:
            piece.append((_mel(stream, window), window))
        found.append(piece)
    return found


def _mel(stream: LogMelStream, window: Window) -> Tensor:
    if len(stream) < window.end:  # the last frames of a piece reach into its padding
        stream = stream.ended()
    power = stream.log_power[:, window.first : window.end]
    return normalise(power, stream.loudest, window.complete).half()
