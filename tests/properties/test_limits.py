"""What a key may use, whatever it asks for and whenever."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, raises

from server.limits import Account, Bucket, LimitReached, Limits

TAKES = st.lists(st.tuples(st.floats(-5, 50), st.floats(0, 30)), max_size=40)  # seconds later, how much


@given(st.floats(0.1, 100), st.floats(1, 100), TAKES)
def test_no_more_than_the_rate_in_any_while(
    rate: float, size: float, takes: list[tuple[float, float]]
) -> None:
    bucket, now, latest = Bucket(rate, size), 0.0, 0.0
    taken: list[tuple[float, float]] = []
    for later, amount in takes:
        now += later  # a clock may go back
        latest = max(latest, now) if taken else now
        if bucket.take(amount, now):
            taken.append((max(now, latest), amount))
        assert -1e-6 <= bucket.level(now) <= size
        assert bucket.full_in(now) >= 0
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            used = sum(amount for _, amount in taken[first : last + 1])
            allowed = size + rate * (taken[last][0] - taken[first][0])
            assert used <= allowed + 1e-6 * max(1.0, allowed)


@given(st.floats(0.1, 100), st.floats(1, 100), st.floats(0, 1))
def test_it_is_full_when_it_says(rate: float, size: float, share: float) -> None:
    bucket = Bucket(rate, size)
    assert bucket.take(size * share, 10.0)
    assert bucket.level(10.0 + bucket.full_in(10.0)) == approx(size)


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_sessions_are_counted_to_the_last(most: int, opens: list[bool]) -> None:
    account = Account(Limits(sessions=most))
    with ExitStack() as everything:
        stacks: list[ExitStack] = []
        for opening in opens:
            if opening and len(stacks) < most:
                stacks.append(everything.enter_context(ExitStack()))
                stacks[-1].enter_context(account.session())
            elif opening:
                with raises(LimitReached), account.session():
                    pass
            elif stacks:
                stacks.pop(0).close()
            assert account.sessions == len(stacks)
    assert account.sessions == 0


@given(st.integers(1, 20), st.lists(st.floats(0, 20), max_size=60))
def test_replies_are_what_is_told(most: int, waits: list[float]) -> None:
    account, now = Account(Limits(replies_per_minute=most)), 100.0
    for wait in waits:
        now += wait
        left = account.replies(now)
        assert left is not None and 0 <= left.remaining <= left.limit == most
        if left.remaining:
            account.reply(now)
        else:
            with raises(LimitReached):
                account.reply(now)
