"""kill -9 of one of two servers of nano, each with its engine and its voice, while its reply is being heard.

HAProxy with the configuration that we ship is before them, and a real Redis behind. How many seconds the
caller waits is printed (`pytest -rP`); docs/fleet.md has what was seen.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.processes import Soundmind, alive, soundmind
from tests.server.client import Client, append, talking, words_of
from tests.server.machines import free_port, haproxy, redis, until_reached
from tests.server.test_live import SILENCE, recording
from tests.server.test_resume import ids

SLOW = 0.25  # so slowly it speaks that seconds of the reply are still to come when its server dies
WORDS, AUDIO = "response.output_audio_transcript.delta", "response.output_audio.delta"


@dataclass(frozen=True)
class Fleet:
    url: str  # of the proxy, ws://
    servers: dict[str, Soundmind]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """They start side by side."""
    ports = {name: free_port() for name in ("s1", "s2")}
    with ExitStack() as stack:
        store = stack.enter_context(redis(tmp_path))
        servers = {
            name: stack.enter_context(
                soundmind("serve", "--port", str(port), "--name", name, "--store", store)
            )
            for name, port in ports.items()
        }
        where = stack.enter_context(haproxy(ports, tmp_path))
        for server in servers.values():
            server.until(r"listening on")
        until_reached(f"ws://{where}", servers)
        yield Fleet(f"ws://{where}", servers)


async def able_to_come_back(client: Client) -> str:
    told = await client.update(soundmind={"resume": True}, audio={"output": {"speed": SLOW}})
    return str(told["session"]["soundmind"]["resume"]["token"])


async def typed(client: Client, text: str) -> str:
    """What is said to it."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.send({"type": "conversation.item.create", "item": item})
    await client.send({"type": "response.create", "response": {"output_modalities": ["text"]}})
    return words_of((await client.until("response.done"))["response"])


def told(kind: str, response_id: str, *clients: Client) -> str:
    return "".join(
        e["delta"] for c in clients for e in c.seen if e["type"] == kind and e["response_id"] == response_id
    )


@pytest.mark.fault(
    fault="server killed in mid-sentence",
    provoked="kill -9 of the process group of one of two servers of nano behind HAProxy, while it speaks",
    seen="the line drops; back at the same address, the rest of the sentence, right",
    kept="what was said before and how far it was told; a follow-up that needs it is answered",
)
@pytest.mark.timeout(600)  # two engines on two cores
async def test_killed_in_mid_sentence_the_other_server_says_the_rest(fleet: Fleet) -> None:
    async with talking(fleet.url) as client:
        token = await able_to_come_back(client)
        await client.send(append(recording("name") + SILENCE))
        await client.until("response.done")
        await client.send(append(recording("sum") + SILENCE))
        await client.until("response.created")
        await client.until(WORDS)
        dying = fleet.servers[token.partition(".")[0]]
        family = dying.family()
        os.killpg(dying.pid, signal.SIGKILL)
        killed = time.monotonic()
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
    assert client.kinds().count("response.done") == 1  # of the first turn: this one was not at its end

    after = client.seen[-1]["event_id"]
    back = f"{fleet.url}/v1/realtime?resume={token}&after={after}"
    async with connect(back, max_size=None) as ws:
        again = Client(ws)
        await again.until("soundmind.resumed")
        resumed = time.monotonic() - killed
        await again.until(AUDIO)
        print(f"seconds after the kill: resumed {resumed:.2f}, more sound {time.monotonic() - killed:.2f}")
        done = (await again.until("response.done"))["response"]
        assert done["status"] == "completed" and words_of(done) == "27 plus 15 is 42."
        assert told(WORDS, done["id"], client, again) == words_of(done)
        assert 0 < len(told(WORDS, done["id"], client)) < len(words_of(done))
        created = [e["response"]["id"] for e in client.seen if e["type"] == "response.created"]
        assert created[-1] == done["id"] and "response.created" not in again.kinds()
        numbers = [int(i.removeprefix("event_")) for i in ids(client, again)]
        assert numbers == sorted(set(numbers))

        assert await typed(again, "And plus three?") == "42 plus 3 is 45."
        assert "Anna" in await typed(again, "What is my name?")
    assert not alive(psutil.wait_procs(family, timeout=30)[1])
