"""The shared network, held to the silero-vad package's own wrapper, stream by stream."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from streaming.endpointing import WINDOW
from streaming.vad import SpeechDetector, SpeechState

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("*.wav"))
Audio = NDArray[np.float32]


def windows_of(samples: NDArray[np.floating]) -> list[Audio]:
    whole = samples[: samples.size // WINDOW * WINDOW].astype(np.float32)
    return list(whole.reshape(-1, WINDOW))


def generated() -> dict[str, list[Audio]]:
    rng = np.random.default_rng(0)
    seconds = np.arange(32_000) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * seconds) / k for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 4 * seconds), 0, 1)
    return {
        "silence": windows_of(np.zeros(32_000)),
        "noise": windows_of(0.1 * rng.standard_normal(32_000)),
        "tone": windows_of(0.3 * np.sin(2 * np.pi * 440 * seconds)),
        "buzz": windows_of(0.2 * buzz * syllables),
    }


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


@pytest.fixture(scope="module")
def stock() -> Iterator[torch.nn.Module]:
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from silero_vad import load_silero_vad

        yield load_silero_vad()
    torch.set_num_threads(threads)


def stock_probabilities(stock: torch.nn.Module, windows: list[Audio]) -> list[float]:
    stock.reset_states()  # type: ignore[operator]
    with torch.inference_mode():
        return [stock(torch.from_numpy(window)[None], 16_000).item() for window in windows]


@pytest.mark.parametrize("name", ["silence", "noise", "tone"])
def test_no_speech_is_heard_where_nobody_speaks(detector: SpeechDetector, name: str) -> None:
    stream = detector.stream()
    assert max(stream.push(window) for window in generated()[name]) < 0.3


@pytest.mark.parametrize("name", ["silence", "noise", "tone", "buzz"])
def test_equals_the_stock_wrapper(detector: SpeechDetector, stock: torch.nn.Module, name: str) -> None:
    stream = detector.stream()
    windows = generated()[name]
    ours = [stream.push(window) for window in windows]
    np.testing.assert_allclose(ours, stock_probabilities(stock, windows), atol=1e-5)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings in the repository")
def test_speech_is_heard_and_equals_the_stock_wrapper(
    detector: SpeechDetector, stock: torch.nn.Module
) -> None:
    for path in RECORDINGS:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        windows = windows_of(soxr.resample(samples.mean(axis=1), rate, 16_000))
        stream = detector.stream()
        ours = [stream.push(window) for window in windows]
        np.testing.assert_allclose(ours, stock_probabilities(stock, windows), atol=1e-5, err_msg=path.name)
        assert max(ours) > 0.9, path.name


def test_sessions_at_once_equal_sessions_alone(detector: SpeechDetector) -> None:
    streams = list(generated().values())
    states = [SpeechState.new() for _ in streams]
    alone = [detector.stream() for _ in streams]
    for windows in zip(*streams, strict=True):
        together, states = detector.step(np.stack(windows), states)
        expected = [stream.push(window) for stream, window in zip(alone, windows, strict=True)]
        np.testing.assert_allclose(together, expected, atol=1e-5)


def test_a_session_does_not_hear_another(detector: SpeechDetector) -> None:
    buzz, noise = generated()["buzz"], generated()["noise"]
    alone, beside, other = detector.stream(), detector.stream(), detector.stream()
    expected = [alone.push(window) for window in buzz]
    for window, foreign, probability in zip(buzz, noise, expected, strict=True):
        other.push(foreign)
        assert beside.push(window) == probability


@pytest.mark.parametrize("size", [0, 256, 511, 1024])
def test_other_sizes_are_refused(detector: SpeechDetector, size: int) -> None:
    with pytest.raises(ValueError, match="expected windows of shape"):
        detector.stream().push(np.zeros(size, np.float32))


def test_the_process_keeps_its_threads() -> None:
    """Importing silero_vad would leave torch with one. Only another process has not imported it yet."""
    code = (
        "import sys, numpy, torch; torch.set_num_threads(3)\n"
        "from streaming.vad import SpeechDetector\n"
        "SpeechDetector().stream().push(numpy.zeros(512, 'f4'))\n"
        "assert 'silero_vad' not in sys.modules\n"
        "assert torch.get_num_threads() == 3, torch.get_num_threads()\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=120)
