"""What counts as right, and how sure a share is. Pure text and numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from model.evaluation.case import Answered, Case, Outcome
from model.training.world.core import Call
from model.training.world.speech import spoken

WORD = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)*")
NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")


def words(text: str) -> list[str]:
    """In lower case, without punctuation; -5 is "minus 5"."""
    return WORD.findall(NEGATIVE.sub("minus ", text.lower().replace("’", "'")))


def same(expected: str, got: str) -> bool:
    """The same words."""
    return words(expected) == words(got)


def last_number(text: str) -> int | None:
    found = words(text)
    for at in range(len(found) - 1, -1, -1):
        if found[at].isdecimal():
            return -int(found[at]) if at and found[at - 1] == "minus" else int(found[at])
    return None


def occurs(answer: str, reply: str) -> bool:
    """The answer stands in the reply as whole words; digits one by one are a number, "7 3 0" is "730".

    A part of a number is not that number: "7 3" is not in "7 3 0".
    """
    return _within(_joined(words(answer)), _joined(words(reply)))


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    size = len(part)
    return bool(size) and any(whole[i : i + size] == part for i in range(len(whole) - size + 1))


def _joined(found: Sequence[str]) -> list[str]:
    """Digits in a row put together."""
    out: list[str] = []
    single = False
    for word in found:
        digit = len(word) == 1 and word.isdecimal()
        if digit and single:
            out[-1] += word
        else:
            out.append(word)
        single = digit
    return out


def right(case: Case, found: Outcome) -> bool:
    """See `Case`."""
    if found.error is not None:
        return False
    if case.call is not None:
        return found.call is not None and _call(case.call) == _call(found.call)
    if found.call is not None:
        return False
    if case.contained:
        return occurs(case.reply, found.reply)
    if case.number is not None and last_number(found.reply) == case.number:
        return True
    return same(case.reply, found.reply)


def _call(call: Call) -> tuple[str, dict[str, str | int]]:
    return call.name, dict(call.arguments)


def told_right(case: Case, found: Outcome) -> bool:
    """The tool was called as expected, and its result told as expected."""
    return right(case, found) and found.told is not None and same(case.told, found.told)


def word_errors(said: str, heard: str) -> int:
    """The edit distance in words. Numbers in digits are read out before."""
    return edit_distance(said.split(), _read_out(heard))


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Substitutions, insertions and deletions, at the least."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def _read_out(heard: str) -> list[str]:
    out: list[str] = []
    for word in words(heard):
        out += spoken(int(word)).split() if word.isdecimal() and len(word) < 4 else [word]
    return out


def word_error(answered: Sequence[Answered]) -> tuple[int, int]:
    """Wrong words and words, over the transcripts that are scored."""
    wrong = total = 0
    for one in answered:
        if one.case.transcript and one.outcome.heard is not None:
            wrong += word_errors(one.case.transcript, one.outcome.heard)
            total += len(one.case.transcript.split())
    return wrong, total


def interval(right: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; a sum of scores from 0 to 1 has no wider one."""
    z, share = 1.96, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that one of the first scores higher than one of the second."""
    above = np.array(positive)[:, None] > np.array(negative)[None]
    level = np.array(positive)[:, None] == np.array(negative)[None]
    return float((above + 0.5 * level).mean())
