"""Instructions: system prompts as they may stand before a conversation, and what obeying them means.

A prompt may give nano another name, a style of answering or a language, which it does not have and says so;
everything else in it is harmless. Some phrasings come in evaluation alone. Knows no tools and no tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from model.training.world.core import Answer, State

NANO = "You are nano, a small voice assistant."
ONLY_ENGLISH = "I only speak English."
NAMES = "Max Luna Aria Felix Nova Otto Stella Hugo Iris Milo Robin Juno".split()
LANGUAGES = "French German Spanish Italian Dutch Polish Swedish Russian".split()

# Of every table: what is trained on, and what comes where `held_out` is True.
GENERAL = (
    (
        "You are nano.",
        "You are a helpful assistant.",
        "You are a friendly voice assistant.",
        "You are a helpful voice assistant.",
        "Answer briefly.",
        "Be kind and brief.",
        "Be brief.",
        "Speak slowly and clearly.",
        "You are a calculator.",
        "Help the user with numbers, days and months.",
        "You are a polite assistant. Keep your replies short.",
        "Today is Monday.",
        "The user is in the kitchen.",
        "You work in a small shop. Be friendly to everybody.",
        "Think before you answer.",
        "You help people at home. Be patient, honest and careful.",
        "Never give medical or legal advice.",
        "You answer the telephone of a hotel.",
    ),
    (
        "You are a careful and honest assistant.",
        "Keep it short, please.",
        "You help visitors of a museum.",
        "Listen well and be polite.",
    ),
)
NAMED = (
    (
        "Your name is {}.",
        "You are {}, a voice assistant.",
        "You are {}.",
        "Your name is {}. You help with numbers.",
        "You are a voice assistant. Your name is {}.",
        "You are called {}.",
        "You are {}, a helpful assistant. Be brief.",
    ),
    ("Your name is {}. Be friendly.", "You are a small assistant called {}.", "Hello, you are {} now."),
)
ONE_WORD = (
    (
        "Answer in one word.",
        "Give one word answers only.",
        "Reply with one word.",
        "Use only one word in each answer.",
        "Always answer in one word.",
        "Your replies are one word long.",
    ),
    ("One word answers, please.", "Reply in one word only.", "Please use one word in each reply."),
)
SENTENCES = (
    (
        "Answer in full sentences.",
        "Always answer in full sentences.",
        "Use full sentences.",
        "Reply in full sentences.",
        "Speak in whole sentences.",
    ),
    ("Full sentences, please.", "Please reply in whole sentences."),
)
SPEAK = (
    (
        "Speak {}.",
        "Answer in {}.",
        "Reply in {}.",
        "Always answer in {}.",
        "Speak only {}.",
        "You speak {}.",
        "The user wants answers in {}.",
    ),
    ("Please speak {}.", "Use {} in your replies.", "Always reply in {}."),
)
WORDS = (
    "dog cat house garden window door table river mountain car train flower tree bird song book letter "
    "kitchen bread water street school teacher city friend island story picture paper chair bottle shoe "
    "jacket and the of with for not is are must always never often should please when where because every "
    "other user customer question answer order company product service support policy account appointment "
    "information conversation professional responsible experience understanding communication "
    "extraordinary international requirements representative confidentiality troubleshooting "
    "unfortunately administrator characteristics immediately recommendation environment documentation "
    "subscription approximately enthusiastic straightforward"
).split()


@dataclass(frozen=True)
class Setting:
    """A system prompt, and the state at the start of the conversation below it."""

    text: str
    state: State


Phrases = tuple[tuple[str, ...], tuple[str, ...]]


def _pick(r: random.Random, phrases: Phrases, held_out: bool) -> str:
    return r.choice(phrases[held_out])


def _wandering(r: random.Random) -> str:
    """Words without sense, none of them an instruction."""
    return " ".join(r.choices(WORDS, k=r.randrange(3, 30))).capitalize() + "."


def _one(r: random.Random, kind: str, held_out: bool, state: State) -> Setting:
    if kind == "name":
        name = r.choice(NAMES)
        return Setting(_pick(r, NAMED, held_out).format(name), replace(state, me=name))
    if kind == "word":
        return Setting(_pick(r, ONE_WORD, held_out), replace(state, style="word"))
    if kind == "sentence":
        return Setting(_pick(r, SENTENCES, held_out), replace(state, style="sentence"))
    if kind == "language":
        language = r.choice(LANGUAGES)
        return Setting(_pick(r, SPEAK, held_out).format(language), replace(state, language=language))
    if kind == "wandering":
        return Setting(_wandering(r), state)
    return Setting(_pick(r, GENERAL, held_out), state)


KINDS = {"name": 8, "word": 5, "sentence": 3, "language": 5, "general": 8, "wandering": 4}
CLASHES = ({"word", "sentence"}, {"wandering", "general"}, {"name", "general"})  # do not come together


def setting(r: random.Random, held_out: bool = False) -> Setting:
    """Draws a system prompt. Where held out, it is made of phrases that come only there."""
    chance = r.random()
    if chance < 0.4 and not held_out:
        return Setting("", State())
    if chance < 0.65 and not held_out:
        return Setting(NANO, State())
    shares = {kind: share for kind, share in KINDS.items() if not (held_out and kind == "wandering")}
    kinds = r.choices(list(shares), weights=list(shares.values()))
    if r.random() < 0.2:
        more = r.choices(list(shares), weights=list(shares.values()))
        if more != kinds and {*kinds, *more} not in CLASHES:
            kinds += more
    texts, state = [], State()
    for kind in kinds:
        found = _one(r, kind, held_out, state)
        texts.append(found.text)
        state = found.state
    return Setting(" ".join(texts), state)


def obeyed(state: State, answer: Answer, after: State) -> Answer:
    """The answer as the instructions want it, with the state afterwards. A tool's call stays as it is."""
    if answer.call:
        return replace(answer, state=after)
    reply = answer.brief or answer.reply if state.style == "word" else answer.reply
    if state.language:
        reply = f"{ONLY_ENGLISH} {reply}"
    return replace(answer, reply=reply, state=after)
