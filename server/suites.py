"""`soundmind eval --suite`: the field's own benchmarks, offline, one-shot or live, marked and in tables.

Puts the questions, whoever answers them, the judge and the files together. Goes on where an earlier run of
the same folder ended. Knows no wire and no benchmark.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from model.evaluation import report
from model.evaluation.case import Case, Encoding, Outcome
from model.evaluation.offline import likeliest, sampled
from model.evaluation.suites import judging, results, submission
from model.evaluation.suites.item import Item, SuiteError
from model.evaluation.suites.ledger import Ledger, Record
from model.evaluation.suites.registry import SUITES, questions
from model.training.world.core import Effort
from server.chat import Chat, Unanswerable, messages, outcome
from server.config import ConfigError
from server.evaluate import LIVE, OFFLINE, Answerer, Offline, Say
from server.tasks import one_error

AT_ONCE = 32  # questions between two writes
TEMPERATURE = 0.7  # with which the authors sample
MAX_TOKENS = 1024
JUDGE = {"temperature": 0.5, "top_p": 0.95, "max_tokens": 1024}  # as URO-Bench asks its judge

# Answers cases; the number of the run is a seed.
Sitting = Callable[[Sequence[Case], int], Awaitable[list[Outcome]]]
Way = Literal["offline", "one-shot", "live"]


@dataclass(frozen=True)
class Wanted:
    """What to ask, and how. `who`: the model, or where it is asked."""

    suite: str
    data: Path
    out: Path
    way: Way = "offline"
    who: str = "nano"
    runs: int = 3
    count: int | None = None  # the first questions of each set
    sets: tuple[str, ...] = ()  # none: all
    effort: str = "medium"
    encoding: str | None = None
    temperature: float = TEMPERATURE
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        known = {
            "suite": (self.suite, tuple(SUITES)),
            "think": (
                self.effort,
                get_args(Effort) if self.way != "one-shot" else ("short", "medium", "long"),
            ),
            "encodings": (self.encoded, LIVE if self.way == "live" else OFFLINE),
        }
        for name, (value, values) in known.items():
            if value not in values:
                raise ConfigError(f"{name}: expected one of {', '.join(values)}, got {value!r}")
        for name, number in (("runs", self.runs), ("count", self.count), ("max-tokens", self.max_tokens)):
            if number is not None and number < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {number}")
        if not 0 <= self.temperature <= 2:
            raise ConfigError(f"temperature: expected 0 to 2, got {self.temperature:g}")

    @property
    def encoded(self) -> str:
        return self.encoding or ("served" if self.way == "live" else "whole")

    def settings(self) -> dict[str, Any]:
        """What a folder's predictions have in common. Live, the server samples by itself."""
        told: dict[str, Any] = {"suite": self.suite, "way": self.way, "who": self.who, "effort": self.effort}
        if self.way != "one-shot":
            told["encoding"] = self.encoded
        if self.way != "live":
            told |= {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return told


class Examination:
    """A suite's questions with what has been answered of them."""

    def __init__(self, wanted: Wanted, say: Say) -> None:
        """Raises SuiteError."""
        self.wanted, self._say = wanted, say
        self.suite = SUITES[wanted.suite]
        found, odd = questions(self.suite, wanted.data)
        for line in odd:
            say(line)
        self.items = chosen(found, wanted)
        self.ledger = Ledger(wanted.out, wanted.settings())

    async def sit(self, answer: Sitting) -> None:
        """Every question and run that has no answer yet. Raises what `answer` does, and OwnError."""
        for run in range(1, self.wanted.runs + 1):
            lacking = [item for item in self.items if not self.ledger.predicted((item.name, run))]
            done = len(self.items) - len(lacking)
            for part in _parts(lacking):
                cases = [item.case(self._effort()) for item in part]
                found = await answer(cases, run)
                pairs = zip(cases, found, strict=True)
                self.ledger.predict(_record(case, run, one) for case, one in pairs)
                done += len(part)
                self._say(f"run {run}: {done} of {len(self.items)} answered")

    def _effort(self) -> Effort:
        return next(e for e in get_args(Effort) if e == self.wanted.effort)

    async def judge(self, chat: Chat, callers: int) -> None:
        """Every prediction that a judge can tell and has not told yet. Raises ChatError."""
        open_ones = [
            (item, record)
            for item, record in self._predicted()
            if judging.judged(item) and record.get("error") is None
            if (item.name, record["run"]) not in self.ledger.judgements
        ]
        self._say(f"judge: {len(open_ones)} replies")
        gate = asyncio.Semaphore(callers)
        for part in _parts(open_ones):
            found: list[Record] = []
            with one_error():
                async with asyncio.TaskGroup() as tasks:
                    for item, record in part:
                        tasks.create_task(self._verdict(chat, gate, item, record, found))
            self.ledger.judge(found)

    async def _verdict(
        self, chat: Chat, gate: asyncio.Semaphore, item: Item, record: Record, found: list[Record]
    ) -> None:
        """What cannot be read is asked again the next time."""
        text = judging.prompt(item, record["reply"], record["earlier"])
        async with gate:
            words = await chat.ask([{"role": "user", "content": text}], n=self.suite.opinions, **JUDGE)
        told = [judging.verdict(item, one) for one in words]
        scores = [one for one in told if one is not None]
        if scores:
            mean = sum(scores) / len(scores)
            judge = await chat.model()
            found.append(
                {"id": item.name, "run": record["run"], "score": mean, "words": words, "judge": judge}
            )

    def _predicted(self) -> Iterator[tuple[Item, Record]]:
        items = {item.name: item for item in self.items}
        for (name, run), record in self.ledger.predictions.items():
            if name in items and run <= self.wanted.runs:
                yield items[name], record

    def tables(self) -> list[report.Table]:
        """Of what is answered so far."""
        records = [record for _, record in self._predicted()]
        found = results.marked(
            self.suite, {item.name: item for item in self.items}, records, self.ledger.judgements
        )
        return results.tables(self.suite, found, records)

    def write(self, command: str) -> str:
        """results.md and, where the benchmark's own script takes one, a submission; the tables as text."""
        tables = self.tables()
        judges = sorted({str(told["judge"]) for told in self.ledger.judgements.values()})
        rule = f"Rule: {self.suite.rule}." + (f" Judged by {', '.join(judges)}." if judges else "")
        if self.suite.judge and not judges:
            rule += f" The benchmark's own rule is a judge, {self.suite.judge}: --judge names one."
        page = f"`{command}`\n\n{rule}\n\n{report.markdown(tables)}"
        (self.wanted.out / "results.md").write_text(page)
        for run in range(1, self.wanted.runs + 1):
            replies = {i.name: r["reply"] for i, r in self._predicted() if r["run"] == run}
            if text := submission.text(self.suite, self.items, replies):
                ending = "jsonl" if text.startswith("{") else "json"
                (self.wanted.out / f"submission-{run}.{ending}").write_text(text)
        return f"{rule}\n\n{report.plain(tables)}"


def chosen(found: Sequence[Item], wanted: Wanted) -> list[Item]:
    """Of the sets wanted, the first so many questions of each. Raises SuiteError."""
    groups = list(dict.fromkeys(item.group for item in found))
    for name in wanted.sets:
        if name not in groups:
            raise SuiteError(f"sets: expected some of {'; '.join(groups)}, got {name!r}")
    taken: dict[str, int] = {}
    out = []
    for item in found:
        number = taken[item.group] = taken.get(item.group, 0) + 1
        wished = not wanted.sets or item.group in wanted.sets
        if wished and (wanted.count is None or number <= wanted.count):
            out.append(item)
    return out


T = TypeVar("T")


def _parts(found: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(found), AT_ONCE):
        yield found[at : at + AT_ONCE]


def _record(case: Case, run: int, found: Outcome) -> Record:
    return {
        "id": case.name,
        "run": run,
        "reply": found.call.text if found.call else found.reply,
        "thinking": found.thinking,
        "think_tokens": found.think_tokens,
        "earlier": list(found.earlier),
        "heard": found.heard,
        "seconds": round(case.clip.seconds, 2),
        "timings": dict(found.timings),
        "turns": found.turns,
        "error": found.error,
    }


# --- who answers ---


def offline(model: Offline, wanted: Wanted) -> Sitting:
    """Sampled at the temperature wanted, with the run as a part of the seed."""

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        seed = zlib.crc32(f"{run} {cases[0].name}".encode())
        model.respondent.pick = sampled(wanted.temperature, seed) if wanted.temperature else likeliest
        return [one.outcome for one in await model(cases, _encoding(wanted))]

    return by_turns(sit)


def live(caller: Answerer, wanted: Wanted) -> Sitting:
    """Through sessions; the turns of a conversation are answered in it."""

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        return [one.outcome for one in await caller(cases, _encoding(wanted))]

    return sit


def one_shot(chat: Chat, callers: int, wanted: Wanted) -> Sitting:
    """Whole recordings to a server with chat completions."""
    gate = asyncio.Semaphore(callers)

    async def ask(case: Case, run: int) -> Outcome:
        sampling = {"temperature": wanted.temperature, "max_tokens": wanted.max_tokens, "seed": run}
        async with gate:
            try:
                (text,) = await chat.ask(messages(case), **sampling)
            except Unanswerable as error:
                return Outcome(error=str(error))
        return outcome(text)

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(ask(case, run)) for case in cases]
        return [task.result() for task in asked]

    return by_turns(sit)


def by_turns(answer: Sitting) -> Sitting:
    """For who knows no sessions: earlier turns are answered first, and these replies are the history."""

    async def sit(cases: Sequence[Case], run: int) -> list[Outcome]:
        said: list[list[str]] = [[] for _ in cases]
        for turn in range(max((len(case.before) for case in cases), default=0)):
            at = [i for i, case in enumerate(cases) if turn < len(case.before)]
            found = await answer([_until(cases[i], said[i]) for i in at], run)
            for i, one in zip(at, found, strict=True):
                said[i].append(one.reply)
        found = await answer([_until(case, told) for case, told in zip(cases, said, strict=True)], run)
        return [replace(one, earlier=tuple(told)) for one, told in zip(found, said, strict=True)]

    return sit


def _until(case: Case, said: Sequence[str]) -> Case:
    """The conversation up to the first turn without a reply."""
    history = tuple(replace(before, reply=reply) for before, reply in zip(case.before, said, strict=False))
    if len(said) == len(case.before):
        return replace(case, before=history)
    clip = case.before[len(said)].clip
    assert clip
    return replace(case, name=f"{case.name} {len(said)}", clip=clip, before=history, question="")


def _encoding(wanted: Wanted) -> Encoding:
    return next(e for e in get_args(Encoding) if e == wanted.encoded)
