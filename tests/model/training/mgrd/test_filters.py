"""The three filters: the world's own chains pass all, and each thing that may be wrong is found."""

from __future__ import annotations

import pytest

from model.training import world
from model.training.mgrd.filters import Kept, acoustic, coherent, judged, only_words, right
from model.training.world import State, chain

INTENTS = list(world.FAMILIES["perception"])


@pytest.mark.parametrize("intent", INTENTS)
def test_what_the_world_thinks_passes(intent: str) -> None:
    for seed in range(40):
        said = world.of_intent(f"filters {seed}", intent)
        answer = world.answer(State(), said)
        thinking = chain(said, answer, "medium")
        assert judged(said, answer, thinking, answer.reply) == Kept(True, True, True), thinking


@pytest.mark.parametrize("intent", INTENTS)
def test_another_answer_does_not_follow_from_the_notes(intent: str) -> None:
    """The notes of one utterance with the reply to another of the same intent."""
    found = [world.of_intent(f"crossed {seed}", intent) for seed in range(30)]
    answers = [world.answer(State(), said) for said in found]
    crossed = 0
    for said, one, other in zip(found, answers, answers[1:], strict=False):
        thinking = chain(said, one, "medium")
        if one.reply != other.reply and coherent(thinking, other.reply):
            crossed += 1
            # Only where the notes bear both: "the beep came first" and "the clap came last"; beeps and claps.
            assert intent in ("order", "count") or "tones" in intent, (thinking, other.reply)
    assert crossed < 15


BEEPS = "heard: how many beeps beep 1 beep 2 beep 3"
TONES = "pitch: D G, first low, second high"


@pytest.mark.parametrize(
    ("thinking", "reply"),
    [
        (f"{BEEPS}\ncount: 1 2 3", "There were 4 beeps."),
        (f"{BEEPS}\ncount: 1 3 2", "There were 2 beeps."),
        (f"{BEEPS}\ncount: 1 2 3\ncount: 1 2 3", "There were 3 beeps."),
        (f"{BEEPS}\ncount: 1 2 3\nwords: 3", "There were 3 beeps."),
        (f"{BEEPS}\ncount: 1 2 3", "Yes, there were 3 beeps."),
        ("count: 1 2 3\nwords: 5", "Yes, there were 3 beeps."),
        ("count: 1 2 3\nwords: 5", "You say 4, but there were 3 beeps."),
        ("count: 1 2 3\nwords: 3", "You say 3, but there were 3 beeps."),
        (TONES, "The first tone was higher."),
        (TONES, "The second tone was louder."),
        ("pitch: G D, first low, second high", "The second tone was higher."),
        ("pitch: D D, first low, second high", "The second tone was higher."),
        ("pitch: M D, rising", "It was rising."),
        ("order: beep, clap", "The clap came first."),
        ("order: beep, beep", "The beep came first."),
        ("voice: high", "Your voice is low."),
        ("voice: high", "Your voice is high and you speak fast."),
        ("melody: rising", "That was a statement."),
        ("around: noise\nwords: quiet", "You say slowly, but there is a noise."),
        ("words: 5", "There were 5 beeps."),
        ("", "There were 5 beeps."),
        (TONES, "I did not understand that."),
    ],
)
def test_what_does_not_hang_together(thinking: str, reply: str) -> None:
    assert not coherent(thinking, reply)


@pytest.mark.parametrize(
    ("thinking", "reply"),
    [
        ("count: 0", "There were no claps."),
        (TONES, "The second tone was higher."),
        (TONES, "The first tone was lower."),
        (f"{TONES}\nwords: first", "You say the first, but the second tone was higher."),
        ("voice: fast\nwords: slow", "You say slowly, but you speak fast."),
        ("around: noise\nwords: noise", "Yes, there is a noise."),
    ],
)
def test_what_hangs_together(thinking: str, reply: str) -> None:
    assert coherent(thinking, reply)


def test_only_the_sound_counts_as_acoustic() -> None:
    assert acoustic("heard: how many beeps\ncount: 1 2")
    for thinking in ("", "heard: how many beeps beep 1", "words: 5", "count:", "27+15: 7+5=12, 42"):
        assert not acoustic(thinking)
    assert only_words("heard: i am loud\nwords: loud")
    assert not only_words("voice: loud\nwords: loud") and not only_words("\n")


def test_a_number_may_stand_in_other_words() -> None:
    said = world.of_intent("right", "sum")
    answer = world.answer(State(), said)
    assert answer.state.last
    n = answer.state.last.result
    assert right(said, answer, answer.reply.upper()) and right(said, answer, f"It is {n}.")
    assert not right(said, answer, f"It is {n + 1}.") and not right(said, answer, "")
    heard = world.of_intent("right", "count")
    counted = world.answer(State(), heard)
    assert not right(heard, counted, f"I heard {heard.args[1]}.")
