"""Strings of digits: said alone they are read back; sorted, reversed, largest, smallest or sum on request.

One number alone is read back too. Keys are the digits, whatever is asked of them; a single digit and a number
alone cannot be held out. Pure text.
"""

from __future__ import annotations

import random

from model.training.world import arithmetic
from model.training.world.core import Answer, Rule, State, Utterance
from model.training.world.speech import ONES, asked, spoken

ALONE = "alone"  # the key that is always trained on
PHRASES = {  # {d} are the digits
    "sort": (
        "sort {d}",
        "sort {d}",
        "sort the digits {d}",
        "put {d} in order",
        "put the digits {d} in order",
    ),
    "reverse": (
        "reverse {d}",
        "reverse the digits {d}",
        "say {d} backwards",
        "say {d} backwards",
        "what is {d} backwards",
    ),
    "largest": (
        "what is the largest of {d}",
        "which is the largest of {d}",
        "what is the largest digit of {d}",
        "the largest of {d}",
    ),
    "smallest": (
        "what is the smallest of {d}",
        "which is the smallest of {d}",
        "what is the smallest digit of {d}",
        "the smallest of {d}",
    ),
    "digit_sum": (
        "add up {d}",
        "add up the digits {d}",
        "what is the sum of the digits {d}",
        "the sum of the digits {d}",
    ),
}


def _spoken(r: random.Random, digits: list[int]) -> str:
    oh = r.random() < 0.2
    return " ".join("oh" if d == 0 and oh else ONES[d] for d in digits)


def _read_back(r: random.Random) -> Utterance:
    """Of 62: 25 single digits, 27 of 2 to 4, 6 longer, 4 numbers."""
    (kind,) = r.choices(("one", "few", "many", "number"), weights=(25, 27, 6, 4))
    if kind == "number":
        n = r.randrange(10, 101)
        return Utterance("sequences", "digits", spoken(n), ALONE, (str(n),), (str(n),))
    size = 1 if kind == "one" else r.choice((2, 3, 3, 4) if kind == "few" else (5, 5, 6, 6, 7, 8))
    digits = [r.randrange(10) for _ in range(size)]
    shown = " ".join(map(str, digits))
    key = shown if size > 1 else ALONE
    return Utterance("sequences", "digits", _spoken(r, digits), key, tuple(shown.split()), (shown,))


def _readback(state: State, said: Utterance) -> Answer:
    shown = " ".join(said.args)
    return Answer(f"{shown}.", (shown,), state=state)


def _rule(weight: float, intent: str) -> Rule:
    def make(r: random.Random) -> Utterance:
        size = r.choice((2, 3, 3, 4) if intent == "digit_sum" else (3, 3, 4, 4, 5))
        digits = [r.randrange(10) for _ in range(size)]
        shown = " ".join(map(str, digits))
        phrase = r.choice(PHRASES[intent])
        words = asked(r, phrase.format(d=_spoken(r, digits)))
        return Utterance("sequences", intent, words, shown, tuple(shown.split()), (phrase.format(d=shown),))

    return Rule(weight, make, ANSWERS[intent])


def _taken(said: Utterance, last: bool) -> tuple[str, str]:
    """Digits taken out one by one, the smallest or the last each time: the working and the result."""
    left, steps, out = list(said.args), [], []
    while left:
        before = " ".join(left)
        found = left.pop() if last else left.pop(left.index(min(left)))
        steps.append(f"{before}: {found}")
        out.append(found)
    return " | ".join(steps), " ".join(out)


def _sorted(state: State, said: Utterance) -> Answer:
    steps, shown = _taken(said, last=False)
    return Answer(f"{shown}.", (steps,), state=state)


def _reversed(state: State, said: Utterance) -> Answer:
    steps, shown = _taken(said, last=True)
    return Answer(f"{shown}.", (steps,), state=state)


def _most(state: State, said: Utterance) -> Answer:
    """The best so far against each next: 5 2 9: 5>2, 5<9, 9."""
    best, steps = said.args[0], []
    for d in said.args[1:]:
        steps.append(f"{best}{'<' if best < d else '>' if best > d else '='}{d}")
        best = max(best, d) if said.intent == "largest" else min(best, d)
    line = f"{' '.join(said.args)}: {', '.join([*steps, best])}"
    return Answer(f"The {said.intent} is {best}.", (line,), brief=f"{best}.", state=state)


def _added(state: State, said: Utterance) -> Answer:
    total, steps = int(said.args[0]), []
    for d in said.args[1:]:
        steps.append(arithmetic.add(total, int(d)))
        total += int(d)
    return Answer(f"The sum is {total}.", tuple(steps), brief=f"{total}.", state=state)


ANSWERS = {
    "sort": _sorted,
    "reverse": _reversed,
    "largest": _most,
    "smallest": _most,
    "digit_sum": _added,
}
RULES: dict[str, Rule] = {
    "digits": Rule(62, _read_back, _readback),
    "sort": _rule(9, "sort"),
    "reverse": _rule(10, "reverse"),
    "largest": _rule(7, "largest"),
    "smallest": _rule(5, "smallest"),
    "digit_sum": _rule(7, "digit_sum"),
}
