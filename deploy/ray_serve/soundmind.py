"""Soundmind as a Ray Serve application: each replica is a whole server of its own, with its own GPUs.

    serve run deploy.ray_serve.soundmind:app

Ray's proxy speaks HTTP and WebSocket to the replicas and knows whether they are well (`check_health`); one
that is to go is given `graceful_shutdown_timeout_s` to drain. A replica is chosen by Ray and not by the
token, so conversations are in a store, and whichever replica a caller comes back to goes on with it.
WebRTC's sound does not go through Ray's proxy: there callers use WebSocket.

Replicas follow the number of open requests, and a conversation is one: `target_ongoing_requests` is what a
replica's KV cache holds (`soundmind plan`). Not run where it was written: Ray was not there.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import urllib.error
import urllib.request

from fastapi import FastAPI, WebSocket
from ray import serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

MODEL, GPUS, CONVERSATIONS = "stepfun-ai/Step-Audio-R1", 4, 4
STORE = "redis://soundmind-store:6379"
DRAIN_SECONDS = 60
PORT = 8100

api = FastAPI()


@serve.deployment(
    ray_actor_options={"num_gpus": GPUS},
    max_ongoing_requests=CONVERSATIONS,
    graceful_shutdown_timeout_s=DRAIN_SECONDS + 10,
    health_check_period_s=5,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": 8,
        "target_ongoing_requests": CONVERSATIONS * 0.75,
        "downscale_delay_s": 600,
    },
)
@serve.ingress(api)
class Soundmind:
    def __init__(self) -> None:
        own = [
            "--port",
            str(PORT),
            "--store",
            STORE,
            "--name",
            serve.get_replica_context().replica_id.unique_id,
        ]
        command = [sys.executable, "-m", "server.cli", "serve", MODEL, *own]
        self._server = subprocess.Popen([*command, "--", "--tensor-parallel-size", str(GPUS)])

    def check_health(self) -> None:
        """Raises where the server does not answer; one that restarts its engine is well."""
        if self._server.poll() is not None:
            raise RuntimeError("the server has ended")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=3)
        except urllib.error.HTTPError:
            pass

    async def __del__(self) -> None:
        """Drain: its callers are sent to other replicas."""
        self._server.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._server.wait, DRAIN_SECONDS + 5)

    @api.websocket("/v1/realtime")
    async def realtime(self, ws: WebSocket) -> None:
        """Whatever the caller says to the server, and back."""
        await ws.accept(subprotocol="realtime" if "realtime" in ws.scope["subprotocols"] else None)
        address = f"ws://127.0.0.1:{PORT}/v1/realtime?{ws.url.query}"
        headers = {"Authorization": ws.headers["authorization"]} if "authorization" in ws.headers else {}
        async with connect(address, additional_headers=headers, max_size=None) as server:

            async def onward() -> None:
                while True:
                    message = await ws.receive()
                    if message["type"] == "websocket.disconnect":
                        await server.close(message.get("code") or 1000)
                        return
                    await server.send(message.get("text") or message["bytes"])

            task = asyncio.create_task(onward())
            try:
                async for event in server:
                    await ws.send_text(str(event))
            except ConnectionClosed:
                pass
            finally:
                task.cancel()
                await ws.close(server.close_code or 1000)


app = Soundmind.bind()
