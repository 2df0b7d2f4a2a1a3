"""However a model's text is cut into tokens: what is thought, said, called and spoken is the same."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from model.prompt import END_THINK, THINK
from model.reasoning import HIDDEN, MARKERS, Call, Part, ReasoningParser
from streaming.clauses import Clause, ClauseSplitter
from streaming.spoken_text import heard, spoken

FRAGMENTS = st.one_of(
    st.sampled_from((*MARKERS, "<audio_17>", "<audio_", "<", "</", "</th", "\n", " ")),
    st.text("ab<>/_\n", max_size=4),
)
OUTPUT = st.lists(FRAGMENTS, max_size=20).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=20)
WRITTEN = st.lists(
    st.sampled_from(
        "Dr. Smith paid $3.50 , and 1,000 more . It's 5 pm ! e.g. `a, b` [x](http://y.z) ``` \n 1. two; so "
        "which is — fine? “Yes,” she said… 3 + 4 = 7 v1.2 **bold** No. 5 U.S. é 日本".split(" ")
    ),
    max_size=40,
).map(" ".join) | st.text(max_size=60)


def cut(text: str, cuts: list[int]) -> list[str]:
    at = sorted({place % (len(text) + 1) for place in cuts} | {0, len(text)})
    return [text[a:b] for a, b in zip(at, at[1:], strict=False)]


def parts_of(pieces: list[str], thinking: bool, short: bool) -> list[Part]:
    """Of all pieces together; neighbours of one kind are one, but for calls."""
    parser = ReasoningParser(thinking)
    told = [part for piece in pieces for part in parser.push(piece)] + parser.finish(short)
    joined: list[Part] = []
    for part in told:
        if joined and type(part) is type(joined[-1]) and not isinstance(part, Call):
            joined[-1] = type(part)(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


@given(OUTPUT, CUTS, st.booleans(), st.booleans())
@example(f"a\n{END_THINK}\nb{THINK}", [3, 4, 9], True, False)
def test_thoughts_words_and_calls(text: str, cuts: list[int], thinking: bool, short: bool) -> None:
    whole = parts_of([text], thinking, short)
    assert parts_of(cut(text, cuts), thinking, short) == whole
    assert parts_of(list(text), thinking, short) == whole
    assert all(mark not in part.text for part in whole for mark in HIDDEN if not isinstance(part, Call))


def clauses_of(pieces: list[str]) -> list[Clause]:
    splitter = ClauseSplitter()
    return [clause for piece in pieces for clause in splitter.push(piece)] + splitter.finish()


@given(WRITTEN, CUTS)
def test_clauses(text: str, cuts: list[int]) -> None:
    whole = clauses_of([text])
    assert clauses_of(cut(text, cuts)) == whole
    assert clauses_of(list(text)) == whole
    assert "".join(clause.text for clause in whole) == text
    for clause in whole:
        assert text[clause.start :].startswith(clause.text)


@given(WRITTEN)
def test_what_is_spoken_of_it(text: str) -> None:
    """Words stand in order in what was written, so that it is known which part has been heard."""
    for clause in clauses_of([text]):
        words = spoken(clause.text)
        reached = [heard(words, count) for count in range(len(words) + 1)]
        assert reached == sorted(reached) and reached[-1] <= len(clause.text)
        assert all(word.text.strip() for word in words)
