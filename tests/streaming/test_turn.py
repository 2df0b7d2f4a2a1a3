"""The table is complete where something can happen, and what it does follows from what it says."""

import itertools
import random

import pytest

from streaming.turn import TABLE, Do, Happened, NotNow, State, step

SPEAKING = {State.HEARING, State.OVERLAP, State.CUT_OFF}
REPLYING = {State.REPLYING, State.OVERLAP, State.DOUBTING}
BEGINS = (Do.START_REPLY, Do.ANSWER, Do.REPEAT_REPLY)
ENDED = {Happened.REPLY_ENDED, Happened.REPLY_MADE}
AHEAD = {State.HEARING, State.CUT_OFF}  # where something may be thought ahead


@pytest.mark.parametrize(("state", "happened"), TABLE)
def test_actions_agree_with_the_states(state: State, happened: Happened) -> None:
    """Opening and closing turns and replies is exactly what leads from one state to the next."""
    after, actions = step(state, happened)
    turns = (state in SPEAKING) + actions.count(Do.OPEN_TURN)
    turns -= actions.count(Do.CLOSE_TURN) + actions.count(Do.DROP_TURN)
    assert turns == (after in SPEAKING)
    replies = (state in REPLYING) - (happened in ENDED)
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
        if state is State.DOUBTING and happened not in ENDED:
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
    for quiet in (State.IDLE, State.REPLYING, State.SOUNDING):
        for start in (Happened.SPEECH, Happened.INTERRUPTION, Happened.SOUND):
            if (quiet, start) in TABLE:
                after, actions = step(step(quiet, start)[0], Happened.NO_TURN)
                # One that was made and is cut off is made again; one that goes on counts as heard.
                again = {State.REPLYING} if Do.REPEAT_REPLY in actions else {State.IDLE}
                assert after in ({quiet} if quiet is not State.SOUNDING or after is quiet else again)


def test_how_much_of_a_reply_was_heard_is_settled_once() -> None:
    """When its sound is over, or somebody speaks over it, or the next one is made."""
    for (state, _), (after, actions) in TABLE.items():
        settled = actions.count(Do.KEEP_REPLY) + actions.count(Do.CUT_REPLY)
        if state is State.SOUNDING:
            assert settled == (after is not State.SOUNDING)
        elif settled:
            assert state is State.OVERLAP  # it sounds on, and somebody speaks already


@pytest.mark.parametrize(
    ("heard", "events", "states"),
    [
        ("a pause", "SPEECH PAUSE RESUMED PAUSE QUESTION", "HEARING HEARING HEARING HEARING REPLYING"),
        ("a hesitation", "SPEECH PAUSE RESUMED SILENCE", "HEARING HEARING HEARING IDLE"),
        ("mhm while we reply", "REPLY_ASKED SOUND NO_TURN", "REPLYING DOUBTING REPLYING"),
        ("mhm into the end of it", "REPLY_ASKED REPLY_MADE SOUND NO_TURN PLAYED",
         "REPLYING SOUNDING SOUNDING SOUNDING IDLE"),
        ("a cough that cut us off", "REPLY_ASKED INTERRUPTION NO_TURN", "REPLYING CUT_OFF REPLYING"),
        ("the same into the end of it", "REPLY_ASKED REPLY_MADE INTERRUPTION NO_TURN",
         "REPLYING SOUNDING CUT_OFF REPLYING"),
        ("a phantom start", "SPEECH NO_TURN", "HEARING IDLE"),
        ("a microphone that is muted", "SPEECH QUESTION", "HEARING REPLYING"),
        ("one muted over a reply", "REPLY_ASKED SOUND NO_TURN", "REPLYING DOUBTING REPLYING"),
    ],
)  # fmt: skip
def test_what_is_heard_has_its_rows(heard: str, events: str, states: str) -> None:
    """Our own voice has none: the microphone leaves it out (test_echo.py, test_session_sounds.py)."""
    state, path = State.IDLE, []
    for name in events.split():
        state, _ = step(state, Happened[name])
        path.append(state.name)
    assert path == states.split(), heard


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
