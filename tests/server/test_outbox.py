"""Text is merged, everything else waits in order, and no client may let too much wait."""

from __future__ import annotations

import asyncio

import pytest

from server.outbox import Outbox, SlowClient


def delta(text: str, item: str = "a", kind: str = "response.output_text.delta") -> dict[str, str]:
    return {"type": kind, "item_id": item, "delta": text}


async def test_text_that_waits_is_merged() -> None:
    outbox = Outbox()
    for event in (delta("one "), delta("two "), delta("three")):
        outbox.put(event)
    assert await outbox.get() == delta("one two three")
    assert len(outbox) == 0


async def test_only_neighbours_of_one_kind_and_item_are_merged() -> None:
    outbox = Outbox()
    other = "response.reasoning_text.delta"
    events = [delta("a"), {"type": "x"}, delta("b"), delta("c", "b"), delta("d", "b", other), {"type": "x"}]
    for event in events:
        outbox.put(event)
    assert [await outbox.get() for _ in events] == events


async def test_what_was_put_is_left_as_it_was() -> None:
    outbox, first = Outbox(), delta("one ")
    outbox.put(first)
    outbox.put(delta("two"))
    assert first == delta("one ")


async def test_a_reader_waits_for_the_next_event() -> None:
    outbox = Outbox()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not reader.done()
    outbox.put({"type": "x"})
    assert await reader == {"type": "x"}


async def test_too_much_that_waits_is_told_to_the_reader() -> None:
    outbox = Outbox(limit=3)
    for number in range(4):
        outbox.put({"type": str(number)})
    with pytest.raises(SlowClient):
        await outbox.get()
