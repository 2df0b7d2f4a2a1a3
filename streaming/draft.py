"""Thoughts about the beginning of what is said: which of them hold now that there is more of it.

A draft is checked as speculative decoding checks one (arXiv 2211.17192): in one pass, token by token, up to
the first that would not have been thought now. So it can do no harm: a greedy model thinks what it would have
thought without a draft, only sooner. One that is sampled keeps what is still likely enough. Kept are whole
words. Knows no turns.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from streaming.context import Context
from streaming.engine import Engine, Likelihood
from streaming.errors import EngineUnavailable, SessionError
from streaming.pacing import WORD

LIKELY = 0.1  # probability from which a sampled model may have thought it


async def agreed(engine: Engine, context: Context, draft: str) -> str:
    """The beginning of a draft that holds behind this context; nothing where the engine cannot tell."""
    ids = engine.prompt.encode(draft)
    head = Context.of(engine.prompt.assistant_open(True))
    try:
        told = await engine.likelihoods(context + head, ids)
    except (SessionError, EngineUnavailable):
        return ""  # then it thinks without, which will say what is wrong
    return words_within(draft, held(told, engine.temperature), engine.prompt.encode)


def held(told: Sequence[Likelihood], temperature: float) -> int:
    """How many tokens hold."""
    for at, one in enumerate(told):
        if one.rank != 1 and (temperature == 0.0 or one.probability < LIKELY):
            return at
    return len(told)


def words_within(text: str, tokens: int, encode: Callable[[str], list[int]]) -> str:
    """The most of its words that so many of its first tokens are; never the last one, which may go on."""
    ids = encode(text)[:tokens]
    ends = [0, *(match.end() for match in WORD.finditer(text))][:-1]
    most = bisect_right(ends, tokens, key=lambda end: len(encode(text[:end]))) - 1
    while most > 0 and encode(text[: ends[most]]) != ids[: len(encode(text[: ends[most]]))]:
        most -= 1
    return text[: ends[most]] if ends else ""
