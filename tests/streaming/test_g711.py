"""G.711 against ITU's values, and against libsndfile."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray

from streaming import g711
from streaming.g711 import Law

ALL = np.arange(-32768, 32768).astype(np.int16)


def by_libsndfile(data: bytes, law: Law) -> NDArray[np.int16]:
    samples, _ = sf.read(
        io.BytesIO(data),
        dtype="int16",
        samplerate=8000,
        channels=1,
        format="RAW",
        subtype={"mu": "ULAW", "a": "ALAW"}[law],
    )
    return np.asarray(samples, np.int16)


@pytest.mark.parametrize("law", ["mu", "a"])
def test_every_code_is_decoded_as_libsndfile_does(law: Law) -> None:
    codes = bytes(range(256))
    assert np.array_equal(g711.decode(codes, law), by_libsndfile(codes, law))


def test_values_of_the_recommendation() -> None:
    mu = g711.decode(bytes([0x00, 0x80, 0xFF, 0x7F, 0x0F, 0xF0]), "mu")
    assert mu.tolist() == [-32124, 32124, 0, 0, -16764, 120]
    a = g711.decode(bytes([0xD5, 0x55, 0xAA, 0x2A, 0x80]), "a")
    assert a.tolist() == [8, -8, 32256, -32256, 5504]


@pytest.mark.parametrize("law", ["mu", "a"])
def test_a_code_survives_the_way_there_and_back(law: Law) -> None:
    values = g711.decode(bytes(range(256)), law)
    assert np.array_equal(g711.decode(g711.encode(values, law), law), values)


@pytest.mark.parametrize("law", ["mu", "a"])
def test_the_code_of_a_sample_is_one_next_to_it(law: Law) -> None:
    """Never farther than half a step: 4 mantissa bits."""
    back = g711.decode(g711.encode(ALL, law), law).astype(np.int32)
    clipped = np.clip(ALL.astype(np.int32), back.min(), back.max())
    assert np.all(np.abs(back - clipped) <= np.maximum(np.abs(clipped) // 32 + 5, 8))
    assert np.all(np.diff(back) >= 0)


@pytest.mark.parametrize("law", ["mu", "a"])
def test_encoding_agrees_with_libsndfile(law: Law) -> None:
    """Which rounds to 14 and 13 bits first, so a sample at a border may have the neighbour's code."""
    out = io.BytesIO()
    subtype = {"mu": "ULAW", "a": "ALAW"}[law]
    sf.write(out, ALL, 8000, format="RAW", subtype=subtype)
    same = np.frombuffer(out.getvalue(), np.uint8) == np.frombuffer(g711.encode(ALL, law), np.uint8)
    assert same.mean() > 0.98
