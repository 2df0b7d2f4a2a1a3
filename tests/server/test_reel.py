"""What a loudspeaker has played, by the device's own clock."""

from __future__ import annotations

from server.audio_file import RATE
from server.reel import Cut, Reel

BLOCK = 480
SOUND = b"\1\2" * BLOCK


def test_replies_one_behind_the_other_and_silence_behind_them() -> None:
    reel = Reel()
    reel.push("a", SOUND + SOUND[:100])
    reel.push("b", SOUND[:200])
    assert reel.pull(BLOCK, 1.0) == SOUND
    assert reel.pull(BLOCK, 1.02) == SOUND[:300] + bytes(2 * BLOCK - 300)
    assert reel.pull(BLOCK, 1.04) == bytes(2 * BLOCK)
    assert (reel.heard("a", 9.0), reel.heard("b", 9.0)) == (BLOCK + 50, 100)


def test_heard_is_what_has_come_out_not_what_was_taken() -> None:
    reel = Reel()
    reel.push("a", SOUND * 2)
    reel.pull(BLOCK, 1.0)
    assert reel.heard("a", 0.9) == 0
    assert reel.heard("a", 1.0 + 100 / RATE) == 100
    assert reel.heard("a", 2.0) == BLOCK
    assert not reel.silent(2.0)  # more waits
    reel.pull(BLOCK, 1.02)
    assert not reel.silent(1.03) and reel.silent(1.05)
    assert reel.heard("never came", 2.0) == 0


def test_a_cut_drops_what_waits_and_what_still_comes() -> None:
    reel = Reel()
    reel.push("a", SOUND * 10)
    reel.pull(BLOCK, 1.0)
    reel.push("b", SOUND)
    assert reel.cut() == [Cut("a", BLOCK), Cut("b", 0)]
    reel.push("a", SOUND)
    assert reel.pull(BLOCK, 1.02) == bytes(2 * BLOCK)
    assert reel.cut() == []
    assert Cut("a", 2400).milliseconds == 100


def test_a_reply_that_was_played_to_its_end_is_not_cut() -> None:
    reel = Reel()
    reel.push("a", SOUND)
    reel.pull(BLOCK, 1.0)
    reel.done("a")
    assert reel.cut() == []


def test_a_reply_of_which_more_may_come_is_cut_though_nothing_waits() -> None:
    reel = Reel()
    reel.push("a", SOUND)
    reel.pull(BLOCK, 1.0)
    assert reel.cut() == [Cut("a", BLOCK)]
