from __future__ import annotations

import asyncio

from server.playback import DELAY_FRAMES, FRAME_BYTES, Playback, Told

MS = 20  # of a frame


class Played:
    def __init__(self) -> None:
        self.told: list[tuple[Told, str]] = []
        self.captions: list[str] = []
        self.playback = Playback(
            lambda what, response_id: self.told.append((what, response_id)), self.caption
        )

    def caption(self, response_id: str, item_id: str, words: str) -> None:
        assert response_id.removeprefix("resp_") == item_id.removeprefix("item_")
        self.captions.append(words)

    def push(self, name: str, frames: float, byte: bytes = b"\1", words: str = "") -> None:
        self.playback.push(f"resp_{name}", f"item_{name}", byte * int(frames * FRAME_BYTES), words)

    def frames(self, count: int) -> list[bytes | None]:
        return [self.playback.frame() for _ in range(count)]

    def heard(self, name: str) -> float:
        return self.playback.played(f"item_{name}")


def test_silence_then_sound_then_silence() -> None:
    p = Played()
    assert p.frames(2) == [None, None]
    p.push("a", 1.5)
    first, second, third = p.frames(3)
    assert first == b"\1" * FRAME_BYTES
    assert second == (b"\1" * (FRAME_BYTES // 2)).ljust(FRAME_BYTES, b"\0")
    assert third is None
    assert p.told == [("started", "resp_a")]
    p.playback.done("resp_a", cut=False)
    assert p.told[1:] == [("stopped", "resp_a")]


def test_what_was_sent_is_heard_a_little_later() -> None:
    p = Played()
    p.push("a", 10)
    p.frames(DELAY_FRAMES)
    assert p.heard("a") == 0
    p.frames(3)
    assert p.heard("a") == 3 * MS
    p.frames(100)
    assert p.heard("a") == 10 * MS
    assert p.heard("nobody") == 0


def test_words_are_told_when_they_begin_to_be_heard() -> None:
    p = Played()
    p.push("a", 3, words="one ")
    p.push("a", 2, words="two ")
    p.push("a", 0, words="three")
    p.frames(DELAY_FRAMES)
    assert p.captions == []
    p.frames(1)
    assert p.captions == ["one "]
    p.frames(2)
    assert p.captions == ["one ", "two "]
    p.frames(2)
    assert p.captions == ["one ", "two ", "three"]
    p.push("a", 0, words=".")  # nothing of its own is to be heard any more
    assert p.captions[3:] == ["."]


def test_words_that_are_cut_are_not_told() -> None:
    p = Played()
    p.push("a", 2, words="one ")
    p.push("a", 20, words="two")
    p.frames(1)
    p.playback.hold(True)
    p.frames(50)
    assert p.captions == ["one "]
    p.playback.done("resp_a", cut=True)
    p.playback.hold(False)
    p.frames(50)
    assert p.captions == ["one "]


def test_a_cut_leaves_what_was_heard() -> None:
    p = Played()
    p.push("a", 50)
    p.frames(DELAY_FRAMES + 5)
    p.playback.done("resp_a", cut=True)
    assert p.frames(10) == [None] * 10
    assert p.heard("a") == 5 * MS
    assert p.told == [("started", "resp_a"), ("cleared", "resp_a")]
    p.push("a", 5)  # a straggler
    assert p.frames(1) == [None]


def test_a_cut_before_the_first_sound_tells_nothing() -> None:
    p = Played()
    p.push("a", 5)
    p.playback.done("resp_a", cut=True)
    p.playback.done("resp_b", cut=True)
    p.playback.done("resp_b", cut=False)
    assert p.told == []


def test_while_it_is_held_nothing_is_played_and_nothing_lost() -> None:
    p = Played()
    p.push("a", 5)
    p.frames(1)
    p.playback.hold(True)
    assert p.frames(50) == [None] * 50
    assert p.heard("a") == MS
    p.playback.hold(False)
    assert [frame is None for frame in p.frames(5)] == [False] * 4 + [True]


def test_one_reply_behind_the_other() -> None:
    p = Played()
    p.push("a", 1, b"\1")
    p.push("b", 2, b"\2")
    assert p.playback.playing == "resp_a"
    assert [frame and frame[0] for frame in p.frames(4)] == [1, 2, 2, None]
    assert p.playback.playing == "resp_a"  # is still on its way
    p.frames(DELAY_FRAMES - 3)
    assert p.playback.playing == "resp_b"
    p.frames(DELAY_FRAMES)
    assert p.playback.playing is None
    assert p.told == [("started", "resp_a"), ("started", "resp_b")]


def test_done_before_it_was_played_is_told_when_it_was() -> None:
    p = Played()
    p.push("a", 2)
    p.frames(1)
    p.playback.done("resp_a", cut=False)
    assert p.told == [("started", "resp_a")]
    p.frames(1)
    assert p.told[1:] == [("stopped", "resp_a")]


async def test_waiting_until_it_was_heard() -> None:
    p = Played()
    await p.playback.played_out("item_nobody")
    p.push("a", 0)
    await p.playback.played_out("item_a")
    p.push("a", 2)
    waiting = asyncio.create_task(p.playback.played_out("item_a"))
    for _ in range(DELAY_FRAMES + 1):
        p.frames(1)
        await asyncio.sleep(0)
        assert not waiting.done()
    p.frames(1)
    await waiting
    p.push("a", 1)
    waiting = asyncio.create_task(p.playback.played_out("item_a"))
    await asyncio.sleep(0)
    p.playback.done("resp_a", cut=True)
    await waiting


def test_old_replies_are_forgotten() -> None:
    p = Played()
    for name in range(100):
        p.push(str(name), 1)
        p.frames(DELAY_FRAMES + 1)
        p.playback.done(f"resp_{name}", cut=False)
    assert p.heard("0") == 0
    assert p.heard("99") == MS
    assert len(p.playback._replies) < 30
