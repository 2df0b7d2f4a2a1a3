"""More conversations than places: who is parked lends theirs, and gets one again in their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import SessionFull
from streaming.places import PLACE, RANK, Place, Places, alone


@pytest.fixture(autouse=True)
def left() -> Iterator[None]:
    """Here places are left in any order, as in no task: what is in one's place then is nobody's."""
    yield
    PLACE.set(None)
    RANK.set(None)


def lending(*places: Place) -> Callable[[int], bool]:
    """One of these is lent whenever somebody asks, the first first."""
    able = list(places)

    def lend(rank: int) -> bool:
        if able:
            able.pop(0).lend()
            return True
        return False

    return lend


def test_a_conversation_knows_its_place() -> None:
    with Places(1000, 400).one() as place:
        assert PLACE.get() is place and place.own.is_set()
    assert PLACE.get() is None and not place.own.is_set()
    assert alone().own.is_set()


def test_without_overcommitment_a_place_that_was_lent_is_kept() -> None:
    places = Places(1000, 400)
    with places.one() as first, places.one():
        first.lend()
        assert places.reserved == (400,) and places.free == 0
        with pytest.raises(SessionFull, match="all 2 places"), places.one(lambda rank: True):
            pass
        first.want()
        assert first.own.is_set() and places.reserved == (800,)


def test_a_newcomer_gets_a_place_that_is_lent_and_its_owner_waits_for_the_next() -> None:
    places = Places(1000, 400, overcommit=1.5)
    with ExitStack() as first:
        a, b = (first.enter_context(places.one()) for _ in range(2))
        assert places.free == 0
        with pytest.raises(SessionFull), places.one():
            pass
        with places.one(lending(a)) as c:
            assert [one.own.is_set() for one in (a, b, c)] == [False, True, True]
            with pytest.raises(SessionFull), places.one(lending(b)):  # it is three at most
                pass
            assert b.own.is_set()
            a.want()
            a.want()  # whoever asks twice waits once
            assert places.waiting == (1,) and not a.own.is_set()
            b.lend()
            assert places.waiting == (0,) and a.own.is_set() and places.reserved == (800,)
            b.want()
        assert b.own.is_set()  # one has left
    assert places.reserved == (0,) and places.free == 800


def test_nobody_overtakes_who_waits() -> None:
    places = Places(400, 400, overcommit=4)
    with places.one() as a, places.one(lending(a)) as b, places.one(lending(b)) as c:
        b.want()
        a.want()
        with pytest.raises(SessionFull), places.one(lending(c)):
            pass
        c.lend()
        assert b.own.is_set() and places.waiting == (1,)
        b.lend()
        assert a.own.is_set() and places.waiting == (0,)


def test_who_leaves_while_waiting_is_not_waited_for() -> None:
    places = Places(400, 400, overcommit=2)
    with ExitStack() as stay:
        a = stay.enter_context(places.one())
        with places.one(lending(a)):
            a.want()
            stay.close()
            assert places.waiting == (0,)
    assert places.reserved == (0,)


def test_looking_takes_nothing() -> None:
    places = Places(400, 400, overcommit=2)
    with places.one() as place:
        with pytest.raises(SessionFull):
            places.choose(lambda rank: False)
        assert places.choose(lambda rank: True) == 0
        assert place.own.is_set() and places.reserved == (400,)


def test_an_engine_with_more_room_serves_who_waits() -> None:
    places = Places(400, 400, overcommit=2)
    with places.one() as a, places.one(lending(a)):
        a.want()
        places.resize(800)
        assert a.own.is_set() and places.reserved == (800,)


def test_the_rank_that_has_a_place_is_asked_before_anybody_is_parked() -> None:
    places = Places(400, 400, ranks=2, overcommit=2)
    asked: list[int] = []

    def lend(rank: int) -> bool:
        asked.append(rank)
        return False

    with places.one(lend), places.one(lend):
        assert asked == [] and places.reserved == (400, 400)
        with pytest.raises(SessionFull), places.one(lend):
            pass
        assert sorted(asked) == [0, 1]


MOVES = st.lists(st.tuples(st.sampled_from(["come", "go", "lend", "want"]), st.integers(0, 9)), max_size=60)


@given(MOVES, st.integers(1, 2), st.sampled_from([1.0, 1.5, 3.0]))
def test_no_cache_is_ever_promised_twice(moves: list[tuple[str, int]], ranks: int, over: float) -> None:
    places = Places(800, 400, ranks, over)
    here: list[tuple[ExitStack, Place]] = []
    for move, at in moves:
        stay, place = here[at % len(here)] if here else (ExitStack(), None)
        if move == "come":
            stay = ExitStack()
            try:
                here.append((stay, stay.enter_context(places.one())))
            except SessionFull:
                assert places.free == 0 or any(places.waiting)
        elif place is None:
            continue
        elif move == "go":
            here.remove((stay, place))
            stay.close()
        elif move == "lend":
            place.lend()
        else:
            place.want()
        for rank in range(ranks):
            own = sum(place.own.is_set() for _, place in here if place.rank == rank)
            assert places.reserved[rank] == own * 400 <= 800
            assert own == 2 or not places.waiting[rank]
            assert sum(place.rank == rank for _, place in here) <= 2 * over
    for stay, _ in reversed(here):
        stay.close()
    assert places.reserved == (0,) * ranks == places.waiting
