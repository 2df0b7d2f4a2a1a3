"""Batches against one at a time, encodings against the network's own and against a live listener's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.evaluation.case import Before, Case, Clip
from model.evaluation.offline import Respondent, called, encode, generate
from model.training.world.core import Call
from model.windows import Windows
from tests import checkpoints
from tests.model.listening import voice, windows_of


@pytest.fixture(scope="module")
def respondent(tmp_path_factory: pytest.TempPathFactory) -> Respondent:
    folder: Path = tmp_path_factory.mktemp("tiny")
    checkpoints.write(folder)
    return Respondent(folder, limit=8)


def clip(seconds: float, seed: int = 0) -> Clip:
    return Clip("hello", "none", (voice(seconds, seed).numpy() * 32767).astype(np.int16))


def test_batches(respondent: Respondent) -> None:
    network = respondent.network
    prompts = [respondent.ids(range(n)) for n in (3, 40, 11)]
    stop = {respondent.prompt.eot}
    assert generate(network, prompts, stop, 8) == [network.greedy(p, 8, stop) for p in prompts]


def test_whole(respondent: Respondent) -> None:
    takes = [voice(seconds).numpy() for seconds in (1.0, 26.0)]
    for samples, found in zip(takes, encode(respondent.network, takes, None), strict=True):
        with torch.inference_mode():
            expected = respondent.network.embed_audio(torch.from_numpy(samples))
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_in_windows(respondent: Respondent) -> None:
    samples, sizes = voice(3.0), Windows(look_ahead=2, left=10)
    network = respondent.network
    (piece,) = windows_of(samples, network.config.audio.n_mels, sizes)
    with torch.inference_mode():
        expected = torch.cat([network.embed_window(mel.float(), w.real, w.keep, w.first) for mel, w in piece])
    ((found,),) = encode(network, [samples.numpy()], sizes)
    # The loudness so far is known to the packet live, to the frame here; features are halves live.
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=2e-2)


def test_answers(respondent: Respondent) -> None:
    plain = Case("a", "numbers", "sum", clip(1.0), "12.", transcript="hello")
    talk = replace(
        plain,
        name="b",
        effort="none",
        before=(Before("hello", "Hello!", clip(0.8, 1)), Before("hi", "Hi!")),
        instructions="Be kind.",
    )
    found = respondent.answer([plain, talk], "refined")
    assert [a.case.name for a in found] == ["a", "b"]
    assert {a.encoding for a in found} == {"refined"}
    assert all(a.outcome.heard is not None or not a.case.transcript for a in found)
    assert found[1].outcome.think_tokens == 0 and found[1].outcome.thinking == ""
    again = respondent.answer([talk], "refined")
    assert again[0].outcome == found[1].outcome


def test_calls() -> None:
    text = '<tool_call>function\nset_timer\n{"minutes": 5}</tool_call>'
    assert called(f"\n{text}") == Call("set_timer", {"minutes": 5})
    assert called("It is five.") is None
    assert called(text.removesuffix("</tool_call>")) is None
    assert called("<tool_call>function\nset_timer\n{minutes</tool_call>") is None
