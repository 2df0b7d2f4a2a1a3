"""Where conversations are kept: both stores do the same, and a real Redis is one of them."""

from __future__ import annotations

import asyncio

import pytest

from server.redis_store import RedisStore
from server.store import Change, Store, StoreError, Taken


def change(n: int, kept: int = 10) -> Change:
    data = bytes(range(256)) * n
    return Change(
        {"head": b"{%d}" % n, f"audio:{n}": data}, (f"audio:{n - 1}",), ((f"e{n}", f"data\n{n}"),), kept
    )


async def test_what_was_written_is_there_and_only_the_newest_events(store: Store) -> None:
    assert await store.load("a") is None
    for n in range(5):
        await store.save("a", "one", change(n, 3), 60)
    record = await store.load("a")
    assert record is not None
    assert record.fields == {"head": b"{4}", "audio:4": bytes(range(256)) * 4}
    assert record.events == (("e2", "data\n2"), ("e3", "data\n3"), ("e4", "data\n4"))
    assert await store.load("b") is None


async def test_who_claims_it_has_it_and_nobody_else_writes(store: Store) -> None:
    await store.save("a", "one", change(1), 60)
    taken = await store.claim("a", "two", 60)
    assert taken is not None and taken == await store.load("a")
    with pytest.raises(Taken):
        await store.save("a", "one", change(2), 60)
    await store.drop("a", "one")
    assert await store.load("a") == taken
    await store.save("a", "two", change(2), 60)
    await store.drop("a", "two")
    assert await store.load("a") is None
    assert await store.claim("a", "one", 60) is None


async def test_a_record_that_nobody_renews_expires(store: Store) -> None:
    await store.save("a", "one", change(1), 0.2)
    await store.save("b", "one", change(1), 60)
    await asyncio.sleep(0.3)
    assert await store.load("a") is None
    assert await store.claim("a", "two", 60) is None
    await store.save("a", "two", change(2), 60)  # and then it is anybody's
    assert await store.load("b") is not None


async def test_two_that_claim_at_once_do_not_both_have_it(store: Store) -> None:
    await store.save("a", "zero", change(1), 60)
    await asyncio.gather(*(store.claim("a", owner, 60) for owner in ("one", "two")))
    written = await asyncio.gather(
        *(store.save("a", owner, change(2), 60) for owner in ("one", "two")), return_exceptions=True
    )
    assert sorted(isinstance(result, Taken) for result in written) == [False, True]


async def test_a_redis_that_is_not_there_is_told() -> None:
    nobody = RedisStore("redis://127.0.0.1:1")
    with pytest.raises(StoreError, match="does not answer"):
        await nobody.ready()
    with pytest.raises(StoreError):
        await nobody.save("a", "one", change(1), 60)
    await nobody.close()


def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError):
        RedisStore("ftp://127.0.0.1")
