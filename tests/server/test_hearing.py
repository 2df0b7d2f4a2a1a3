"""Packets in any order, with any missing: the samples stand where their time stamps say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from server.hearing import HELD, LONGEST_MS, WAIT_MS, Hearing, Order, Packet
from server.opus import FRAME, RATE
from tests.server.test_opus import encoded, level, tone

STAMPS = 960  # of a frame


def sent(pcm: bytes, sequence: int = 100, timestamp: int = 5000) -> list[Packet]:
    return [
        Packet((sequence + i) & 0xFFFF, (timestamp + i * STAMPS) & 0xFFFFFFFF, payload)
        for i, payload in enumerate(encoded(pcm))
    ]


def numbered(*sequences: int) -> list[Packet]:
    return [Packet(n & 0xFFFF, n * STAMPS & 0xFFFFFFFF, b"x") for n in sequences]


def ordered(packets: list[Packet]) -> list[int]:
    order = Order()
    return [ready.sequence for packet in packets for ready in order.push(packet)]


def heard(packets: list[Packet]) -> bytes:
    hearing = Hearing()
    return b"".join(map(hearing.push, packets))


def test_in_order_nothing_waits() -> None:
    order = Order()
    for packet in numbered(7, 8, 9):
        assert list(order.push(packet)) == [packet]


def test_what_was_overtaken_takes_its_place() -> None:
    assert ordered(numbered(1, 3, 4, 2, 5)) == [1, 2, 3, 4, 5]


def test_what_comes_twice_or_too_late_is_left_out() -> None:
    late = WAIT_MS // 20 + 2
    assert ordered(numbered(1, 1, *range(3, 3 + late), 2, 3)) == [1, *range(3, 3 + late)]


def test_what_is_missing_is_waited_for_and_given_up() -> None:
    order = Order()
    waiting = numbered(1, *range(3, 100))
    got = [len(list(order.push(packet))) for packet in waiting]
    frames = WAIT_MS // 20
    assert got[: frames + 2] == [1, *[0] * frames, frames + 1]
    assert set(got[frames + 2 :]) == {1}


def test_numbers_wrap() -> None:
    assert ordered(numbered(65534, 65536, 65535, 65537)) == [65534, 65535, 0, 1]


def test_another_stream_begins_anew() -> None:
    assert ordered(numbered(1, 2, 30_000, 30_001)) == [1, 2, 30_000, 30_001]
    assert ordered(numbered(1, 2, 4, 30_000)) == [1, 2, 4, 30_000]


@pytest.mark.fault(
    fault="packets lost or reordered",
    provoked="of a call's audio every fifth packet is lost, every fifth overtaken",
    seen="nothing: what is lost is taken from its copy in the next packet, or concealed",
    kept="the audio clock, to the sample",
)
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_lost_or_reordered_the_clock_holds(seed: int) -> None:
    rng = random.Random(seed)
    packets = sent(tone(3000), 65_500, 2**32 - 40 * STAMPS)
    came = [packets[0]]
    came += [packet for packet in packets[1:-HELD] if rng.random() > 0.2]
    for at in range(1, len(came) - 1):
        if rng.random() < 0.2:
            came[at], came[at + 1] = came[at + 1], came[at]
    came += packets[-HELD:]
    assert len(heard(came)) == 2 * FRAME * len(packets)


def test_one_lost_packet_is_hardly_heard() -> None:
    packets = sent(tone(1000))
    whole, holed = heard(packets), heard(packets[:25] + packets[26:])
    assert len(whole) == len(holed)
    hole = slice(25 * 2 * FRAME, 26 * 2 * FRAME)
    assert level(holed[hole]) > 0.5 * level(whole[hole])


def test_a_long_loss_is_silence_of_the_right_length() -> None:
    packets = sent(tone(3000))
    pcm = heard(packets[:50] + packets[100:])
    assert len(pcm) == 2 * FRAME * 150
    assert level(pcm[2 * FRAME * 60 : 2 * FRAME * 98]) == 0.0


def test_a_pause_of_minutes_is_not_made_up_for() -> None:
    packets = sent(tone(200))
    late = [Packet(p.sequence + 10, p.timestamp + 600 * 48_000, p.payload) for p in packets]
    pcm = heard(packets + late)
    assert len(pcm) == 2 * (2 * FRAME * 10 + LONGEST_MS * RATE // 1000)


def test_a_clock_that_is_set_back_goes_on() -> None:
    packets = sent(tone(400))
    back = [Packet(p.sequence, p.timestamp - 480_000, p.payload) for p in packets[10:]]
    assert len(heard(packets[:10] + back)) == 2 * FRAME * 20


def test_what_is_no_opus_is_a_gap() -> None:
    packets = sent(tone(400))
    packets[5] = Packet(packets[5].sequence, packets[5].timestamp, b"\xff\xff\xff")
    hearing = Hearing()
    pcm = b"".join(map(hearing.push, packets))
    assert hearing.bad == 1 and hearing.missed == FRAME
    assert len(pcm) == 2 * FRAME * 20
    assert np.frombuffer(pcm, "<i2").any()
