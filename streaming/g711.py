"""G.711, the telephone's 8 bits a sample at 8 kHz: mu-law and A-law, both ways, by table.

ITU-T G.711: a sign, three bits of exponent, four of mantissa. A code stands for the middle of its interval.
Knows no rates and no wire.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Law = Literal["mu", "a"]

RATE = 8000  # Hz
BIAS = 0x84  # of mu-law, on 16 bits
CLIP = 0x7FFF - BIAS


def decode(data: bytes, law: Law) -> NDArray[np.int16]:
    """Bytes [N] to samples [N]."""
    return DECODED[law][np.frombuffer(data, np.uint8)]


def encode(samples: NDArray[np.int16], law: Law) -> bytes:
    """Samples [N] to bytes [N]."""
    return ENCODED[law][samples.astype(np.int32) + 32768].tobytes()


def _mu_to_linear() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    size = (((code & 0xF) << 3) + BIAS << (code >> 4 & 7)) - BIAS
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _a_to_linear() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, (code & 0xF) << 4
    size = np.where(exponent == 0, mantissa + 8, mantissa + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _linear_to_mu() -> NDArray[np.uint8]:
    samples = np.arange(-32768, 32768)
    size = np.minimum(np.abs(samples), CLIP) + BIAS
    exponent = np.frexp(size)[1] - 8
    code: NDArray[np.int64] = np.where(samples < 0, 0x80, 0) | exponent << 4 | size >> (exponent + 3) & 0xF
    return (~code & 0xFF).astype(np.uint8)


def _linear_to_a() -> NDArray[np.uint8]:
    samples = np.arange(-32768, 32768)
    size = np.where(samples < 0, ~samples, samples)
    exponent = np.maximum(np.frexp(size)[1] - 8, 0)
    mantissa = size >> (np.maximum(exponent, 1) + 3) & 0xF
    code: NDArray[np.int64] = np.where(samples < 0, 0, 0x80) | exponent << 4 | mantissa
    return (code ^ 0x55).astype(np.uint8)


DECODED = {"mu": _mu_to_linear(), "a": _a_to_linear()}
ENCODED = {"mu": _linear_to_mu(), "a": _linear_to_a()}
