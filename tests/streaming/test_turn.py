"""The table is complete where something can happen, and what it does follows from what it says."""

import itertools
import random

import pytest

from streaming.turn import TABLE, Do, Happened, NotNow, State, step

SPEAKING = {State.HEARING, State.OVERLAP, State.CUT_OFF}
REPLYING = {State.REPLYING, State.OVERLAP, State.DOUBTING}
BEGINS = (Do.START_REPLY, Do.ANSWER, Do.REPEAT_REPLY)
AHEAD = {State.HEARING, State.CUT_OFF}  # where something may be thought ahead


@pytest.mark.parametrize(("state", "happened"), TABLE)
def test_actions_agree_with_the_states(state: State, happened: Happened) -> None:
    """Opening and closing turns and replies is exactly what leads from one state to the next."""
    after, actions = step(state, happened)
    turns = (state in SPEAKING) + actions.count(Do.OPEN_TURN)
    turns -= actions.count(Do.CLOSE_TURN) + actions.count(Do.DROP_TURN)
    assert turns == (after in SPEAKING)
    replies = (state in REPLYING) - (happened is Happened.REPLY_ENDED)
    replies += sum(actions.count(do) for do in BEGINS) - actions.count(Do.ABORT_REPLY)
    assert replies == (after in REPLYING)


def test_a_reply_is_aborted_before_the_next_begins() -> None:
    for _, actions in TABLE.values():
        begins = [at for at, do in enumerate(actions) if do in BEGINS]
        if Do.ABORT_REPLY in actions and begins:
            assert actions.index(Do.ABORT_REPLY) < min(begins)


def test_what_is_held_back_is_released_or_aborted() -> None:
    for (state, happened), (after, actions) in TABLE.items():
        assert (Do.HOLD_REPLY in actions) == (after is State.DOUBTING and state is not State.DOUBTING)
        if state is State.DOUBTING and happened is not Happened.REPLY_ENDED:
            assert {Do.RELEASE_REPLY, Do.ABORT_REPLY} & {*actions}, happened


def test_what_was_thought_ahead_is_told_or_forgotten() -> None:
    for (state, _), (after, actions) in TABLE.items():
        if Do.THINK_AHEAD in actions:
            assert state in AHEAD and after is state
        if state in AHEAD and after not in AHEAD:
            assert {Do.FORGET, Do.ANSWER} & {*actions}


def test_a_speaker_can_always_be_heard_and_always_ends() -> None:
    ending = (Happened.SILENCE, Happened.QUESTION, Happened.DISCARDED, Happened.NO_TURN)
    for state in State:
        starts = [h for h in (Happened.SPEECH, Happened.INTERRUPTION) if (state, h) in TABLE]
        assert bool(starts) == (state not in SPEAKING)
        if state in SPEAKING:
            assert all((state, h) in TABLE for h in (*ending, Happened.PAUSE, Happened.RESUMED))


def test_no_turn_leaves_things_as_they_were() -> None:
    """A cough, an "mhm", a phantom start: a reply that was being made is being made afterwards."""
    for quiet in (State.IDLE, State.REPLYING):
        for start in (Happened.SPEECH, Happened.INTERRUPTION, Happened.SOUND):
            if (quiet, start) in TABLE:
                assert step(step(quiet, start)[0], Happened.NO_TURN)[0] is quiet


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_turn_and_every_reply_ends_once(seed: int) -> None:
    r = random.Random(seed)
    state, turns, replies, ended = State.IDLE, 0, 0, 0
    for _ in range(500):
        state, actions = step(state, r.choice([h for s, h in TABLE if s is state]))
        turns += actions.count(Do.OPEN_TURN)
        ended += actions.count(Do.CLOSE_TURN) + actions.count(Do.DROP_TURN)
        replies += sum(actions.count(do) for do in BEGINS)
        assert turns - ended == (state in SPEAKING)
    assert turns > 10 and replies > 10


def test_every_state_is_left_again() -> None:
    for state in State:
        assert any(step(s, h)[0] is not state for s, h in TABLE if s is state)


def test_barge_in_aborts_and_a_mere_overlap_does_not() -> None:
    assert step(State.REPLYING, Happened.INTERRUPTION) == (State.CUT_OFF, (Do.ABORT_REPLY, Do.OPEN_TURN))
    assert step(State.REPLYING, Happened.SPEECH) == (State.OVERLAP, (Do.OPEN_TURN,))


def test_what_has_no_row_is_refused() -> None:
    missing = set(itertools.product(State, Happened)) - TABLE.keys()
    assert missing
    for state, happened in missing:
        with pytest.raises(NotNow):
            step(state, happened)
