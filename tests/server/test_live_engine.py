"""The real engine killed, or stopped, under real conversations: each goes on, and the reply is right."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from httpx import AsyncClient

from tests.processes import Soundmind, soundmind
from tests.server.client import Client, append, talking, words_of
from tests.server.test_live import SILENCE, metric, recording


@pytest.fixture
def server() -> Iterator[Soundmind]:
    patience = {"SOUNDMIND_ENGINE_PATIENCE_S": "1000", "SOUNDMIND_ENGINE_HANG_S": "20"}
    with soundmind("serve", "--port", "0", "--voice", "none", **patience) as started:
        yield started


@pytest.fixture
def cramped() -> Iterator[Soundmind]:
    """There is one place, which two may share."""
    engine = ("--max-model-len", "1024", "--num-gpu-blocks-override", "40")
    command = ("serve", "--port", "0", "--voice", "none", "--", *engine)
    with soundmind(*command, SOUNDMIND_OVERCOMMIT="2", SOUNDMIND_ENGINE_PATIENCE_S="1000") as started:
        yield started


def kill_engine(server: Soundmind, how: signal.Signals = signal.SIGKILL) -> None:
    cores = [p for p in server.family() if p.name().startswith("VLLM::EngineCor")]
    assert cores
    for core in cores:
        core.send_signal(how)


async def health(url: str) -> tuple[str, int]:
    async with AsyncClient(base_url=url, trust_env=False) as client:
        told = (await client.get("/healthz")).json()
        return told["status"], told["generation"]


async def generation(url: str, wanted: int) -> None:
    """Returns once that one is well; the test's time limit is the limit."""
    while True:
        if await health(url) == ("ok", wanted):
            return
        await asyncio.sleep(0.5)


async def say(client: Client, name: str) -> None:
    await client.send(append(recording(name) + SILENCE))


async def answer(client: Client) -> str:
    """The reply that is under way: told once, and as one response."""
    done = (await client.until("response.done"))["response"]
    told = [e for e in client.seen if e.get("response_id") == done["id"]]
    begun = [e["response"]["id"] for e in client.seen if e["type"] == "response.created"]
    assert done["status"] == "completed" and begun[-1] == done["id"]
    assert words_of(done) == "".join(e["delta"] for e in told if e["type"] == "response.output_text.delta")
    thought = "".join(e["delta"] for e in told if e["type"] == "response.reasoning_text.delta")
    assert (
        thought.rstrip()
        == next(e["text"] for e in told if e["type"] == "response.reasoning_text.done").rstrip()
    )
    assert sum(e["type"] == "response.output_item.added" for e in told) == 1
    return words_of(done)


@pytest.mark.fault(
    fault="engine killed between turns",
    provoked="kill -9 of the real engine under two conversations",
    seen="the turn spoken meanwhile is answered late",
    kept="what was said before: the name",
)
@pytest.mark.fault(
    fault="engine killed in mid-thought",
    provoked="kill -9 of the real engine after the first token of reasoning",
    seen="the right answer, late, in the same response",
    kept="all of it",
)
@pytest.mark.fault(
    fault="engine killed in mid-reply",
    provoked="kill -9 of the real engine after the first word of the reply",
    seen="the right answer, late, in the same response",
    kept="all of it",
)
@pytest.mark.fault(
    fault="engine that hangs",
    provoked="the real engine's process is stopped (SIGSTOP) after the first token of reasoning",
    seen="the right answer, late, in the same response: an engine counts as dead when it has owed an answer "
    "and taken no step for `engine_hang_s` (60 s)",
    kept="all of it",
)
@pytest.mark.timeout(900)  # four starts of the engine
async def test_kill_minus_nine_of_the_engine_loses_no_conversation(server: Soundmind) -> None:
    url = server.until(r"listening on (http://\S+)")[1]
    ws = url.replace("http", "ws", 1)
    async with talking(ws) as anna, talking(ws) as other:
        await say(anna, "name")
        assert "Anna" in await answer(anna)

        await say(other, "sum")  # in mid-thought for one, between turns for the other
        await other.until("response.reasoning_text.delta")
        kill_engine(server)
        await other.until("soundmind.engine_lost")
        assert await health(url) == ("restarting", 1)
        await say(anna, "recall")  # it is heard without an engine, and answered by the next one
        assert "42" in await answer(other)
        assert "Anna" in await answer(anna)
        await generation(url, 2)

        await say(other, "product")  # in mid-reply
        await other.until("response.output_text.delta")
        kill_engine(server)
        assert "54" in await answer(other)
        await say(anna, "recall")
        assert "Anna" in await answer(anna)
        await generation(url, 3)

        await say(other, "sum")
        await other.until("response.reasoning_text.delta")
        kill_engine(server, signal.SIGSTOP)
        assert "42" in await answer(other)
        await say(anna, "recall")
        assert "Anna" in await answer(anna)
        await generation(url, 4)
        family = server.family()
        assert sum(p.name().startswith("VLLM::") for p in family) == 2  # nothing is left of the dead ones


async def test_two_conversations_in_the_place_of_one(cramped: Soundmind) -> None:
    url = cramped.until(r"listening on (http://\S+)")[1]
    ws = url.replace("http", "ws", 1)
    async with talking(ws) as anna:
        await say(anna, "name")
        assert "Anna" in await answer(anna)
        assert await health(url) == ("full", 1)
        await generation(url, 1)  # until she has been idle for long
        async with talking(ws) as other:
            assert await metric(url, "soundmind_parked_listeners") == 1
            await say(other, "sum")
            assert "42" in await answer(other)
            assert await metric(url, "soundmind_engine_requests") == 1
            await say(anna, "recall")
            assert "Anna" in await answer(anna)  # once the other has been idle for long
            assert await metric(url, "soundmind_parkings_total") == 2
