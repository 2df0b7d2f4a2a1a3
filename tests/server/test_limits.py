"""What a key may use, and when it may again."""

from __future__ import annotations

import pytest

from server.limits import Account, Bucket, LimitReached, Limits, RateLimit


def test_a_bucket_fills_up() -> None:
    bucket = Bucket(rate=2, size=10)
    assert bucket.take(10, 0.0) and not bucket.take(1, 0.0)
    assert bucket.level(2.0) == 4 and bucket.full_in(2.0) == 3
    assert not bucket.take(5, 2.0) and bucket.take(4, 2.0)
    assert bucket.level(1.0) == 0  # a clock that goes back gives nothing
    assert bucket.level(99.0) == 10


def test_without_limits_there_are_none() -> None:
    account = Account(Limits())
    with account.session(), account.session():
        account.send(10**9, 0.0)
        account.reply(0.0)
    assert account.replies(0.0) is None


def test_sessions_are_given_back() -> None:
    account = Account(Limits(sessions=1))
    with account.session():
        with pytest.raises(LimitReached, match="has 1 sessions open"):
            with account.session():
                pass
    with account.session():
        assert account.sessions == 1


def test_bytes_and_replies() -> None:
    account = Account(Limits(bytes_per_second=100, replies_per_minute=2))
    account.send(6000, 0.0)
    with pytest.raises(LimitReached, match="100 bytes a second"):
        account.send(1, 0.0)
    account.send(100, 1.0)
    assert account.replies(0.0) == RateLimit(2, 2, 0.0)
    account.reply(0.0)
    account.reply(0.0)
    assert account.replies(15.0) == RateLimit(2, 0, 45.0)
    with pytest.raises(LimitReached, match="2 replies a minute"):
        account.reply(15.0)
    account.reply(30.0)
