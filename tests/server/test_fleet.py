"""Two server processes, a real Redis and a real HAProxy with the configuration that we ship.

Who loses the server comes back to the same address, and goes on at the other one.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.server.client import Client
from tests.server.machines import DEPLOY, Fleet, haproxy, program, scripted, status, until, until_status
from tests.server.test_resume import granted, ids
from tests.streaming.test_session_engine import CHAIN, SAID

KEY = {"Authorization": "Bearer key"}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """HAProxy before two servers, and a store."""
    with scripted(tmp_path_factory.mktemp("machines"), haproxy) as fleet:
        yield fleet


@pytest.fixture
def fleet(machines: Fleet) -> Fleet:
    machines.start()
    return machines


def back(fleet: Fleet, token: str, last: Client) -> connect:
    after = last.seen[-1]["event_id"]
    return connect(f"{fleet.url}/v1/realtime?resume={token}&after={after}", additional_headers=KEY)


def told(kind: str, *clients: Client) -> str:
    return "".join(e["delta"] for client in clients for e in client.seen if e["type"] == kind)


async def question(client: Client) -> None:
    await client.say()
    await client.hush()
    await client.until("response.created")


@pytest.mark.fault(
    fault="server killed in mid-reply",
    provoked="kill -9 of one of two servers behind HAProxy, with a conversation kept in Redis",
    seen="the line drops; back at the same address, what was missed and the rest of the same response",
    kept="all that was said, heard, thought and told, nothing of it twice",
)
@pytest.mark.parametrize("channel", ["response.reasoning_text.delta", "response.output_text.delta"])
async def test_killed_in_mid_reply_the_caller_goes_on_at_the_other_server(fleet: Fleet, channel: str) -> None:
    async with connect(f"{fleet.url}/v1/realtime", additional_headers=KEY) as ws:
        client = Client(ws)
        token = await granted(client)
        await question(client)
        await client.until("response.done")
        await question(client)
        await client.until(channel)
        fleet.servers[token.partition(".")[0]].kill()
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
    async with back(fleet, token, client) as other:
        again = Client(other)
        done = await again.until("response.done")
        assert done["response"]["status"] == "completed"
        assert told("response.reasoning_text.delta", client, again) == CHAIN * 2
        assert told("response.output_text.delta", client, again) == SAID * 2
        created = [
            e["response"]["id"] for c in (client, again) for e in c.seen if e["type"] == "response.created"
        ]
        assert len(created) == 2 and created[1] == done["response"]["id"]
        numbers = [int(i.removeprefix("event_")) for i in ids(client, again)]
        assert numbers == sorted(set(numbers))
        await question(again)  # and then it goes on, knowing all of it
        asked = [e for c in (client, again) for e in c.seen if e["type"] == "input_audio_buffer.committed"]
        replies = [e for c in (client, again) for e in c.seen if e["type"] == "response.output_item.done"]
        assert asked[-1]["previous_item_id"] == replies[-1]["item"]["id"]
        assert (await again.until("response.done"))["response"]["status"] == "completed"


async def test_a_server_that_drains_ends_its_reply_and_sends_the_caller_on(fleet: Fleet) -> None:
    async with connect(f"{fleet.url}/v1/realtime", additional_headers=KEY) as ws:
        client = Client(ws)
        token = await granted(client)
        name = token.partition(".")[0]
        await question(client)
        fleet.servers[name].send_signal(signal.SIGTERM)
        await asyncio.to_thread(until_status, fleet.of(name, "/readyz"), 503)
        assert status(fleet.of(name, "/healthz")) == 503
        for _ in range(4):  # nobody new comes there, though the proxy may not know yet
            async with connect(f"{fleet.url}/v1/realtime", additional_headers=KEY) as another:
                assert (await granted_by(another)) != name
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        await client.until("soundmind.server_leaving")
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
    until(fleet.servers[name], "drained")
    assert fleet.servers[name].wait() == 0
    async with back(fleet, token, client) as other:
        again = Client(other)
        await again.until("soundmind.resumed")
        await question(again)
        await again.until("response.done")


async def granted_by(ws: object) -> str:
    client = Client(ws)  # type: ignore[arg-type]
    await client.next()
    return (await granted(client)).partition(".")[0]


async def test_whoever_comes_back_comes_to_the_server_that_has_it(fleet: Fleet) -> None:
    async with connect(f"{fleet.url}/v1/realtime", additional_headers=KEY) as ws:
        client = Client(ws)
        token = await granted(client)
        await question(client)
        ws.transport.abort()
        async with back(fleet, token, client) as other:
            again = Client(other)
            await again.until("response.done")  # had another one taken it over, it would have asked Redis
            counts = [scraped(fleet.of(name, "/metrics"), "soundmind_sessions ") for name in fleet.ports]
            assert sorted(counts) == [0, 1]


async def test_a_client_secret_opens_sessions_wherever_the_proxy_sends_them(fleet: Fleet) -> None:
    async with AsyncClient(base_url=fleet.url.replace("ws", "http", 1), trust_env=False) as http:
        made = await http.post("/v1/realtime/client_secrets", headers=KEY)
    guest = {"Authorization": f"Bearer {made.json()['value']}"}
    address = f"{fleet.url}/v1/realtime"
    async with connect(address, additional_headers=guest) as one:
        async with connect(address, additional_headers=guest) as two:
            assert {await granted_by(one), await granted_by(two)} == set(fleet.ports)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, additional_headers={"Authorization": "Bearer ek_0"}):
            pass
    assert refused.value.response.status_code == 401


def scraped(url: str, name: str) -> float:
    with urllib.request.urlopen(url) as response:
        text = response.read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


def test_the_configuration_for_nginx_is_one(tmp_path: Path) -> None:
    line = [program("nginx", "nginx-light"), "-t", "-p", str(tmp_path), "-c", str(DEPLOY / "nginx.conf")]
    line += ["-g", f"pid {tmp_path}/pid; error_log stderr;"]
    checked = subprocess.run(line, capture_output=True, text=True)
    assert checked.returncode == 0 and "is successful" in checked.stderr, checked.stderr
