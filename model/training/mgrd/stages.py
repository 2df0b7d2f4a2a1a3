"""The course of the training: cold start, rounds of distillation and reinforcement, self-cognition.

    cold       chains of thought from text; spoken questions of perception with empty thinking
    rlvr       typed questions with verified answers: the textual surrogate
    round N    chains of the current model, filtered; learned from; reinforced where 3 to 6 of 8 were right
    cognition  "can you hear me": replies of its own that are true, then preferred to those that are not

Every stage leaves a checkpoint and a file of facts, and is not done again where they are there. Spoken
questions that words alone answer keep their thoughts all along, as does typed text: their chains are text.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from model import checkpoint
from model.network import AudioEncoder
from model.prompt import END_THINK
from model.training import features, world
from model.training.conversations import OFTEN, Maker, Row, Source
from model.training.mgrd import chains, cognition, questions, surrogate
from model.training.mgrd.chains import Chain, Sampler, torch_chains
from model.training.mgrd.learning import (
    Figures,
    Pair,
    Reinforced,
    Stage,
    closed,
    preferred,
    reinforced,
    supervised,
    totals,
)
from model.training.mgrd.policy import Lesson, Policy
from model.training.mgrd.questions import Question
from model.training.mgrd.rewards import always_failed, learnable
from model.training.train import Pool

Ablation = Literal["", "no-reasoning-reward", "always-failed", "unfiltered"]
PARTS = 3  # of the recipe's features, for what is to be kept
BESIDE = 320  # tokens of a row of what is to be kept
EACH = 2  # kept chains of one question at most
RATES = {"cold": 3e-4, "sft": 2e-4, "rl": 1e-4, "distil": 1e-4, "dpo": 5e-5}
ASKED_AGAIN = 4  # replies to each held-out question after hearing


@dataclass(frozen=True)
class Plan:
    """How many questions of each kind, chains of each, and steps of each stage."""

    perception: int = 1000
    text: int = 240
    hearing: int = 160
    tested: int = 60  # held-out questions after hearing
    chains: int = 8
    rounds: int = 4
    cold: int = 160
    rlvr: int = 15
    sft: int = 80
    rl: int = 30
    distil: int = 30
    dpo: int = 30


SMOKE = Plan(16, 8, 6, 4, chains=4, rounds=2, cold=2, rlvr=1, sft=1, rl=1, distil=1, dpo=1)


class Words(Pool):
    """Takes of the recipe that words alone answer: a few parts of them are enough."""

    def refresh(self) -> None:
        for name, takes in itertools.islice(features.load(self.parts), PARTS - len(self.parts)):
            self.parts.add(name)
            for take in takes:
                if len(take.seen) and take.said.family != "perception":
                    for intent in ("", take.said.intent):
                        self.takes[intent, take.cut, take.chunked].append(take)


class Course:
    """The whole training in one folder, from a checkpoint. `sampler`: how chains are sampled."""

    def __init__(
        self,
        plan: Plan,
        begin: Path,
        folder: Path,
        sampler: Sampler = torch_chains,
        ablation: Ablation = "",
    ) -> None:
        self.plan, self.begin, self.folder = plan, begin, folder
        self.sampler, self.ablation = sampler, ablation
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> Path:
        """The folder of the last checkpoint."""
        known = self.rlvr(self.cold())
        for number in range(1, self.plan.rounds + 1):
            known = self.round(number, known)
        return self.cognition(known)

    # --- stages ---

    def cold(self) -> Path:
        def learn(stage: Stage) -> Callable[[random.Random], Figures]:
            return supervised(stage, lambda r: self._cold_lessons(stage.policy, r), self._beside(stage))

        return self._stage("cold", self.begin, "cold", self.plan.cold, learn)

    def rlvr(self, known: Path) -> Path:
        found = self._chains("rlvr", known, self.typed)
        chosen = self._chosen(found, self.typed)
        return self._reinforced("rlvr", known, chosen, self.plan.rlvr, chains.figures(found))

    def round(self, number: int, known: Path) -> Path:
        name = "-".join(filter(None, (self.ablation, f"round{number}")))
        found = self._chains(name, known, self.perception)
        good = self._good(found)
        facts = {**chains.figures(found), "learned": len(good)}

        def learn(stage: Stage) -> Callable[[random.Random], Figures]:
            def lessons(r: random.Random) -> list[Lesson]:
                drawn = [good[i] for i in r.sample(range(len(good)), min(16, len(good)))]
                return [_lesson(stage.policy, chain) for chain in drawn] + self._direct(stage.policy, r, 4)

            return supervised(stage, lessons, self._beside(stage))

        steps = self.plan.sft if good else 0
        learned = self._stage(f"{name}-sft", known, "sft", steps, learn, facts)
        spoken, typed = self._chosen(found, self.perception), self._learnable_text()
        facts = {"spoken": len(spoken), "typed": len(typed)}
        return self._reinforced(f"{name}-rl", learned, spoken + typed, self.plan.rl, facts)

    def cognition(self, known: Path) -> Path:
        before = self._errors("before", known)
        found = self._chains("hearing", known, self.hearing)
        true = [c for c in found if c.sampled.ended and cognition.affirms_hearing(c.reply)]
        true = [c for c in true if not cognition.denies_hearing(c.thinking)]
        seen = self._chains("hearing-kept", known, self.perception[: len(self.hearing)])
        rest = self._good(seen)

        def distil(stage: Stage) -> Callable[[random.Random], Figures]:
            def lessons(r: random.Random) -> list[Lesson]:
                drawn = r.sample(true, min(8, len(true))) + r.sample(rest, min(8, len(rest)))
                return [_lesson(stage.policy, chain) for chain in drawn]

            return supervised(stage, lessons, self._beside(stage))

        steps = self.plan.distil if true else 0
        facts = {"chains": len(found), "true": len(true), "errors": before}
        told = self._stage("distil", known, "distil", steps, distil, facts)
        between = self._errors("distil", told)
        pairs = self._pairs(told)

        def prefer(stage: Stage) -> Callable[[random.Random], Figures]:
            with torch.no_grad():
                first = [totals(stage.policy, [pair]) for pair in pairs]
            known = [(float(better[0]), float(worse[0])) for better, worse in first]
            return preferred(stage, pairs, known, 8)

        steps = self.plan.dpo if pairs else 0
        facts = {"pairs": len(pairs), "errors": between}
        last = self._stage("dpo", told, "dpo", steps, prefer, facts)
        self._facts("cognition", {"before": before, "distil": between, "dpo": self._errors("dpo", last)})
        return last

    def _stage(
        self,
        name: str,
        begin: Path,
        kind: str,
        steps: int,
        learn: Callable[[Stage], Callable[[random.Random], Figures]],
        facts: dict[str, Any] | None = None,
    ) -> Path:
        done = self.folder / name
        if (self.folder / f"{name}.json").exists():
            return done
        cpu, state = time.process_time(), self.folder / f"{name}.pt"
        policy = Policy(begin)
        if kind == "dpo" and state.exists():
            state.unlink()  # its references are the beginning's: short enough to be done again
        stage = Stage(name, policy, state, steps, RATES[kind])
        stage.go(learn(stage), self.folder / "log.jsonl")
        policy.write(done)
        self._facts(name, {"steps": steps, "cpu_seconds": round(time.process_time() - cpu), **(facts or {})})
        state.unlink()
        return done

    def _reinforced(
        self, name: str, known: Path, chosen: Sequence[Question], steps: int, facts: dict[str, Any]
    ) -> Path:
        how = Reinforced(
            min(8, max(1, len(chosen))),
            self.plan.chains,
            0.0 if self.ablation == "no-reasoning-reward" else Reinforced.reasoning,
        )
        facts = {**facts, "questions": len(chosen)}
        steps = steps if chosen else 0
        return self._stage(name, known, "rl", steps, lambda stage: reinforced(stage, chosen, how), facts)

    def _facts(self, name: str, facts: dict[str, Any]) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
        print(f"{name}: {json.dumps(facts)}", flush=True)

    # --- what is asked ---

    @cached_property
    def perception(self) -> list[Question]:
        return questions.perception(self._ears(), self.folder / "questions", self.plan.perception)

    @cached_property
    def hearing(self) -> list[Question]:
        return questions.hearing(self._ears(), self.folder / "questions", self.plan.hearing, False)

    @cached_property
    def tested(self) -> list[Question]:
        return questions.hearing(self._ears(), self.folder / "questions", self.plan.tested, True)

    @cached_property
    def typed(self) -> list[Question]:
        return questions.typed(self.plan.text, "mgrd")

    def _ears(self) -> AudioEncoder:
        return checkpoint.load(self.begin).encoder

    @cached_property
    def _pool(self) -> Words:
        found = Words()
        found.refresh()
        return found

    # --- what is sampled ---

    def _chains(self, name: str, known: Path, asked: Sequence[Question]) -> list[Chain]:
        path = self.folder / f"{name}-chains.jsonl"
        seed = random.Random(name).getrandbits(32)
        # Typed questions have nothing to encode, and replies to them are never what is served.
        sampler = self.sampler if asked and asked[0].spoken else torch_chains
        return chains.sampled(path, known, asked, self.plan.chains, seed, sampler)

    def _good(self, found: Sequence[Chain]) -> list[Chain]:
        """The chains to learn from: at most `EACH` of a question, whatever others it has."""
        wanted = [c for c in found if (c.sampled.ended if self.ablation == "unfiltered" else c.kept.all)]
        of_question: dict[str, dict[tuple[int, ...], Chain]] = defaultdict(dict)
        for chain in wanted:
            if len(of_question[chain.question.name]) < EACH:
                of_question[chain.question.name].setdefault(chain.sampled.ids, chain)
        return [chain for group in of_question.values() for chain in group.values()]

    def _chosen(self, found: Sequence[Chain], asked: Sequence[Question]) -> list[Question]:
        """The questions to reinforce, by how many of their chains are right."""
        right = chains.passes(found)
        if self.ablation == "unfiltered":
            return list(asked)
        wanted = always_failed if self.ablation == "always-failed" and asked[0].spoken else learnable
        return [q for q in asked if wanted(right[q.name], self.plan.chains)]

    def _learnable_text(self) -> list[Question]:
        """Of what was typed in the beginning; the surrogate's own pass rates choose it."""
        return self._chosen(self._chains("rlvr", self.folder / "cold", self.typed), self.typed)

    # --- what is learned ---

    def _cold_lessons(self, policy: Policy, r: random.Random) -> list[Lesson]:
        lessons = self._direct(policy, r, 8)
        for _ in range(6):
            said = world.utterance(f"cold {r.getrandbits(48)}", "perception")
            thinking, answer = surrogate.thoughts(said, r)
            lessons.append(_written(policy, Question("typed", said, answer), thinking, answer.reply))
        spoken, said = r.choice(self.hearing), cognition.question(r, False)
        lessons.append(_direct(policy, spoken, spoken.expected.reply))
        asked = Question("typed", said, spoken.expected)
        return [*lessons, _written(policy, asked, f"heard: {said.words}", cognition.READS)]

    def _direct(self, policy: Policy, r: random.Random, count: int) -> list[Lesson]:
        """Spoken questions of perception, answered without a thought."""
        drawn = r.sample(self.perception, min(count, len(self.perception)))
        return [_direct(policy, question, question.expected.reply) for question in drawn]

    def _beside(self, stage: Stage) -> Callable[[random.Random], list[Row]]:
        """What nano can do already, so that it is not forgotten: text with its chains, and speech."""
        often = {
            intent: share for intent, share in OFTEN.items() if intent not in world.FAMILIES["perception"]
        }
        maker = Maker(stage.policy.prompt, Source(self._pool.spoken, self._pool.cut), often)

        def rows(r: random.Random) -> list[Row]:
            found = [maker.row(BESIDE, r, _turns, text=True)]
            return [*found, maker.row(BESIDE, r, _turns)] if len(self._pool) else found

        return rows

    def _pairs(self, told: Path) -> list[Pair]:
        """Of each question a true reply to prefer to a false one, both its own.

        Where it makes no error, the false one is what it says to the same words typed.
        """
        policy = Policy(told)
        spoken = _by_question(self._chains("dpo", told, self.hearing))
        asked = [Question(q.name, q.said, q.expected) for q in self.hearing]
        typed = _by_question(self._chains("dpo-typed", told, asked))
        found = []
        for question in self.hearing:
            own, read = spoken[question.name], typed[question.name]
            true = [c for c in own if c.sampled.ended and cognition.affirms_hearing(c.reply)]
            false = [c for c in (*own, *read) if c.sampled.ended and cognition.denies_hearing(c.reply)]
            if true and false:
                better, worse = (closed(policy, group[0].sampled) for group in (true, false))
                found.append((Lesson(question, better), Lesson(question, worse)))
        return found

    def _errors(self, name: str, known: Path) -> dict[str, int]:
        """Replies to held-out questions after hearing that deny it, and that affirm it."""
        path = self.folder / f"errors-{name}-chains.jsonl"
        found = chains.sampled(path, known, self.tested, ASKED_AGAIN, 1, torch_chains)
        return {
            "asked": len(found),
            "denied": sum(cognition.denies_hearing(f"{c.thinking}\n{c.reply}") for c in found),
            "affirmed": sum(cognition.affirms_hearing(c.reply) for c in found),
        }


def _turns(r: random.Random) -> int:
    return r.choice((1, 1, 1, 2, 2, 3))


def _by_question(found: Sequence[Chain]) -> dict[str, list[Chain]]:
    groups: dict[str, list[Chain]] = defaultdict(list)
    for chain in found:
        groups[chain.question.name].append(chain)
    return groups


def _lesson(policy: Policy, chain: Chain) -> Lesson:
    return Lesson(chain.question, closed(policy, chain.sampled))


def _written(policy: Policy, question: Question, thinking: str, reply: str) -> Lesson:
    ids = policy.prompt.encode(f"{thinking}\n{END_THINK}\n{reply}")
    return Lesson(question, (*ids, policy.prompt.eot))


def _direct(policy: Policy, question: Question, reply: str) -> Lesson:
    return Lesson(question, (*policy.prompt.encode(reply), policy.prompt.eot), thinking=False)


def result(last: Path, to: Path, begin: Path) -> None:
    """The last checkpoint, with what its beginning has beside the weights."""
    for path in begin.iterdir():
        to.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jinja", ".md", ".svg") and path.resolve() != (to / path.name).resolve():
            shutil.copy(path, to)
    for path in last.iterdir():
        shutil.copy(path, to)
