"""When what was sent is played, and what of it was heard."""

from __future__ import annotations

import pytest

from streaming.loudspeaker import REMEMBERED, Heard, Loudspeaker, Track
from streaming.voice import RATE

WORD = RATE // 10  # samples


def spoken(loudspeaker: Loudspeaker, text: str, now: float) -> Track:
    """A tenth of a second a word."""
    track, at = Track(), 0
    for n, word in enumerate(text.split()):
        at += len(word) + (n > 0)
        loudspeaker.play(track, WORD, now)
        track.mark((n + 1) * WORD, at)
    return track


def test_a_track_tells_words_by_time() -> None:
    track = Track()
    track.mark(WORD, 3)
    track.mark(2 * WORD, 7)
    assert [track.heard(ms) for ms in (0, 99, 100, 199.9, 200, 9999)] == [0, 0, 3, 3, 7, 7]


def test_a_gap_in_the_sound_is_not_heard() -> None:
    loudspeaker, track = Loudspeaker(), Track()
    for at, now, characters in ((1, 10.0, 2), (2, 10.0, 5), (3, 20.0, 8)):
        loudspeaker.play(track, WORD, now)
        track.mark(at * WORD, characters)
    assert [track.played(now) for now in (9.0, 10.05, 10.15, 10.25, 19.0, 20.05, 20.15, 99.0)] == [
        0, 0, 2, 5, 5, 5, 8, 8
    ]  # fmt: skip
    assert track.ends(0.0) == pytest.approx(20.1)


def test_what_comes_while_something_plays_is_played_behind_it() -> None:
    loudspeaker = Loudspeaker()
    first, second = spoken(loudspeaker, "a b c", 10.0), spoken(loudspeaker, "d e", 10.1)
    assert [first.ends(0.0), second.ends(0.0)] == pytest.approx([10.3, 10.5])
    assert second.played(10.35) == 0 and second.played(10.45) == 1
    assert loudspeaker.ahead(10.4) == pytest.approx(0.1) and loudspeaker.ahead(11.0) == 0.0


def test_one_voice_within_another_is_told_apart() -> None:
    loudspeaker, mine, other = Loudspeaker(), Track(), Track()
    for n, track in enumerate((mine, other, mine, other)):
        loudspeaker.play(track, WORD, 10.0)
        track.mark((1 + n // 2) * WORD, 1 + n // 2)
    assert [mine.played(10.0 + t) for t in (0.05, 0.15, 0.25, 0.35)] == [0, 1, 1, 2]
    assert [other.played(10.0 + t) for t in (0.05, 0.15, 0.25, 0.35, 0.45)] == [0, 0, 1, 1, 2]


def test_stopped_it_has_played_what_it_had_by_then() -> None:
    loudspeaker = Loudspeaker()
    for item_id, now in (("old", 0.0), ("a", 10.0), ("b", 10.0)):
        loudspeaker.made(item_id, spoken(loudspeaker, "one two three", now), "one two three")
    assert loudspeaker.stopped(10.25) == [Heard("a", "one two", True, 0), Heard("b", "", True, 0)]
    assert loudspeaker.ahead(10.25) == 0.0
    assert loudspeaker.stopped(10.3) == []  # nothing is heard less twice, nor more
    assert loudspeaker.truncated("a", 10_000) == Heard("a", "one two", False, 300)


def test_the_client_knows_better_what_it_has_played() -> None:
    loudspeaker = Loudspeaker()
    loudspeaker.made("a", spoken(loudspeaker, "one two three", 10.0), "one two three")
    assert loudspeaker.truncated("a", 150) == Heard("a", "one", True, 150)
    assert loudspeaker.stopped(10.01, "a") == []
    assert loudspeaker.truncated("nobody", 0) is None
    loudspeaker.forget("a")
    assert loudspeaker.truncated("a", 0) is None


def test_what_it_remembers_is_bounded() -> None:
    loudspeaker = Loudspeaker()
    for n in range(REMEMBERED + 1):
        loudspeaker.made(str(n), Track(), "")
    assert loudspeaker.truncated("0", 0) is None and loudspeaker.truncated("1", 0) is not None


def test_without_sound_nothing_is_heard() -> None:
    track = Track()
    assert (track.played(5.0), track.ends(5.0), track.ms) == (0, 5.0, 0)
