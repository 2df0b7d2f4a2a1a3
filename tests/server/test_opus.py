from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from server.audio_file import read_pcm
from server.opus import FRAME, MOST, RATE, STEP, Decoder, Encoder, OpusError, samples_of
from tests.processes import RECORDINGS

BYTES = 2 * FRAME


def tone(ms: int, hertz: float = 440.0) -> bytes:
    wave = 10_000 * np.sin(2 * np.pi * hertz * np.arange(ms * RATE // 1000) / RATE)
    return wave.astype("<i2").tobytes()


def encoded(pcm: bytes, loss: int = 10) -> list[bytes]:
    encoder = Encoder(loss)
    return [encoder.encode(pcm[at : at + BYTES]) for at in range(0, len(pcm), BYTES)]


def level(pcm: bytes) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(np.float64) ** 2)))


def pitch(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / samples.size)


def test_what_is_encoded_is_heard() -> None:
    pcm, decoder = tone(1000), Decoder()
    packets = encoded(pcm)
    heard = b"".join(decoder.decode(packet) for packet in packets)
    assert len(heard) == len(pcm)
    assert abs(pitch(heard[BYTES * 5 :]) - 440) <= 2
    assert abs(level(heard[BYTES * 5 :]) / level(pcm) - 1) < 0.1
    assert {samples_of(packet) for packet in packets} == {FRAME}
    assert sum(map(len, packets)) * 8 < 50_000  # bits, of a second


def test_what_is_lost_is_made_up_and_fades() -> None:
    decoder = Decoder()
    for packet in encoded(tone(400)):
        decoder.decode(packet)
    assert level(decoder.lost(FRAME)) > 2000
    later = [decoder.lost(MOST) for _ in range(4)]
    assert level(later[-1]) < 100
    assert len(decoder.lost(FRAME * 9 + STEP + 7)) == 2 * (FRAME * 9 + STEP + 7)
    assert decoder.lost(0) == b""


def spectrum(pcm: bytes) -> NDArray[np.float64]:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    logs: NDArray[np.float64] = np.log(50 + np.abs(np.fft.rfft(samples * np.hanning(samples.size)))[:200])
    return logs


def distance(loss: int) -> float:
    """Of every fourth packet of a recording, by its copy, from itself: of log spectra, where it sounds.

    `loss`: what the encoder was told to expect.
    """
    pcm = read_pcm(RECORDINGS / "sum.wav")
    packets = encoded(pcm[: len(pcm) // BYTES * BYTES], loss)
    whole, holed, wrong = Decoder(), Decoder(), []
    for at, packet in enumerate(packets[:-1]):
        true = whole.decode(packet)
        if at % 4 < 3:
            holed.decode(packet)
            continue
        copy = holed.copied(packets[at + 1], FRAME)
        if level(true) > 300:
            wrong.append(np.sqrt(np.mean((spectrum(copy) - spectrum(true)) ** 2)))
    assert len(wrong) > 10
    return float(np.mean(wrong))


def test_a_lost_packet_is_heard_by_its_copy_in_the_next() -> None:
    assert distance(loss=10) < 0.75 * distance(loss=0)  # without copies there is but concealment


def test_what_is_no_opus_is_an_error() -> None:
    with pytest.raises(OpusError, match="corrupted"):
        Decoder().decode(b"\xff\xff\xff")
    with pytest.raises(OpusError):
        samples_of(b"")
    with pytest.raises(OpusError):
        Encoder().encode(bytes(7))
