"""The turn-taking table: state x event -> state, actions. Every decision about whose turn it is stands here.

The shell tells what happened and does what it is told; this file knows no audio, clocks or engines.
Settings such as `create_response` are part of the event, so that the table has no conditions in it.

    what is heard                     what happened, in order
    a turn                            SPEECH, then SILENCE or QUESTION
    a pause or hesitation in it       PAUSE, RESUMED
    "mhm", a cough while we reply     SOUND, NO_TURN, also while the end of the reply is still being played
    a barge-in                        SOUND, INTERRUPTION, likewise
    a cough that cut a reply off      INTERRUPTION, NO_TURN: the reply comes back
    a phantom start                   SPEECH, NO_TURN
    our own voice                     nothing (the microphone leaves it out)
    a muted microphone                as silence; where no audio comes any more QUESTION, SILENCE or NO_TURN
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    IDLE = auto()  # nobody speaks, nothing sounds
    HEARING = auto()  # the user speaks
    REPLYING = auto()  # a reply is being made
    OVERLAP = auto()  # the user speaks while a reply goes on
    SOUNDING = auto()  # a reply has been made, and its end is still being played to the user
    DOUBTING = auto()  # a reply is being made and held back: a sound, which may be the user's
    CUT_OFF = auto()  # the user speaks, and a reply was cut off for it


class Happened(Enum):
    SPEECH = auto()  # the user began to speak
    INTERRUPTION = auto()  # the same, and speech may interrupt a reply
    SOUND = auto()  # something that may become an interruption
    PAUSE = auto()  # the user is silent, and the turn may be over
    RESUMED = auto()  # it was not
    SILENCE = auto()  # the user's turn ended, by detection, by hand or because no audio came any more
    QUESTION = auto()  # the same, and the turn is to be answered
    NO_TURN = auto()  # what was heard was no turn
    DISCARDED = auto()  # the client threw the turn's audio away
    REPLY_ASKED = auto()
    REPLY_CANCELLED = auto()
    REPLY_ENDED = auto()
    REPLY_MADE = auto()  # the same, and its end is still to be played
    PLAYED = auto()  # now it has been


class Do(Enum):
    OPEN_TURN = auto()
    CLOSE_TURN = auto()
    DROP_TURN = auto()
    THINK_AHEAD = auto()  # a reply to the turn so far, unheard; no more than one
    FORGET = auto()  # what was thought ahead, if anything
    CARRY = auto()  # the same, but that it may serve what is thought ahead next
    ANSWER = auto()  # with what was thought ahead, if anything
    START_REPLY = auto()
    HOLD_REPLY = auto()  # it goes on, and nothing of it is told
    RELEASE_REPLY = auto()
    ABORT_REPLY = auto()
    REPEAT_REPLY = auto()  # the one that was cut off, anew
    KEEP_REPLY = auto()  # that was made: all of it counts as heard
    CUT_REPLY = auto()  # that was made: what has been played of it counts as heard


class NotNow(Exception):
    """What was asked for does not fit the state of the turn."""


idle, hearing, replying, overlap, sounding, doubting, cut_off = State

TABLE: dict[tuple[State, Happened], tuple[State, tuple[Do, ...]]] = {
    (idle, Happened.SPEECH): (hearing, (Do.OPEN_TURN,)),
    (idle, Happened.INTERRUPTION): (hearing, (Do.OPEN_TURN,)),
    (idle, Happened.NO_TURN): (idle, ()),  # the reply that was held for it was cancelled meanwhile
    (idle, Happened.REPLY_ASKED): (replying, (Do.START_REPLY,)),
    (hearing, Happened.PAUSE): (hearing, (Do.THINK_AHEAD,)),
    (hearing, Happened.RESUMED): (hearing, (Do.CARRY,)),
    (hearing, Happened.SILENCE): (idle, (Do.FORGET, Do.CLOSE_TURN)),
    (hearing, Happened.QUESTION): (replying, (Do.CLOSE_TURN, Do.ANSWER)),
    (hearing, Happened.NO_TURN): (idle, (Do.FORGET, Do.DROP_TURN)),
    (hearing, Happened.DISCARDED): (idle, (Do.FORGET, Do.DROP_TURN)),
    # A reply that is asked for while the user speaks answers what was committed before.
    (hearing, Happened.REPLY_ASKED): (overlap, (Do.FORGET, Do.START_REPLY)),
    (replying, Happened.SPEECH): (overlap, (Do.OPEN_TURN,)),
    (replying, Happened.INTERRUPTION): (cut_off, (Do.ABORT_REPLY, Do.OPEN_TURN)),
    (replying, Happened.SOUND): (doubting, (Do.HOLD_REPLY,)),
    (replying, Happened.NO_TURN): (replying, ()),
    (replying, Happened.REPLY_CANCELLED): (idle, (Do.ABORT_REPLY,)),
    (replying, Happened.REPLY_ENDED): (idle, ()),
    (replying, Happened.REPLY_MADE): (sounding, ()),
    (sounding, Happened.SPEECH): (hearing, (Do.KEEP_REPLY, Do.OPEN_TURN)),  # it sounds on
    (sounding, Happened.INTERRUPTION): (cut_off, (Do.CUT_REPLY, Do.OPEN_TURN)),
    (sounding, Happened.SOUND): (sounding, ()),  # what the client has cannot be held back
    (sounding, Happened.NO_TURN): (sounding, ()),
    (sounding, Happened.PLAYED): (idle, (Do.KEEP_REPLY,)),
    (sounding, Happened.REPLY_ASKED): (replying, (Do.KEEP_REPLY, Do.START_REPLY)),
    (doubting, Happened.SPEECH): (overlap, (Do.OPEN_TURN, Do.RELEASE_REPLY)),  # it may no longer interrupt
    (doubting, Happened.INTERRUPTION): (cut_off, (Do.ABORT_REPLY, Do.OPEN_TURN)),
    (doubting, Happened.NO_TURN): (replying, (Do.RELEASE_REPLY,)),
    (doubting, Happened.DISCARDED): (replying, (Do.RELEASE_REPLY,)),
    (doubting, Happened.REPLY_ENDED): (idle, ()),  # with what was under way before it was held
    (doubting, Happened.REPLY_MADE): (sounding, ()),
    (doubting, Happened.REPLY_CANCELLED): (idle, (Do.ABORT_REPLY,)),
    (overlap, Happened.PAUSE): (overlap, ()),
    (overlap, Happened.RESUMED): (overlap, ()),
    (overlap, Happened.SILENCE): (replying, (Do.CLOSE_TURN,)),
    # The newer question counts.
    (overlap, Happened.QUESTION): (replying, (Do.ABORT_REPLY, Do.CLOSE_TURN, Do.ANSWER)),
    (overlap, Happened.NO_TURN): (replying, (Do.DROP_TURN,)),
    (overlap, Happened.DISCARDED): (replying, (Do.DROP_TURN,)),
    (overlap, Happened.REPLY_CANCELLED): (hearing, (Do.ABORT_REPLY,)),
    (overlap, Happened.REPLY_ENDED): (hearing, ()),
    (overlap, Happened.REPLY_MADE): (hearing, (Do.KEEP_REPLY,)),
    (cut_off, Happened.PAUSE): (cut_off, (Do.THINK_AHEAD,)),
    (cut_off, Happened.RESUMED): (cut_off, (Do.CARRY,)),
    (cut_off, Happened.SILENCE): (idle, (Do.FORGET, Do.CLOSE_TURN)),
    (cut_off, Happened.QUESTION): (replying, (Do.CLOSE_TURN, Do.ANSWER)),
    (cut_off, Happened.NO_TURN): (replying, (Do.FORGET, Do.DROP_TURN, Do.REPEAT_REPLY)),
    (cut_off, Happened.DISCARDED): (idle, (Do.FORGET, Do.DROP_TURN)),
    (cut_off, Happened.REPLY_ASKED): (overlap, (Do.FORGET, Do.START_REPLY)),
}

GUARDED = {replying, doubting, sounding}  # we speak and nobody else does: not every sound is a turn


def step(state: State, happened: Happened) -> tuple[State, tuple[Do, ...]]:
    """The next state, and what to do on the way. Raises NotNow where the table has no row."""
    try:
        return TABLE[state, happened]
    except KeyError:
        raise NotNow(f"{happened.name} while {state.name}") from None
