"""Callers over a scripted engine: every kind of turn, every way to get no reply, both transports."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.load import command, run
from server.load.caller import Caller, Manner
from server.load.figures import Step
from server.load.ledger import Said
from server.load.questions import PACKAGED, Question, hesitating, questions
from server.load.run import Target, search, step
from server.load.schedule import PAUSE, Call, Load, Shares, Turn
from server.shutdown import Shutdown
from streaming.context import Context
from streaming.engine import Sampling
from tests.scripted import REPLY, ScriptedEngine
from tests.server.client import idle, pcm, serving
from tests.server.peer import Tone, loopback

TIMER = {"name": "set_timer", "arguments": {"minutes": 5}}
ASKED = [
    Question("sum", pcm(900), "1 plus 1 is 2"),
    Question("wrong", pcm(900), "3"),
    Question("timer", pcm(900), "Done", call=TIMER, result="{}"),
]
SUM, WRONG, CALL = range(3)
NOBODY = Target("ws://127.0.0.1:9")
TOOLS = [{"type": "function", "name": "set_timer", "parameters": {"type": "object", "properties": {}}}]


def quiet(text: str) -> None:
    pass


async def outcomes(
    target: Target, turns: Sequence[Turn], patience: float = 20.0, spoken: bool = False
) -> list[Said]:
    """Of one call."""
    found: list[Said] = []
    caller = Caller(7, target.connect, ASKED, Manner(spoken, TOOLS), found.append, patience)
    await caller.run([Call(0.0, tuple(turns))], asyncio.get_running_loop().time())
    assert caller.tardy <= caller.sent
    return found


def clever(context: Context, sampling: Sampling) -> Sequence[str]:
    """Calls the tool where it is offered, and tells what it said."""
    text = "".join(chr(i) for i in context.ids if i < 256)
    if "tool_json_schemas" not in text:
        return REPLY
    if "function_output" in text:
        return ("\n</think>\n", "Done.")
    return ("\n</think>\n", f"<tool_call>function\nset_timer\n{json.dumps(TIMER['arguments'])}</tool_call>")


async def test_questions_are_asked_and_answered() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url:
        turns = [Turn(0.0, SUM, "question"), Turn(0.5, WRONG, "pause", 0.5)]
        right, wrong = await outcomes(Target(url), turns)
        await idle(engine)
    assert (right.status, right.question, right.caller, right.reply) == ("right", "sum", 7, "1 plus 1 is 2.")
    assert (wrong.status, wrong.kind, wrong.question) == ("wrong", "pause", "wrong")
    times = [right.first_thought, right.first_word, right.done]
    assert None not in times and times == sorted(times, key=lambda time: time or 0.0)
    assert right.first_audio is None and right.stop is None
    assert wrong.behind > 400  # it was due while the first was being said, and waits from then
    assert wrong.first_word is not None and wrong.first_word > 400


async def test_a_tool_is_called_and_its_result_told() -> None:
    async with serving(ScriptedEngine(clever)) as url:
        called, plain = await outcomes(Target(url), [Turn(0.0, CALL, "tool"), Turn(1.0, SUM, "question")])
    assert (called.status, called.reply) == ("right", "Done.")
    assert called.first_word is not None
    assert plain.status == "wrong"  # this engine calls it every time
    async with serving(ScriptedEngine()) as url:
        (talked,) = await outcomes(Target(url), [Turn(0.0, CALL, "tool")])
    assert (talked.status, talked.reply) == ("wrong", "1 plus 1 is 2.")


async def test_a_reply_is_cut_off_and_the_barge_in_answered() -> None:
    engine = ScriptedEngine()
    engine.gate = asyncio.Event()

    def reply(context: Context, sampling: Sampling) -> Sequence[str]:
        assert engine.gate is not None
        if len(engine.requests) > 1:
            engine.gate.set()
        return REPLY

    engine._reply = reply
    async with serving(engine) as url:
        turns = [Turn(0.0, SUM, "interrupted"), Turn(9.0, SUM, "barge-in", 0.5), Turn(9.5, SUM, "question")]
        cut, barged, after = await outcomes(Target(url), turns)
    assert (cut.status, cut.first_word) == ("cut", None) and cut.first_thought is not None
    assert barged.status == "right" and barged.stop is not None and barged.stop > 0
    assert barged.behind == 0.0  # when it was said was not the schedule's to say
    assert after.status == "right"


async def test_a_reply_that_does_not_come_costs_the_call() -> None:
    engine = ScriptedEngine()
    engine.gate = asyncio.Event()
    async with serving(engine) as url:
        turns = [Turn(0.0, SUM, "question"), Turn(1.0, SUM, "question")]
        found = await outcomes(Target(url), turns, patience=0.7)
        await idle(engine)
    assert [(one.status, one.why) for one in found] == [("lost", "no reply in time")] * 2


async def test_a_reply_that_fails_is_lost_and_a_full_server_refuses() -> None:
    engine = ScriptedEngine()
    turns = [Turn(0.0, SUM, "question"), Turn(1.0, SUM, "question")]
    async with serving(engine) as url:
        engine._places = 0
        found = await outcomes(Target(url), turns)
        assert [(one.status, one.why) for one in found] == [("refused", "session_limit")] * 2
        engine._places = 1
        engine.alive = False
        found = await outcomes(Target(url), turns)
        assert [one.status for one in found] == ["refused", "refused"]


async def test_nobody_there_is_told_and_not_waited_for() -> None:
    (found,) = await outcomes(NOBODY, [Turn(0.0, SUM, "question")])
    assert found.status == "refused" and "cannot connect" in found.why


async def test_over_webrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    engine = ScriptedEngine()
    async with serving(engine, Tone()) as url:
        target = Target(url, transport="webrtc")
        found = await outcomes(target, [Turn(0.0, SUM, "question")] * 2, spoken=True)
        await idle(engine)
    engine._places = 0
    async with serving(engine, Tone()) as url:
        refused = await outcomes(Target(url, transport="webrtc"), [Turn(0.0, SUM, "question")])
    assert [one.status for one in found] == ["right", "right"], found
    assert all(one.first_audio is not None for one in found)
    assert [(one.status, one.why) for one in refused] == [("refused", "session_limit")]


async def test_a_step_measures_what_is_due_after_the_ramp_and_the_knee_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "LEAST_TURNS", 1)
    told: list[str] = []
    plain = Shares(0, 0, 0, 0)
    async with serving(ScriptedEngine()) as url:
        load = Load(2, 3.0, every=3.0, shares=plain)
        found = await step(Target(url), ASKED[:1], Manner(), load, told.append)
        assert found.said and all(3.0 <= one.due < 6.0 and one.status == "right" for one in found.said)
        assert found.cores.server is not None and found.cores.generator is None  # it is our own process
    kept: list[Step] = []
    knee = await search(
        NOBODY, ASKED[:1], Manner(), Load(2, 3.0, 3.0, shares=plain), 1.0, told.append, kept.append
    )
    assert knee == 0 and [one.callers for one in kept] == [2, 1]
    assert any("not below 1 ms" in line for line in told)


async def test_the_command_writes_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=None)
    command.add_arguments(parser)
    words = tmp_path / "words"
    words.mkdir()
    (words / "a.wav").write_bytes((PACKAGED.parent.parent / "demo.wav").read_bytes())
    (words / "a.csv").write_text("file,text,answer\na.wav,one plus one,2\n")
    async with serving(ScriptedEngine()) as url:
        given = [str(words), "--url", url, "--seconds", "8", "--every", "8", "--out", str(tmp_path / "out")]
        args = parser.parse_args(given)
        assert await asyncio.to_thread(command.run, args, (), Shutdown(), None) == 0
    raw = json.loads((tmp_path / "out" / "load.json").read_text())
    assert raw["steps"][0]["callers"] == 1 and raw["steps"][0]["said"][0]["status"] == "right"
    assert "| callers | turns |" in (tmp_path / "out" / "load.md").read_text()
    assert (tmp_path / "out" / "load.svg").read_text().startswith("<svg")
    assert "first word, ms" in capsys.readouterr().out


def test_the_packaged_questions_can_be_asked() -> None:
    asked, tools = questions(PACKAGED)
    names = {question.name: question for question in asked}
    recall, timer = names["recall.flac"], names["timer.flac"]
    assert recall.after is not None and asked[recall.after].name == "name.flac"
    assert timer.call == TIMER and tools[0]["name"] == "set_timer"
    call = {"name": "set_timer", "arguments": '{"minutes": 5}', "call_id": "c"}
    assert timer.called([call]) and not timer.called([]) and not timer.called([call, call])
    assert names["digits.flac"].right("7 3 0 5.") and not names["digits.flac"].right("7 3 0 6.")
    assert all(0 < question.onset < question.seconds for question in asked)


def test_a_pause_is_put_where_it_is_quiet() -> None:
    said = np.frombuffer(pcm(300) + pcm(100, 0.0) + pcm(500), "<i2")
    question = Question("a.wav", said.tobytes(), "a")
    paused = np.frombuffer(hesitating(question, 0.3), "<i2")
    assert paused.size - said.size == round(24_000 * PAUSE)
    assert not paused[7_200 : 7_200 + 2_400 + round(24_000 * PAUSE)].any()


def test_a_pause_is_put_between_two_words_where_these_are_told() -> None:
    asked, _ = questions(PACKAGED)
    assert all(question.pauses for question in asked)
    said = replace(asked[0], pauses=(0.5, 0.8))
    for chance, at in ((0.3, 12_000), (0.7, 19_200)):
        paused = np.frombuffer(hesitating(said, chance), "<i2")
        assert not paused[at : at + round(24_000 * PAUSE)].any()
        assert paused[:at].tobytes() == said.pcm[: 2 * at]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a.wav,a,1,b.wav,,,", "another row's file"),
        ("a.wav,a,1,,{,,", "expected JSON"),
        ('a.wav,a,1,,"{""name"": ""f""}",,', "arguments"),
        ('a.wav,a,1,,"{""name"": ""f"", ""arguments"": {}}",x,', "tools.json"),
        ("a.wav,a,1,,,,soon", "expected seconds with spaces"),
        ("a.wav,a,1,,,,0.3 99", "expected seconds from 0 to"),
    ],
)
def test_a_folder_that_cannot_be_asked(tmp_path: Path, row: str, why: str) -> None:
    (tmp_path / "a.wav").write_bytes((PACKAGED.parent.parent / "demo.wav").read_bytes())
    (tmp_path / "a.csv").write_text(f"file,text,answer,after,call,result,pauses\n{row}\n")
    with pytest.raises(ValueError, match=why):
        questions(tmp_path)
