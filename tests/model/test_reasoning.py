"""Thinking and reply out of text that is cut anywhere."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from model.reasoning import MARKERS, ReasoningParser, Reply, Thinking

# thinking asked for, what is generated, thinking told, reply told
CASES = [
    (True, "Two and two.\n</think>\nFour.", "Two and two.", "Four."),
    (True, "a\n\nb\n\n</think>\n\n\nc\n\nd", "a\n\nb", "c\n\nd"),
    (True, "</think>\nFour.", "", "Four."),
    (True, "\n\n</think>Four.", "", "Four."),
    (True, "<think>\nHm.</think>\nFour.", "Hm.", "Four."),
    (True, "\n<think>Hm.</think>Four.", "Hm.", "Four."),
    (True, "is a<b, or a <think> more?</think>x<y </", "is a<b, or a <think> more?", "x<y </"),
    (True, "never ends\n\n", "never ends", ""),
    (True, "cut off\n</thin", "cut off\n</thin", ""),
    (True, "a</think>\nb</think>\nc", "a", "b\nc"),
    (True, "<</think></think>>", "<", ">"),
    (True, "a\n<tts_start>\n</think>\n<tts_start>b<audio_12><audio_6560>c<tts_end><|EOT|>", "a", "bc"),
    (True, "a</think>\n\n<think>\nb\n</think>\nc", "ab", "c"),
    (False, "Four.\n", "", "Four.\n"),
    (False, "\n\nFour <|pipes|> and <audio_x>.", "", "Four <|pipes|> and <audio_x>."),
    (False, "</think>\n\nFour.", "", "Four."),
    (False, "<think>\nHm.\n</think>\nFour.", "Hm.", "Four."),
    (False, "Say <think> in words.", "", "Say <think> in words."),
    (False, "<audio_12", "", "<audio_12"),
    (False, "", "", ""),
]


def parse(thinking: bool, deltas: list[str]) -> tuple[str, str]:
    parser = ReasoningParser(thinking)
    parts = [part for delta in deltas for part in parser.push(delta)] + parser.finish()
    assert all(part.text for part in parts)
    thought = "".join(part.text for part in parts if isinstance(part, Thinking))
    reply = "".join(part.text for part in parts if isinstance(part, Reply))
    return thought, reply


@pytest.mark.parametrize(("thinking", "text", "thought", "reply"), CASES)
def test_every_cut_gives_the_same(thinking: bool, text: str, thought: str, reply: str) -> None:
    assert parse(thinking, [text]) == (thought, reply)
    assert parse(thinking, list(text)) == (thought, reply)
    for a, b in combinations(range(len(text) + 1), 2):
        assert parse(thinking, [text[:a], text[a:b], text[b:]]) == (thought, reply)


@pytest.mark.parametrize("seed", range(20))
def test_random_text_in_random_cuts(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [*MARKERS, "<audio_7>", "\n", "\n\n", "<", ">", "</", "word", " ", "<th", "ink>"]
    for _ in range(50):
        text = "".join(rng.choices(pieces, k=12))
        thinking = rng.random() < 0.5
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
        deltas = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert parse(thinking, deltas) == parse(thinking, [text])


def test_text_is_held_only_while_it_may_become_a_marker() -> None:
    parser = ReasoningParser(True)
    assert parser.push("1 <") == [Thinking("1 ")]
    assert parser.push("/th") == []
    assert parser.push("e") == [Thinking("</the")]
    assert parser.push("\n\n") == []
    assert parser.push("b") == [Thinking("\n\nb")]
    assert parser.push("</think") == []
    assert parser.thinking
    assert parser.push(">\n") == []
    assert not parser.thinking
    assert parser.push("Four") == [Reply("Four")]
    assert parser.push("\n") == [Reply("\n")]
    assert parser.finish() == []


def test_one_delta_may_end_the_chain_and_begin_the_reply() -> None:
    assert ReasoningParser(True).push("a b\n</think>\n\nc d") == [Thinking("a b"), Reply("c d")]
