"""The third training: steps of numbers in a bank are those of the takes themselves, and are learned."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model import checkpoint
from model.config import SAMPLE_RATE
from model.training import again, corpus, export, features, sources, tokenizer, train, wide
from model.training.features import Heard
from tests.model.training.test_train import heard


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOUNDMIND_NANO_WORK", str(tmp_path))
    (tmp_path / "features").mkdir()
    return tmp_path


def store(path: Path, seeds: range, r: np.random.Generator) -> None:
    """A part as `features.build` writes it, of sums in which nothing can be heard."""
    tokens, count = 40, len(seeds)
    np.savez(
        path,
        seen=r.standard_normal((count * tokens, features.SEEN)).astype(np.float16),
        ends=tokens * np.arange(1, count + 1),
        names=np.array([(str(s), "sum", "none", corpus.utterance_of(str(s), "sum").words) for s in seeds]),
        places=np.tile([0, tokens * 1280 - SAMPLE_RATE], (count, 1)),
        stretches=np.ones(count),
        levels=np.zeros(0),
        cut=np.arange(count) % 4 == 3,
        chunked=np.arange(count) % 2 == 1,
    )


def test_numbers_stand_for_what_is_seen(work: Path) -> None:
    r = np.random.default_rng(0)
    store(work / "features" / "train-000.npz", range(8), r)
    store(work / "features" / "train-000-1.npz", range(8), r)
    store(work / "features" / "train-000.tmp.npz", range(1), r)  # not written to its end
    paths = features.parts()
    assert [path.name for path in paths] == ["train-000-1.npz", "train-000.npz"]
    first = features.length(paths[0])
    known = np.concatenate([features.tokens(path) for path in paths])
    whole = [take for _, takes in features.load() for take in takes]
    named = features.places(paths[0], 0) + features.places(paths[1], first)
    assert len(whole) == len(named) == 16
    for a, b in zip(whole, named, strict=True):
        assert np.array_equal(a.seen, known[b.seen])
        assert (a.said, a.cut, a.chunked, a.complete_from) == (b.said, b.cut, b.chunked, b.complete_from)


def test_a_step_is_the_same_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "FEATURE_NOISE", 0.0)
    intents = "sum", "count", "tones_pitch", "voice_pitch", "sounds"
    kinds = itertools.product(intents, (False, True), (False, True))
    takes = [heard(i, *kind) for i, kind in enumerate(kinds)]
    bank = torch.from_numpy(np.concatenate([take.seen for take in takes])).float()
    ends = np.cumsum([len(take.seen) for take in takes])
    named = [replace(t, seen=np.arange(end - len(t.seen), end)) for t, end in zip(takes, ends, strict=True)]
    words = tokenizer.words_in(checkpoint.NANO)
    learner = train.learner_of(words)

    def losses(found: list[Heard]) -> train.Losses:
        step = wide.Teacher(words, pool_of(found), wide.LARGE).step(random.Random(3))
        seen = torch.from_numpy(step.seen)
        return learner.losses(step, seen.float() if seen.is_floating_point() else bank[seen])

    by_itself, by_number = losses(takes), losses(named)
    assert by_itself.told() == by_number.told()
    assert all(value > 0 for name, value in by_itself.told().items() if name != "right")


def pool_of(takes: list[Heard]) -> again.Spliced:
    pool = again.Spliced()
    for take in takes:
        pool.add(take)
    return pool


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_it_learns_goes_on_from_its_state_and_is_exported(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(work / "features" / "train-000.npz", range(16), np.random.default_rng(1))
    few = wide.Size(((1.0, 200, 1, 1, 1, 1, train.turns_short),), {"told": 1}, 0.9)
    words = tokenizer.words_in(checkpoint.NANO)
    before = again.shipped(checkpoint.NANO)
    out = work / "state.pt"
    wide.run({"average": before, "words": words, "step": 0}, out, 1, 3, 1e-3, size=few)
    state = torch.load(out, weights_only=True)
    assert state["step"] == 3
    assert any(not torch.equal(state["average"][name], value) for name, value in before.items())
    wide.run({"average": before, "words": words, "step": 0}, out, 1, 5, 1e-3, size=few)  # two more
    assert torch.load(out, weights_only=True)["optimizer"]["state"][0]["step"] == 5
    lines = [json.loads(line) for line in (work / "train.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [("wide", 3), ("wide", 5)]

    shard = checkpoint.load(checkpoint.NANO).encoder.state_dict()
    monkeypatch.setattr(sources, "whisper_encoder", lambda: {f"encoder.{k}": v for k, v in shard.items()})
    export.write(work / "nano", state)
    checkpoint.check(work / "nano")


def test_the_rate_rises_stays_and_falls_to_the_end() -> None:
    rates = [wide.rate_at(step / 1000, step, 2.0) for step in range(1000)]
    assert rates[0] < 0.01 and max(rates) == 2.0
    assert 1.99 < rates[wide.WARM_UP]
    assert rates[wide.WARM_UP] > rates[700] > rates[999] > 0


def test_a_clip_is_taken_more_than_once(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another room each time, but for those that are many."""
    taken: list[tuple[str, int]] = []
    monkeypatch.setattr(features, "encoder", lambda: None)
    monkeypatch.setattr(
        features, "_build_part", lambda path, part, ears, turn: taken.append((path.name, turn))
    )
    many = next(part for part in range(100) if corpus.is_wide(part))
    (work / "clips").mkdir()
    for part in (0, many):
        (work / "clips" / f"train-{part:03}.npz").touch()
    features.build()
    assert taken == [("train-000.npz", 0), ("train-000.npz", 1), (f"train-{many:03}.npz", 0)]
