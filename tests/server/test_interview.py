"""Cases over a server with a scripted engine: typed and spoken history, tools, turns by hand, failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from model.evaluation.case import Before, Case, Clip
from model.training.world.core import Call
from server.ask import AskError
from server.interview import Account, interview, session, speaking_seconds
from streaming.context import Context
from streaming.engine import Sampling
from tests.scripted import ScriptedEngine
from tests.server.client import serving

TONE = (16_000 * np.sin(np.arange(8000) * 0.1)).astype(np.int16)
CLIP = Clip("one plus one", "none", TONE)
SUM = Case("sum", "numbers", "sum", CLIP, "1 plus 1 is 2.", instructions="Be kind.", transcript=CLIP.words)
TIMER = '{"minutes": 5}'
SCHEMAS = '[{"type": "function", "function": {"name": "set_timer", "description": "Set a timer."}}]'


def quiet(text: str) -> None:
    pass


async def test_answers_in_the_order_of_the_cases() -> None:
    by_hand = Case("beeps", "perception", "count", Clip("", "", TONE // 2, voiced=False), "1 plus 1 is 2.")
    talk = Case(
        "talk", "memory", "memory_follow", CLIP, "x", before=(Before("hello", "Hello!"), Before("", "", CLIP))
    )
    engine = ScriptedEngine()
    async with serving(engine) as url:
        found = await interview(url, [SUM, by_hand, talk], "served", 2, quiet)
    assert [a.case.name for a in found] == ["sum", "beeps", "talk"]
    for one in found:
        assert one.outcome.error is None
        assert one.outcome.reply == "1 plus 1 is 2." and one.outcome.thinking.startswith("heard: ")
        assert one.outcome.heard and one.outcome.turns == 1
    assert found[0].outcome.timings["first_reply_ms"]
    said = ["".join(chr(i) for i in c.ids if i < 256) for c in engine.requests]
    assert any("human\nhello" in text and "assistant\nHello!" in text for text in said)


async def test_a_tool_is_called_and_its_result_told() -> None:
    def reply(context: Context, sampling: Sampling) -> Sequence[str]:
        text = "".join(chr(i) for i in context.ids if i < 256)
        if "function_output" in text:
            return ("\n</think>\n", "Done.")
        if "Write down" in text:
            return ("set a timer",)
        return ("\n</think>\n", f"<tool_call>function\nset_timer\n{TIMER}</tool_call>")

    call = Call("set_timer", {"minutes": 5})
    case = Case(
        "timer",
        "tools",
        "tools_timer",
        CLIP,
        "",
        schemas=SCHEMAS,
        call=call,
        result='{"ok": true}',
        told="Done.",
    )
    async with serving(ScriptedEngine(reply)) as url:
        (found,) = await interview(url, [case], "refined", 1, quiet)
    assert (found.outcome.call, found.outcome.told) == (call, "Done.")
    assert found.encoding == "refined"


async def test_a_server_that_is_not_there_or_refuses() -> None:
    with pytest.raises(AskError, match="cannot connect"):
        await interview("ws://127.0.0.1:9", [SUM], "served", 1, quiet)
    async with serving(ScriptedEngine(max_tokens=10_000)) as url:
        with pytest.raises(AskError, match="places are taken"):
            await interview(url, [SUM], "served", 1, quiet)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def test_a_turn_in_two_parts() -> None:
    account = Account(detecting=True)
    assert not account.pending
    response: dict[str, Any] = {"output": [], "usage": None}
    for number, status in enumerate(("cancelled", "completed")):
        account.take(event("input_audio_buffer.speech_started"))
        account.take(event("input_audio_buffer.committed", item_id=f"i{number}"))
        account.take(event("response.created", response={"id": f"r{number}"}))
        account.take(event("response.output_text.delta", delta=f"reply {number}"))
        assert account.pending
        account.take(event("response.done", response={**response, "id": f"r{number}", "status": status}))
        done = "conversation.item.input_audio_transcription.completed"
        account.take(event(done, item_id=f"i{number}", transcript=f"part {number}"))
    assert not account.pending
    found = account.outcome()
    assert (found.reply, found.heard, found.turns) == ("reply 1", "part 0 part 1", 2)
    for kind, pending in (("speech_started", True), ("speech_stopped", True), ("cleared", False)):
        account.take(event(f"input_audio_buffer.{kind}"))  # a sound that was no speech
        assert account.pending == pending


def test_nothing_heard_and_failures() -> None:
    assert Account(detecting=True).outcome().error == "no speech was found"
    account = Account(detecting=False)
    account.take(event("input_audio_buffer.committed", item_id="i"))
    account.take(event("response.created", response={"id": "r"}))
    details = {"error": {"message": "it broke"}}
    failed = {"id": "r", "output": [], "status": "failed", "status_details": details}
    account.take(event("response.done", response=failed))
    assert account.outcome().error == "it broke"


def test_what_is_asked_of_a_session() -> None:
    asked = session(SUM, "served", detecting=True)
    assert asked["instructions"] == "Be kind." and "turn_detection" not in asked["audio"]["input"]
    assert "soundmind" not in asked and "tools" not in asked
    asked = session(SUM, "refined", detecting=False)
    assert asked["soundmind"] == {"encoding": "refined"}
    assert asked["audio"]["input"]["turn_detection"] is None
    assert speaking_seconds([SUM]) > CLIP.seconds
