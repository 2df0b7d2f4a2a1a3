"""What may be said before the thoughts have ended, and what becomes of it when they have."""

from __future__ import annotations

import random

import pytest

from streaming.events import Pacing
from streaming.pacing import Pacer, Segment, whole_words, words


def test_words_are_without_punctuation_and_signs_count() -> None:
    assert [w.text for w in words('Yes, "27" plus -5 is 3.14!')] == ["yes", "27", "plus", "-5", "is", "3.14"]
    assert [w.text for w in words("答案是 42。")] == ["答", "案", "是", "42"]
    assert words(" … ") == []


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("27 plus 1", "27 plus"),
        ("27 plus ", "27 plus"),
        ("27", ""),
        ("7+5=12, 2+1", "7+5=12,"),
        ("one\ntw", "one"),
        ("答案是四", "答案是四"),
        ("", ""),
    ],
)
def test_a_last_word_may_go_on(text: str, whole: str) -> None:
    assert whole_words(text) == whole


# --- one segment ---


def taken(segment: Segment, *steps: str, sure: float = 1.0) -> str:
    """A token a step, while more of it is wanted."""
    told = ""
    for text in steps:
        if segment.over:
            break
        told += segment.take(text, 1, sure, None)
    return told


def test_a_segment_ends_with_its_tokens_between_two_words() -> None:
    segment = Segment("", Pacing(reply_segment=4))
    assert taken(segment, "27", " plus", " 1", "5", " is") == "27 plus"
    assert segment.over and not segment.whole


def test_it_ends_before_what_the_model_is_not_sure_of() -> None:
    segment = Segment("27 plus 15", Pacing(sure=0.8))
    assert segment.take(" is", 1, 0.8, None) == ""
    assert segment.take(" ", 1, 0.9, None) == " is"
    assert segment.take("42", 1, 0.79, None) == ""
    assert segment.over


def test_a_new_word_that_it_is_not_sure_of_ends_the_one_before() -> None:
    segment = Segment("", Pacing())
    assert segment.take("It is", 1, 1.0, None) == "It"
    assert segment.take(" 42", 1, 0.1, None) == " is"
    assert segment.over


def test_half_a_word_that_it_was_sure_of_is_not_said() -> None:
    segment = Segment("", Pacing())
    assert segment.take("It is 4", 1, 1.0, None) == "It is"
    assert segment.take("2", 1, 0.1, None) == ""
    assert segment.over


def test_a_reply_that_ends_with_it_is_whole() -> None:
    segment = Segment("It", Pacing())
    assert segment.take(" is", 1, 1.0, None) == ""
    assert segment.take(" noon.", 1, 1.0, "stop") == " is noon."
    assert segment.over and segment.whole


def test_an_end_that_it_is_not_sure_of_is_none() -> None:
    segment = Segment("", Pacing())
    segment.take("No.", 1, 1.0, None)
    assert segment.take("", 1, 0.3, "stop") == "" and segment.over and not segment.whole


@pytest.mark.parametrize("text", ["<tool_call>function\nf\n{}</tool_call>", "<think>again"])
def test_no_call_and_no_chain_comes_of_part_of_the_thoughts(text: str) -> None:
    segment = Segment("", Pacing(reply_segment=100))
    assert "".join(segment.take(char, 1, 1.0, None) for char in text if not segment.over) == ""


# --- when ---


def test_each_segment_has_its_segment_of_thoughts() -> None:
    for first in (False, True):
        pacer, begun = Pacer(Pacing(speak_first=first, think_segment=10)), []
        for tokens in range(31):
            pacer.thought("so " * tokens, tokens)
            while pacer.due:
                pacer.begin()
                begun.append(tokens)
        assert begun == ([0, 10, 20, 30] if first else [10, 20, 30])


def test_the_thoughts_are_cut_between_words() -> None:
    pacer = Pacer(Pacing(think_segment=1))
    pacer.thought("heard: two\n2+2=4", 9)
    assert pacer.begin()[0] == "heard: two"


def test_a_segment_that_was_lost_is_due_again() -> None:
    pacer = Pacer(Pacing(speak_first=True))
    pacer.begin()
    assert not pacer.due
    pacer.lost()
    assert pacer.due


def test_nothing_is_said_beforehand_behind_a_whole_reply() -> None:
    pacer = Pacer(Pacing(speak_first=True, think_segment=1))
    _, segment = pacer.begin()
    pacer.tell(segment, segment.take("Yes.", 1, 1.0, "stop"))
    pacer.thought("a b c", 100)
    assert pacer.said == "Yes." and not pacer.due


# --- the reply to all thoughts ---


def concluded(said: str, reply: str, cut: bool = False, sizes: int = 1) -> str:
    """What is heard of it in all, however it comes in."""
    pacer = Pacer(Pacing())
    pacer.said = said
    told = "".join(pacer.conclude(reply[at : at + sizes]) for at in range(0, len(reply), sizes))
    return said + told + pacer.conclude("", over=True, cut=cut)


@pytest.mark.parametrize("sizes", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("said", "reply", "heard"),
    [
        ("", "It is 42.", "It is 42."),
        ("27 plus 15 is", "27 plus 15 is 42.", "27 plus 15 is 42."),
        ("27 plus 15 is 42.", "27 plus 15 is 42.", "27 plus 15 is 42."),
        ("well, yes", "Well yes, of course.", "well, yes of course."),
        ("It is 43", "It is 42.", "It is 43, no, wait: It is 42."),
        ("It is 43.", "It is 42.", "It is 43. No, wait: It is 42."),
        ("Is 4 even? Yes,", "Is 4 even? Well.", "Is 4 even? Yes, no, wait: Well."),
        ("Good. It is 5", "Good. It is -5. Bye.", "Good. It is 5, no, wait: It is -5. Bye."),
        ("It is 3", "It is 3.14.", "It is 3, no, wait: It is 3.14."),
        ("No, 5 is not more", "No.", "No, 5 is not more, no, wait: No."),
        ("答案是四", "答案是五。", "答案是四, no, wait: 答案是五。"),
        ("Let me look.", "", "Let me look."),
    ],
)
def test_what_was_said_is_gone_on_with_or_corrected(said: str, reply: str, heard: str, sizes: int) -> None:
    assert concluded(said, reply, sizes=sizes) == heard


def test_a_reply_that_was_cut_short_contradicts_nothing() -> None:
    assert concluded("27 plus 15 is", "27 pl", cut=True) == "27 plus 15 is"


@pytest.mark.parametrize("seed", range(50))
def test_whatever_was_said_the_reply_to_all_thoughts_is_heard_in_the_end(seed: int) -> None:
    """Its last sentence, word for word, and nothing twice where nothing was wrong."""
    r = random.Random(seed)
    some = ["one", "two,", "3", "-4", "five."]
    reply = " ".join(r.choice(some) for _ in range(r.randint(1, 6)))
    said = " ".join(reply.split()[: r.randint(0, 6)] + r.choice([[], ["else"], ["two", "three"]]))
    heard = [w.text for w in words(concluded(said, reply, sizes=r.randint(1, 4)))]
    wanted = [w.text for w in words(reply)]
    if [w.text for w in words(said)] == wanted[: len(words(said))]:
        assert heard == wanted
    else:
        last = words(reply.rpartition(". ")[2])
        assert "wait" in heard and heard[-len(last) :] == [w.text for w in last]
