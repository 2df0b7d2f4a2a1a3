"""Every kind of audio becomes PCM16 at 24 kHz; what holds no sound is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from server.audio_file import RATE, AudioFileError, read_pcm


def tone(rate: int, channels: int = 1, seconds: float = 0.5) -> NDArray[np.float32]:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("suffix", "subtype", "channels"),
    [
        ("wav", "PCM_16", 1),
        ("wav", "PCM_U8", 1),
        ("wav", "FLOAT", 2),
        ("flac", "PCM_24", 2),
        ("wav", "ULAW", 1),
    ],
)
def test_what_is_converted(rate: int, suffix: str, subtype: str, channels: int, tmp_path: Path) -> None:
    file = tmp_path / f"tone.{suffix}"
    soundfile.write(file, tone(rate, channels), rate, subtype)
    samples = np.frombuffer(read_pcm(file), "<i2").astype(np.float64) / 32768
    assert samples.size == pytest.approx(RATE // 2, abs=2)
    middle = samples[RATE // 8 : RATE // 8 * 3]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() * RATE / middle.size == pytest.approx(440, abs=5)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


def test_ogg_and_loud(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", tone(48000), 48000)
    assert len(read_pcm(tmp_path / "a.ogg")) == pytest.approx(RATE, abs=100)
    soundfile.write(tmp_path / "b.wav", 4 * tone(24000), 24000, "FLOAT")
    samples = np.frombuffer(read_pcm(tmp_path / "b.wav"), "<i2")
    assert samples.max() == 32767 and samples.min() == -32768


def refused(file: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        read_pcm(file)
    message = str(caught.value)
    assert str(file) in message and "\n" not in message
    return message


def test_what_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.wav")
    assert "a folder" in refused(tmp_path)
    empty, text, raw, half = (tmp_path / name for name in ("e.wav", "t.wav", "r.raw", "h.wav"))
    empty.touch()
    assert "empty" in refused(empty)
    text.write_text("twenty seven plus fifteen " * 50)
    assert "expected audio" in refused(text)
    raw.write_bytes(b"\x00\x01" * 500)
    assert "expected audio" in refused(raw)
    soundfile.write(half, tone(16000), 16000)
    half.write_bytes(half.read_bytes()[:30])
    assert "expected audio" in refused(half)


def test_no_samples_and_no_numbers(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1), np.float32), 16000)
    assert "no sound" in refused(tmp_path / "none.wav")
    wave = tone(16000)
    wave[5] = np.nan
    soundfile.write(tmp_path / "nan.wav", wave, 16000, "FLOAT")
    assert "NaN" in refused(tmp_path / "nan.wav")
