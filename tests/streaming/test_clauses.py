from __future__ import annotations

import random

import pytest

from streaming.clauses import Clause, ClauseSplitter


def split(*pieces: str) -> list[Clause]:
    splitter = ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(piece)]
    return clauses + splitter.finish()


def texts(*pieces: str) -> list[str]:
    return [clause.text.strip() for clause in split(*pieces)]


REPLIES = (
    "1 plus 1 is 2.",
    "Well, I think it is 3.5 kilometers, more or less. Dr. Smith said so! Did he? Yes.",
    "The numbers are 1, 2, 3, and 4.0, e.g. on p. 5 of vol. 2, in the U.S. They add up.",
    "# Steps\n\n1. Wash the rice.\n2. Cook it: 20 min. Then rest.\n- done, or **nearly. So** it goes",
    "Look at `a, b. c` and [this, or. that](http://x.org/a, b) and\n```\nx = 1. y, z\n\nw\n```\nthen go on.",
    "it goes on and on and on because nobody ever put a comma or a stop into what is said here so that "
    "it only ends where it has to end which is after thirty words whatever these words may be or mean now",
    "[open, but. never closed and `so is. this, too\nand the next line. Ends",
    "\n\n  Indented. \n \n Lines… \t\nwith (odd) gaps.\n",
    "«Ça va?» dit-il… 😀 Yes — no – maybe; so: there.",
    "",
)


@pytest.mark.parametrize("reply", REPLIES)
def test_clauses_do_not_depend_on_how_the_text_came(reply: str) -> None:
    whole = split(reply)
    assert "".join(clause.text for clause in whole) == reply
    assert split(*reply) == whole
    for seed in range(200):
        r = random.Random(seed)
        cuts = sorted(r.randrange(len(reply) + 1) for _ in range(r.randrange(8)))
        pieces = [reply[a:b] for a, b in zip([0, *cuts], [*cuts, len(reply)], strict=True)]
        assert split(*pieces) == whole
    for clause in whole:
        assert reply[clause.start :].startswith(clause.text)


def test_random_text_comes_out_whole_and_alike() -> None:
    parts = "word Dr. 3.5 27 plus , . [ ]( ) ` ``` and ? e.g. - 1. No. … * U.S. A".split()
    parts += [" "] * 6 + ["\n"]
    for seed in range(1500):
        r = random.Random(seed)
        reply = "".join(r.choice(parts) for _ in range(r.randrange(60)))
        whole = split(reply)
        assert "".join(clause.text for clause in whole) == reply
        assert split(*reply) == whole, reply
        at = r.randrange(len(reply) + 1)
        assert split(reply[:at], reply[at:]) == whole, reply


@pytest.mark.parametrize(
    ("reply", "clauses"),
    [
        ("Well, yes. I do.", ["Well, yes.", "I do."]),
        ("Of course, I can. Dr. Smith is 3.5 m tall.", ["Of course,", "I can.", "Dr. Smith is 3.5 m tall."]),
        ("27 plus 15 is 42.", ["27 plus 15 is 42."]),
        ("You need 1, 2, 3, 4, 5 and 6 apples, pears.", ["You need 1, 2, 3, 4, 5 and 6 apples,", "pears."]),
        ("Mr. J. R. Brown came at 3 p.m. We left.", ["Mr. J. R. Brown came at 3 p.m.", "We left."]),
        ("See No. 5. No. That is all.", ["See No. 5.", "No.", "That is all."]),
        ("1. Wash it.\n2. Dry it.", ["1. Wash it.", "2. Dry it."]),
        ("Read [a, b. c](u) now. Go", ["Read [a, b. c](u) now.", "Go"]),
        ("One\ntwo", ["One", "two"]),
        ("Wait... what?! Oh", ["Wait...", "what?!", "Oh"]),
        ("He said “no.” Then he went", ["He said “no.”", "Then he went"]),
        ("I would like to go and see it", ["I would like to go", "and see it"]),
    ],
)
def test_where_clauses_end(reply: str, clauses: list[str]) -> None:
    assert texts(reply) == clauses


def test_a_clause_is_told_as_soon_as_it_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("Of course,") == []  # "1,5" and "Dr.X" go on
    assert splitter.push(" ") == [Clause("Of course,", 0)]
    assert splitter.push("it is Dr. ") == []
    assert splitter.push("Smith. ") == [Clause(" it is Dr. Smith.", 10)]
    assert splitter.push("No. ") == []  # No. 5?
    assert splitter.push("W") == [Clause(" No.", 27)]
    assert splitter.finish() == [Clause(" W", 31)]
    assert splitter.finish() == []


def test_later_clauses_are_longer() -> None:
    assert texts("Yes, I do, I think, when all is said and done, so to say, I do.") == [
        "Yes, I do,",
        "I think, when all is said and done,",
        "so to say, I do.",
    ]


def test_a_long_sentence_ends_somewhere() -> None:
    assert [len(text.split()) for text in texts("word " * 100)] == [30, 30, 30, 10]
    assert texts("one 2 " * 40) == [("one 2 " * 40).strip()]  # what may be a number is not cut
