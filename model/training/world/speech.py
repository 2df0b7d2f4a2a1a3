"""Numbers and names in words, and the polite words around a question. Pure text."""

from __future__ import annotations

import random

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()
PEOPLE = (
    "anna ben carla david emma frank grace henry ida jack kate leo maria nina oscar paul rosa sam tom vera"
).split()

BEFORE = ("",) * 9 + ("please", "okay", "so", "now", "can you tell me", "tell me", "nano", "hey nano", "um")
AFTER = ("",) * 9 + ("please",)
ASKING = ("what", "how", "which")


def spoken(n: int) -> str:
    """A number from 0 to 999 in words, a minus before it below zero."""
    if n < 0:
        return f"minus {spoken(-n)}"
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")
    return f"{ONES[n // 100]} hundred" + (f" {spoken(n % 100)}" if n % 100 else "")


def asked(r: random.Random, words: str) -> str:
    """With polite words around."""
    before = r.choice(BEFORE)
    if before in ("can you tell me", "tell me") and words.split()[0] not in ASKING:
        before = ""
    if before == "can you tell me" or not before:
        return " ".join(filter(None, (before, words, r.choice(AFTER))))
    return f"{before} {words}"
