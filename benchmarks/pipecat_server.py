"""The other side of `benchmarks.pipecat_side`, run with the Python of Pipecat's own environment.

A Pipecat pipeline of the same parts for every WebSocket: its transport with its protobuf frames, its voice
activity detection with its own Silero, and a scripted model that replies at once when the user has stopped.
It gets its audio at 16 kHz, so that nothing has to be resampled, and nothing behind the detector sees the
audio. Knows nothing of this project.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 16_000
REPLY = {"reply": "1 plus 1 is 2."}


class Scripted(FrameProcessor):
    """In the place of a model."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(OutputTransportMessageUrgentFrame(message=REPLY))
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)


app = FastAPI()


@app.websocket("/")
async def talk(ws: WebSocket) -> None:
    await ws.accept()
    params = FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=False, serializer=ProtobufFrameSerializer()
    )
    transport = FastAPIWebsocketTransport(websocket=ws, params=params)
    analyzer = SileroVADAnalyzer(sample_rate=RATE, params=VADParams(stop_secs=0.5))
    pipeline = Pipeline(
        [transport.input(), VADProcessor(vad_analyzer=analyzer), Scripted(), transport.output()]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        idle_timeout_secs=None,
        enable_turn_tracking=False,
        enable_rtvi=False,
        check_dangling_tasks=False,
    )
    runner = WorkerRunner(handle_sigint=False)

    @transport.event_handler("on_client_disconnected")
    async def left(transport: object, client: object) -> None:
        await worker.cancel()

    await runner.add_workers(worker)
    await runner.run()


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(2048)
        config = uvicorn.Config(
            app, ws="websockets-sansio", ws_per_message_deflate=False, log_level="error", access_log=False
        )
        print(f"listening on http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
        await uvicorn.Server(config).serve([sock])


if __name__ == "__main__":
    asyncio.run(main())
