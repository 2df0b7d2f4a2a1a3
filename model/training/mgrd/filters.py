"""Which sampled chains are worth learning: those that name what was heard, hang together, and end right.

The three filters of Step-Audio-R1's distillation, each a function of text alone. None asks the network, and
none but the last knows the truth: a chain may hang together and be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from model.evaluation.scoring import last_number, same
from model.training.mgrd.notes import WORDS, Fact, Note, claimed, facts, notes
from model.training.world import Answer, Utterance
from model.training.world.perception import COMPARED, LESS, PROPERTIES

RISING = {"rising": "question", "falling": "statement"}  # what a melody makes of a sentence
LETTERS = re.compile(r"([A-Z]) ?([A-Z])")  # of two tones, on the world's scale: it rises with the alphabet
MOST_NOTES = 6


class Kept(NamedTuple):
    """What each filter says of one chain."""

    acoustic: bool
    coherent: bool
    right: bool

    @property
    def all(self) -> bool:
        return self.acoustic and self.coherent and self.right


def judged(said: Utterance, expected: Answer, thinking: str, reply: str) -> Kept:
    """Every filter on one sampled chain and its reply."""
    return Kept(acoustic(thinking), coherent(thinking, reply), right(said, expected, reply))


# --- 1: it names acoustic properties ---


def acoustic(thinking: str) -> bool:
    """At least one line notes something of the sound, not of the words."""
    return any(note.acoustic for note in notes(thinking))


# --- 2: it hangs together ---


def coherent(thinking: str, reply: str) -> bool:
    """Every line is consistent in itself, nothing is noted twice, and the reply is what follows from them."""
    found = notes(thinking)
    heard = [note for note in found if note.acoustic]
    told = facts(reply)
    if not heard or not told or len(found) > MOST_NOTES or len(set(found)) < len(found):
        return False
    if any(not well_formed(note) for note in heard):
        return False
    return all(any(follows(fact, note) for note in heard) for fact in told) and _claim(found, told, reply)


def well_formed(note: Note) -> bool:
    """Whether a line about the sound is consistent in itself."""
    parts = note.parts
    match note.label:
        case "count":
            numbers = parts[0].split()
            return len(parts) == 1 and numbers in (["0"], [str(i + 1) for i in range(len(numbers))])
        case "pitch" if len(parts) == 2:
            return _sweep(parts) is not None
        case "pitch" | "level" | "length":
            return _compared(note) is not None
        case "order":
            return len(parts) > 1 and len(set(parts)) == len(parts)
        case "voice" | "around":
            manners = [m.truth for p in PROPERTIES.values() if p.label == note.label for m in p.manners]
            return len(parts) == 1 and parts[0] in manners
        case "melody":
            return len(parts) == 1 and parts[0] in RISING
    return False


def follows(fact: Fact, note: Note) -> bool:
    """Whether what the reply says is what the note means."""
    match fact.kind:
        case "count":
            return note.label == "count" and note.parts[0].split()[-1] == fact.what
        case "tones":
            name, less, much = COMPARED[fact.about]
            wanted = less if fact.about in LESS else much
            found = _compared(note)
            return note.label == name and found is not None and found[fact.what] == wanted
        case "sweep":
            return note.label == "pitch" and _sweep(note.parts) == fact.what
        case "order":
            return note.label == "order" and note.parts[0 if fact.about == "first" else -1] == fact.what
        case "melody":
            return note.label == "melody" and RISING.get(note.parts[0]) == fact.what
    return note.label == fact.kind and note.parts == (fact.what,)


def _sweep(parts: Sequence[str]) -> str | None:
    """Of "D M, rising": the direction, where the letters say the same."""
    letters = LETTERS.fullmatch(parts[0])
    if len(parts) != 2 or not letters or letters[1] == letters[2]:
        return None
    way = "rising" if letters[1] < letters[2] else "falling"
    return way if parts[1] == way else None


def _compared(note: Note) -> dict[str, str] | None:
    """Of "D G, first low, second high": what each tone is, where the letters say the same."""
    if len(note.parts) != 3:
        return None
    letters = LETTERS.fullmatch(note.parts[0])
    if not letters or letters[1] == letters[2]:
        return None
    less, much = next((less, much) for name, less, much in COMPARED.values() if name == note.label)
    if letters[1] > letters[2]:
        less, much = much, less
    return {"first": less, "second": much} if note.parts[1:] == (f"first {less}", f"second {much}") else None


def _claim(found: Sequence[Note], told: Sequence[Fact], reply: str) -> bool:
    """What is noted of the words: "Yes" where the sound is so, a contradiction in these words where not."""
    claims = [note.parts[0] for note in found if note.label == WORDS]
    contradicted = claimed(reply)
    if not claims:
        return contradicted is None and not reply.startswith("Yes,")
    if len(claims) > 1 or len(told) != 1:
        return False
    if contradicted is None:
        return reply.startswith("Yes,") and claims[0] == told[0].what
    return claims[0] != told[0].what and contradicted in (claims[0], _named(claims[0]))


def _named(truth: str) -> str:
    """How a claim of a manner is worded in a reply: slow is "slowly"."""
    names = {m.truth: m.name for p in PROPERTIES.values() for m in p.manners if m.truth != m.name}
    return names.get(truth, truth)


# --- 3: it ends right ---


def right(said: Utterance, expected: Answer, reply: str) -> bool:
    """The expected reply in these words, or one that ends in the number that was asked for."""
    if said.family == "numbers" and expected.state.last and last_number(expected.reply) is not None:
        if last_number(expected.reply) == expected.state.last.result == last_number(reply):
            return True
    return same(expected.reply, reply)


def only_words(thinking: str) -> bool:
    """Reasoning over the transcript alone: there are thoughts, and none is of the sound."""
    return bool(thinking.strip()) and not acoustic(thinking)
