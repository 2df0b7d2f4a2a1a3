"""One conversation as it stands between two steps: all that another server needs to go on with it.

Plain frozen values. A turn that is being spoken has the audio heard so far, a reply in the making what was
told of it: its continuation begins behind that. What nobody was told is not here: thoughts ahead, and what
was decoded or spoken and not sent. Positions are samples of the sample clock (16 kHz), sizes of sound those
of the voice (24 kHz). Knows no engine, no clock and no store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streaming.events import Item, ResponseRequest, Timings, Usage
from streaming.turn import State


@dataclass(frozen=True)
class Turn:
    """Of the conversation. `samples` (int16, 16 kHz) are compared by nobody: they never change."""

    items: tuple[Item, ...]
    kept: bool = True
    open: bool = False
    key: str = ""
    samples: NDArray[np.int16] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Marks:
    """With which sample so many characters of a reply have been spoken."""

    samples: tuple[int, ...] = (0,)
    characters: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Spoken:
    """How far a spoken reply was told.

    `told`: characters whose words were told; `begins`: those behind which sound is to go on, fewer where the
    sound was told and not played; `rest`: the sound that the last word lacks.
    """

    told: int
    begins: int
    marks: Marks = Marks()
    sent: int = 0  # samples
    rest: bytes = b""


@dataclass(frozen=True)
class Making:
    """A reply in the making. `age`: seconds since what its timings count from."""

    response_id: str
    item_id: str
    request: ResponseRequest
    age: float
    items: tuple[Item, ...] = ()
    thinking: str = ""
    thinking_told: bool = False
    text: str = ""  # decoded
    finish: str | None = None  # why the decoding ended, if it has
    usage: Usage = Usage()
    timings: Timings = Timings()
    spoken: Spoken | None = None


@dataclass(frozen=True)
class Made:
    """A reply of which it may still be told how much was heard."""

    item_id: str
    text: str
    marks: Marks


@dataclass(frozen=True)
class Dictation:
    """A turn that is being written down. `seconds`: its length."""

    item_id: str
    seconds: float
    text: str = ""  # that was told


@dataclass(frozen=True)
class Hearing:
    """The turn that is being spoken. `heard`: its audio as it came, float32 at 16 kHz."""

    turn_id: str
    start: int
    heard: tuple[NDArray[np.float32], ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Snapshot:
    """`clock`: the audio up to there is in here, or of no matter; what came behind it is not."""

    clock: int = 0
    state: State = State.IDLE
    turns: tuple[Turn, ...] = ()
    hearing: Hearing | None = None
    making: Making | None = None
    asides: tuple[Making, ...] = ()
    request: ResponseRequest = ResponseRequest()  # of the newest reply
    made: tuple[Made, ...] = ()
    dictations: tuple[Dictation, ...] = ()
