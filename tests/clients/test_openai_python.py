"""The `openai` package, as it comes: a spoken conversation with a tool and an interruption."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from server.audio_file import read_pcm
from tests.processes import RECORDINGS

PACKET = 1920  # bytes: 40 ms of PCM16 at 24 kHz
BYTES_PER_MS = 48
TIMER = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


class Headset:
    """A microphone that is never off, and a loudspeaker that plays what comes, one after the other."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self._connection = connection
        self._to_say = bytearray()
        self._loop = asyncio.get_running_loop()
        self._playing: dict[str, float] = {}  # items to when their sound began
        self._received: dict[str, int] = {}  # bytes of it
        self.seen: list[Any] = []

    def say(self, recording: str) -> None:
        self._to_say += read_pcm(RECORDINGS / f"{recording}.wav")

    async def speak(self) -> None:
        """The microphone, at its own pace, until cancelled."""
        due = self._loop.time()
        while True:
            packet = bytes(self._to_say[:PACKET]).ljust(PACKET, b"\0")
            del self._to_say[:PACKET]
            await self._connection.input_audio_buffer.append(audio=base64.b64encode(packet).decode())
            due += PACKET / BYTES_PER_MS / 1000
            await asyncio.sleep(max(0.0, due - self._loop.time()))

    async def until(self, kind: str) -> Any:
        """The next event of a kind; those before it are in `seen`."""
        async for event in self._connection:
            assert event.type != "error", event
            self.seen.append(event)
            if event.type == "response.output_audio.delta":
                self._playing.setdefault(event.item_id, self._loop.time())
                sound = len(base64.b64decode(event.delta))
                self._received[event.item_id] = self._received.get(event.item_id, 0) + sound
            elif event.type == "input_audio_buffer.speech_started":
                await self._stop()
            if event.type == kind:
                return event
        raise AssertionError(f"the connection ended before {kind}")

    async def played(self) -> None:
        """Until all that has come has been played."""
        for item_id, began in self._playing.items():
            ends = began + self._received[item_id] / BYTES_PER_MS / 1000
            await asyncio.sleep(max(0.0, ends - self._loop.time()))
        self._playing.clear()

    async def _stop(self) -> None:
        """The user cuts in: play no more, and say how much was."""
        for item_id, began in self._playing.items():
            played = (self._loop.time() - began) * 1000
            if played < self._received[item_id] / BYTES_PER_MS:
                await self._connection.conversation.item.truncate(
                    item_id=item_id, content_index=0, audio_end_ms=int(played)
                )
        self._playing.clear()


@asynccontextmanager
async def conversation(live: str, **session: Any) -> AsyncIterator[tuple[AsyncRealtimeConnection, Headset]]:
    client = AsyncOpenAI(base_url=f"{live}/v1", api_key="none")
    async with client, client.realtime.connect(model="nano") as connection:
        headset = Headset(connection)
        await connection.session.update(session={"type": "realtime", **session})  # type: ignore[arg-type]
        await headset.until("session.updated")
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(headset.speak())
            yield connection, headset
            speaking.cancel()


def words(response: Any) -> str:
    return " ".join(item.content[0].transcript for item in response.output if item.type == "message")


async def test_a_conversation_with_a_tool_and_an_interruption(live: str) -> None:
    heard = {"transcription": {"model": "whisper-1"}}
    async with conversation(live, tools=[TIMER], audio={"input": heard}) as (connection, headset):
        headset.say("name")
        assert words((await headset.until("response.done")).response) == "Hello Anna."
        await headset.played()

        headset.say("timer")
        response = (await headset.until("response.done")).response
        [call] = response.output
        assert (call.name, json.loads(call.arguments)) == ("set_timer", {"minutes": 5})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"ok": true}'}
        await connection.conversation.item.create(item=output)  # type: ignore[arg-type]
        slowly = {"type": "realtime", "audio": {"output": {"speed": 0.25}}}
        await connection.session.update(session=slowly)  # type: ignore[arg-type]
        await connection.response.create()
        item_id = (await headset.until("response.output_audio.delta")).item_id
        await asyncio.sleep(0.5)

        headset.say("recall")  # over the answer, which goes on for some six seconds
        cut = (await headset.until("response.done")).response
        assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
        whole = "The timer is set for 5 minutes."
        await connection.conversation.item.retrieve(item_id=item_id)
        heard = (await headset.until("conversation.item.retrieved")).item.content[0].transcript
        assert heard and whole.startswith(heard) and heard != whole
        assert heard in words(cut)
        response = (await headset.until("response.done")).response
        assert (response.status, words(response)) == ("completed", "Your name is Anna.")

    done = [e for e in headset.seen if e.type == "conversation.item.input_audio_transcription.completed"]
    assert [e.transcript for e in done] == [
        "my name is anna",
        "set a timer for five minutes",
        "what is my name",
    ]
    [truncated] = [e for e in headset.seen if e.type == "conversation.item.truncated"]
    assert truncated.item_id == item_id and truncated.audio_end_ms > 0
    thoughts = "".join(e.delta for e in headset.seen if e.type == "response.reasoning_text.delta")
    said = "".join(e.delta for e in headset.seen if e.type == "response.output_audio_transcript.delta")
    assert "name: Anna" in thoughts and "name: Anna" not in said
