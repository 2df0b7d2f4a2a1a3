"""What encoding audio while it is spoken costs against encoding the clip whole: stated, and bounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model import checkpoint
from model.network import StepAudio2
from model.windows import Windows
from tests.model.listening import voice, windows_of

Record = Callable[[str, object], None]
BOUND = 0.43  # seen: 0.35 to 0.39; without look-ahead 0.55. What it costs in answers: benchmarks/encodings.py


@pytest.fixture(scope="module")
def nano() -> StepAudio2:
    return checkpoint.load(checkpoint.NANO)


def accumulated(network: StepAudio2, samples: Tensor, sizes: Windows) -> Tensor:
    """The embeddings [n, hidden] that a listener has at the end: settled windows, then the tail."""
    with torch.inference_mode():
        return torch.cat(
            [
                network.embed_window(mel.float(), real=window.real, tokens=window.keep, first=window.first)
                for piece in windows_of(samples, network.config.audio.n_mels, sizes)
                for mel, window in piece
            ]
        )


def difference(network: StepAudio2, samples: Tensor, sizes: Windows) -> float:
    """Relative error against the clip encoded whole."""
    with torch.inference_mode():
        whole = torch.cat(network.embed_audio(samples))
    live = accumulated(network, samples, sizes)
    assert live.shape == whole.shape
    return float((live - whole).norm() / whole.norm())


@pytest.mark.parametrize("seconds", [0.5, 3.3, 10.0, 31.0])
def test_the_default_windows_stay_near_the_whole_clip(
    nano: StepAudio2, seconds: float, record_property: Record
) -> None:
    found = difference(nano, voice(seconds), Windows())
    record_property("relative_error", found)
    print(f"{seconds} s live against whole: relative error {found:.3f}")
    assert found < BOUND


def test_a_clip_shorter_than_a_chunk_is_encoded_as_offline(nano: StepAudio2) -> None:
    # All of it is tail. Half-precision log-mel is what remains of a difference.
    assert difference(nano, voice(0.3), Windows()) < 5e-3


def test_look_ahead_is_worth_its_delay(nano: StepAudio2, record_property: Record) -> None:
    clip = voice(10.0)
    found = {tokens: difference(nano, clip, Windows(look_ahead=tokens)) for tokens in (0, 2, 4)}
    record_property("relative_error_by_look_ahead", str(found))
    print("relative error by look-ahead in tokens of 80 ms:", found)
    assert found[4] < found[0]
