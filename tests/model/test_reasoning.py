"""Thinking, reply and calls out of text that is cut anywhere."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from model.reasoning import MARKERS, Call, Part, ReasoningParser, Reply, Thinking

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
    (True, "call <tool_call>f</tool_call>?</think>Four.", "call <tool_call>f</tool_call>?", "Four."),
    (False, "a</tool_call>b", "", "ab"),
]

# what is generated behind the chain, reply told, calls told
CALLS = [
    ("<tool_call>function\nf\n{}</tool_call>", "", ["function\nf\n{}"]),
    ("\n<tool_call>a</tool_call>\n", "", ["a"]),
    ("Wait. <tool_call>a</tool_call><|EOT|>", "Wait. ", ["a"]),
    ("<tool_call>a</tool_call>\n<tool_call>b</tool_call> so", "", ["a", "b"]),
    ("<tool_call>a <b> </think> <tool_call> </too</tool_call>", "", ["a <b> </think> <tool_call> </too"]),
    ("<tool_call>never closed", "", ["never closed"]),
    ("<tool_call></tool_call>", "", [""]),
    ("<tool_cal", "<tool_cal", []),
    ("<tool_call>a</tool_call><think>b</think>c", "", ["a"]),
]


def told(thinking: bool, deltas: list[str]) -> list[Part]:
    parser = ReasoningParser(thinking)
    parts = [part for delta in deltas for part in parser.push(delta)] + parser.finish()
    assert all(part.text or isinstance(part, Call) for part in parts)
    return parts


def parse(thinking: bool, deltas: list[str]) -> tuple[str, str, list[str]]:
    parts = told(thinking, deltas)
    thought = "".join(part.text for part in parts if isinstance(part, Thinking))
    reply = "".join(part.text for part in parts if isinstance(part, Reply))
    return thought, reply, [part.text for part in parts if isinstance(part, Call)]


@pytest.mark.parametrize(
    ("thinking", "text", "thought", "reply", "calls"),
    [(*case, []) for case in CASES]
    + [(False, text, "", reply, calls) for text, reply, calls in CALLS]
    + [(True, f"hm\n</think>\n{text}", "hm", reply, calls) for text, reply, calls in CALLS],
)
def test_every_cut_gives_the_same(
    thinking: bool, text: str, thought: str, reply: str, calls: list[str]
) -> None:
    expected = (thought, reply, calls)
    assert parse(thinking, [text]) == expected
    assert parse(thinking, list(text)) == expected
    for a, b in combinations(range(len(text) + 1), 2):
        assert parse(thinking, [text[:a], text[a:b], text[b:]]) == expected


def test_a_call_cut_short_is_none() -> None:
    parser = ReasoningParser(False)
    assert parser.push("Wait. <tool_call>function\nf\n{") == [Reply("Wait. ")]
    assert parser.finish(cut=True) == []


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
