"""Mind-paced speaking: a reply that begins before its thoughts have ended (arXiv 2510.09592). The pure part.

Two forks of one context. *Formulation* thinks as ever; behind its chain its request goes on with the reply to
all of the chain. Until then *articulation* says beforehand what is certain of that reply, segment by segment:
each is a request of its own, whose prompt is the context, the thoughts so far, closed, and the words so far.
A segment ends with its tokens, or before a token that the model is not sure of: the name of a sum is certain
long before its result. It is cut between words.

What was said is never taken back in silence. The reply to all thoughts is made from no words at all, and
compared, word for word, with what was said: the same, and it goes on behind it; not the same, and the reply
says so and begins its sentence anew. Tools are never called from part of the thoughts.
Knows no engine and no tokens: texts, counts, and how sure the model was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.reasoning import ReasoningParser, Reply
from streaming.events import Pacing

CORRECTION = "no, wait: "
CJK = "\u3040-\u30ff\u3400-\u9fff"  # written without spaces: each character is a word
WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
OPEN = re.compile(rf"\s*[^\s{CJK}]*\Z")  # a last word, which may go on
AROUND = ".,;:!?…\"'“”‘’()[]*_。，！？；："
SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n\s*")


@dataclass(frozen=True)
class Word:
    text: str  # in lower case, without the punctuation around it
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Those of a text, without what is punctuation alone."""
    found = (Word(m[0].casefold().strip(AROUND), m.start(), m.end()) for m in WORD.finditer(text))
    return [word for word in found if word.text]


def whole_words(text: str) -> str:
    """A text less its last word, which may go on, and the space before that."""
    match = OPEN.search(text)
    return text[: match.start()] if match else text


class Segment:
    """One articulation: what it adds to what was said. `over`: no more of it is wanted."""

    def __init__(self, said: str, pacing: Pacing) -> None:
        self._pacing = pacing
        self._parser = ReasoningParser(thinking=False)
        self._parser.push(said)
        self._held = ""  # a word that may go on
        self._tokens = 0
        self.over = False
        self.whole = False  # the reply ended with it

    def take(self, text: str, tokens: int, sure: float, finish: str | None) -> str:
        """A step, `sure` from 0 to 1 of each of its tokens; returns the words that have become certain."""
        self._tokens += tokens
        if sure < self._pacing.sure:
            self.over = True
            return self._held.rstrip() if text[:1].isspace() else ""  # the word before it is whole
        parts = self._parser.push(text)
        if finish == "stop":
            parts += self._parser.finish()
        if self._parser.thinking or not all(isinstance(part, Reply) for part in parts):
            self.over = True  # a chain, or a call: only the reply to all thoughts may have one
            return ""
        self._held += "".join(part.text for part in parts)
        if finish == "stop":
            self.over = self.whole = True
            certain = self._held.rstrip()
        else:
            self.over = finish is not None or self._tokens >= self._pacing.reply_segment
            certain = whole_words(self._held)
        self._held = self._held[len(certain) :]
        return certain


class Pacer:
    """One reply: what is to be articulated when, and what comes of it. `said` has been told."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._begun = 0  # segments
        self._whole = False  # nothing more is to be said beforehand
        self._thoughts = 0  # tokens
        self._chain = ""
        self._reply = ""  # to all thoughts, until it has gone beyond what was said
        self._goes_on = False
        self.said = ""

    def thought(self, chain: str, tokens: int) -> None:
        """The chain so far, and its tokens."""
        self._chain, self._thoughts = chain, tokens

    @property
    def due(self) -> bool:
        """Whether a segment is to begin: each has a segment of thoughts, but for the first one if it may
        speak first."""
        wanted = self._begun + (not self._pacing.speak_first)
        return not self._whole and self._thoughts >= wanted * self._pacing.think_segment

    def begin(self) -> tuple[str, Segment]:
        """The thoughts that the next segment is made from, and the segment."""
        self._begun += 1
        return whole_words(self._chain), Segment(self.said, self._pacing)

    def go_on(self, chain: str, tokens: int, said: str) -> None:
        """Where another one has begun: with its thoughts, their tokens, and what was said beforehand."""
        self.thought(chain, tokens)
        self.said = said
        self._begun = tokens // self._pacing.think_segment + self._pacing.speak_first

    def lost(self) -> None:
        """The segment that has begun came to nothing: it is due once more."""
        self._begun -= 1

    def tell(self, segment: Segment, words: str) -> None:
        """A segment has told these."""
        self.said += words
        self._whole = self._whole or segment.whole

    # --- the reply to all thoughts ---

    def conclude(self, text: str, *, over: bool = False, cut: bool = False) -> str:
        """More of it; returns what is to be said behind what was said. `over`: no more words come, `cut`:
        because there was no room for them."""
        if self._goes_on:
            return text
        self._reply += text
        said = words(self.said)
        known = words(self._reply if over and not cut else whole_words(self._reply))
        for before, now in zip(said, known, strict=False):
            if before.text != now.text:
                return self._corrected(now.start)
        if len(known) >= len(said):
            self._goes_on = True
            return self._reply[known[len(said) - 1].end if said else 0 :]
        if over and known and not cut:  # more was said than there was to say
            return self._corrected(known[-1].start)
        return ""

    def _corrected(self, at: int) -> str:
        """The sentence that has the word at `at`, anew."""
        self._goes_on = True
        begins = [match.end() for match in SENTENCE.finditer(self._reply) if match.end() <= at]
        before = self.said.rstrip("\"'”’)*_")
        lead = f", {CORRECTION}"
        if before.endswith((".", "!", "?", "…", "。", "！", "？")):
            lead = f" {CORRECTION.capitalize()}"
        elif before.endswith((",", ";", ":", "—", "–")):
            lead = f" {CORRECTION}"
        return lead + self._reply[max(begins, default=0) :]
