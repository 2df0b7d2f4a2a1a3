"""Who has been idle longest is parked first, only where the cache runs short, and no more than it takes."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.parking import Cache, Idle, Marks, Parking, longest_idle, short

MARKS = Marks(low=0.25, high=0.5, idle_seconds=10.0)


@pytest.mark.parametrize(
    ("free", "wanted"),
    [(1000, 0), (250, 0), (249, 251), (0, 500)],  # nothing down to the low mark, then up to the high one
)
def test_it_is_short_below_the_low_mark(free: int, wanted: int) -> None:
    assert short(Cache(free, 1000, 1), MARKS) == wanted


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (-0.1, 0.5), (0.5, 1.5)])
def test_marks_that_cannot_be_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low <= high"):
        Marks(low, high)


IDLE = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000)), max_size=12)


@given(IDLE, st.integers(-10, 5000), st.floats(0, 100))
def test_those_idle_longest_and_no_more_of_them_than_it_takes(
    told: list[tuple[float, int]], tokens: int, seconds: float
) -> None:
    idle = {who: Idle(who, since, held) for who, (since, held) in enumerate(told)}
    chosen = longest_idle(idle.values(), 100.0, tokens, seconds)
    rest = [one for who, one in idle.items() if who not in chosen]
    may = [one for one in idle.values() if 100.0 - one.since >= seconds]
    assert len(set(chosen)) == len(chosen)
    assert all(idle[who] in may for who in chosen)
    assert all(idle[who].since <= one.since for who in chosen for one in rest)
    freed = [idle[who].tokens for who in chosen]
    assert sum(freed[:-1]) < tokens if chosen else tokens <= 0 or not may
    if sum(freed) < tokens:
        assert len(chosen) == len(may)  # there was no more to be had


class Resting:
    """Somebody who has been idle since then."""

    def __init__(self, since: float | None, held: int = 100) -> None:
        self.idle_since = since
        self.held = held
        self.parked = 0

    def park(self) -> None:
        self.parked += 1
        self.idle_since = None


def full(told: int, free: int = 0) -> Cache:
    return Cache(free, 1000, told)


def test_each_cache_is_looked_at_by_itself() -> None:
    parking = Parking(MARKS)
    here, there, busy = Resting(0.0), Resting(0.0), Resting(None)
    with ExitStack() as stays:
        for guest, rank in ((here, 0), (there, 1), (busy, 1)):
            stays.enter_context(parking.guest(guest, rank))
        parking.look([full(1, free=600), full(1)], 20.0)
    assert (here.parked, there.parked, busy.parked) == (0, 1, 0)


def test_nobody_is_parked_before_their_time() -> None:
    parking, guest = Parking(MARKS), Resting(15.0)
    with parking.guest(guest, 0):
        for told, (now, parked) in enumerate(((20.0, 0), (24.9, 0), (25.0, 1), (26.0, 1))):
            parking.look([full(told)], now)
            assert guest.parked == parked


def test_where_nothing_is_computed_nobody_needs_the_room() -> None:
    parking, guest = Parking(MARKS), Resting(0.0)
    with parking.guest(guest, 0):
        for told, now, parked in ((1, 5.0, 0), (1, 20.0, 0), (2, 21.0, 1)):
            parking.look([full(told)], now)
            assert guest.parked == parked


def test_a_cache_is_let_be_until_it_tells_what_came_of_it() -> None:
    """Its figures are of its last step: they do not show yet what has been given back."""
    parking = Parking(MARKS)
    guests = [Resting(float(since), held=500) for since in range(3)]
    with ExitStack() as stays:
        for guest in guests:
            stays.enter_context(parking.guest(guest, 0))
        for _ in range(3):
            parking.look([full(7)], 20.0)
        assert [guest.parked for guest in guests] == [1, 0, 0]
        parking.look([full(8, free=300)], 20.0)
        assert [guest.parked for guest in guests] == [1, 0, 0]
        parking.look([full(9, free=200)], 20.0)
        assert [guest.parked for guest in guests] == [1, 1, 0]


def test_who_has_left_is_not_parked() -> None:
    parking, guest = Parking(MARKS), Resting(0.0)
    with parking.guest(guest, 0):
        pass
    parking.look([full(1)], 20.0)
    assert not guest.parked
