"""The tests here compute as the server does, on one thread: small kernels on two busy cores cost 30 x."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import torch

from server.redis_store import RedisStore
from server.store import MemoryStore, Store
from tests.server.machines import redis


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Store]:
    """Of both kinds, which do the same."""
    made: Store = MemoryStore() if request.param == "memory" else RedisStore(redis_url)
    yield made
    for key in ("a", "b"):
        for owner in ("one", "two"):
            await made.drop(key, owner)
    await made.close()
