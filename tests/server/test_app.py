"""The routes beside the conversation."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.scripted import ScriptedEngine
from tests.server.client import idle, serving, talking


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
        assert (await get(url, "/healthz")).json() == {"status": "ok"}
        engine._places = 0
        full = await get(url, "/healthz")
        assert full.status_code == 200 and full.json()["status"] == "full"
        engine.alive = False
        down = await get(url, "/healthz")
        assert down.status_code == 503 and down.json()["reason"]


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
    assert lines['soundmind_turns_total{status="completed"}'] == "1.0"
    assert float(lines["soundmind_appends_total"]) > 0
    for stage in ("turn_ended", "first_thinking", "first_reply", "done"):
        assert lines[f"soundmind_{stage}_seconds_count"] == "1.0"


async def test_a_key_is_asked_for() -> None:
    async with serving(ScriptedEngine(), key="secret") as url:
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
