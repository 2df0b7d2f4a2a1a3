"""`@openai/agents-realtime` on Node, as it comes: a conversation with a tool, an interruption and text.

tests/clients/node/conversation.mjs holds it, and what it prints is judged here.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from server.audio_file import read_pcm
from tests.clients.node import run
from tests.processes import RECORDINGS

PROGRAM = Path(__file__).parent / "node" / "conversation.mjs"


def said(item: dict[str, Any]) -> str:
    [part] = item["content"]
    return str(part.get("transcript") or part.get("text"))


async def test_a_conversation_with_a_tool_an_interruption_and_text(live: str, tmp_path: Path) -> None:
    spoken = []
    for name in ("name", "timer", "recall"):
        spoken.append(tmp_path / f"{name}.pcm")
        spoken[-1].write_bytes(read_pcm(RECORDINGS / f"{name}.wav"))
    url = live.replace("http", "ws", 1) + "/v1/realtime"
    output = await run(PROGRAM.read_text(), url, *map(str, spoken), folder=tmp_path)
    told = [json.loads(line) for line in output.splitlines()]

    def of(kind: str) -> list[dict[str, Any]]:
        return [event for event in told if event["event"] == kind]

    assert not of("error")
    assert [event["minutes"] for event in of("executed")] == [5]
    assert [event["name"] for event in of("tool_start") + of("tool_end")] == ["set_timer"] * 2
    # The SDK says so of a reply that has been played, too: then there is nothing left of it.
    [cut] = [event for event in of("interrupted") if event["received"]]
    assert cut["played"] < cut["received"]
    assert {event["status"] for event in of("done")} <= {"completed", "cancelled"}

    [history] = (event["history"] for event in of("history"))
    items = [(item["type"], item.get("role")) for item in history]
    turn = [("message", "user"), ("message", "assistant")]
    assert items == [*turn, turn[0], ("function_call", None), turn[1], *turn, *turn]
    name, hello, timer, call, answer, recall, anna, typed, product = history
    assert [said(item) for item in (name, timer, recall, typed)] == [
        "my name is anna",
        "set a timer for five minutes",
        "what is my name",
        "what is six times nine",
    ]
    assert (call["name"], json.loads(call["arguments"]), json.loads(call["output"])) == (
        "set_timer",
        {"minutes": 5},
        {"ok": True},
    )
    assert said(hello) == "Hello Anna."
    whole = "The timer is set for 5 minutes."
    assert whole.startswith(said(answer)) and said(answer) != whole
    assert said(anna) == "Your name is Anna."
    assert said(product) == "6 times 9 is 54."


async def test_two_at_once_do_not_hear_each_other(live: str, tmp_path: Path) -> None:
    """Typed, without a microphone; each has its own history."""
    program = """
        import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";
        const [url, ...texts] = process.argv.slice(2);
        const session = new RealtimeSession(new RealtimeAgent({ name: "Soundmind" }), {
          transport: new OpenAIRealtimeWebSocket(), config: { outputModalities: ["text"] },
        });
        session.on("error", (error) => { console.error(error); process.exit(1); });
        await session.connect({ apiKey: "none", url });
        for (const text of texts) {
          const done = new Promise((resolve) => session.once("agent_end", (_, agent, said) => resolve(said)));
          session.sendMessage(text);
          console.log(await done);
        }
        session.close();
    """
    url = live.replace("http", "ws", 1) + "/v1/realtime"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    outputs = await asyncio.gather(
        run(program, url, "my name is anna", "what is my name", folder=tmp_path / "a"),
        run(program, url, "what is seven plus eight", "what is my name", folder=tmp_path / "b"),
    )
    assert outputs[0].splitlines() == ["Hello Anna.", "Your name is Anna."]
    assert outputs[1].splitlines() == ["7 plus 8 is 15.", "You have not told me your name."]
