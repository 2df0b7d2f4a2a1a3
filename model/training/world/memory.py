"""What nano keeps of a conversation: names, things to remember, the last words, the last result.

A follow-up ("and plus three") goes on from the last result, a correction ("no i said fifteen") replaces its
last operand. Where the last reply was broken off, its result may not be readable, so it is worked out anew.
Knows no conversation beside its State, and no audio.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from model.training.world import unknown
from model.training.world.arithmetic import add, halve, multiply, subtract
from model.training.world.core import Answer, Rule, State, Sum, Utterance
from model.training.world.speech import DAYS, PEOPLE, asked, spoken

NO_NUMBER = "I have no number yet."
LARGEST = 999  # a result beyond it is told, but not gone on from
BARE = "as it is"  # the key of phrases that are always trained on: they could not be known otherwise

COLOURS = "red green blue yellow black white orange purple pink brown".split()
THINGS = "apple banana pencil ticket umbrella basket hammer lemon candle pillow".split()
KINDS = {"colour": COLOURS, "day": DAYS, "word": THINGS}

SOFT = ("",) * 6 + ("okay", "so", "well", "um", "nano", "hey nano")
REQUESTS = "remember keep do call add subtract take multiply double halve".split()
TELL_NAME = (
    "my name is {}",
    "my name is {}",
    "i am {}",
    "i am called {}",
    "call me {}",
    "hello my name is {}",
    "hi my name is {}",
    "hello i am {}",
    "hi i am {}",
    "no my name is {}",
)
ASK_NAME = (
    "what is my name",
    "what is my name",
    "who am i",
    "do you know my name",
    "do you remember my name",
    "what am i called",
    "what name did i tell you",
    "do you know who i am",
)
REMEMBER = (
    "remember the {kind} {value}",
    "remember the {kind} {value}",
    "remember {value}",
    "remember that the {kind} is {value}",
    "keep the {kind} {value} in mind",
    "do not forget the {kind} {value}",
    "do not forget {value}",
    "my {kind} is {value}",
    "the {kind} is {value}",
)
ASK_KEPT = (
    "what {kind} did i tell you",
    "which {kind} did i tell you",
    "which {kind} should you remember",
    "what {kind} should you remember",
    "what was the {kind}",
    "what was my {kind}",
    "do you remember the {kind}",
    "do you remember my {kind}",
)
ASK_ANY = (
    "what should you remember",
    "what did i tell you to remember",
    "what do you remember",
)
ASK_SAID = (
    "what did i say",
    "what did i just say",
    "what have i said",
    "what have i just said",
    "repeat what i said",
    "repeat what i just said",
    "can you repeat what i said",
    "what were my words",
)
FOLLOWING = {
    "+": ("and plus {}", "plus {}", "add {}", "now add {}", "and add {}", "add {} to that", "and {} more"),
    "-": (
        "and minus {}",
        "minus {}",
        "take away {}",
        "now take away {}",
        "subtract {}",
        "and subtract {}",
        "subtract {} from that",
    ),
    "*": ("and times {}", "times {}", "multiply that by {}", "now multiply by {}", "multiply it by {}"),
}
DOUBLE = ("double it", "double that", "now double it", "and double that")
HALF = ("half of that", "what is half of that", "and half of that", "now halve it", "halve that", "halve it")
CORRECT = (
    "no i said {}",
    "no i said {}",
    "i said {}",
    "i meant {}",
    "no i meant {}",
    "sorry i meant {}",
    "no {}",
    "no not that i said {}",
    "no it was {}",
    "i did not say that i said {}",
)
NAMES_OF_SIGNS = {"+": "plus", "-": "minus", "*": "times"}


# --- making ---


def _said(
    intent: str,
    words: str,
    args: tuple[str, ...] = (),
    bare: Sequence[str] = (),
    written: tuple[str, ...] = (),
) -> Utterance:
    key = BARE if words in bare else words
    return Utterance("memory", f"memory_{intent}", words, key, args, written)


def _soft(r: random.Random, words: str) -> str:
    """With a small word before it."""
    soft = (*SOFT, "please") if words.split()[0] in REQUESTS else SOFT
    return " ".join(filter(None, (r.choice(soft), words)))


def _tell_name(r: random.Random) -> Utterance:
    name = r.choice(PEOPLE)
    words = _soft(r, r.choice(TELL_NAME).format(name))
    return _said("tell_name", words, (name.capitalize(),))


def _ask_name(r: random.Random) -> Utterance:
    return _said("ask_name", asked(r, r.choice(ASK_NAME)), bare=ASK_NAME)


def _remember_number(r: random.Random) -> Utterance:
    n = r.randrange(100) if r.random() < 0.8 else r.randrange(1000)
    phrase = r.choice(REMEMBER)
    plain = phrase.format(kind="number", value=n)
    words = _soft(r, phrase.format(kind="number", value=spoken(n)))
    return _said("remember", words, ("number", str(n)), written=(plain, plain.capitalize() + "."))


def _remember(r: random.Random) -> Utterance:
    kind = r.choice(list(KINDS))
    value = r.choice(KINDS[kind])
    words = _soft(r, r.choice(REMEMBER).format(kind=kind, value=value))
    return _said("remember_word", words, (kind, value.capitalize() if kind == "day" else value))


def _ask_kept(r: random.Random) -> Utterance:
    kind = r.choice(("number", "number", *KINDS, ""))
    phrases = ASK_KEPT if kind else ASK_ANY
    words = asked(r, r.choice(phrases).format(kind=kind))
    return _said("ask_kept", words, (kind,), bare=[p.format(kind=kind) for p in phrases])


def _ask_said(r: random.Random) -> Utterance:
    return _said("ask_said", asked(r, r.choice(ASK_SAID)), bare=ASK_SAID)


def _follow(r: random.Random) -> Utterance:
    sign = r.choice("+++--*")
    n = r.randrange(2, 11) if sign == "*" else r.randrange(1, 21) if r.random() < 0.6 else r.randrange(1, 100)
    phrase = r.choice(FOLLOWING[sign])
    words = _soft(r, phrase.format(spoken(n)))
    return _said("follow", words, (sign, str(n)), written=(phrase.format(n), f"{sign} {n}"))


def _double(r: random.Random) -> Utterance:
    return _said("double", _soft(r, r.choice(DOUBLE)), ("*", "2"), bare=DOUBLE)


def _half(r: random.Random) -> Utterance:
    return _said("half", _soft(r, r.choice(HALF)), bare=HALF)


def _correct(r: random.Random) -> Utterance:
    n = r.randrange(100)
    phrase = r.choice(CORRECT)
    written = phrase.format(n).replace("no ", "No, ", 1).replace("i ", "I ") + "."
    return _said("correct", _soft(r, phrase.format(spoken(n))), (str(n),), written=(written,))


# --- working ---


def _shown(n: int) -> str:
    return f"minus {-n}" if n < 0 else str(n)


def _product(a: int, b: int) -> list[str]:
    """Larger numbers by the digits of `b`, and the parts added."""
    if min(a, b) <= 12:
        return list(multiply(a, b))
    tens, ones = divmod(b, 10)
    return [*multiply(a, ones), *_product(a, tens), add(a * ones, a * tens * 10)]


def _worked(a: int, sign: str, b: int) -> tuple[list[str], int]:
    """The lines, which know no minus, and the result; `a` may be below zero."""
    if sign == "*":
        return _product(abs(a), b), a * b
    if sign == "+":
        return ([add(a, b)] if a >= 0 else list(subtract(b, -a))), a + b
    return (list(subtract(a, b)) if a >= 0 else [add(-a, b)]), a - b


def _terms(shown: str) -> tuple[int, list[tuple[str, int]]] | None:
    """The first number, then signs with numbers; None for anything but plain sums and products."""
    if not re.fullmatch(r"-?\d+([+*-]\d+)+", shown):
        return None
    start = re.match(r"-?\d+", shown)
    assert start
    rest = [(sign, int(n)) for sign, n in re.findall(r"([+*-])(\d+)", shown[start.end() :])]
    if "*" in (signs := {sign for sign, _ in rest}) and len(signs) > 1:
        return None
    return int(start.group()), rest


def _whole(first: int, rest: Sequence[tuple[str, int]]) -> tuple[list[str], int]:
    lines: list[str] = []
    total = first
    for sign, n in rest:
        more, total = _worked(total, sign, n)
        lines += more
    return lines, total


def _before(state: State, last: Sum) -> list[str]:
    """How the last result is known: read, or worked out again."""
    if state.cut:
        if terms := _terms(last.shown):
            first, *others = _whole(*terms)[0]
            return [f"before {first}", *others]
        if last.shown.endswith("/2") and last.result >= 0:
            return [f"before {halve(2 * last.result)}"]
    return [f"before: {_shown(last.result)}"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _result(state: State, steps: Sequence[str], shown: str, told: str, result: int) -> Answer:
    return Answer(
        f"{_capital(told)} is {_shown(result)}.",
        tuple(steps),
        brief=f"{_capital(_shown(result))}.",
        state=replace(state, last=Sum(shown, result)),
    )


# --- answering ---


def _follow_answer(state: State, said: Utterance) -> Answer:
    last = state.last
    if not last:
        return Answer(NO_NUMBER, ("before: none",), brief="None.", state=state)
    steps = _before(state, last)
    if abs(last.result) > LARGEST:
        return _too_large(state, last, steps)
    sign, n = said.args[0], int(said.args[1])
    lines, result = _worked(last.result, sign, n)
    told = f"{_shown(last.result)} {NAMES_OF_SIGNS[sign]} {n}"
    return _result(state, [*steps, *lines], f"{last.result}{sign}{n}", told, result)


def _too_large(state: State, last: Sum, steps: Sequence[str]) -> Answer:
    reply = f"{_capital(_shown(last.result))} is too large for me."
    return Answer(reply, (*steps, f"{abs(last.result)}>{LARGEST}"), state=state)


def _half_answer(state: State, said: Utterance) -> Answer:
    last = state.last
    if not last:
        return Answer(NO_NUMBER, ("before: none",), brief="None.", state=state)
    steps = _before(state, last)
    if abs(last.result) > LARGEST:
        return _too_large(state, last, steps)
    n = last.result
    if n % 2:
        reply = f"{_capital(_shown(n))} is odd, it has no half."
        return Answer(reply, (*steps, f"{abs(n) % 10} is odd"), brief="None.", state=state)
    half = n // 2
    return _result(state, [*steps, halve(abs(n))], f"{n}/2", f"half of {_shown(n)}", half)


def _correct_answer(state: State, said: Utterance) -> Answer:
    terms = _terms(state.last.shown) if state.last else None
    if not state.last or not terms:
        return Answer(NO_NUMBER, ("before: none",), brief="None.", state=state)
    first, rest = terms
    n = int(said.args[0])
    rest = [*rest[:-1], (rest[-1][0], n)]
    shown = str(first) + "".join(f"{sign}{m}" for sign, m in rest)
    told = _shown(first) + "".join(f" {NAMES_OF_SIGNS[sign]} {m}" for sign, m in rest)
    lines, result = _whole(first, rest)
    return _result(state, [f"before: {state.last.shown}, now {shown}", *lines], shown, told, result)


def _tell_name_answer(state: State, said: Utterance) -> Answer:
    name = said.args[0]
    return Answer(f"Hello {name}.", (f"name: {name}",), brief="Hello.", state=replace(state, name=name))


def _ask_name_answer(state: State, said: Utterance) -> Answer:
    if not state.name:
        return Answer("You have not told me your name.", ("name: none",), brief="Unknown.", state=state)
    reply = f"Your name is {state.name}."
    return Answer(reply, (f"name: {state.name}",), brief=f"{state.name}.", state=state)


def _remember_answer(state: State, said: Utterance) -> Answer:
    kind, value = said.args
    kept = (*(pair for pair in state.kept if pair[0] != kind), (kind, value))
    reply = f"I will remember the {kind} {value}."
    return Answer(reply, (f"{kind}: {value}",), brief=f"{_capital(value)}.", state=replace(state, kept=kept))


def _ask_kept_answer(state: State, said: Utterance) -> Answer:
    wanted = said.args[0]
    found = [pair for pair in state.kept if not wanted or pair[0] == wanted]
    if not found:
        what = f"a {wanted}" if wanted else "anything to remember"
        return Answer(
            f"You have not told me {what}.", (f"{wanted or 'kept'}: none",), brief="Unknown.", state=state
        )
    kind, value = found[-1]
    return Answer(f"The {kind} is {value}.", (f"{kind}: {value}",), brief=f"{_capital(value)}.", state=state)


def _ask_said_answer(state: State, said: Utterance) -> Answer:
    if not state.said:
        return Answer("You have not said anything before.", ("before: none",), brief="Nothing.", state=state)
    words = state.said[-1]
    if not words:
        return Answer("You said nothing.", ("before: no words",), brief="Nothing.", state=state)
    if unknown.strange(words):
        reply = "I did not understand what you said."
        return Answer(reply, ("before: something else",), brief="Unknown.", state=state)
    return Answer(f"You said: {words}.", (f"before: {words}",), state=state)


RULES: dict[str, Rule] = {
    "memory_tell_name": Rule(13, _tell_name, _tell_name_answer),
    "memory_ask_name": Rule(11, _ask_name, _ask_name_answer),
    "memory_remember": Rule(8, _remember_number, _remember_answer),
    "memory_remember_word": Rule(12, _remember, _remember_answer),
    "memory_ask_kept": Rule(15, _ask_kept, _ask_kept_answer),
    "memory_ask_said": Rule(9, _ask_said, _ask_said_answer),
    "memory_follow": Rule(22, _follow, _follow_answer),
    "memory_double": Rule(4, _double, _follow_answer),
    "memory_half": Rule(4, _half, _half_answer),
    "memory_correct": Rule(12, _correct, _correct_answer),
}
