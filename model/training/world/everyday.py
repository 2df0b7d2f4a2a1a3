"""Small talk and facts: days, months, the clock, spelling, opposites, colours, greetings, nano itself.

Facts from closed lists cannot be held out: asked plainly they are always trained on, and polite words around
make what may be held out. Days further off and times on the clock are worked out in steps and go by what is
asked. Knows neither today's date nor the time of the user. Pure text.
"""

from __future__ import annotations

import random

from model.training.world.core import Answer, Rule, State, Utterance
from model.training.world.speech import DAYS, MONTHS, ONES, asked

PLAIN = "plain"  # the key that is always trained on
SOFT = ("",) * 9 + ("okay", "so", "now", "well", "um")

AFTER_PHRASES = (
    "what {k} comes after {n}",
    "which {k} comes after {n}",
    "what {k} follows {n}",
    "what {k} is after {n}",
    "what is the {k} after {n}",
)
BEFORE_PHRASES = (
    "what {k} comes before {n}",
    "which {k} comes before {n}",
    "what {k} is before {n}",
    "what is the {k} before {n}",
)
FAR_PHRASES = (
    "what day is {i} days {o} {n}",
    "which day is {i} days {o} {n}",
    "what day comes {i} days {o} {n}",
    "{i} days {o} {n}",
)
COUNTS = (("days", "a week", 7), ("months", "a year", 12), ("hours", "a day", 24), ("minutes", "an hour", 60))
COUNT_PHRASES = ("how many {k} are in {p}", "how many {k} does {p} have", "how many {k} are there in {p}")
TIME_PHRASES = (
    "what time is it {i} {o} {t}",
    "what time is it {i} {o} {t}",
    "what time is {i} {o} {t}",
    "what is {i} {o} {t}",
)
IN_PHRASES = ("it is {t} what time is it in {i}",)
FORMS = ("{h} o'clock", "half past {h}", "quarter past {h}", "quarter to {h}", "ten past {h}", "ten to {h}")
# Half an hour on from the first four forms, or back: the form then, and the hours that the named one moves.
HALF_ON = {0: (1, 0), 1: (0, 1), 2: (3, 1), 3: (2, 0)}
HALF_BACK = {0: (1, -1), 1: (0, 0), 2: (3, 0), 3: (2, -1)}
SPELLED = (
    *ONES[:13],
    *DAYS,
    *"red blue green yellow white black orange brown big small hot cold fast slow".split(),
    *"apples books birds eggs coins hello nano".split(),
)
SPELL_PHRASES = ("how do you spell {w}", "spell {w}", "spell the word {w}")
PAIRS = (
    ("big", "small"),
    ("hot", "cold"),
    ("fast", "slow"),
    ("high", "low"),
    ("loud", "quiet"),
    ("up", "down"),
    ("left", "right"),
    ("good", "bad"),
    ("happy", "sad"),
    ("old", "new"),
    ("black", "white"),
    ("yes", "no"),
    ("long", "short"),
    ("day", "night"),
    ("light", "dark"),
    ("full", "empty"),
    ("wet", "dry"),
    ("before", "after"),
)
OPPOSITES = dict(PAIRS) | {b: a for a, b in PAIRS}
OPPOSITE_PHRASES = ("what is the opposite of {w}", "what is the opposite of {w}", "the opposite of {w}")
COLOURS = {
    "the sky": "blue",
    "the sea": "blue",
    "the sun": "yellow",
    "grass": "green",
    "snow": "white",
    "milk": "white",
    "chocolate": "brown",
    "coal": "black",
    "a lemon": "yellow",
    "a banana": "yellow",
    "a tomato": "red",
    "a carrot": "orange",
}
COLOUR_PHRASES = (
    "what colour is {x}",
    "what colour is {x}",
    "which colour is {x}",
    "what is the colour of {x}",
)
MIXES = {
    ("blue", "yellow"): "green",
    ("red", "yellow"): "orange",
    ("red", "blue"): "purple",
    ("black", "white"): "grey",
    ("red", "white"): "pink",
}
MIX_PHRASES = (
    "what colour do you get if you mix {a} and {b}",
    "what do you get if you mix {a} and {b}",
    "mix {a} and {b}",
)
HELLO = "Hello! How can I help you?"
WELL = "I am well, thank you."
WELCOME = "You are welcome."
GREETINGS = {
    "hello": HELLO,
    "hi": HELLO,
    "hey": HELLO,
    "hello there": HELLO,
    "hi there": HELLO,
    "hello nano": HELLO,
    "hi nano": HELLO,
    "good morning": "Good morning! How can I help you?",
    "good evening": "Good evening! How can I help you?",
    "good afternoon": "Good afternoon! How can I help you?",
    "good morning nano": "Good morning! How can I help you?",
    "good evening nano": "Good evening! How can I help you?",
    "how are you": WELL,
    "how are you today": WELL,
    "hello how are you": WELL,
    "hi how are you": WELL,
    "how are you doing": WELL,
    "thank you": WELCOME,
    "thanks": WELCOME,
    "thanks a lot": WELCOME,
    "thank you very much": WELCOME,
    "thank you nano": WELCOME,
    "goodbye": "Goodbye!",
    "bye": "Goodbye!",
    "bye bye": "Goodbye!",
    "goodbye nano": "Goodbye!",
    "good night": "Good night!",
    "good night nano": "Good night!",
}
BRIEF = {
    HELLO: "Hello!",
    WELL: "Well, thank you.",
    WELCOME: "Welcome.",
    **{f"Good {t}! How can I help you?": f"Good {t}!" for t in ("morning", "evening", "afternoon")},
}
ABLE = "I can calculate, sort digits, tell days and times, spell words and remember what you say."
WHO = "I am {me}, a small voice assistant."
NAME = "My name is {me}."
SELF = {
    "who are you": WHO,
    "what are you": WHO,
    "what is your name": NAME,
    "tell me your name": NAME,
    "do you have a name": NAME,
    "what can you do": ABLE,
    "what do you know": ABLE,
    "how can you help me": ABLE,
    "can you help me": ABLE,
}


def _closed(
    r: random.Random, intent: str, plain: str, args: tuple[str, ...], soft: bool = False
) -> Utterance:
    """Of a closed list: plain it is always trained on."""
    words = " ".join(filter(None, (r.choice(SOFT), plain))) if soft else asked(r, plain)
    return Utterance("everyday", intent, words, PLAIN if words == plain else words, args)


# --- days, months ---


def _next(intent: str, names: list[str]) -> Rule:
    def make(r: random.Random) -> Utterance:
        after = r.random() < 0.6
        name = r.choice(names)
        phrase = r.choice(AFTER_PHRASES if after else BEFORE_PHRASES)
        return _closed(r, intent, phrase.format(k=intent, n=name), (name, "after" if after else "before"))

    def answer(state: State, said: Utterance) -> Answer:
        name, order = said.args
        found = names[(names.index(name) + (1 if order == "after" else -1)) % len(names)].capitalize()
        name = name.capitalize()
        reply = f"{found} comes {order} {name}."
        return Answer(reply, (f"{order} {name}: {found}",), brief=f"{found}.", state=state)

    return Rule(14 if names is DAYS else 12, make, answer)


def _counted(names: list[str], start: str, move: int) -> tuple[str, str]:
    """One by one: "two: +1 three, +2 four", and where it ends."""
    at, steps = names.index(start), []
    for n in range(1, abs(move) + 1):
        at = (at + (1 if move > 0 else -1)) % len(names)
        steps.append(f"{'+' if move > 0 else '-'}{n} {names[at]}")
    return f"{start}: {', '.join(steps) or start}", names[at]


def _far(r: random.Random) -> Utterance:
    name, n, order = r.choice(DAYS), r.choice((2, 2, 3)), r.choice(("after", "after", "before"))
    words = asked(r, r.choice(FAR_PHRASES).format(i=ONES[n], o=order, n=name))
    return Utterance("everyday", "days", words, f"{n} {order} {name}", (name, order, str(n)))


def _far_found(state: State, said: Utterance) -> Answer:
    name, order, n = said.args
    names = [day.capitalize() for day in DAYS]
    steps, found = _counted(names, name.capitalize(), int(n) if order == "after" else -int(n))
    reply = f"{found} comes {n} days {order} {name.capitalize()}."
    return Answer(reply, (steps,), brief=f"{found}.", state=state)


def _count(r: random.Random) -> Utterance:
    which = r.randrange(len(COUNTS))
    kind, period, _ = COUNTS[which]
    return _closed(r, "how_many", r.choice(COUNT_PHRASES).format(k=kind, p=period), (str(which),))


def _count_known(state: State, said: Utterance) -> Answer:
    kind, period, n = COUNTS[int(said.args[0])]
    reply = f"There are {n} {kind} in {period}."
    return Answer(reply, (f"{period}: {n} {kind}",), brief=f"{n}.", state=state)


# --- the clock ---

HOURS = ONES[1:13]


def _clock(r: random.Random) -> Utterance:
    """Args: the form, the hour, the hours moved, 0 with an order for half an hour."""
    half = r.random() < 0.25
    form = r.choice((0, 0, 1, 1, 2, 3) if half else (0, 0, 0, 1, 1, 2, 3, 4, 5))
    hour, n = r.choice(HOURS), 0 if half else r.choice((1, 1, 2, 2, 3, 4))
    order = r.choice(("after", "after", "before"))
    length = "half an hour" if half else "one hour" if n == 1 else f"{ONES[n]} hours"
    time = FORMS[form].format(h=hour)
    phrase = r.choice((*TIME_PHRASES, *IN_PHRASES) if order == "after" else TIME_PHRASES)
    words = asked(r, phrase.format(i=length, o=order, t=time))
    return Utterance("everyday", "clock", words, f"{length} {order} {time}", (str(form), hour, order, str(n)))


def _clock_read(state: State, said: Utterance) -> Answer:
    form, hour, order, n = int(said.args[0]), said.args[1], said.args[2], int(said.args[3])
    if n:
        steps, found = _counted(HOURS, hour, n if order == "after" else -n)
        lines: tuple[str, ...] = (steps,)
    else:
        then, move = (HALF_ON if order == "after" else HALF_BACK)[form]
        steps, found = _counted(HOURS, hour, move)
        sign = "+" if order == "after" else "-"
        lines = (f"{_bare(form)} {sign} half: {_bare(then)}", steps)
        form = then
    time = FORMS[form].format(h=found)
    return Answer(f"It is {time}.", lines, brief=f"{time.capitalize()}.", state=state)


def _bare(form: int) -> str:
    return FORMS[form].replace("{h}", "").strip()


# --- words ---


def _spell(r: random.Random) -> Utterance:
    word = r.choice(SPELLED)
    return _closed(r, "spell", r.choice(SPELL_PHRASES).format(w=word), (word,))


def _spelled(state: State, said: Utterance) -> Answer:
    word = said.args[0]
    return Answer(f"{' '.join(word)}.", (f"{word}: {' '.join(word)}",), state=state)


def _opposite(r: random.Random) -> Utterance:
    word = r.choice(list(OPPOSITES))
    return _closed(r, "opposite", r.choice(OPPOSITE_PHRASES).format(w=word), (word,))


def _opposed(state: State, said: Utterance) -> Answer:
    word = said.args[0]
    found = OPPOSITES[word]
    reply = f"The opposite of {word} is {found}."
    return Answer(reply, (f"{word}: {found}",), brief=f"{found.capitalize()}.", state=state)


def _colour(r: random.Random) -> Utterance:
    thing = r.choice(list(COLOURS))
    return _closed(r, "colour", r.choice(COLOUR_PHRASES).format(x=thing), (thing,))


def _coloured(state: State, said: Utterance) -> Answer:
    thing = said.args[0]
    found = COLOURS[thing]
    reply = f"{thing.capitalize()} is {found}."
    return Answer(reply, (f"{thing}: {found}",), brief=f"{found.capitalize()}.", state=state)


def _mix(r: random.Random) -> Utterance:
    pair = r.choice(list(MIXES))
    a, b = r.sample(pair, 2)
    return _closed(r, "mix", r.choice(MIX_PHRASES).format(a=a, b=b), (a, b))


def _mixed(state: State, said: Utterance) -> Answer:
    a, b = said.args
    found = MIXES.get((a, b)) or MIXES[b, a]
    reply = f"{a.capitalize()} and {b} make {found}."
    return Answer(reply, (f"{a} and {b}: {found}",), brief=f"{found.capitalize()}.", state=state)


# --- itself ---


def _greeting(r: random.Random) -> Utterance:
    plain = r.choice(list(GREETINGS))
    return _closed(r, "greeting", plain, (plain,), soft=True)


def _greeted(state: State, said: Utterance) -> Answer:
    reply = GREETINGS[said.args[0]]
    return Answer(reply, brief=BRIEF.get(reply, ""), state=state)


def _self(r: random.Random) -> Utterance:
    plain = r.choice(list(SELF))
    return _closed(r, "self", plain, (plain,), soft=True)


def _itself(state: State, said: Utterance) -> Answer:
    me = state.me if state.me == "nano" else state.me.capitalize()
    form = SELF[said.args[0]]
    brief = "Calculate." if form == ABLE else f"{me[:1].upper()}{me[1:]}."
    return Answer(form.format(me=me), brief=brief, state=state)


RULES: dict[str, Rule] = {
    "day": _next("day", DAYS),
    "month": _next("month", MONTHS),
    "days": Rule(8, _far, _far_found),
    "how_many": Rule(4, _count, _count_known),
    "clock": Rule(16, _clock, _clock_read),
    "spell": Rule(10, _spell, _spelled),
    "opposite": Rule(9, _opposite, _opposed),
    "colour": Rule(8, _colour, _coloured),
    "mix": Rule(4, _mix, _mixed),
    "greeting": Rule(9, _greeting, _greeted),
    "self": Rule(7, _self, _itself),
}
