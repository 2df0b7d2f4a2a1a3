"""Calculating: sums, differences, products, three numbers, halves, comparisons, problems of one sentence.

Keys are facts: a+b, (a+b)-b and the problem about them have one key, so that the working of what is held
out is never trained on in another dress (three numbers go by their first step; their second is not held out
where the first is trained on). Nothing beyond whole numbers: no fractions, no two-digit times two-digit above
twelve. Pure text.
"""

from __future__ import annotations

import random
from dataclasses import replace

from model.training.world import arithmetic
from model.training.world.core import Answer, Rule, State, Sum, Utterance
from model.training.world.speech import PEOPLE, asked, spoken

SIGNS = {"+": "plus", "-": "minus", "*": "times"}

# {a}, {b}, {c} and {n} are numbers.
SUMS = (
    *("what is {a} plus {b}",) * 4,
    *("{a} plus {b}",) * 3,
    "what is {a} and {b}",
    "{a} and {b}",
    "add {a} and {b}",
    "add {a} to {b}",
    "how much is {a} plus {b}",
    "how much is {a} and {b}",
    "what is the sum of {a} and {b}",
    "the sum of {a} and {b}",
    "what do you get if you add {a} and {b}",
    "calculate {a} plus {b}",
)
DIFFERENCES = (  # those that may go below zero first
    *("what is {a} minus {b}",) * 4,
    *("{a} minus {b}",) * 3,
    "how much is {a} minus {b}",
    "calculate {a} minus {b}",
    "subtract {b} from {a}",
    "take {b} from {a}",
    "take away {b} from {a}",
    "what is {a} take away {b}",
    "what is the difference between {a} and {b}",
)
SIGNED = 9
PRODUCTS = (
    *("what is {a} times {b}",) * 4,
    *("{a} times {b}",) * 3,
    "how much is {a} times {b}",
    "calculate {a} times {b}",
    "multiply {a} by {b}",
    "multiply {a} and {b}",
    "what is {a} multiplied by {b}",
    "what is the product of {a} and {b}",
)
THREES = (
    *("what is {a} {s} {b} {t} {c}",) * 3,
    *("{a} {s} {b} {t} {c}",) * 2,
    "how much is {a} {s} {b} {t} {c}",
    "calculate {a} {s} {b} {t} {c}",
)
SUMS3 = (
    "add {a} and {b} and {c}",
    "what is {a} and {b} and {c}",
    "what is the sum of {a} and {b} and {c}",
)
HALVES = (
    "what is half of {n}",
    "what is half of {n}",
    "half of {n}",
    "how much is half of {n}",
)
DOUBLES = ("what is double {n}", "double {n}", "how much is double {n}", "what is the double of {n}")
MORE = (
    "how many more is {a} than {b}",
    "how much more is {a} than {b}",
    "how much larger is {a} than {b}",
    "how many more do you need to get from {b} to {a}",
    "how much do you need to get from {b} to {a}",
)
LARGER = ("larger", "larger", "bigger", "greater", "more")
SMALLER = ("smaller", "smaller", "less")
WHICH = (
    "which is {w} {a} or {b}",
    "what is {w} {a} or {b}",
    "which number is {w} {a} or {b}",
)
THINGS = ("apples", "eggs", "books", "coins")
# What is said, the sign, the words that tell it, the reply. {p} and {q} are people, {x} things, {n} results.
STORIES = (
    ("{p} has {a} {x} and gets {b} more how many {x} does {p} have", "+", "gets", "{p} has {n} {x}."),
    ("{p} has {a} {x} and finds {b} more how many {x} does {p} have", "+", "finds", "{p} has {n} {x}."),
    ("{p} has {a} {x} and {q} has {b} how many {x} do they have", "+", "they", "They have {n} {x}."),
    ("there are {a} birds and {b} more come how many birds are there", "+", "come", "There are {n} birds."),
    ("{p} has {a} {x} and gives away {b} how many {x} are left", "-", "gives away", "{n} {x} are left."),
    ("{p} has {a} {x} and loses {b} how many {x} are left", "-", "loses", "{n} {x} are left."),
    ("there are {a} birds and {b} fly away how many are left", "-", "fly away", "{n} birds are left."),
    (
        "{p} has {a} {x} and {q} has {b} how many more does {p} have",
        "-",
        "how many more",
        "{p} has {n} more.",
    ),
    ("{p} buys {a} boxes with {b} {x} each how many {x} does {p} have", "*", "each", "{p} has {n} {x}."),
    ("there are {a} boxes with {b} {x} each how many {x} are there", "*", "each", "There are {n} {x}."),
)


def operand(r: random.Random) -> int:
    """Mostly 0 to 99 alike, some small, rarely 100."""
    kind = r.random()
    return r.randrange(100) if kind < 0.72 else r.randrange(21) if kind < 0.985 else 100


def fact(a: int, sign: str, b: int) -> str:
    """The key: the parts in order, whether put together or taken apart."""
    if sign == "-":
        a, b = sorted((abs(a - b), min(a, b)))
    elif sign == "/":
        a, b = a // 2, 2
    return f"{min(a, b)},{max(a, b)}"


def result(a: int, sign: str, b: int) -> int:
    """Of an expression; a slash is a half."""
    return {"+": a + b, "-": a - b, "*": a * b, "/": a // 2}[sign]


def working(a: int, sign: str, b: int) -> tuple[str, ...]:
    """The lines of one calculation."""
    if sign == "+":
        return (arithmetic.add(a, b),)
    if sign == "-":
        return arithmetic.subtract(a, b)
    return arithmetic.multiply(a, b) if sign == "*" else (arithmetic.halve(a),)


def _named(n: int) -> str:
    return str(n) if n >= 0 else f"minus {-n}"


def _said(
    r: random.Random, intent: str, phrase: str, key: str, args: tuple[str, ...], **values: int
) -> Utterance:
    """An utterance about numbers, also written in digits and, where args are an expression, as one."""
    words = asked(r, phrase.format(**{k: spoken(v) for k, v in values.items()}))
    digits = phrase.format(**values)
    signs = {"+", "-", "*", "/"}
    written = (" ".join(args), digits) if len(args) > 2 and args[1] in signs else (digits,)
    return Utterance("numbers", intent, words, key, args, written)


def _expression(r: random.Random, intent: str, phrase: str, a: int, sign: str, b: int) -> Utterance:
    return _said(r, intent, phrase, fact(a, sign, b), (str(a), sign, str(b)), a=a, b=b)


def _calculated(state: State, shown: str, n: int, reply: str, steps: tuple[str, ...], check: str) -> Answer:
    return Answer(reply, steps, (check,), f"{_named(n)}.", state=replace(state, last=Sum(shown, n)))


def _read(said: Utterance) -> tuple[int, str, int]:
    return int(said.args[0]), said.args[1], int(said.args[2])


# --- two numbers ---


def _sum(r: random.Random) -> Utterance:
    return _expression(r, "sum", r.choice(SUMS), operand(r), "+", operand(r))


def _difference(r: random.Random) -> Utterance:
    b, a = sorted((operand(r), operand(r)))
    if r.random() < 0.05:
        return _expression(r, "difference", r.choice(DIFFERENCES[:SIGNED]), b, "-", a)
    return _expression(r, "difference", r.choice(DIFFERENCES), a, "-", b)


def _product(r: random.Random) -> Utterance:
    if r.random() < 0.65:
        a, b = r.randrange(13), r.randrange(13)
    else:
        a, b = r.randrange(10, 100), r.randrange(2, 10)
        if r.random() < 0.3:
            a, b = b, a
    return _expression(r, "product", r.choice(PRODUCTS), a, "*", b)


def _double(r: random.Random) -> Utterance:
    n = r.randrange(51)
    return _said(r, "double", r.choice(DOUBLES), fact(n, "*", 2), (str(n), "*", "2"), n=n)


def _two(state: State, said: Utterance) -> Answer:
    a, sign, b = _read(said)
    n = result(a, sign, b)
    reply = f"Double {a} is {n}." if said.intent == "double" else f"{a} {SIGNS[sign]} {b} is {_named(n)}."
    return _calculated(state, f"{a}{sign}{b}", n, reply, working(a, sign, b), arithmetic.check(a, sign, b))


def _half(r: random.Random) -> Utterance:
    n = 2 * r.randrange(51)
    return _said(r, "half", r.choice(HALVES), fact(n, "/", 2), (str(n), "/", "2"), n=n)


def _halved(state: State, said: Utterance) -> Answer:
    n = int(said.args[0])
    reply = f"Half of {n} is {n // 2}."
    return _calculated(state, f"{n}/2", n // 2, reply, (arithmetic.halve(n),), arithmetic.check(n, "/", 2))


def _more(r: random.Random) -> Utterance:
    b, a = sorted((operand(r), operand(r)))
    return _expression(r, "more", r.choice(MORE), a, "-", b)


def _how_many_more(state: State, said: Utterance) -> Answer:
    a, sign, b = _read(said)
    reply = f"{a} is {a - b} more than {b}."
    return _calculated(state, f"{a}-{b}", a - b, reply, working(a, sign, b), arithmetic.check(a, sign, b))


# --- three numbers ---


def _held(key: str) -> bool:
    return Utterance("numbers", "", "", key).held_out


def _three(r: random.Random) -> Utterance:
    """No step goes below zero."""
    while True:
        a, b, c = (r.randrange(r.choice((21, 100))) for _ in range(3))
        s, t = ("+", "+") if r.random() < 0.6 else r.choice((("+", "-"), ("-", "+"), ("-", "-")))
        first = result(a, s, b)
        if first < 0 or result(first, t, c) < 0 or _held(fact(first, t, c)) and not _held(fact(a, s, b)):
            continue
        phrase = r.choice((*THREES, *SUMS3) if s == t == "+" else THREES)
        phrase = phrase.replace("{s}", SIGNS[s]).replace("{t}", SIGNS[t])
        return _said(r, "three", phrase, fact(a, s, b), (str(a), s, str(b), t, str(c)), a=a, b=b, c=c)


def _three_done(state: State, said: Utterance) -> Answer:
    (a, s, b), t, c = _read(said), said.args[3], int(said.args[4])
    first = result(a, s, b)
    n = result(first, t, c)
    return _calculated(
        state,
        "".join(said.args),
        n,
        f"{a} {SIGNS[s]} {b} {SIGNS[t]} {c} is {n}.",
        (*working(a, s, b), *working(first, t, c)),
        arithmetic.check(first, t, c),
    )


# --- problems ---


def _story(r: random.Random) -> Utterance:
    """At least two of everything, also at the end."""
    which = r.randrange(len(STORIES))
    phrase, sign, _, _ = STORIES[which]
    if sign == "*":
        a, b = r.randrange(2, 13), r.randrange(2, 13)
    else:
        top = r.choice((13, 21, 51))
        a, b = r.randrange(2, top), r.randrange(2, top)
        a = a + b if sign == "-" else a
    (p, q), x = r.sample(PEOPLE, 2), r.choice(THINGS)
    for name, value in (("{p}", p), ("{q}", q), ("{x}", x)):
        phrase = phrase.replace(name, value)
    args = (str(a), sign, str(b), str(which), p, x)
    words = phrase.format(a=spoken(a), b=spoken(b))
    if r.random() < 0.2:
        words = f"{r.choice(('okay', 'so', 'now', 'nano'))} {words}"
    return Utterance("numbers", "story", words, fact(a, sign, b), args, (phrase.format(a=a, b=b),))


def _story_told(state: State, said: Utterance) -> Answer:
    a, sign, b = _read(said)
    which, p, x = said.args[3:]
    _, _, tells, reply = STORIES[int(which)]
    n, shown = result(a, sign, b), f"{a}{sign}{b}"
    return _calculated(
        state,
        shown,
        n,
        reply.format(p=p.capitalize(), x=x, n=n),
        (f"{tells}: {shown}", *working(a, sign, b)),
        arithmetic.check(a, sign, b),
    )


# --- comparing ---


def _compare(r: random.Random) -> Utterance:
    a = operand(r)
    b = a if r.random() < 0.03 else operand(r)
    larger = r.random() < 0.6
    word = r.choice(LARGER if larger else SMALLER)
    which = r.random() < 0.6
    phrase = r.choice(WHICH).replace("{w}", word) if which else f"is {{a}} {word} than {{b}}"
    args = (str(a), str(b), "larger" if larger else "smaller", "" if which else word)
    return _said(r, "compare", phrase, f"{min(a, b)},{max(a, b)}", args, a=a, b=b)


def _compared(state: State, said: Utterance) -> Answer:
    """Gives a number at most, no calculation: the last result stays."""
    a, b, shown, word = int(said.args[0]), int(said.args[1]), said.args[2], said.args[3]
    steps = arithmetic.compare(a, b, shown)
    check = (f"check {arithmetic.compare(b, a, shown)}",)
    found = max(a, b) if shown == "larger" else min(a, b)
    if not word:
        if a == b:
            return Answer("They are the same.", (steps,), check, "The same.", state=state)
        return Answer(f"{found} is {shown}.", (steps,), check, f"{found}.", state=state)
    if a != b and a == found:
        return Answer(f"Yes, {a} is {word} than {b}.", (f"{steps}, yes",), check, "Yes.", state=state)
    return Answer(f"No, {a} is not {word} than {b}.", (f"{steps}, no",), check, "No.", state=state)


RULES: dict[str, Rule] = {
    "sum": Rule(25, _sum, _two),
    "difference": Rule(16, _difference, _two),
    "product": Rule(14, _product, _two),
    "three": Rule(16, _three, _three_done),
    "half": Rule(4, _half, _halved),
    "double": Rule(3, _double, _two),
    "more": Rule(5, _more, _how_many_more),
    "story": Rule(9, _story, _story_told),
    "compare": Rule(8, _compare, _compared),
}
