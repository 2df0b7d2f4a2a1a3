"""A client secret that one server has made opens sessions at another one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server import client_events as ce
from server.auth import Caller, Secret
from server.keeper import key_of as key_of_token
from server.redis_store import RedisStore
from server.secret_store import find, keep, key_of
from server.store import Change, Store
from tests.scripted import ScriptedEngine
from tests.server.client import serving, talking
from tests.server.machines import free_port

BRIEF: dict[str, Any] = {
    "type": "realtime",
    "instructions": "be brief",
    "audio": {"input": {"turn_detection": None}},
}
HEADERS = {"Authorization": "Bearer key"}


def secret(seconds: float) -> Secret:
    return Secret(Caller("account", True, ce.Session.model_validate(BRIEF)), 1000.0 + seconds)


async def test_it_is_found_as_it_was_made_until_it_expires(store: Store) -> None:
    assert await find(store, "ek_0") is None
    await keep(store, "ek_0", secret(0.3), 1000.0)
    assert await find(store, "ek_0") == secret(0.3)
    assert await find(store, "ek_1") is None
    await asyncio.sleep(0.35)
    assert await find(store, "ek_0") is None


async def test_no_token_is_mistaken_for_one_and_what_cannot_be_read_is_none(store: Store) -> None:
    assert key_of("a") not in ("a", key_of_token("a"))
    await store.save(key_of("ek_bad"), "one", Change({"secret": b'{"account": 1}'}), 0.5)
    assert await find(store, "ek_bad") is None
    await store.drop(key_of("ek_bad"), "one")


async def made(url: str) -> str:
    async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
        answer = await http.post("/v1/realtime/client_secrets", json={"session": BRIEF}, headers=HEADERS)
    return str(answer.json()["value"])


async def test_one_servers_secret_opens_a_session_that_is_set_at_another(store: Store) -> None:
    options: dict[str, Any] = {"store": store, "keys": ["key"]}
    async with (
        serving(ScriptedEngine(), name="s1", **options) as one,
        serving(ScriptedEngine(), name="s2", **options) as two,
        serving(ScriptedEngine(), name="s3", keys=["key"]) as alone,
    ):
        value = await made(one)
        for url in (one, two, two):
            async with talking(url, additional_headers={"Authorization": f"Bearer {value}"}) as guest:
                session = guest.seen[0]["session"]
                assert session["instructions"] == "be brief"
                assert session["audio"]["input"]["turn_detection"] is None
        async with AsyncClient(base_url=two.replace("ws", "http", 1), trust_env=False) as http:
            more = await http.post(
                "/v1/realtime/client_secrets", headers={"Authorization": f"Bearer {value}"}
            )
        assert more.status_code == 401  # a secret makes no secrets, here neither
        for url, other in ((two, value + "0"), (alone, value)):
            assert await refused(url, other) == 401


async def refused(url: str, value: str) -> int:
    with pytest.raises(InvalidStatus) as answer:
        async with connect(f"{url}/v1/realtime", additional_headers={"Authorization": f"Bearer {value}"}):
            pass
    return answer.value.response.status_code


async def test_without_its_store_a_server_knows_its_own_and_says_so_of_others() -> None:
    gone = RedisStore(f"redis://127.0.0.1:{free_port()}")
    async with serving(ScriptedEngine(), name="s1", keys=["key"], store=gone) as url:
        value = await made(url)
        async with talking(url, additional_headers={"Authorization": f"Bearer {value}"}):
            pass
        assert await refused(url, "ek_0") == 503
        async with talking(url, additional_headers=HEADERS):
            pass
    await gone.close()
