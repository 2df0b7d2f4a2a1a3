"""However slowly a client reads: it is told everything, in order, and text only in larger pieces."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.outbox import SOUND, Outbox

TEXT = ("response.output_text.delta", "response.reasoning_text.delta")
EVENTS = st.one_of(
    st.builds(
        lambda kind, item, delta: {"type": kind, "item_id": item, "delta": delta},
        st.sampled_from((*TEXT, SOUND)),
        st.sampled_from("ab"),
        st.text("xyz", max_size=3),
    ),
    st.builds(lambda name: {"type": name}, st.sampled_from(("response.created", "response.done"))),
)
STEPS = st.lists(st.one_of(EVENTS, st.none()), max_size=60)  # None: the client reads one


def joined(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring pieces of one text put together."""
    out: list[dict[str, Any]] = []
    for event in events:
        last = out[-1] if out else None
        same = last and all(last.get(key) == event.get(key) for key in ("type", "item_id"))
        if last and same and event["type"] in TEXT:
            out[-1] = {**last, "delta": last["delta"] + event["delta"]}
        else:
            out.append(event)
    return out


@given(STEPS)
def test_nothing_is_lost_and_the_order_is_kept(steps: list[dict[str, Any] | None]) -> None:
    async def run() -> None:
        outbox, read = Outbox(), []
        for step in steps:
            if step is not None:
                outbox.put(step)
            elif outbox:
                read.append(await outbox.get())
        while outbox:
            read.append(await outbox.get())
        told = [step for step in steps if step is not None]
        assert joined(read) == joined(told)
        assert [e for e in read if e["type"] == SOUND] == [e for e in told if e["type"] == SOUND]

    asyncio.run(run())


@given(st.lists(EVENTS, min_size=1, max_size=60))
def test_what_waits_is_as_short_as_it_can_be(events: list[dict[str, Any]]) -> None:
    outbox = Outbox()
    for event in events:
        outbox.put(event)
    assert len(outbox) == len(joined(events))
