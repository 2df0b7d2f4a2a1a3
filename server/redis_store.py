"""Conversations kept in Redis or Valkey: a hash of fields and a list of events each, which expire together.

A write is one script, which the server runs as a whole: it does nothing for who is not the owner. Both keys
have the same hash tag, so that a cluster keeps them in one place. Knows no conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.store import Change, Record, StoreError, Taken

T = TypeVar("T")

SECONDS = 2.0  # for an answer
OWNER = "owner"

# KEYS: hash, list. ARGV: owner, milliseconds to live, events to keep, number of fields gone, of events, then
# the names of those gone, the events, and names and values of fields.
SAVE = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
local at = 6
for i = 1, tonumber(ARGV[4]) do
  redis.call('HDEL', KEYS[1], ARGV[at]); at = at + 1
end
for i = 1, tonumber(ARGV[5]) do
  redis.call('RPUSH', KEYS[2], ARGV[at]); at = at + 1
end
while at < #ARGV do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]); at = at + 2
end
redis.call('LTRIM', KEYS[2], -math.max(1, tonumber(ARGV[3])), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""

CLAIM = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {redis.call('HGETALL', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1)}
"""

LOAD = """
return {redis.call('HGETALL', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1)}
"""

DROP = """
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return 1
"""


class RedisStore:
    def __init__(self, url: str) -> None:
        """`url`: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, unix://PATH.

        Raises ValueError for what is none.
        """
        self._redis = Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        self._where = urlsplit(url).hostname or url
        self._save, self._claim, self._load, self._drop = (
            self._redis.register_script(script) for script in (SAVE, CLAIM, LOAD, DROP)
        )

    async def ready(self) -> None:
        """Raises StoreError where it cannot be reached."""
        await self._ask(self._redis.ping())

    async def save(self, key: str, owner: str, change: Change, seconds: float) -> None:
        fields = [part for pair in change.fields.items() for part in pair]
        events = [f"{event_id}\n{data}" for event_id, data in change.events]
        counts = [_ms(seconds), change.kept_events, len(change.gone), len(events)]
        arguments = [owner, *counts, *change.gone, *events, *fields]
        if not await self._ask(self._save(_keys(key), arguments)):
            raise Taken

    async def load(self, key: str) -> Record | None:
        return _record(await self._ask(self._load(_keys(key))))

    async def claim(self, key: str, owner: str, seconds: float) -> Record | None:
        return _record(await self._ask(self._claim(_keys(key), [owner, _ms(seconds)])))

    async def drop(self, key: str, owner: str) -> None:
        await self._ask(self._drop(_keys(key), [owner]))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(SECONDS):
                return await answer
        except (RedisError, OSError, TimeoutError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"the store at {self._where} does not answer: {why}") from error


def _keys(key: str) -> list[str]:
    return [f"soundmind:{{{key}}}:fields", f"soundmind:{{{key}}}:events"]


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _record(answer: Any) -> Record | None:
    if not answer or not answer[0]:
        return None
    flat, events = answer
    fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    fields.pop(OWNER, None)
    logged = [event.decode().partition("\n") for event in events]
    return Record(fields, tuple((event_id, data) for event_id, _, data in logged))
