"""Benchmarks from their files to the tables: offline with nano, one-shot, live, judged, gone on with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.evaluation.case import Case, Encoding, Outcome
from model.evaluation.suites.item import Suite, SuiteError
from model.evaluation.suites.registry import SUITES
from server import suites
from server.chat import Chat, ChatError
from server.config import ConfigError
from server.evaluate import LIVE, OFFLINE, Live, Offline
from server.suites import Examination, Wanted
from streaming.context import Context
from streaming.engine import Sampling
from tests.model.evaluation.suites import samples
from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tests.server.completions import completing


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def nano() -> Offline:
    torch.set_num_threads(1)  # as in tests/model: on a busy machine they wait for each other
    return Offline("nano", quiet, limit=96)


def made(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark's files; Spoken-MQA's rows without Parquet."""
    data = tmp_path / "data"
    data.mkdir()
    if name == "spoken-mqa":
        suite: Suite = replace(SUITES[name], load=lambda data: samples.spoken_items())
        monkeypatch.setitem(SUITES, name, suite)
    else:
        samples.MAKERS[name](data)
    return data


@pytest.mark.parametrize("name", SUITES)
async def test_nano_sits_each(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nano: Offline
) -> None:
    data = made(name, tmp_path, monkeypatch)
    wanted = Wanted(name, data, tmp_path / "out", runs=1, count=1, temperature=0.0)
    exam = Examination(wanted, quiet)
    await exam.sit(suites.offline(nano, wanted))
    lines = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [item.name for item in exam.items]
    told = exam.write("soundmind eval")
    assert SUITES[name].title in told
    assert (tmp_path / "out/results.md").read_text().startswith("`soundmind eval`")
    if name == "big-bench-audio":  # it is asked for a sum, which it can do
        replies = [json.loads(line)["reply"] for line in lines]
        assert all("42" in reply for reply in replies)
        assert re.search(r"^object_counting +100.0 %", told, re.M)


async def test_sampled_runs_differ_and_repeat(tmp_path: Path, nano: Offline) -> None:
    samples.mmau(tmp_path)
    found = []
    for out in ("a", "b"):
        wanted = Wanted("mmau", tmp_path, tmp_path / out, runs=2, count=1, temperature=1.5)
        exam = Examination(wanted, quiet)
        await exam.sit(suites.offline(nano, wanted))
        found.append({key: r["thinking"] + r["reply"] for key, r in exam.ledger.predictions.items()})
    assert found[0] == found[1]
    assert found[0]["id-sound", 1] != found[0]["id-sound", 2]


async def test_a_second_run_asks_only_what_is_open(tmp_path: Path) -> None:
    samples.mmau(tmp_path)
    asked: list[tuple[str, int]] = []

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        asked.extend((case.name, run) for case in cases)
        failing = len(asked) <= 3
        return [
            Outcome(reply="A tone", error="down" if failing and c.name == "id-music" else None) for c in cases
        ]

    wanted = Wanted("mmau", tmp_path, tmp_path / "out", runs=1)
    await Examination(wanted, quiet).sit(sit)
    assert len(asked) == 3
    more = Examination(replace(wanted, runs=2), quiet)
    await more.sit(sit)
    assert asked[3:] == [("id-music", 1), ("id-sound", 2), ("id-music", 2), ("id-speech", 2)]
    assert "100.0 %" in more.write("again")
    submitted = json.loads((tmp_path / "out/submission-2.json").read_text())
    assert [row["model_prediction"] for row in submitted] == ["A tone"] * 3


async def test_one_shot(tmp_path: Path) -> None:
    samples.uro_bench(tmp_path)
    asked: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> str:
        return f"so\n</think>\nreply {sum(m['role'] == 'user' for m in body['messages'])}"

    wanted = Wanted("uro-bench", tmp_path, tmp_path / "out", "one-shot", runs=1, sets=("MtBenchEval-en",))
    exam = Examination(wanted, quiet)
    async with completing(answer, asked) as url:
        chat = Chat(url, None, None)
        await exam.sit(suites.one_shot(chat, 2, wanted))
        await chat.close()
    (record,) = exam.ledger.predictions.values()
    assert (record["reply"], record["earlier"], record["thinking"]) == ("reply 2", ["reply 1"], "so")
    assert [m.get("content") for m in asked[1]["messages"] if m["role"] == "assistant"] == ["reply 1"]
    assert (asked[0]["temperature"], asked[0]["seed"], asked[0]["max_tokens"]) == (0.7, 1, 1024)


async def test_a_question_that_the_server_does_not_take(tmp_path: Path) -> None:
    """It has failed, and the others go on."""
    samples.mmau(tmp_path)

    def answer(body: dict[str, Any]) -> str:
        if len(asked) == 2:
            raise ValueError("too long")
        return "A tone"

    asked: list[dict[str, Any]] = []
    wanted = Wanted("mmau", tmp_path, tmp_path / "out", "one-shot", runs=1)
    exam = Examination(wanted, quiet)
    async with completing(answer, asked) as url:
        chat = Chat(url, None, None)
        await exam.sit(suites.one_shot(chat, 1, wanted))
        await chat.close()
    errors = [record["error"] for record in exam.ledger.predictions.values() if record["error"]]
    assert len(errors) == 1 and "too long" in errors[0]
    assert re.search(r"^all of MMAU +66.7 % .* 1 of 3$", exam.write("one-shot"), re.M)


async def test_live(tmp_path: Path) -> None:
    """A typed question goes behind the recording; rounds are answered in one session."""

    def reply(context: Context, sampling: Sampling) -> Sequence[str]:
        text = "".join(chr(i) for i in context.ids if i < 256)
        return ("\n</think>\n", "A tone" if "What is heard?" in text else "The cat sat down.")

    samples.mmau(tmp_path / "mmau")
    samples.uro_bench(tmp_path / "uro")
    engine = ScriptedEngine(reply)
    async with serving(engine) as url:
        caller = Live(url, quiet, 3)
        choices = Wanted("mmau", tmp_path / "mmau", tmp_path / "a", "live", runs=1)
        exam = Examination(choices, quiet)
        await exam.sit(suites.live(caller, choices))
        assert re.search(r"^all of MMAU +100.0 %", exam.write("live"), re.M)
        sets = ("Repeat", "MtBenchEval-en")
        talk = Wanted("uro-bench", tmp_path / "uro", tmp_path / "b", "live", runs=1, sets=sets)
        spoken = Examination(talk, quiet)
        await spoken.sit(suites.live(caller, talk))
    records = spoken.ledger.predictions
    assert not [r["error"] for r in [*records.values(), *exam.ledger.predictions.values()] if r["error"]]
    assert records["pro/MtBenchEval-en/0", 1]["earlier"] == ["The cat sat down."]
    assert records["basic/Repeat/0", 1]["timings"]["first_reply_ms"]
    said = ["".join(chr(i) for i in c.ids if i < 256) for c in engine.requests]
    assert any("human\nWhat is heard? Please choose" in text and "expert in audio" in text for text in said)


async def test_judged(tmp_path: Path) -> None:
    samples.uro_bench(tmp_path)
    asked: list[dict[str, Any]] = []

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        return [Outcome(reply="It is 42.") for _ in cases]

    def answer(body: dict[str, Any]) -> str:
        prompt = body["messages"][0]["content"]
        return "Yes" if "Yes or No" in prompt else "good" if "private" in prompt else "4"

    wanted = Wanted("uro-bench", tmp_path, tmp_path / "out", runs=1)
    exam = Examination(wanted, quiet)
    await exam.sit(suites.by_turns(sit))
    assert "--judge names one" in exam.write("unjudged")
    async with completing(answer, asked) as url:
        chat = Chat(url, None, None)
        await exam.judge(chat, 2)
        await Examination(wanted, quiet).judge(chat, 2)  # nothing is left
        await chat.close()
    assert len(asked) == 4 and {body["n"] for body in asked} == {3}
    told = exam.write("judged")
    assert "Judged by heard" in told
    for line in (
        "Gsm8kEval +100.0 %",
        "AlpacaEval +80.0 %",
        "GenStyle-en +not scored",
        "MtBenchEval-en +80.0 %",
    ):
        assert re.search(f"^{line}", told, re.M), line


async def test_a_judge_that_is_not_there(tmp_path: Path) -> None:
    samples.uro_bench(tmp_path)

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        return [Outcome(reply="It is 42.") for _ in cases]

    exam = Examination(Wanted("uro-bench", tmp_path, tmp_path / "out", runs=1), quiet)
    await exam.sit(suites.by_turns(sit))
    chat = Chat("http://127.0.0.1:9/v1", None, None, retries=0)
    with pytest.raises(ChatError, match="Connection error"):
        await exam.judge(chat, 2)
    await chat.close()


async def test_turn_by_turn() -> None:
    """Each turn sees the replies to those before it, not the published ones."""
    seen: list[tuple[str, list[str]]] = []

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        seen.extend((case.name, [b.reply for b in case.before]) for case in cases)
        return [Outcome(reply=f"to {len(case.before)}") for case in cases]

    item = samples.spoken_items()[0]
    talk = replace(
        item, name="talk", question="", earlier=(samples.round_of(item, "x"), samples.round_of(item, "y"))
    )
    found = await suites.by_turns(sit)([talk.case("none"), item.case("none")], 1)
    assert [one.earlier for one in found] == [("to 0", "to 1"), ()]
    assert seen == [("talk 0", []), ("talk 1", ["to 0"]), ("talk", ["to 0", "to 1"]), (item.name, [])]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"suite": "mmlu"}, "suite: expected one of mmau, mmsu, mmar, big-bench-audio"),
        ({"effort": "much"}, "think: expected one of"),
        ({"effort": "none", "way": "one-shot"}, "think: expected one of short, medium, long"),
        ({"encoding": "served"}, "encodings: expected one of incremental, refined, whole, got 'served'"),
        ({"runs": 0}, "runs: expected 1 or more, got 0"),
        ({"count": 0}, "count: expected 1 or more"),
        ({"max_tokens": 0}, "max-tokens: expected 1 or more"),
        ({"temperature": 3.0}, "temperature: expected 0 to 2, got 3"),
    ],
)
def test_wishes_that_make_no_sense(fields: dict[str, Any], told: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"suite": "mmau", "data": tmp_path, "out": tmp_path, **fields}
    with pytest.raises(ConfigError, match=told):
        Wanted(**asked)


def test_sets_and_counts(tmp_path: Path) -> None:
    samples.mmau(tmp_path)
    wanted = Wanted("mmau", tmp_path, tmp_path / "out", sets=("music", "sound"), count=1)
    assert [item.name for item in Examination(wanted, quiet).items] == ["id-sound", "id-music"]
    with pytest.raises(SuiteError, match="sets: expected some of sound; music; speech, got 'birds'"):
        Examination(replace(wanted, sets=("birds",)), quiet)


def test_another_way_needs_another_folder(tmp_path: Path) -> None:
    samples.mmau(tmp_path)
    wanted = Wanted("mmau", tmp_path, tmp_path / "out")
    Examination(wanted, quiet)
    with pytest.raises(SuiteError, match="temperature was 0.7 and is 0.0"):
        Examination(replace(wanted, temperature=0.0), quiet)


def test_encodings_are_all_known() -> None:
    """Of the two ways that have some."""
    every: set[Encoding] = {"incremental", "refined", "whole", "served"}
    assert {*LIVE, *OFFLINE} == every
