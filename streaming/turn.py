"""The turn-taking table: state x event -> state, actions. Every decision about whose turn it is stands here.

The shell tells what happened and does what it is told; this file knows no audio, clocks or engines.
Settings such as `create_response` are part of the event, so that the table has no conditions in it.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    IDLE = auto()  # nobody speaks
    HEARING = auto()  # the user speaks
    REPLYING = auto()  # a reply is being made
    OVERLAP = auto()  # the user speaks while a reply goes on


class Happened(Enum):
    SPEECH = auto()  # the user began to speak
    INTERRUPTION = auto()  # the same, and speech may interrupt a reply
    SILENCE = auto()  # the user's turn ended, by detection, by hand or because no audio came any more
    QUESTION = auto()  # the same, and the turn is to be answered
    DISCARDED = auto()  # the client threw the turn's audio away
    REPLY_ASKED = auto()
    REPLY_CANCELLED = auto()
    REPLY_ENDED = auto()


class Do(Enum):
    OPEN_TURN = auto()
    CLOSE_TURN = auto()
    DROP_TURN = auto()
    START_REPLY = auto()
    ABORT_REPLY = auto()


class NotNow(Exception):
    """What was asked for does not fit the state of the turn."""


idle, hearing, replying, overlap = State

TABLE: dict[tuple[State, Happened], tuple[State, tuple[Do, ...]]] = {
    (idle, Happened.SPEECH): (hearing, (Do.OPEN_TURN,)),
    (idle, Happened.INTERRUPTION): (hearing, (Do.OPEN_TURN,)),
    (idle, Happened.REPLY_ASKED): (replying, (Do.START_REPLY,)),
    (hearing, Happened.SILENCE): (idle, (Do.CLOSE_TURN,)),
    (hearing, Happened.QUESTION): (replying, (Do.CLOSE_TURN, Do.START_REPLY)),
    (hearing, Happened.DISCARDED): (idle, (Do.DROP_TURN,)),
    (hearing, Happened.REPLY_ASKED): (overlap, (Do.START_REPLY,)),  # answers what was committed before
    (replying, Happened.SPEECH): (overlap, (Do.OPEN_TURN,)),
    (replying, Happened.INTERRUPTION): (hearing, (Do.ABORT_REPLY, Do.OPEN_TURN)),
    (replying, Happened.REPLY_CANCELLED): (idle, (Do.ABORT_REPLY,)),
    (replying, Happened.REPLY_ENDED): (idle, ()),
    (overlap, Happened.SILENCE): (replying, (Do.CLOSE_TURN,)),
    (overlap, Happened.QUESTION): (
        replying,
        (Do.ABORT_REPLY, Do.CLOSE_TURN, Do.START_REPLY),
    ),  # the newer question counts
    (overlap, Happened.DISCARDED): (replying, (Do.DROP_TURN,)),
    (overlap, Happened.REPLY_CANCELLED): (hearing, (Do.ABORT_REPLY,)),
    (overlap, Happened.REPLY_ENDED): (hearing, ()),
}


def step(state: State, happened: Happened) -> tuple[State, tuple[Do, ...]]:
    """The next state, and what to do on the way. Raises NotNow where the table has no row."""
    try:
        return TABLE[state, happened]
    except KeyError:
        raise NotNow(f"{happened.name} while {state.name}") from None
