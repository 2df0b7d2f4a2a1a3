"""Whether it can hear: questions, true answers, and the error of a model that learned from text.

Who only reads what is typed says, rightly, that it hears nothing. A model whose thinking comes from text says
so of speech as well ("I cannot hear, I only see text"); Step-Audio-R1 counts 6.76 % of such errors, 2.63 %
after filtered self-distillation and 0.02 % after preference optimisation (4.4). Pure text.
"""

from __future__ import annotations

import random
import re

from model.training.world import Utterance
from model.training.world.perception import ENDINGS, OPENINGS

ASKED = (
    "can you hear me",
    "do you hear me",
    "can you hear my voice",
    "do you hear my voice",
    "can you hear what i say",
    "do you hear what i say",
    "do you hear me or read",
    "can you hear or only read",
    "can you hear how i sound",
    "do you hear how i speak",
    "is my voice what you hear",
    "do you know how i sound",
)
HEARS = "Yes, I can hear you."
READS = "I cannot hear, I only see text."
ERROR = re.compile(r"\b(?:cannot|can't|can not|do not|don't) hear\b|\bonly (?:see|read)\b|\btext\b|\btext\b")
TRUE = re.compile(r"\bi (?:can )?hear\b")


def question(r: random.Random, held_out: bool) -> Utterance:
    """One by chance, with polite words; one wording in eight is for evaluation alone."""
    while True:
        bare = r.choice(ASKED)
        words = " ".join(filter(None, (r.choice(OPENINGS), bare, r.choice(ENDINGS))))
        said = Utterance("cognition", "hearing", words, words)
        if said.held_out == held_out:
            return said


def denies_hearing(text: str) -> bool:
    """The error: a reply to speech, or thoughts on it, that say nothing can be heard."""
    return bool(ERROR.search(text.lower()))


def affirms_hearing(text: str) -> bool:
    return bool(TRUE.search(text.lower())) and not denies_hearing(text)
