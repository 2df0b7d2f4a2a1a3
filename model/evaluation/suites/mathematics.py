"""Numbers in replies, as Spoken-MQA's rule reads them, and answers of few kinds, as Big Bench Audio has them.

Pure. Source of the first: AudioBench's spoken_mqa.py, which is the benchmark's own script.
"""

from __future__ import annotations

import re
from fractions import Fraction

from model.training.world.speech import spoken

TRIGGER = re.compile(r"The answer is:|The answer is|the answer is|####")
NUMBER = re.compile(r"-?\d+(?:/\d+|\.\d+)?")
COUNTED = {spoken(n): n for n in range(100)}
COUNT = re.compile(r"\d+|\b(?:" + "|".join(sorted(COUNTED, key=len, reverse=True)) + r")\b")


def value(text: str) -> Fraction | None:
    """A number or a fraction in digits; thousands may have commas."""
    try:
        return Fraction(text.replace(",", "").strip())
    except (ValueError, ZeroDivisionError):
        return None


def final_number(reply: str) -> Fraction | None:
    """The first number behind the last "the answer is" or "####", or else the last one of the reply.

    Where one of these words comes more than once, the reply ends at its first blank line.
    """
    said = reply.strip("\n")
    if any(said.count(trigger) > 1 for trigger in ("The answer is", "the answer is", "####")):
        said = said.split("\n\n")[0]
    parts = TRIGGER.split(said)
    found = NUMBER.findall(parts[-1].replace(",", ""))
    if not found:
        return None
    return value(found[0] if len(parts) > 1 else found[-1])


def same_number(answer: str, reply: str) -> bool:
    """GSM8K's answers end in "#### 42"."""
    right = value(answer.split("####")[-1])
    return right is not None and final_number(reply) == right


def closed(category: str, answer: str, reply: str) -> bool:
    """Big Bench Audio by a rule of ours: the last word of the reply that could be an answer is the answer.

    valid or invalid, yes or no, or a count in digits or words; `category` tells which.
    """
    said = reply.lower()
    if category == "object_counting":
        counts = [COUNTED.get(word, word) for word in COUNT.findall(said)]
        return bool(counts) and str(counts[-1]) == answer.strip()
    kinds = r"\b(?:valid|invalid)\b" if category == "formal_fallacies" else r"\b(?:yes|no)\b"
    words = re.findall(kinds, said)
    return bool(words) and words[-1] == answer.strip().lower()
