"""Bytes to samples, and one rate to another, however the stream is cut."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soxr

from streaming.audio import Encoder, Resampler, Samples, decode_pcm16
from streaming.errors import BadAudio


def noise(samples: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def in_packets(resampler: Resampler, samples: Samples, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    ready, at = [], 0
    while at < samples.size:
        size = int(rng.integers(0, 2000))
        ready.append(resampler.push(samples[at : at + size]))
        at += size
    return np.concatenate([*ready, resampler.finish()])


def test_pcm16_is_little_endian_and_scaled() -> None:
    samples = decode_pcm16(struct.pack("<5h", 0, 1, -1, 32767, -32768))
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.0, 1 / 32768, -1 / 32768, 32767 / 32768, -1.0]


def test_no_bytes_are_no_samples() -> None:
    assert decode_pcm16(b"").size == 0


def test_half_a_sample_is_refused_with_what_was_expected() -> None:
    with pytest.raises(BadAudio, match="even number of bytes; got 3"):
        decode_pcm16(b"abc")


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_packets_equal_one_shot(rate: int, seed: int) -> None:
    samples = noise(2 * rate, seed)
    streamed = in_packets(Resampler(rate, 16_000), samples, seed)
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, soxr.resample(samples, rate, 16_000), atol=1e-6)


def test_a_click_stays_where_it_was() -> None:
    samples = np.zeros(24_000, np.float32)
    samples[12_000] = 1.0
    assert np.argmax(in_packets(Resampler(24_000, 16_000), samples, 0)) == 8_000


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(16_000, 16_000)
    samples = noise(100)
    assert np.array_equal(resampler.push(samples), samples)
    assert resampler.delay == 0.0
    assert resampler.finish().size == 0


def test_output_is_at_most_40_ms_late() -> None:
    resampler = Resampler(24_000, 16_000)
    pushed = ready = 0
    for _ in range(100):
        ready += resampler.push(noise(480)).size
        pushed += 320
        assert resampler.delay == pytest.approx(pushed - ready, abs=1.0)
        assert resampler.delay <= 40 * 16


def test_a_finished_stream_takes_nothing_more() -> None:
    resampler = Resampler(24_000, 16_000)
    resampler.finish()
    with pytest.raises(ValueError, match="finished"):
        resampler.push(noise(10))


@pytest.mark.parametrize("rates", [(0, 16_000), (24_000, -1)])
def test_rates_are_positive(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="above 0 Hz"):
        Resampler(*rates)


def test_an_encoder_makes_a_byte_a_sample_at_8_khz_and_passes_pcm_through() -> None:
    pcm = (noise(24_000) * 32767).astype("<i2").tobytes()
    assert Encoder("pcm").push(pcm) == pcm and Encoder("pcm").finish() == b""
    for audio_format in ("pcmu", "pcma"):
        encoder = Encoder(audio_format)
        made = b"".join(encoder.push(pcm[at : at + 4800]) for at in range(0, len(pcm), 4800))
        assert len(made + encoder.finish()) == 8000
