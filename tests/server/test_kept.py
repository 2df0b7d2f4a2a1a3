"""A conversation written down and read again is the same, whatever it has in it; what is none is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.tools import Tool
from server import client_events as ce
from server.keeper import Keeper
from server.kept import HEAD, BadRecord, Kept, read
from server.session_object import SessionState
from server.store import MemoryStore
from server.telling import Narrated, Told
from streaming.events import (
    FunctionCall,
    FunctionOutput,
    Given,
    Message,
    Named,
    Reference,
    ResponseRequest,
    ResponseStarted,
    SemanticVad,
    ServerVad,
    Timings,
    Usage,
)
from streaming.snapshot import Dictation, Hearing, Made, Making, Marks, Snapshot, Spoken, Turn
from streaming.turn import State

SAMPLES = np.arange(-500, 500, dtype=np.int16)
REQUEST = ResponseRequest(
    "be brief",
    "high",
    12,
    None,
    (Tool("f", "does", {"type": "object"}),),
    Named("f"),
    {"a": "b"},
    True,
    "ann",
    1.25,
    "pcmu",
    True,
    (Reference("x"), Given(Message("", "user", True), b"\x00\xff")),
)
MAKING = Making(
    "resp_1",
    "item_9",
    REQUEST,
    1.5,
    (Message("item_9", "assistant", True), FunctionCall("item_10", "call_1", "f", '{"a": 1}')),
    "thought",
    True,
    "said",
    "stop",
    Usage(1, 2, 3, 4, 5, 6),
    Timings(1.0, None, 2.0),
    Spoken(3, 2, Marks((0, 5), (0, 3)), 7, b"\x80\x00"),
)
KEPT = Kept(
    "account",
    SessionState("sess_1", "nano").updated(
        ce.Session.model_validate(
            {
                "type": "realtime",
                "instructions": "Grüße",
                "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
                "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}},
                "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
                "soundmind": {"resume": True},
            }
        )
    ),
    Narrated(
        "conv_1",
        57,
        ("item_1",),
        (
            Told(
                ResponseStarted("resp_1", {"a": "b"}, True, 5, True, "pcma"),
                "th",
                "item_9",
                "sa",
                ({"id": "x"},),
            ),
        ),
        {"item_9": None},
    ),
    Snapshot(
        16_000,
        State.OVERLAP,
        (
            Turn((Message("item_1", "user", True, "hello"),), True, False, "sha256_1", SAMPLES),
            Turn((FunctionCall("item_2", "call_2", "f", "{}"),)),
            Turn((FunctionOutput("item_3", "call_2", "f", "42"),), False),
            Turn(MAKING.items, True, True),
        ),
        Hearing("item_11", 12_000, (np.linspace(-1, 0.9, 512, dtype=np.float32),) * 3),
        MAKING,
        (replace(MAKING, response_id="resp_2", spoken=None, finish=None),),
        REQUEST,
        (Made("item_4", "heard", Marks()),),
        (Dictation("item_1", 2.5, "hel"),),
    ),
    1000.0,
)


async def kept_and_read(*steps: Kept) -> Kept:
    """Written down one after the other, and read once."""
    store, token = MemoryStore(), "token"
    keeper = Keeper(store, token, 60)
    for step in steps:
        await keeper.keep(step, [], 10)
    found = await Keeper(store, token, 60).look()
    assert found is not None
    return found[0]


def same(one: Kept, other: Kept) -> bool:
    """Audio included."""
    assert one == other
    for a, b in zip(one.snapshot.turns, other.snapshot.turns, strict=True):
        assert (a.samples is None) == (b.samples is None)
        assert a.samples is None or np.array_equal(a.samples, b.samples)  # type: ignore[arg-type]
    heard = [np.concatenate(k.snapshot.hearing.heard) for k in (one, other) if k.snapshot.hearing is not None]
    assert not heard or np.abs(heard[0] - heard[1]).max() <= 1 / 32768
    return True


async def test_all_of_it() -> None:
    read_again = await kept_and_read(KEPT)
    assert same(KEPT, read_again)
    assert isinstance(read_again.session.turn_detection, SemanticVad)
    assert read_again.session.settings == KEPT.session.settings


@pytest.mark.parametrize(
    "detection", [ServerVad(silence_duration_ms=700), SemanticVad(eagerness="high"), None]
)
async def test_turn_detection_keeps_its_kind(detection: ServerVad | SemanticVad | None) -> None:
    kept = replace(KEPT, session=replace(KEPT.session, turn_detection=detection))
    assert (await kept_and_read(kept)).session.turn_detection == detection


async def test_only_what_has_changed_is_written_and_what_is_gone_goes() -> None:
    store = Recording()
    keeper = Keeper(store, "token", 60)
    await keeper.keep(KEPT, [], 10)
    assert len(store.written[0]) == 4 + 1 + 1 + 2  # turns, audio, heard, head and time
    await keeper.keep(replace(KEPT, saved_at=1001.0), [], 10)
    assert len(store.written) == 1  # nothing has changed
    snapshot = KEPT.snapshot
    assert snapshot.hearing is not None
    more = replace(snapshot.hearing, heard=(*snapshot.hearing.heard, np.zeros(512, np.float32)))
    await keeper.keep(replace(KEPT, snapshot=replace(snapshot, hearing=more)), [("e", "data")], 10)
    assert {name.partition(":")[0] for name in store.written[1]} == {"heard", "head", "saved_at"}
    last = replace(KEPT, snapshot=replace(snapshot, hearing=None, turns=snapshot.turns[1:]))
    await keeper.keep(last, [], 10)
    found = await Keeper(store, "token", 60).look()
    assert found is not None and same(last, found[0]) and found[1] == (("e", "data"),)
    record = await store.load(store.key)
    assert record is not None and not [name for name in record.fields if name.startswith(("audio", "heard"))]


class Recording(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[list[str]] = []
        self.key = ""

    async def save(self, key: str, owner: str, change: object, seconds: float) -> None:
        self.key = key
        self.written.append(list(change.fields))  # type: ignore[attr-defined]
        await super().save(key, owner, change, seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", [b"", b"{}", b"[1]", b'{"account": 1}'])
def test_what_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(BadRecord):
        read({HEAD: head, "saved_at": b"1"})
    with pytest.raises(BadRecord):
        read({})
