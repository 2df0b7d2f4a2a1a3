"""Any audio file as what the Realtime API takes: PCM16, mono, 24 kHz.

WAV of any width, FLAC, OGG, float, any rate and number of channels are converted; what holds no sound is
refused in one line. Knows no network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import UserError

RATE = 24_000  # Hz
RATES = (1_000, 768_000)  # Hz, of files


class AudioFileError(UserError, ValueError):
    """The file is no audio that can be sent; one line that says why."""


def read_pcm(path: Path) -> bytes:
    """The file as PCM16 little endian. Raises AudioFileError."""
    samples, rate = _decoded(path)
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioFileError(f"{path}: expected a sample rate of {RATES[0]} to {RATES[1]} Hz, got {rate}")
    if not samples.size:
        raise AudioFileError(f"{path}: there is no sound in it (0 samples)")
    if not np.isfinite(samples).all():
        raise AudioFileError(f"{path}: expected numbers, some samples are NaN or infinite")
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != RATE:
        import soxr

        mono = soxr.resample(mono, rate, RATE)
    pcm: NDArray[np.int16] = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype("<i2")
    return pcm.tobytes()


def _decoded(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples [N, channels] and their rate."""
    if not path.exists():
        raise AudioFileError(f"{path}: no such file")
    if path.is_dir():
        raise AudioFileError(f"{path}: expected an audio file, got a folder")
    if not path.stat().st_size:
        raise AudioFileError(f"{path}: the file is empty")
    import soundfile

    try:
        with path.open("rb") as file:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise AudioFileError(f"{path}: expected audio (WAV, FLAC, OGG, MP3 …): {_reason(error)}") from error
    return samples, int(rate)


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__
