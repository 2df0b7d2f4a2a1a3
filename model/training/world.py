"""The world that nano knows: a seed gives a question, the thoughts that lead to its answer, and the reply.

Pure text. Sums, differences and products are worked out column by column, because thinking pays at this
size only where each step is small. A part of every family is held out for evaluation, chosen by a hash
of what the question is about. Knows no audio, no tokens and no network.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

NAME = "nano"
NOT_UNDERSTOOD = "I did not understand that."
HELD_OUT = 8  # one in so many is for evaluation alone

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()

FAMILIES = {  # share of the spoken questions
    "sum": 38,
    "sum3": 3,
    "difference": 12,
    "product": 10,
    "digits": 12,
    "comparison": 8,
    "calendar": 7,
    "greeting": 3,
    "self": 3,
    "other": 4,
}


@dataclass(frozen=True)
class Question:
    """What is said, and how nano should answer.

    `key` is what the question is about: questions with one key are all held out or all trained on.
    """

    family: str
    words: str  # as said: lower case, no punctuation
    chain: str  # the thoughts, the first line being what was heard
    reply: str
    key: str
    typed: str = ""  # another way to write it, with digits

    @property
    def held_out(self) -> bool:
        digest = hashlib.sha256(f"{self.family.removesuffix('3')}:{self.key}".encode()).digest()
        return digest[0] % HELD_OUT == 0


def spoken(n: int) -> str:
    """A number from 0 to 100 in words."""
    if n < 20:
        return ONES[n]
    if n == 100:
        return "one hundred"
    return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")


def _digit(n: int, column: int) -> int:
    return n // 10**column % 10


def add(a: int, b: int) -> list[str]:
    """Column by column, the last column in full: 27 + 5 is 7+5=12, 2+0+1=3, 32."""
    steps, carry = [], 0
    for column in range(max(len(str(a)), len(str(b)))):
        x, y = _digit(a, column), _digit(b, column)
        total = x + y + carry
        steps.append(f"{x}+{y}+1={total}" if carry else f"{x}+{y}={total}")
        carry = total // 10
    return [*steps, str(a + b)]


def subtract(a: int, b: int) -> list[str]:
    """For a >= b: 52 - 28 is 2<8, 12-8=4, 5-2-1=2, 24."""
    steps, borrow = [], 0
    for column in range(len(str(a))):
        x, y = _digit(a, column), _digit(b, column)
        if x < y + borrow:
            steps.append(f"{x}<{y}+1" if borrow else f"{x}<{y}")
            x += 10
        steps.append(f"{x}-{y}-1={x - y - 1}" if borrow else f"{x}-{y}={x - y}")
        borrow = int(x >= 10)
    return [*steps, str(a - b)]


def _times_digit(a: int, b: int) -> list[str]:
    """For a digit b: 27 * 5 is 7*5=35, 2*5=10, 10+3=13, 135."""
    steps, carry = [], 0
    for column in range(len(str(a))):
        part = _digit(a, column) * b
        steps.append(f"{_digit(a, column)}*{b}={part}")
        if carry:
            steps.append(f"{part}+{carry}={part + carry}")
        carry = (part + carry) // 10
    return [*steps, str(a * b)]


def _line(a: int, sign: str, b: int, steps: list[str]) -> str:
    return f"{a}{sign}{b}: {', '.join(steps)}"


def multiply(a: int, b: int) -> str:
    """The whole chain of a product, one line a partial product."""
    if b > 9 and a <= 9:
        return _line(a, "*", b, [f"{b}*{a}", *_times_digit(b, a)])
    if b <= 9:
        return _line(a, "*", b, _times_digit(a, b))
    lines, total = [], 0
    for column in range(len(str(b))):
        digit = _digit(b, column)
        part = a * digit * 10**column
        lines.append(_line(a, "*", digit, _times_digit(a, digit)))
        if column:
            lines.append(_line(total, "+", part, add(total, part)))
        total += part
    return "\n".join(lines)


# Phrasings. {a} and {b} are numbers in words.
SUMS = (
    "what is {a} plus {b}",
    "what is {a} plus {b}",
    "what is {a} plus {b}",
    "{a} plus {b}",
    "{a} plus {b}",
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
    "what does {a} plus {b} make",
)
SUMS3 = (
    "what is {a} plus {b} plus {c}",
    "{a} plus {b} plus {c}",
    "add {a} and {b} and {c}",
    "how much is {a} plus {b} plus {c}",
)
DIFFERENCES = (
    "what is {a} minus {b}",
    "what is {a} minus {b}",
    "{a} minus {b}",
    "how much is {a} minus {b}",
    "calculate {a} minus {b}",
    "subtract {b} from {a}",
    "take {b} from {a}",
    "take away {b} from {a}",
    "what is {a} take away {b}",
    "what is the difference between {a} and {b}",
)
PRODUCTS = (
    "what is {a} times {b}",
    "what is {a} times {b}",
    "{a} times {b}",
    "how much is {a} times {b}",
    "calculate {a} times {b}",
    "multiply {a} by {b}",
    "what is {a} multiplied by {b}",
    "what is the product of {a} and {b}",
)
BIGGER = ("larger", "bigger", "greater", "more")
SMALLER = ("smaller", "less")
AFTER_PHRASES = (
    "what {k} comes after {n}",
    "which {k} comes after {n}",
    "what {k} follows {n}",
    "what {k} is after {n}",
    "which {k} follows {n}",
    "what is the {k} after {n}",
)
BEFORE_PHRASES = (
    "what {k} comes before {n}",
    "which {k} comes before {n}",
    "what {k} is before {n}",
    "what is the {k} before {n}",
)
GREETINGS = {
    "hello": "Hello! How can I help you?",
    "hi": "Hello! How can I help you?",
    "hello there": "Hello! How can I help you?",
    "hi there": "Hello! How can I help you?",
    "hey": "Hello! How can I help you?",
    "hey there": "Hello! How can I help you?",
    "hello nano": "Hello! How can I help you?",
    "hi nano": "Hello! How can I help you?",
    "good morning": "Good morning! How can I help you?",
    "good evening": "Good evening! How can I help you?",
    "good afternoon": "Good afternoon! How can I help you?",
    "good morning nano": "Good morning! How can I help you?",
    "good evening nano": "Good evening! How can I help you?",
    "how are you": "I am well, thank you.",
    "how are you today": "I am well, thank you.",
    "hello how are you": "I am well, thank you.",
    "hi how are you": "I am well, thank you.",
    "how are you doing": "I am well, thank you.",
    "thank you": "You are welcome.",
    "thanks": "You are welcome.",
    "thanks a lot": "You are welcome.",
    "thank you very much": "You are welcome.",
    "thank you nano": "You are welcome.",
    "goodbye": "Goodbye!",
    "bye": "Goodbye!",
    "bye bye": "Goodbye!",
    "good night": "Good night!",
    "good night nano": "Good night!",
    "goodbye nano": "Goodbye!",
}
ABLE = "I can add, subtract and multiply numbers, compare them, and tell days and months."
SELF = {
    "who are you": "I am nano, a small voice assistant.",
    "what are you": "I am nano, a small voice assistant.",
    "what is your name": "My name is nano.",
    "tell me your name": "My name is nano.",
    "do you have a name": "My name is nano.",
    "what are you called": "My name is nano.",
    "what can you do": ABLE,
    "what do you know": ABLE,
    "how can you help me": ABLE,
    "can you help me": ABLE,
}
BEFORE = ("",) * 9 + ("please", "okay", "so", "now", "can you tell me", "tell me", "nano", "hey nano", "um")
AFTER = ("",) * 9 + ("please",)
SOFT = ("",) * 9 + ("okay", "so", "now", "well", "um")

# Sentences of another world: nano is to say that it did not understand them.
THINGS = (
    "dog cat house garden window door table river mountain car train flower tree bird music song book letter "
    "kitchen bread water coffee weather rain snow summer winter street school teacher doctor king queen city "
    "friend brother sister horse ship island story picture paper chair bottle shoe jacket apple orange cheese"
).split()
DOES = (
    "sees finds likes wants buys sells opens closes paints carries loses forgets follows hears watches"
).split()
QUALITIES = (
    "red green blue old new small big cold warm dark bright quiet loud happy sad strange lovely".split()
)
OTHERS: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"the {r.choice(THINGS)} {r.choice(DOES)} the {r.choice(THINGS)}",
    lambda r: f"my {r.choice(THINGS)} is {r.choice(QUALITIES)} and {r.choice(QUALITIES)}",
    lambda r: f"where is the {r.choice(QUALITIES)} {r.choice(THINGS)}",
    lambda r: f"play some {r.choice(QUALITIES)} music in the {r.choice(THINGS)}",
    lambda r: f"why is the {r.choice(THINGS)} so {r.choice(QUALITIES)}",
    lambda r: f"a {r.choice(QUALITIES)} {r.choice(THINGS)} {r.choice(DOES)} my {r.choice(THINGS)}",
    lambda r: f"tell me about the {r.choice(THINGS)} and the {r.choice(THINGS)}",
    lambda r: f"what is the {r.choice(THINGS)} of the {r.choice(THINGS)}",
    lambda r: f"i would like a {r.choice(QUALITIES)} {r.choice(THINGS)}",
    lambda r: f"turn on the {r.choice(THINGS)} near the {r.choice(THINGS)}",
)


def operand(r: random.Random) -> int:
    """Mostly 0 to 99 alike, some small, rarely 100."""
    kind = r.random()
    return r.randrange(100) if kind < 0.86 else r.randrange(21) if kind < 0.99 else 100


def _asked(r: random.Random, words: str) -> str:
    """With polite words around."""
    before = r.choice(BEFORE)
    if before in ("can you tell me", "tell me") and words.split()[0] not in ("what", "how", "which"):
        before = ""
    if before == "can you tell me" or not before:
        return " ".join(filter(None, (before, words, r.choice(AFTER))))
    return f"{before} {words}"


def _pair(a: int, b: int) -> str:
    return f"{min(a, b)},{max(a, b)}"


def _sum(r: random.Random) -> Question:
    a, b = operand(r), operand(r)
    words = _asked(r, r.choice(SUMS).format(a=spoken(a), b=spoken(b)))
    chain = f"heard: {words}\n{_line(a, '+', b, add(a, b))}"
    return Question("sum", words, chain, f"{a} plus {b} is {a + b}.", _pair(a, b), f"{a} + {b}")


def _sum3(r: random.Random) -> Question:
    a, b, c = (r.randrange(100) for _ in range(3))
    words = _asked(r, r.choice(SUMS3).format(a=spoken(a), b=spoken(b), c=spoken(c)))
    chain = f"heard: {words}\n{_line(a, '+', b, add(a, b))}\n{_line(a + b, '+', c, add(a + b, c))}"
    reply = f"{a} plus {b} plus {c} is {a + b + c}."
    return Question("sum3", words, chain, reply, _pair(a, b), f"{a} + {b} + {c}")


def _difference(r: random.Random) -> Question:
    b, a = sorted((operand(r), operand(r)))
    negative = a != b and r.random() < 0.06
    phrase = r.choice(DIFFERENCES[:5] if negative else DIFFERENCES)
    lines = _line(a, "-", b, subtract(a, b))
    result = str(a - b)
    key = f"{a},{b}"
    if negative:
        a, b = b, a
        lines = f"{a}-{b}: {a}<{b}\n{lines}"
        result = f"minus {result}"
    words = _asked(r, phrase.format(a=spoken(a), b=spoken(b)))
    return Question(
        "difference", words, f"heard: {words}\n{lines}", f"{a} minus {b} is {result}.", key, f"{a} - {b}"
    )


def _product(r: random.Random) -> Question:
    kind = r.random()
    tops = (13, 13) if kind < 0.5 else (10, 100) if kind < 0.8 else (100, 100)
    a, b = (r.randrange(top) for top in r.sample(tops, 2))
    words = _asked(r, r.choice(PRODUCTS).format(a=spoken(a), b=spoken(b)))
    chain = f"heard: {words}\n{multiply(a, b)}"
    return Question("product", words, chain, f"{a} times {b} is {a * b}.", _pair(a, b), f"{a} * {b}")


def _digits(r: random.Random) -> Question:
    if r.random() < 0.12:  # one number alone
        n = r.randrange(10, 100)
        return Question("digits", spoken(n), f"heard: {spoken(n)}\n{n}", f"{n}.", "alone", str(n))
    digits = [r.randrange(10) for _ in range(r.choice((1, 2, 3, 3, 4, 4, 4, 5, 6, 7)))]
    oh = r.random() < 0.15
    words = " ".join("oh" if d == 0 and oh else ONES[d] for d in digits)
    written = " ".join(map(str, digits))
    key = written if len(digits) > 2 else "alone"
    return Question("digits", words, f"heard: {words}\n{written}", f"{written}.", key, written)


def _compare(a: int, b: int) -> str:
    """The steps that find the larger: tens first, then ones."""
    steps = []
    for column in range(max(len(str(a)), len(str(b))) - 1, -1, -1):
        x, y = _digit(a, column), _digit(b, column)
        steps.append(f"{x}{'<' if x < y else '>' if x > y else '='}{y}")
        if x != y:
            break
    return f"{a},{b}: {', '.join(steps)}"


def _comparison(r: random.Random) -> Question:
    a, b = operand(r), operand(r)
    up = r.random() < 0.6
    word = r.choice(BIGGER if up else SMALLER)
    right = a > b if up else a < b
    if r.random() < 0.6:
        which = r.choice(
            ("which is {w} {a} or {b}", "what is {w} {a} or {b}", "which number is {w} {a} or {b}")
        )
        words = which.format(w=word, a=spoken(a), b=spoken(b))
        shown = "larger" if up else "smaller"
        reply = "They are the same." if a == b else f"{max(a, b) if up else min(a, b)} is {shown}."
    else:
        words = f"is {spoken(a)} {word} than {spoken(b)}"
        reply = f"Yes, {a} is {word} than {b}." if right else f"No, {a} is not {word} than {b}."
    words = _asked(r, words)
    return Question("comparison", words, f"heard: {words}\n{_compare(a, b)}", reply, _pair(a, b))


def _calendar(r: random.Random) -> Question:
    kind, names = r.choice((("day", DAYS), ("month", MONTHS)))
    i = r.randrange(len(names))
    if r.random() < 0.08:
        period, count = ("week", 7) if kind == "day" else ("year", 12)
        words, fact = f"how many {kind}s are in a {period}", f"{count} {kind}s."
        reply = f"There are {count} {kind}s in a {period}."
    else:
        later = r.random() < 0.65
        phrase = r.choice(AFTER_PHRASES if later else BEFORE_PHRASES)
        words = phrase.format(k=kind, n=names[i])
        other = names[(i + (1 if later else -1)) % len(names)].capitalize()
        order = "after" if later else "before"
        fact = f"{order} {names[i].capitalize()}: {other}"
        reply = f"{other} comes {order} {names[i].capitalize()}."
    words = _asked(r, words)
    return Question("calendar", words, f"heard: {words}\n{fact}", reply, words)


def _fixed(family: str, table: dict[str, str]) -> Callable[[random.Random], Question]:
    def make(r: random.Random) -> Question:
        plain = r.choice(list(table))
        words = " ".join(filter(None, (r.choice(SOFT), plain)))
        # The bare phrase is always trained on: it could not be known otherwise.
        return Question(family, words, f"heard: {words}", table[plain], words if words != plain else "bare")

    return make


def _other(r: random.Random) -> Question:
    words = r.choice(OTHERS)(r)
    return Question("other", words, "heard: something else", NOT_UNDERSTOOD, words)


def nothing_said(what: str) -> Question:
    """`what` is silence or noise."""
    return Question("nothing", "", f"heard: {what}", NOT_UNDERSTOOD, what)


MAKERS: dict[str, Callable[[random.Random], Question]] = {
    "sum": _sum,
    "sum3": _sum3,
    "difference": _difference,
    "product": _product,
    "digits": _digits,
    "comparison": _comparison,
    "calendar": _calendar,
    "greeting": _fixed("greeting", GREETINGS),
    "self": _fixed("self", SELF),
    "other": _other,
}


def question(seed: int | str, family: str | None = None, held_out: bool = False) -> Question:
    """The question of a seed. What is held out comes only where `held_out` is True."""
    r = random.Random(f"world {family} {seed}")
    family = family or r.choices(list(FAMILIES), weights=list(FAMILIES.values()))[0]
    while True:
        found = MAKERS[family](r)
        if found.held_out == held_out:
            return found


def typed(found: Question, r: random.Random) -> str:
    """How somebody might type a question: as it is said, as a sentence, or in digits."""
    kind = r.random()
    if found.typed and kind < 0.25:
        return r.choice(("{}", "What is {}?", "{} =", "What is {}")).format(found.typed)
    if kind < 0.6:
        return found.words[:1].upper() + found.words[1:] + r.choice(("", "?", "."))
    return found.words


@lru_cache(maxsize=1)
def vocabulary() -> list[str]:
    """All words that the world's questions and replies are made of, most common first."""
    counts: dict[str, int] = {}
    for seed in range(20_000):
        found = question(f"vocabulary {seed}")
        said = "" if found.family == "other" else found.words
        texts = [said, found.chain, found.reply, typed(found, random.Random(seed)) if said else ""]
        for word in " ".join(texts).replace("\n", " ").split():
            plain = word.strip(".,!?:")
            if plain.isalpha():
                counts[plain] = counts.get(plain, 0) + 1
    return sorted(counts, key=lambda w: (-counts[w], w))
