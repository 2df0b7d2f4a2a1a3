"""A second training begins as its checkpoint is, leaves something learned, and goes on from its state."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from model import checkpoint
from model.training import corpus, features, marks, tokenizer, world
from model.training.again import HEADS, OFTEN, Again, often, shipped, told
from model.training.features import Heard
from model.training.train import Schedule

STEPS = Schedule(text=0, ctc=HEADS + 1, joint=2, rate=1e-4)


def heard(seed: int, intent: str, cut: bool, chunked: bool) -> Heard:
    """A take of a few seconds in which nothing can be heard."""
    said, tokens = corpus.utterance_of(str(seed), intent), 50
    seen = np.random.default_rng(seed).standard_normal((tokens, features.SEEN)).astype(np.float16)
    end = tokens * 1280
    if cut:
        return Heard(said, "none", seen, tokens, cut, chunked)
    known, places = marks.of(said, 0, end, tokens), marks.places(said, 0, end, tokens)
    counted = marks.counted(said, places, tokens)
    return Heard(said, "none", seen, tokens, cut, chunked, known, counted, places)


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> list[Heard]:
    kinds = itertools.product(
        ("sum", "count", "tones_pitch", "voice_pitch", "sounds"), (False, True), (False, True)
    )
    found = [heard(i, *kind) for i, kind in enumerate(kinds)]
    monkeypatch.setattr(features, "load", lambda parts: iter(() if parts else [("part", found)]))
    return found


def test_it_begins_with_the_checkpoint_and_goes_on_from_its_state(takes: list[Heard], tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    run = Again(STEPS, state, checkpoint.NANO)
    known = shipped(checkpoint.NANO)
    mine = run.learner.state_dict()
    assert known and all(torch.equal(mine[name], value) for name, value in known.items())

    run.step = HEADS - 2
    run.go(stop=HEADS)  # the heads alone
    mine = run.learner.state_dict()
    assert all(torch.equal(mine[name], value) for name, value in known.items())
    assert mine["marks.1.bias"].abs().max() > 0

    losses = run.losses("joint")
    assert all(x.detach() > 0 for x in (losses.marks, losses.counts, losses.ctc, losses.text))
    run.go()
    changed = run.learner.state_dict()
    assert any(not torch.equal(changed[name], value) for name, value in known.items())

    again = Again(STEPS, state, checkpoint.NANO)
    assert again.step == STEPS.total
    assert all(torch.equal(again.learner.state_dict()[name], value) for name, value in changed.items())


def test_a_rate_rises_stays_and_falls() -> None:
    steps = Schedule(0, 100, 900, rate=2.0)
    rates = [steps.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02) and max(rates) == 2.0
    assert rates[599] == 2.0 > rates[700] > rates[999] > 0


def test_shares_leave_room_for_the_rest() -> None:
    shares = often(OFTEN)
    assert 0 < sum(shares.values()) < 1
    assert shares.keys() <= world.RULES.keys()


def test_claims_are_as_often_right_as_wrong() -> None:
    shares = told()
    assert all(shares[i] == shares[i.replace("claim_", "conflict_")] for i in shares if "claim_" in i)


def test_the_words_of_a_tokenizer_build_it_again(tmp_path: Path) -> None:
    built = tokenizer.build(tokenizer.words_in(checkpoint.NANO))
    tokenizer.save(built, tmp_path)
    shipped_one = (checkpoint.NANO / "tokenizer.json").read_text()
    assert (tmp_path / "tokenizer.json").read_text() == shipped_one


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    shutil.copy(checkpoint.NANO / "tokenizer.json", tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace('" seven"', '" eleven seven"', 1))
    with pytest.raises(ValueError, match="not of this recipe"):
        tokenizer.words_in(tmp_path)
