"""A client of chat completions: which model it asks, what it sends of a recording, what goes wrong."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import soundfile

from model.evaluation.case import Before, Case, Clip
from server.chat import Chat, ChatError, Unanswerable, messages, outcome
from tests.server.completions import completing

CLIP = Clip("", "", (8000 * np.sin(np.arange(8000) * 0.1)).astype(np.int16))


async def test_the_only_model_is_asked() -> None:
    asked: list[dict[str, Any]] = []
    async with completing(lambda body: "yes", asked) as url:
        chat = Chat(url, None, None)
        assert await chat.ask([{"role": "user", "content": "well?"}], n=2, temperature=0.5) == ["yes", "yes"]
        await chat.close()
    assert (asked[0]["model"], asked[0]["temperature"]) == ("heard", 0.5)


async def test_one_of_several_has_to_be_named() -> None:
    async with completing(lambda body: "yes", [], ("a", "b")) as url:
        chat = Chat(url, None, None)
        with pytest.raises(ChatError, match="expected the model's name, it has a, b"):
            await chat.ask([])
        named = Chat(url, "b", "key")
        assert await named.ask([]) == ["yes"]
        await chat.close()
        await named.close()


async def test_refusals() -> None:
    def refuse(body: dict[str, Any]) -> str:
        raise ValueError("too long")

    async with completing(refuse, []) as url:
        chat = Chat(url, "heard", None)
        with pytest.raises(Unanswerable, match=f"{url}: .*too long"):
            await chat.ask([])
        await chat.close()
    nobody = Chat("http://127.0.0.1:9/v1", None, None, retries=0)
    with pytest.raises(ChatError, match="http://127.0.0.1:9/v1: Connection error"):
        await nobody.ask([])
    await nobody.close()


def test_a_case_as_messages() -> None:
    case = Case(
        "n",
        "g",
        "",
        CLIP,
        "yes",
        instructions="Listen.",
        effort="short",
        before=(Before("hi", "Hello!"), Before("", "Well.", CLIP)),
        question="Is it?",
    )
    told = messages(case)
    assert told[0] == {"role": "system", "content": "Listen.\nThink briefly."}
    assert [m["role"] for m in told[1:]] == ["user", "assistant", "user", "assistant", "user"]
    assert told[1]["content"] == [{"type": "text", "text": "hi"}]
    sound, text = told[5]["content"]
    assert text == {"type": "text", "text": "Is it?"}
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound["input_audio"]["data"])), dtype="int16")
    assert rate == 16_000 and np.array_equal(samples, CLIP.samples)


@pytest.mark.parametrize(
    ("text", "thinking", "reply"),
    [
        ("chain\n</think>\nIt is.", "chain", "It is."),
        ("<think>\nchain\n</think>\n\nIt is.", "chain", "It is."),
        ("It is.", "", "It is."),
    ],
)
def test_thoughts_are_told_apart(text: str, thinking: str, reply: str) -> None:
    found = outcome(text)
    assert (found.thinking, found.reply) == (thinking, reply)
