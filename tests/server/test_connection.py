"""A conversation over a line that is neither a WebSocket nor a data channel: two queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast

import pytest

from server import connection
from server.connection import Connection, Host, wrong_item
from server.limits import Account, Limits
from server.metrics import Metrics
from server.observer import Observer, Observers
from server.outbox import Outbox, SlowClient
from server.protocol import ProtocolError
from server.server_events import Narrator
from streaming.errors import UnknownItem
from streaming.events import SessionSettings
from streaming.session import Session
from streaming.vad import SpeechDetector
from tests.scripted import Loudness, ScriptedEngine
from tests.server.client import append, pcm
from tests.wire import validate

Wire = dict[str, Any]


class Queues:
    """The client writes into one and reads from the other; `stalled`: it takes nothing."""

    def __init__(self, stalled: bool = False) -> None:
        self._stalled = stalled
        self._said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._told: asyncio.Queue[str] = asyncio.Queue()

    async def send_text(self, data: str) -> None:
        if self._stalled:
            await asyncio.get_running_loop().create_future()
        self._told.put_nowait(data)

    async def receive(self) -> MutableMapping[str, Any]:
        return await self._said.get()

    def say(self, event: Wire) -> None:
        self._said.put_nowait({"type": "websocket.receive", "text": json.dumps(event)})

    def leave(self) -> None:
        self._said.put_nowait({"type": "websocket.disconnect"})

    async def until(self, kind: str) -> list[Wire]:
        seen: list[Wire] = []
        while not seen or seen[-1]["type"] != kind:
            seen.append(validate(json.loads(await self._told.get())))
        return seen


def made(engine: ScriptedEngine, line: Queues) -> Connection:
    def session(emit: Any, settings: SessionSettings, observer: Observer) -> Session:
        return Session(engine, cast(SpeechDetector, Loudness()), emit, settings)

    observers = Observers(Metrics(engine.running, engine.kv_usage, lambda: 1))
    host = Host("nano", "incremental", nullcontext, session, observers.new, observers.refused)
    return Connection(line, host, Narrator("conv_1"), Outbox(), Account(Limits()), host.state())


@asynccontextmanager
async def conversing(engine: ScriptedEngine) -> AsyncIterator[Queues]:
    line = Queues()
    running = asyncio.create_task(made(engine, line).run())
    yield line
    line.leave()
    await running
    assert engine.running() == 0


async def test_a_spoken_turn_is_answered_over_any_line() -> None:
    async with conversing(ScriptedEngine()) as line:
        assert [event["type"] for event in await line.until("session.created")] == ["session.created"]
        line.say(append(pcm(900) + pcm(900, 0.0)))
        done = (await line.until("response.done"))[-1]["response"]
        assert done["output"][0]["content"] == [{"type": "output_text", "text": "1 plus 1 is 2."}]


async def test_what_is_wrong_costs_an_error_and_the_conversation_goes_on() -> None:
    async with conversing(ScriptedEngine()) as line:
        line.say({"type": "conversation.item.delete", "item_id": "x", "event_id": "mine"})
        error = (await line.until("error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("item_delete_invalid_item_id", "mine")
        line.say({"type": "output_audio_buffer.clear"})
        assert (await line.until("error"))[-1]["error"]["code"] == "unsupported"
        line.say({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}})
        assert (await line.until("session.updated"))[-1]["session"]["instructions"] == "Be brief."


async def test_a_client_that_takes_nothing_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.05)
    engine = ScriptedEngine()
    with pytest.raises(SlowClient, match="nothing taken"):
        await made(engine, Queues(stalled=True)).run()
    assert engine.running() == 0


def test_an_item_that_is_not_there_has_a_code_for_each_event() -> None:
    with pytest.raises(ProtocolError, match="item_id: no such") as caught, wrong_item("code_of_the_event"):
        raise UnknownItem("no such item")
    assert (caught.value.code, caught.value.param) == ("code_of_the_event", "item_id")
