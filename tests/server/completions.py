"""A server with chat completions on a free port, answering from a script: for judges and one-shot models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.serving import bind, listening

Answer = Callable[[dict[str, Any]], str]


@asynccontextmanager
async def completing(
    answer: Answer, asked: list[dict[str, Any]], models: tuple[str, ...] = ("heard",)
) -> AsyncIterator[str]:
    """Gives http://HOST:PORT/v1; `asked` gets every request. An answer that raises ValueError is a 400."""

    async def create(request: Request) -> JSONResponse:
        body = await request.json()
        asked.append(body)
        await asyncio.sleep(0)
        try:
            texts = [answer(body) for _ in range(body.get("n", 1))]
        except ValueError as error:
            return JSONResponse({"error": {"message": str(error)}}, 400)
        choices = [
            {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            for i, text in enumerate(texts)
        ]
        told = {"id": "c", "object": "chat.completion", "created": 0, "model": body["model"]}
        return JSONResponse({**told, "choices": choices})

    async def listed(request: Request) -> JSONResponse:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in models]
        return JSONResponse({"object": "list", "data": data})

    routes = [Route("/v1/chat/completions", create, methods=["POST"]), Route("/v1/models", listed)]
    with bind("127.0.0.1", 0) as sock:
        async with listening(Starlette(routes=routes), sock) as url:
            yield f"{url}/v1"
