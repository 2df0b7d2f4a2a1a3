"""The routes beside the conversation."""

from __future__ import annotations

import time
from typing import Any

import pytest
from httpx import AsyncClient, Response
from openai import AsyncOpenAI, AuthenticationError, BadRequestError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.limits import Limits
from tests.scripted import ScriptedEngine
from tests.server.client import Client, append, idle, serving, talking


async def get(url: str, path: str, **headers: str) -> Response:
    async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as client:
        return await client.get(path, headers=headers)


async def test_models_and_page() -> None:
    async with serving(ScriptedEngine(), model="gpt-realtime-2-mine") as url:
        listed: dict[str, Any] = (await get(url, "/v1/models")).json()
        assert listed["object"] == "list"
        assert [model["id"] for model in listed["data"]] == ["gpt-realtime-2-mine"]
        page = await get(url, "/")
        assert page.status_code == 200 and "Soundmind" in page.text
        assert "http://" not in page.text.replace("http://HOST:PORT", "") and "https://" not in page.text
        assert (await get(url, "/nothing")).status_code == 404
        async with talking(url) as client:
            assert client.seen[0]["session"]["model"] == "gpt-realtime-2-mine"


async def test_health() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url:
        assert (await get(url, "/healthz")).json() == {"status": "ok", "generation": 1}
        engine._places = 0
        full = await get(url, "/healthz")
        assert full.status_code == 200 and full.json()["status"] == "full"
        engine.alive = False
        down = await get(url, "/healthz")
        assert down.status_code == 503 and down.json()["status"] == "restarting"


async def test_metrics() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url:
        async with talking(url) as client:
            await client.say()
            await client.hush()
            await client.until("response.done")
            text = (await get(url, "/metrics")).text
            assert "soundmind_sessions 1.0" in text
            assert "soundmind_engine_requests 1.0" in text
        await idle(engine)
        text = (await get(url, "/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["soundmind_sessions"] == "0.0"
    assert lines["soundmind_engine_requests"] == "0.0"
    assert lines["soundmind_kv_usage_ratio"] == "0.25"
    assert lines["soundmind_engine_generation"] == "1.0"
    assert lines['soundmind_turns_total{status="completed"}'] == "1.0"
    assert float(lines["soundmind_appends_total"]) > 0
    for stage in ("turn_ended", "first_thinking", "first_reply", "done"):
        assert lines[f"soundmind_{stage}_seconds_count"] == "1.0"


async def test_a_key_is_asked_for() -> None:
    async with serving(ScriptedEngine(), keys=["secret"]) as url:
        assert (await get(url, "/v1/models")).status_code == 401
        assert (await get(url, "/v1/models", authorization="Bearer secret")).status_code == 200
        assert (await get(url, "/healthz")).status_code == 200
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{url}/v1/realtime"):
                pass
        assert refused.value.response.status_code == 401
        async with talking(url, additional_headers={"Authorization": "Bearer secret"}) as client:
            await client.update()


async def test_pages_of_other_sites_are_kept_out() -> None:
    async with serving(ScriptedEngine()) as url:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{url}/v1/realtime", origin="https://example.org"):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 403


async def test_a_client_secret_opens_a_session_that_is_set_already() -> None:
    async with serving(ScriptedEngine(), keys=["secret"]) as url:
        http = url.replace("ws", "http", 1) + "/v1"
        async with AsyncOpenAI(base_url=http, api_key="secret", max_retries=0) as client:
            made = await client.realtime.client_secrets.create(
                expires_after={"anchor": "created_at", "seconds": 60},
                session={"type": "realtime", "instructions": "be brief", "output_modalities": ["text"]},
            )
            assert made.value.startswith("ek_") and 50 < made.expires_at - time.time() <= 60
            assert made.session.type == "realtime" and made.session.instructions == "be brief"
            with pytest.raises(BadRequestError) as refused:
                await client.realtime.client_secrets.create(expires_after={"seconds": 5})
            assert refused.value.param == "expires_after.seconds"
        guest = {"Authorization": f"Bearer {made.value}"}
        async with talking(url, additional_headers=guest) as browser:
            assert browser.seen[0]["session"]["instructions"] == "be brief"
        async with AsyncOpenAI(base_url=http, api_key=made.value, max_retries=0) as client:
            with pytest.raises(AuthenticationError):
                await client.realtime.client_secrets.create()


async def error_of(url: str) -> tuple[str, int]:
    """Of a connection that is closed at once, or soon."""
    async with connect(f"{url}/v1/realtime") as ws:
        client = Client(ws)
        code: str = (await client.until("error"))["error"]["code"]
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        return code, closed.value.rcvd.code


async def test_a_key_has_so_many_sessions_for_so_long() -> None:
    async with serving(ScriptedEngine(), limits=Limits(sessions=1, session_seconds=0.5)) as url:
        async with talking(url) as client:
            assert client.seen[0]["session"]["expires_at"] <= time.time() + 1
            assert await error_of(url) == ("rate_limit_exceeded", 1013)
            assert (await client.until("error"))["error"]["code"] == "session_expired"
        assert await error_of(url) == ("session_expired", 1000)


async def test_replies_are_limited_and_told() -> None:
    async with serving(ScriptedEngine(), limits=Limits(replies_per_minute=2)) as url:
        async with talking(url) as client:
            for left in (1, 0):
                await client.send({"type": "response.create"})
                told = await client.until("rate_limits.updated")
                assert told["rate_limits"][0]["remaining"] == left
                await client.until("response.done")
            await client.send({"type": "response.create", "event_id": "mine"})
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "mine")
            await client.say()
            await client.hush()
            assert (await client.until("error"))["error"]["code"] == "rate_limit_exceeded"
            assert (await client.until("response.done"))["response"]["status"] == "cancelled"


async def test_bytes_are_limited() -> None:
    async with serving(ScriptedEngine(), limits=Limits(bytes_per_second=100)) as url:
        async with talking(url) as client:
            await client.send({**append(bytes(9000)), "event_id": "mine"})
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "mine")
            await client.update()


async def test_where_several_models_are_served_one_of_them_is_named() -> None:
    async with serving(ScriptedEngine(), adapters=("formal", "curt")) as url:
        listed = (await get(url, "/v1/models")).json()
        assert [model["id"] for model in listed["data"]] == ["nano", "formal", "curt"]
        async with connect(f"{url}/v1/realtime?model=curt") as ws:
            client = Client(ws)
            assert (await client.next())["session"]["model"] == "curt"
            other = {"type": "session.update", "session": {"type": "realtime", "model": "formal"}}
            await client.send(other)
            error = (await client.next())["error"]
            assert (error["code"], error["param"]) == ("unsupported", "session.model")
            for name in ("curt", "gpt-realtime"):  # stock clients send the name that they know
                assert (await client.update(model=name))["session"]["model"] == "curt"
        async with connect(f"{url}/v1/realtime?model=polite") as ws:
            error = (await Client(ws).next())["error"]
            assert error["code"] == "model_not_found" and "nano, formal, curt" in error["message"]
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
            body = {"session": {"type": "realtime", "model": "polite"}}
            refused = await http.post("/v1/realtime/client_secrets", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_not_found")
    async with serving(ScriptedEngine()) as url, connect(f"{url}/v1/realtime?model=gpt-realtime") as ws:
        assert (await Client(ws).next())["session"]["model"] == "nano"  # there is but one
