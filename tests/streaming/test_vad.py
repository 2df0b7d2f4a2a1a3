"""The shared network, held to the silero-vad package's own wrapper, stream by stream."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
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


class Counted(SpeechDetector):
    """It notes how many windows are judged at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def step(self, windows: Audio, states: Sequence[SpeechState]) -> tuple[list[float], list[SpeechState]]:
        if hasattr(self, "sizes"):
            self.sizes.append(len(states))
        return super().step(windows, states)


async def test_many_sessions_are_judged_together_and_as_if_alone() -> None:
    detector = Counted()
    spoken = [*generated().values()] * 2
    streams, alone = [detector.stream() for _ in spoken], [detector.stream() for _ in spoken]
    expected = [[one.push(window) for window in said] for one, said in zip(alone, spoken, strict=True)]
    detector.sizes.clear()
    found: list[list[float]] = [[] for _ in spoken]
    for at in range(0, len(spoken[0]), 3):

        async def hear(n: int, at: int = at) -> None:
            ahead = np.stack(spoken[n][at : at + 3])
            await streams[n].ahead(ahead)
            found[n] += [streams[n].push(window) for window in ahead]

        await asyncio.gather(*(hear(n) for n in range(len(spoken))))
    assert set(detector.sizes) == {len(spoken)}
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (np.array(found) > 0.5).tolist() == (np.array(expected) > 0.5).tolist()


async def test_a_window_asked_for_before_its_tick_is_judged_at_once() -> None:
    detector = Counted()
    streams = [detector.stream() for _ in range(9)]
    windows = np.stack(generated()["buzz"][:4])
    expected = [streams[0].push(window) for window in windows]
    detector.sizes.clear()
    waiting = asyncio.create_task(streams[1].ahead(windows[:2]))
    await asyncio.sleep(0)
    assert not detector.sizes
    assert [streams[1].push(window) for window in windows] == pytest.approx(expected, abs=1e-5)
    await waiting
    assert detector.sizes == [1, 1, 1, 1]


async def test_who_is_cancelled_or_forgets_leaves_the_stream_in_step() -> None:
    detector = SpeechDetector()
    stream, alone = detector.stream(), detector.stream()
    windows = np.stack(generated()["buzz"][:6])
    expected = [alone.push(window) for window in windows]
    waiting = asyncio.create_task(stream.ahead(windows[:2]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await stream.ahead(windows[:4])  # the first two are under way already
    assert [stream.push(window) for window in windows[:4]] == pytest.approx(expected[:4], abs=1e-5)
    await stream.ahead(windows[4:5])
    stream.forget()
    assert stream.push(windows[5]) == pytest.approx(expected[5], abs=1e-5)


async def test_a_fault_reaches_everybody_who_waits() -> None:
    detector = SpeechDetector()
    streams = [detector.stream() for _ in range(2)]
    wrong = np.zeros((1, 100), np.float32)
    found = await asyncio.gather(*(stream.ahead(wrong) for stream in streams), return_exceptions=True)
    assert [type(error) for error in found] == [ValueError, ValueError]


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
