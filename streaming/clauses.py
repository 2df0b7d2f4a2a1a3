"""A reply to the clauses that are spoken one by one, each as soon as it is certain.

A clause ends with its sentence, with its line, at a comma or before a conjunction where it is long enough,
and the first one sooner, since somebody waits for it. Where it ends is decided by the text alone, never by
how the text came in: as long as what follows could still move the end, it is not told. Numbers, sums,
names, links and code are never cut. Knows no sounds and no words of speech.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from streaming import lexicon

# Words that a clause has at least before it may end at a comma, or before a conjunction; the first clause's.
AT_COMMA, AT_COMMA_FIRST = 5, 2
AT_CONJUNCTION, AT_CONJUNCTION_FIRST = 12, 5
MOST = 30  # words; then it ends wherever it does no harm
CONJUNCTIONS = set("and but or because so which that when while if where then since although who".split())
OPERATORS = set("plus minus times over equals is point divided by to of".split())

# What has to stay together, up to white space; what is still open reaches to the end of what is there.
UNIT = re.compile(
    r"(?:```.*?(?:```|\Z)|!?\[[^\[\]\n]*(?:\](?:\([^)\n]*\)?)?|\Z)|`[^`\n]*(?:`|\Z)|\S)+?(?=\s|\Z)",
    re.DOTALL,
)
GAP = re.compile(r"\s*")
SENTENCE = re.compile(r"(?:[.!?…]+[\"'”’)\]*_]*)$")
COMMA = re.compile(r"(?:[,;:—][\"'”’)\]*_]*)$|^[-–—]$")
LIST_NUMBER = re.compile(r"\d{1,3}[.)]$")
DIGIT = re.compile(r"\d")
SHORT = {*lexicon.BEFORE, *(short.capitalize() for short in lexicon.BEFORE if short.islower())}
ENDLESS = {*SHORT, *lexicon.SHORT_MONTHS, *lexicon.SHORT_DAYS}  # the full stop is never that of a sentence


@dataclass(frozen=True)
class Clause:
    """`start` is where it stands in the reply. All clauses together are the whole reply."""

    text: str
    start: int


class ClauseSplitter:
    def __init__(self) -> None:
        self._rest = ""
        self._start = 0

    def push(self, text: str) -> list[Clause]:
        """More of the reply; returns the clauses that have become certain."""
        self._rest += text
        return list(self._cut(final=False))

    def finish(self) -> list[Clause]:
        """The reply is over; returns what is left of it."""
        clauses = list(self._cut(final=True))
        if self._rest:
            clauses.append(Clause(self._rest, self._start))
            self._start, self._rest = self._start + len(self._rest), ""
        return clauses

    def _cut(self, final: bool) -> Iterator[Clause]:
        while end := first_end(self._rest, not self._start, final):
            yield Clause(self._rest[:end], self._start)
            self._start, self._rest = self._start + end, self._rest[end:]


def first_end(text: str, first: bool, final: bool) -> int | None:
    """Where the first clause of a text ends; None as long as it isn't certain.

    The white space behind it belongs to the next. `first`: of the whole reply. `final`: nothing follows.
    """
    gap = _gap(text, 0)
    words, line_begins = 0, first or "\n" in gap
    at = len(gap)
    while unit := UNIT.match(text, at):
        gap = _gap(text, unit.end())
        at = unit.end() + len(gap)
        if not gap:  # the unit may go on
            return None
        words += any(char.isalnum() for char in unit[0])
        after = UNIT.match(text, at)
        known = after is not None and (final or after.end() < len(text))
        ends = "\n" in gap or _ends(unit[0], line_begins, words, first, after[0] if after else "", known)
        if ends and words:
            return unit.end()
        if ends is None or at == len(text):  # a line may end here
            return None
        line_begins = "\n" in gap
    return None


def _gap(text: str, at: int) -> str:
    found = GAP.match(text, at)
    assert found
    return found[0]


def _ends(unit: str, line_begins: bool, words: int, first: bool, after: str, known: bool) -> bool | None:
    """Whether a clause ends between a unit and the one after; None: that has to be known whole."""
    if line_begins and LIST_NUMBER.match(unit):
        return False
    if SENTENCE.search(unit):
        return _ends_sentence(unit, after)
    if COMMA.search(unit):
        if words < (AT_COMMA_FIRST if first else AT_COMMA):
            return False
        return True if not DIGIT.search(unit) else (not DIGIT.match(after)) if after else None
    return _ends_between(unit, words, first, after, known)


def _ends_sentence(unit: str, after: str) -> bool | None:
    bare = unit.rstrip("\"'”’)]*_").lstrip("\"'“‘([*_")
    if not bare.endswith(".") or bare.endswith(".."):
        return True
    name = bare[:-1]
    if name in ENDLESS or re.fullmatch(r"[A-Z]", name):
        return False
    if name in lexicon.NUMBERED:
        return (not DIGIT.match(after)) if after else None
    if name in lexicon.AFTER or re.fullmatch(r"(?:[A-Za-z]\.)*[A-Za-z]", name):
        return (after[0].isupper() or not after[0].isalnum()) if after else None
    return True


def _ends_between(unit: str, words: int, first: bool, after: str, known: bool) -> bool | None:
    if words < (AT_CONJUNCTION_FIRST if first else AT_CONJUNCTION):
        return False
    if not known:
        return None
    if any(DIGIT.search(part) or part in OPERATORS or not part.isalpha() for part in (unit, after)):
        return False
    return after in CONJUNCTIONS or words >= MOST
