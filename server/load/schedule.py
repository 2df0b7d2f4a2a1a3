"""Who calls when and says what: all of it drawn beforehand from a seed, and nothing of it from the server.

That is what makes the load an open one. Callers arrive as a Poisson process; each of them says turn after
turn, with a gap between that has a least length (the turn itself, and a breath) and is exponential beyond
it. A server that is late does not slow this down: what could not be said when it was due is said as soon as
may be, and its wait counts from when it was due (no "coordinated omission"). Pure: knows no clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

DIAL = 1.0  # seconds from calling to the first turn
BREATH = 1.5  # seconds between two turns at least: a reply has to find its place there
PAUSE = 0.35  # seconds of a pause within a turn: less than what ends one by default (0.5)
CUT_IN = 0.05, 0.8  # seconds from the first sign of a reply until it is cut off
CUTTING = 0.8  # seconds of what cuts in, at least: a server may take less for "mhm", and go on

# An `interrupted` question is answered by nobody: the `barge-in` behind it is spoken into its reply.
Kind = Literal["question", "pause", "follow-up", "interrupted", "barge-in", "tool"]


@dataclass(frozen=True)
class Shares:
    """Of the turns, what share is of which kind; the rest are plain questions."""

    pauses: float = 0.2
    follow_ups: float = 0.1
    barge_ins: float = 0.1
    tools: float = 0.1

    def __post_init__(self) -> None:
        """Raises ValueError."""
        shares = vars(self).values()
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError("shares: expected numbers from 0 on that are 1 together at most")


@dataclass(frozen=True)
class Sayable:
    """What the schedule has to know of a question."""

    seconds: float
    after: int | None = None  # the question that has to have been said before
    tool: bool = False  # it is answered by a call


@dataclass(frozen=True)
class Turn:
    at: float  # seconds from the start of the run at which it is due
    question: int
    kind: Kind
    chance: float = 0.0  # 0 to 1: where a pause is, and how soon a reply is cut off


@dataclass(frozen=True)
class Call:
    """One conversation."""

    at: float
    turns: tuple[Turn, ...]

    @property
    def tools(self) -> bool:
        """Tools are offered in it."""
        return any(turn.kind == "tool" for turn in self.turns)


@dataclass(frozen=True)
class Load:
    """`every`: seconds from one turn of a caller to its next, on average; `turns`: of a call, on average."""

    callers: int
    seconds: float
    every: float = 10.0
    turns: float = 6.0
    shares: Shares = Shares()
    seed: int = 1

    @property
    def ramp(self) -> float:
        """Seconds within which the callers arrive; what is due by then is not measured."""
        return self.every


def schedule(load: Load, sayable: Sequence[Sayable]) -> list[list[Call]]:
    """The calls of each caller, one after the other.

    A kind of which there is no question is not asked. Raises ValueError where nothing can be asked, or turns
    come sooner than they can be said.
    """
    plain = [n for n, one in enumerate(sayable) if one.after is None and not one.tool]
    if not plain:
        raise ValueError("expected a question that needs neither another one before it nor a tool")
    longest = max(one.seconds for one in sayable) + BREATH + PAUSE
    if load.every <= longest:
        raise ValueError(f"a turn takes up to {longest:.1f} s: expected more from one to the next")
    dice = random.Random(f"arrivals {load.seed}")
    arrivals = sorted(dice.uniform(0, load.ramp) for _ in range(load.callers))  # Poisson, given their number
    return [
        list(_calls(load, sayable, plain, arrival, random.Random(f"caller {load.seed} {n}")))
        for n, arrival in enumerate(arrivals)
    ]


def _calls(
    load: Load, sayable: Sequence[Sayable], plain: list[int], arrival: float, dice: random.Random
) -> Iterator[Call]:
    at = arrival
    end = load.ramp + load.seconds
    while at < end:
        begins, turns = at, list[Turn]()
        at += DIAL
        while at < end:
            for question, kind in _exchange(load.shares, sayable, plain, dice):
                turns.append(Turn(at, question, kind, dice.random()))
                at += _gap(load.every, sayable[question].seconds, kind, dice)
            if dice.random() * load.turns < 1:
                break
        yield Call(begins, tuple(turns))


def _gap(every: float, seconds: float, kind: Kind, dice: random.Random) -> float:
    """From the beginning of a turn to that of the next."""
    least = seconds + BREATH + PAUSE
    return least if kind == "interrupted" else least + dice.expovariate(1 / (every - least))


def _exchange(
    shares: Shares, sayable: Sequence[Sayable], plain: list[int], dice: random.Random
) -> list[tuple[int, Kind]]:
    """What is said next: a turn, or two that belong together."""
    chance = dice.random()
    later = [n for n, one in enumerate(sayable) if one.after is not None and not one.tool]
    tools = [n for n, one in enumerate(sayable) if one.tool]
    question = dice.choice(plain)
    kinds: list[tuple[float, Kind]] = [
        (shares.pauses, "pause"),
        (shares.barge_ins, "barge-in"),
        (shares.follow_ups if later else 0.0, "follow-up"),
        (shares.tools if tools else 0.0, "tool"),
    ]
    kind: Kind = "question"
    for share, name in kinds:
        if chance < share:
            kind = name
            break
        chance -= share
    match kind:
        case "barge-in":
            able = [n for n in plain if sayable[n].seconds >= CUTTING] or plain
            first = dice.choice(plain)
            return [(first, "interrupted"), (question if question in able else dice.choice(able), kind)]
        case "follow-up":
            found = dice.choice(later)
            before = sayable[found].after
            assert before is not None
            return [(before, "question"), (found, kind)]
        case "tool":
            return [(dice.choice(tools), kind)]
    return [(question, kind)]
