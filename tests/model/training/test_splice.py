"""A take with other sounds: its words stay, the tokens are the sounds', and what is true of them is said."""

from __future__ import annotations

import random

import numpy as np
import pytest

from model.training import marks, world
from model.training.features import SEEN, Heard
from model.training.splice import APART, MAKERS, Snippets
from model.training.world import State, perception, scale

SECONDS = 9


def take(intent: str, seed: int) -> Heard:
    """Each token holds its number and the take's."""
    said = world.of_intent(seed, intent)
    tokens, end = int(SECONDS * 12.5), (SECONDS - 1) * 16000
    seen = np.zeros((tokens, SEEN), np.float16)
    seen[:, 0], seen[:, 1] = np.arange(tokens), seed
    places = marks.places(said, 1600, end, tokens)
    counted = marks.counted(said, places, tokens)
    return Heard(said, "none", seen, tokens - 3, False, False, (), counted, places)


@pytest.fixture(scope="module")
def all_takes() -> list[Heard]:
    return [take(intent, seed) for intent in MAKERS for seed in range(12)]


@pytest.fixture(scope="module")
def snippets(all_takes: list[Heard]) -> Snippets:
    found = Snippets()
    for one in all_takes:
        found.add(one)
    return found


@pytest.mark.parametrize("intent", list(MAKERS))
def test_what_is_made_is_what_the_world_would_say(
    intent: str, snippets: Snippets, all_takes: list[Heard]
) -> None:
    r = random.Random(intent)
    changed = 0
    for old in [t for t in all_takes if t.said.intent == intent] * 5:
        new = snippets.made(old, r)
        said = new.said
        changed += new is not old
        events = said.before + said.after
        assert said.words == old.said.words and bool(said.before) <= bool(old.said.before)
        assert len(new.places) == len(events)
        assert len(new.seen) - new.complete_from == len(old.seen) - old.complete_from
        reply = world.answer(State(), said).reply
        if intent in ("count", "claim_count", "conflict_count"):
            n = sum(e.kind == said.args[0] for e in events)
            assert f" {n or 'no'} {said.args[0]}" in reply
            assert reply.startswith("Yes") == said.intent.startswith("claim_")
        elif "tones" in intent:
            more, which = said.args[:2]
            first, second = (scale.step(e, perception.COMPARED[more][0]) for e in events)
            assert which == ("first" if (first > second) != (more in perception.LESS) else "second")
            assert new is old or abs(first - second) >= APART
            assert (said.intent == "conflict_tones") == (len(said.args) == 3 and said.args[2] != which)
    assert changed


def test_sounds_come_with_their_tokens(snippets: Snippets, all_takes: list[Heard]) -> None:
    r = random.Random(0)
    for old in [t for t in all_takes if t.said.intent == "count"]:
        new = snippets.made(old, r)
        if new is old or not new.places:
            continue
        first, numbers = old.places[0][0], new.seen[:, 0]
        assert (numbers[:first] == old.seen[:first, 0]).all()
        assert numbers[-1] == old.seen[-1, 0]
        for start, stop in new.places:
            of_one = new.seen[start:stop]
            assert (np.diff(of_one[:, 0]) == 1).all() and len(set(of_one[:, 1])) == 1
        assert new.counted is not None and len(new.counted) == len(new.seen)
        kinds: list[str] = [e.kind for e in new.said.before + new.said.after]
        assert new.counted[-1].tolist() in ([kinds.count(k) for k in marks.COUNTED], [-100, -100])


def test_other_questions_stay_as_they_are(snippets: Snippets) -> None:
    one = take("voice_pitch", 1)
    assert snippets.made(one, random.Random(0)) is one
