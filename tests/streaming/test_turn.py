"""The table is complete where something can happen, and what it does follows from what it says."""

import itertools

import pytest

from streaming.turn import TABLE, Do, Happened, NotNow, State, step

SPEAKING = {State.HEARING, State.OVERLAP}
REPLYING = {State.REPLYING, State.OVERLAP}


@pytest.mark.parametrize(("state", "happened"), TABLE)
def test_actions_agree_with_the_states(state: State, happened: Happened) -> None:
    """Opening and closing turns and replies is exactly what leads from one state to the next."""
    after, actions = step(state, happened)
    turns = (state in SPEAKING) + actions.count(Do.OPEN_TURN)
    turns -= actions.count(Do.CLOSE_TURN) + actions.count(Do.DROP_TURN)
    assert turns == (after in SPEAKING)
    replies = (state in REPLYING) - (happened is Happened.REPLY_ENDED)
    replies += actions.count(Do.START_REPLY) - actions.count(Do.ABORT_REPLY)
    assert replies == (after in REPLYING)


def test_a_reply_is_aborted_before_the_next_begins() -> None:
    for _, actions in TABLE.values():
        if Do.ABORT_REPLY in actions and Do.START_REPLY in actions:
            assert actions.index(Do.ABORT_REPLY) < actions.index(Do.START_REPLY)


def test_a_speaker_can_always_be_heard_and_always_ends() -> None:
    for state in State:
        starts = [h for h in (Happened.SPEECH, Happened.INTERRUPTION) if (state, h) in TABLE]
        ends = [h for h in (Happened.SILENCE, Happened.QUESTION, Happened.DISCARDED) if (state, h) in TABLE]
        assert bool(starts) == (state not in SPEAKING)
        assert len(ends) == (3 if state in SPEAKING else 0)


def test_every_state_is_left_again() -> None:
    for state in State:
        assert any(step(s, h)[0] is not state for s, h in TABLE if s is state)


def test_barge_in_aborts_and_a_mere_overlap_does_not() -> None:
    assert step(State.REPLYING, Happened.INTERRUPTION) == (State.HEARING, (Do.ABORT_REPLY, Do.OPEN_TURN))
    assert step(State.REPLYING, Happened.SPEECH) == (State.OVERLAP, (Do.OPEN_TURN,))


def test_what_has_no_row_is_refused() -> None:
    missing = set(itertools.product(State, Happened)) - TABLE.keys()
    assert missing
    for state, happened in missing:
        with pytest.raises(NotNow):
            step(state, happened)
