"""What the ear tells beyond the words: sounds counted and compared, how a voice speaks, what contradicts it.

The truth of each utterance is in its `args`, and its events and delivery are what makes the sound so
(sounds.py renders them). Where the words claim something, they are as often right as wrong: the intents
named `conflict_` are those where the sound says otherwise. The phrasing is what is held out, never a bare
one, since sounds are random anyway. Knows no samples, no tokens and no network.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model.training.world import scale
from model.training.world.core import Answer, Delivery, Event, Rule, State, Utterance
from model.training.world.events import beep, clap, several, sound, sweep, tones
from model.training.world.speech import asked, spoken

BARE = "bare"  # key of the phrasings without polite words: never held out
MOST = 6  # beeps or claps
OPENINGS = ("",) * 6 + ("okay", "so", "now", "please", "nano", "hey nano", "um")
ENDINGS = ("",) * 6 + ("please", "now", "nano")
NAMES = ("you", "they", "we")
DOINGS = ("like tea", "like coffee", "live here", "have a car", "speak english", "know that")


# --- utterances ---


def _made(
    r: random.Random,
    intent: str,
    bare: str,
    words: str,
    args: Sequence[str],
    events: Sequence[Event] = (),
    delivery: Delivery | None = None,
) -> Utterance:
    """The sounds come before the words or after them."""
    first = r.random() < 0.5
    return Utterance(
        "perception",
        intent,
        words,
        BARE if words == bare else words,
        tuple(args),
        before=tuple(events) if first else (),
        after=() if first else tuple(events),
        delivery=delivery or Delivery(),
    )


def _question(
    r: random.Random,
    intent: str,
    phrasings: Sequence[str],
    args: Sequence[str],
    events: Sequence[Event] = (),
    delivery: Delivery | None = None,
) -> Utterance:
    bare = r.choice(phrasings)
    words = asked(r, bare) if r.random() < 0.5 else _polite(r, bare)
    return _made(r, intent, bare, words, args, events, delivery)


def _said(
    r: random.Random,
    intent: str,
    phrasings: Sequence[str],
    args: Sequence[str],
    events: Sequence[Event] = (),
    delivery: Delivery | None = None,
) -> Utterance:
    bare = r.choice(phrasings)
    return _made(r, intent, bare, _polite(r, bare), args, events, delivery)


def _polite(r: random.Random, words: str) -> str:
    before, after = r.choice(OPENINGS), r.choice(ENDINGS)
    if after and (after in before or words.endswith(after)):
        after = ""
    return " ".join(filter(None, (before, words, after)))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def sounds(r: random.Random) -> Utterance:
    """Sounds alone, for the ears to learn from: nothing is asked, so no rule answers it."""
    return Utterance("perception", "sounds", "", BARE, before=tuple(several(r)))


# --- counting ---


def _counted(kind: str, n: int) -> str:
    if n == 1:
        return f"there was 1 {kind}"
    return f"there were {n or 'no'} {kind}s"


def _counting(n: int) -> str:
    return "count: " + (" ".join(map(str, range(1, n + 1))) or "0")


def _count_events(r: random.Random, kind: str, n: int) -> list[Event]:
    pitch = 400 * 2 ** r.uniform(0, 2) if r.random() < 0.6 else None  # mostly all beeps alike
    return [beep(r, pitch) if kind == "beep" else clap(r) for _ in range(n)]


def _make_count(r: random.Random) -> Utterance:
    kind, other = r.sample(("beep", "clap"), 2)
    n, others = r.randint(1, MOST), 0
    if r.random() < 0.25:
        n, others = r.randint(0, 3), r.randint(1, 3)
    events = _count_events(r, kind, n) + _count_events(r, other, others)
    r.shuffle(events)
    phrasings = f"how many {kind}s", f"how many {kind}s did you hear", f"count the {kind}s"
    return _question(r, "count", phrasings, (kind, str(n)), events)


def _answer_count(state: State, said: Utterance) -> Answer:
    kind, n = said.args[0], int(said.args[1])
    return Answer(_sentence(_counted(kind, n)), (_counting(n),), (), f"{n}.", state=state)


def _make_count_claim(agrees: bool) -> Callable[[random.Random], Utterance]:
    def make(r: random.Random) -> Utterance:
        kind = r.choice(("beep", "clap"))
        n = r.randint(1, MOST)
        claimed = n if agrees else r.choice([i for i in range(1, MOST + 1) if i != n])
        name = spoken(claimed) + f" {kind}" + ("s" if claimed > 1 else "")
        phrasings = f"you hear {name}", f"i hear {name}"
        intent = "claim_count" if agrees else "conflict_count"
        return _said(r, intent, phrasings, (kind, str(n), str(claimed)), _count_events(r, kind, n))

    return make


def _answer_count_claim(state: State, said: Utterance) -> Answer:
    kind, n, claimed = said.args[0], int(said.args[1]), int(said.args[2])
    return _claimed(state, _counted(kind, n), str(claimed), str(n), (_counting(n), f"words: {claimed}"))


def _claimed(state: State, fact: str, claim: str, truth: str, steps: tuple[str, ...]) -> Answer:
    if claim == truth:
        return Answer(f"Yes, {fact}.", steps, (), "Yes.", state=state)
    return Answer(f"You say {claim}, but {fact}.", steps, (), f"No, {truth}.", state=state)


# --- two tones ---

COMPARED = {  # what is asked: the property, and its names for less and for more
    "higher": ("pitch", "low", "high"),
    "lower": ("pitch", "low", "high"),
    "louder": ("level", "quiet", "loud"),
    "longer": ("length", "short", "long"),
    "shorter": ("length", "short", "long"),
}
LESS = ("lower", "shorter")


def _make_tones(
    intent: str, mores: Sequence[str], agrees: bool | None = None
) -> Callable[[random.Random], Utterance]:
    """A question, or a claim that agrees with the sounds or does not."""

    def make(r: random.Random) -> Utterance:
        more = r.choice(mores)
        which = r.choice(("first", "second"))
        other = "second" if which == "first" else "first"
        events = tones(r, COMPARED[more][0], (which == "first") != (more in LESS))
        if agrees is None:
            phrasings = f"which tone is {more}", f"which tone was {more}"
            return _question(r, intent, phrasings, (more, which), events)
        claim = which if agrees else other
        return _said(r, intent, (f"the {claim} tone is {more}",), (more, which, claim), events)

    return make


def _compared(said: Utterance) -> str:
    more, which = said.args[:2]
    name, less, much = COMPARED[more]
    of_which, of_other = (less, much) if more in LESS else (much, less)
    first, second = (of_which, of_other) if which == "first" else (of_other, of_which)
    letters = "".join(scale.LETTERS[scale.step(e, name)] for e in said.before + said.after)
    return f"{name}: {letters}, first {first}, second {second}"


def _answer_tones(state: State, said: Utterance) -> Answer:
    more, which = said.args[:2]
    fact = f"the {which} tone was {more}"
    if len(said.args) == 3:
        steps = _compared(said), f"words: {said.args[2]}"
        return _claimed(state, fact, f"the {said.args[2]}", f"the {which}", steps)
    return Answer(_sentence(fact), (_compared(said),), (), f"The {which}.", state=state)


def _make_sweep(r: random.Random) -> Utterance:
    up = r.random() < 0.5
    phrasings = "rising or falling", "is it rising or falling", "is the tone rising or falling"
    return _question(r, "sweep", phrasings, ("rising" if up else "falling",), (sweep(r, up),))


def _answer_sweep(state: State, said: Utterance) -> Answer:
    (event,) = said.before + said.after
    way = said.args[0]
    steps = (f"pitch: {scale.letters(event)}, {way}",)
    return Answer(f"It was {way}.", steps, (), f"{way.capitalize()}.", state=state)


def _make_order(r: random.Random) -> Utterance:
    kinds = r.sample(("beep", "clap", "music", "noise"), r.choice((2, 2, 3)))
    place = r.choice(("first", "last"))
    phrasings = f"what came {place}", f"which sound came {place}", f"what did you hear {place}"
    which = kinds[0] if place == "first" else kinds[-1]
    return _question(r, "order", phrasings, (which, place, *kinds), [sound(r, k) for k in kinds])


def _answer_order(state: State, said: Utterance) -> Answer:
    which, place, *kinds = said.args
    steps = (f"order: {', '.join(kinds)}",)
    return Answer(f"The {which} came {place}.", steps, (), f"The {which}.", state=state)


# --- the voice ---


@dataclass(frozen=True)
class Manner:
    """A way to speak: how it is asked and claimed, and what is then true of the voice."""

    truth: str
    name: str  # as a claim would have it
    fact: str
    delivery: Delivery
    claims: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """Two manners that exclude each other."""

    label: str
    asked: tuple[str, ...]
    manners: tuple[Manner, Manner]


PROPERTIES = {
    "pitch": Property(
        "voice",
        ("is my voice high or low", "do i speak high or low"),
        (
            Manner(
                "high",
                "high",
                "your voice is high",
                Delivery(pitch="high"),
                ("my voice is high", "my voice is very high", "i speak very high"),
            ),
            Manner(
                "low",
                "low",
                "your voice is low",
                Delivery(pitch="low"),
                ("my voice is low", "my voice is very low", "i speak very low"),
            ),
        ),
    ),
    "speed": Property(
        "voice",
        ("am i speaking fast or slowly", "do i speak fast or slowly"),
        (
            Manner(
                "fast",
                "fast",
                "you speak fast",
                Delivery(speed="fast"),
                ("i am speaking very fast", "i am speaking fast", "i speak very fast"),
            ),
            Manner(
                "slow",
                "slowly",
                "you speak slowly",
                Delivery(speed="slow"),
                ("i am speaking very slowly", "i am speaking slowly", "i speak very slowly"),
            ),
        ),
    ),
    "level": Property(
        "voice",
        ("am i loud or quiet", "am i speaking loud or quiet", "is my voice loud or quiet"),
        (
            Manner(
                "loud",
                "loud",
                "you are loud",
                Delivery(level="loud"),
                ("i am loud", "i am very loud", "my voice is loud"),
            ),
            Manner(
                "quiet",
                "quiet",
                "you are quiet",
                Delivery(level="quiet"),
                ("i am quiet", "i am very quiet", "my voice is quiet"),
            ),
        ),
    ),
    "whisper": Property(
        "voice",
        ("am i whispering", "am i whispering or not", "do i whisper"),
        (
            Manner(
                "whisper",
                "whispering",
                "you whisper",
                Delivery(whisper=True),
                ("i am whispering", "i am whispering now", "i whisper"),
            ),
            Manner(
                "normal",
                "not whispering",
                "you do not whisper",
                Delivery(whisper=False),
                ("i am not whispering", "i am not whispering now", "i do not whisper"),
            ),
        ),
    ),
    "noise": Property(
        "around",
        ("is there a noise here", "do you hear a noise", "is it quiet here"),
        (
            Manner(
                "noise",
                "a noise",
                "there is a noise",
                Delivery(noise=True),
                ("there is a noise here", "i hear a noise", "you hear a noise"),
            ),
            Manner(
                "quiet",
                "quiet",
                "it is quiet here",
                Delivery(noise=False),
                ("it is quiet here", "it is very quiet here", "there is no noise here"),
            ),
        ),
    ),
}


def _make_manner(name: str) -> Callable[[random.Random], Utterance]:
    def make(r: random.Random) -> Utterance:
        manner = r.choice(PROPERTIES[name].manners)
        return _question(
            r, f"voice_{name}", PROPERTIES[name].asked, (manner.truth,), delivery=manner.delivery
        )

    return make


def _manner(name: str, truth: str) -> Manner:
    return next(m for m in PROPERTIES[name].manners if m.truth == truth)


def _answer_manner(name: str) -> Callable[[State, Utterance], Answer]:
    def answer(state: State, said: Utterance) -> Answer:
        manner = _manner(name, said.args[0])
        steps = (f"{PROPERTIES[name].label}: {manner.truth}",)
        return Answer(_sentence(manner.fact), steps, (), _sentence(manner.name), state=state)

    return answer


def _make_manner_claim(name: str, agrees: bool) -> Callable[[random.Random], Utterance]:
    def make(r: random.Random) -> Utterance:
        claimed, other = r.sample(PROPERTIES[name].manners, 2)
        truth = claimed if agrees else other
        intent = f"{'claim' if agrees else 'conflict'}_{name}"
        args = truth.truth, claimed.truth
        return _said(r, intent, claimed.claims, args, delivery=truth.delivery)

    return make


def _answer_manner_claim(name: str) -> Callable[[State, Utterance], Answer]:
    def answer(state: State, said: Utterance) -> Answer:
        truth, claimed = _manner(name, said.args[0]), _manner(name, said.args[1])
        steps = f"{PROPERTIES[name].label}: {truth.truth}", f"words: {claimed.truth}"
        return _claimed(state, truth.fact, claimed.name, truth.name, steps)

    return answer


def _make_both(r: random.Random) -> Utterance:
    pitch, speed = r.choice(("high", "low")), r.choice(("fast", "slow"))
    delivery = replace(_manner("pitch", pitch).delivery, speed=_manner("speed", speed).delivery.speed)
    phrasings = "how do i sound", "how do i speak", "how is my voice"
    return _question(r, "voice_both", phrasings, (pitch, speed), delivery=delivery)


def _answer_both(state: State, said: Utterance) -> Answer:
    pitch, speed = _manner("pitch", said.args[0]), _manner("speed", said.args[1])
    steps = f"voice: {pitch.truth}", f"voice: {speed.truth}"
    reply = f"{_sentence(pitch.fact)[:-1]} and {speed.fact}."
    return Answer(reply, steps, (), f"{pitch.name.capitalize()} and {speed.name}.", state=state)


# --- the melody ---


def _make_melody(r: random.Random) -> Utterance:
    rising = r.random() < 0.5
    opening = " ".join(filter(None, (r.choice(OPENINGS), "question or statement")))
    words = f"{opening} {r.choice(NAMES)} {r.choice(DOINGS)}"
    delivery = Delivery(melody="rising" if rising else "falling")
    args = ("question" if rising else "statement",)
    return Utterance("perception", "melody", words, words, args, delivery=delivery)


def _answer_melody(state: State, said: Utterance) -> Answer:
    kind = said.args[0]
    steps = (f"melody: {'rising' if kind == 'question' else 'falling'}",)
    return Answer(f"That was a {kind}.", steps, (), f"A {kind}.", state=state)


RULES: dict[str, Rule] = {
    "count": Rule(18, _make_count, _answer_count),
    "tones_pitch": Rule(6, _make_tones("tones_pitch", ("higher", "lower")), _answer_tones),
    "tones_level": Rule(4, _make_tones("tones_level", ("louder",)), _answer_tones),
    "tones_length": Rule(5, _make_tones("tones_length", ("longer", "shorter")), _answer_tones),
    "sweep": Rule(6, _make_sweep, _answer_sweep),
    "order": Rule(8, _make_order, _answer_order),
    "voice_both": Rule(5, _make_both, _answer_both),
    "melody": Rule(8, _make_melody, _answer_melody),
    "claim_count": Rule(2.5, _make_count_claim(True), _answer_count_claim),
    "conflict_count": Rule(2.5, _make_count_claim(False), _answer_count_claim),
    "claim_tones": Rule(2, _make_tones("claim_tones", list(COMPARED), True), _answer_tones),
    "conflict_tones": Rule(2, _make_tones("conflict_tones", list(COMPARED), False), _answer_tones),
}
for _name in PROPERTIES:
    RULES[f"voice_{_name}"] = Rule(5, _make_manner(_name), _answer_manner(_name))
    RULES[f"claim_{_name}"] = Rule(2.5, _make_manner_claim(_name, True), _answer_manner_claim(_name))
    RULES[f"conflict_{_name}"] = Rule(2.5, _make_manner_claim(_name, False), _answer_manner_claim(_name))
