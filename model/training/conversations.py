"""Conversations for training, laid out as trees so that what is shared is computed once.

A conversation's trunk is what the live prompt holds: system, tools, human turns, past replies without
their reasoning, what tools gave back. From each point where nano speaks hang branches: with thoughts of
the length that the system prompt asks for, without, with thoughts that a budget broke off, and the
transcript. A branch sees the trunk before it and itself; the trunk sees no branch. Many conversations are
packed into one row. Token ids come from model/prompt.py, what is said from world/dialogue.py. Knows no
tensors' arithmetic and no optimiser.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model.prompt import END_THINK, LONG, SHORT, TRANSCRIBE, Prompt
from model.training import world
from model.training.features import Heard
from model.training.world import dialogue, instructions
from model.training.world.core import Effort, State, Utterance, chain

EFFORTS: dict[Effort, float] = {"medium": 0.8, "short": 0.1, "long": 0.1}
LINES: dict[Effort, str] = {"short": SHORT, "medium": "", "long": LONG}
TYPED = {  # families of typed turns: there is nothing to hear in them, only to think
    "numbers": 40,
    "sequences": 18,
    "everyday": 22,
    "memory": 9,
    "tools": 7,
    "unknown": 4,
}
READ_BACK = 0.2  # share of the typed digits to read back that are kept: that needs no thought
HARD = {"perception": 0.17, "everyday": 0.12, "sequences": 0.08}  # spoken turns with every intent alike
OFTEN = {  # by intent; the rest are whatever the corpus has
    intent: share / len(world.FAMILIES[family])
    for family, share in HARD.items()
    for intent in world.FAMILIES[family]
}
WITHOUT = {"numbers": 0.12, "sequences": 0.2}  # how often a reply without thoughts is learned as well
WITHOUT_ELSE = 0.3
CUT_CHAIN = 0.06
EVERY_DAY = 0.7
TRANSCRIPT = 0.12
IGNORE = -100
NO_SPEECH = ("unknown_silence", "unknown_noise", "unknown_music")
TYPICAL = 120  # tokens of a turn with its branches
TRUNK = 0


@dataclass
class Row:
    """Tokens of several conversations, in an order in which everything seen comes before."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    conversations: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)  # of the text: the token to come
    ends: list[int] = field(default_factory=list)  # of the audio: patch or end to come
    heard: list[tuple[int, Heard]] = field(default_factory=list)  # index of a take's first patch


@dataclass
class Writer:
    """Builds one row."""

    prompt: Prompt
    row: Row = field(default_factory=Row)
    conversation: int = 0
    branch: int = 0

    def __len__(self) -> int:
        return len(self.row.ids)

    def put(self, ids: Sequence[int], at: int, branch: int, supervised: int = 0) -> int:
        """Append tokens from position `at` on; the last `supervised` of them are to be predicted."""
        row, count = self.row, len(ids)
        row.ids += ids
        row.positions += range(at, at + count)
        row.conversations += [self.conversation] * count
        row.branches += [branch] * count
        row.ends += [IGNORE] * count
        known = count - supervised - 1
        row.labels += [*[IGNORE] * known, *ids[known + 1 :], IGNORE] if supervised else [IGNORE] * count
        return at + count

    def answer(self, head: Sequence[int], body: str, at: int) -> None:
        """A branch: the assistant's turn, of which `body` is to be learned."""
        self.branch += 1
        ids = [*head, *self.prompt.encode(body), self.prompt.eot]
        self.put(ids, at, self.branch, supervised=len(ids) - len(head))

    def audio(self, heard: Heard, at: int) -> int:
        """An open human turn with its audio, up to the last patch."""
        prompt, tokens = self.prompt, len(heard.seen)
        at = self.put([*prompt.human_open(), prompt.audio_start, *prompt.patches(tokens)], at, TRUNK)
        self.row.heard.append((len(self) - tokens, heard))
        over = max(heard.complete_from, 1) if complete(heard) else tokens + 1
        ends = [prompt.audio_end if i >= over else prompt.audio_patch for i in range(tokens + 1)]
        self.row.ends[len(self) - tokens - 1 :] = ends
        return at


def complete(heard: Heard) -> bool:
    """Whether somebody has finished saying something in it."""
    return not heard.cut and heard.said.intent not in NO_SPEECH


@dataclass(frozen=True)
class Speaking:
    """One point where nano speaks."""

    thoughts: str
    body: str
    without: float  # how often the reply without thoughts is learned as well
    can_be_cut: bool = True  # there is something in the thoughts to break off


def replies(writer: Writer, what: Speaking, at: int, r: random.Random, thinking: float) -> None:
    """The branches of one point where nano speaks; `thinking` is how often there is one with thoughts."""
    prompt = writer.prompt
    if r.random() < thinking:
        writer.answer(prompt.assistant_open(True), f"{what.thoughts}\n{END_THINK}\n{what.body}", at)
    if r.random() < what.without * thinking:
        writer.answer(prompt.assistant_open(False), what.body, at)
    if what.can_be_cut and r.random() < CUT_CHAIN * thinking:
        begun = prompt.encode(what.thoughts)
        begun = begun[: r.randrange(1, len(begun) + 1)]
        head = [*prompt.assistant_open(True), *begun, *prompt.encode(f"\n{END_THINK}\n")]
        writer.answer(head, what.body, at)


@dataclass(frozen=True)
class Source:
    """Where turns come from: takes of an intent (None: any), or of any family broken off."""

    spoken: Callable[[str | None], Heard]
    cut: Callable[[], Heard]


class Maker:
    """Draws rows of a length. Without a `source` it trains on text alone. `often`: shares of spoken turns."""

    def __init__(self, prompt: Prompt, source: Source | None, often: Mapping[str, float] = OFTEN) -> None:
        self.prompt = prompt
        self.source = source
        self._often = tuple(often), tuple(itertools.accumulate(often.values()))

    def row(
        self, length: int, r: random.Random, turns: Callable[[random.Random], int], text: bool = False
    ) -> Row:
        """Conversations of `turns(r)` turns until the row is about as long."""
        writer = Writer(self.prompt)
        room = length - TYPICAL
        while len(writer) < room:
            writer.conversation += 1
            self._conversation(writer, r, turns(r), room, text)
        return writer.row

    def asked(self, length: int, r: random.Random, draw: Callable[[], Heard | Utterance]) -> Row:
        """Conversations of one turn, mostly under the system prompt of every day.

        `draw` gives takes, or utterances whose sounds are written out instead: text alone is learned faster.
        """
        writer = Writer(self.prompt)
        while len(writer) < length - TYPICAL:
            writer.conversation += 1
            course = dialogue.Course(r)
            if r.random() < EVERY_DAY:
                course.instructions, course.state, course.schemas = instructions.NANO, State(), ""
            effort = r.choices(list(EFFORTS), weights=list(EFFORTS.values()))[0]
            at = self._system(writer, course, effort)
            drawn = draw()
            if isinstance(drawn, Utterance):
                said, at = drawn, writer.put(self.prompt.human_text(drawn.sounded), at, TRUNK)
            else:
                said, at = drawn.said, writer.put([self.prompt.audio_end], writer.audio(drawn, at), TRUNK)
                at = writer.put(self.prompt.human_close(), at, TRUNK)
            self._turn(writer, course.turn(said), effort, at, r, 1.0, last=True)
        return writer.row

    def _system(self, writer: Writer, course: dialogue.Course, effort: Effort) -> int:
        at = writer.put(self.prompt.system(course.instructions, LINES[effort]), 0, TRUNK)
        return writer.put(self.prompt.tools(course.schemas), at, TRUNK)

    def _conversation(self, writer: Writer, r: random.Random, turns: int, room: int, text: bool) -> None:
        prompt = self.prompt
        course = dialogue.Course(r)
        effort = r.choices(list(EFFORTS), weights=list(EFFORTS.values()))[0]
        at = self._system(writer, course, effort)
        for number, intent in enumerate(dialogue.plan(r, turns)):
            last = number == turns - 1 or len(writer) >= room
            thinking = 1.0 if last or turns < 4 else 0.5
            if text or r.random() < 0.12:
                said = self._typed(r, intent, bool(course.offered))
                at = writer.put(prompt.human_text(typed(said, r)), at, TRUNK)
            else:
                assert self.source
                if last and r.random() < 0.15:
                    writer.audio(self.source.cut(), at)
                    return
                heard = self.source.spoken(intent or self._wanted(r, course))
                said = heard.said
                at = writer.audio(heard, at)
                at = writer.put([prompt.audio_end], at, TRUNK)
                if said.words and said.family != "unknown" and r.random() < TRANSCRIPT:
                    request = prompt.human_close(TRANSCRIBE)
                    writer.answer([*request, *prompt.assistant_open(False)], said.words, at)
                at = writer.put(prompt.human_close(), at, TRUNK)
            at = self._turn(writer, course.turn(said), effort, at, r, thinking, last)
            if last:
                return

    def _turn(
        self,
        writer: Writer,
        turn: dialogue.Turn,
        effort: Effort,
        at: int,
        r: random.Random,
        thinking: float,
        last: bool,
    ) -> int:
        prompt, said, answer = self.prompt, turn.said, turn.answer
        body = answer.call.text if answer.call else answer.reply
        without = WITHOUT.get(said.family, WITHOUT_ELSE)
        thoughts = chain(said, answer, effort)
        replies(writer, Speaking(thoughts, body, without, bool(answer.steps)), at, r, thinking)
        if turn.call and turn.result:
            if last and r.random() < 0.3:
                return at
            at = writer.put(prompt.reply(turn.call.text), at, TRUNK)
            at = writer.put(prompt.function_output(turn.call.name, turn.result.content), at, TRUNK)
            told = turn.result.answer
            thoughts = "\n".join(told.steps)
            replies(writer, Speaking(thoughts, told.reply, without, bool(thoughts)), at, r, thinking)
        return at if last else writer.put(prompt.reply(turn.kept), at, TRUNK)

    def _wanted(self, r: random.Random, course: dialogue.Course) -> str | None:
        """The intent of the next spoken turn, None for any. Tools that are offered are mostly wanted."""
        if course.offered and r.random() < 0.45:
            return r.choice(list(world.FAMILIES["tools"]))
        intents, shares = self._often
        at = bisect.bisect(shares, r.random())
        return intents[at] if at < len(intents) else None

    def _typed(self, r: random.Random, intent: str | None, tools: bool) -> Utterance:
        while True:
            family = "tools" if tools and r.random() < 0.4 else None
            family = family or r.choices(list(TYPED), weights=list(TYPED.values()))[0]
            seed = f"typed {r.getrandbits(48)}"
            said = world.of_intent(seed, intent) if intent else world.utterance(seed, family)
            if said.intent == "digits" and r.random() > READ_BACK:
                continue
            if dialogue.can_be_typed(said):
                return said


def typed(said: Utterance, r: random.Random) -> str:
    """How somebody might type it: as it is said, as a sentence, or in another way."""
    kind = r.random()
    if said.written and kind < 0.25:
        return r.choice(said.written)
    if kind < 0.6:
        return said.words[:1].upper() + said.words[1:] + r.choice(("", "?", "."))
    return said.words


@dataclass(frozen=True)
class Batch:
    """Rows of one length, as tensors. Audio is named by row and first index."""

    ids: Tensor  # [B, L]
    positions: Tensor
    bias: Tensor  # [B, 1, L, L], added to the attention scores
    labels: Tensor
    ends: Tensor
    heard: list[tuple[int, int, Heard]]


def batch(rows: Sequence[Row], pad: int) -> Batch:
    longest = max(len(row.ids) for row in rows)

    def table(name: str, filler: int) -> Tensor:
        values = [getattr(row, name) for row in rows]
        return torch.from_numpy(np.array([v + [filler] * (longest - len(v)) for v in values], dtype=np.int64))

    bias = visible(table("conversations", -1), table("branches", TRUNK))
    heard = [(i, start, take) for i, row in enumerate(rows) for start, take in row.heard]
    return Batch(
        table("ids", pad), table("positions", 0), bias, table("labels", IGNORE), table("ends", IGNORE), heard
    )


def visible(conversations: Tensor, branches: Tensor) -> Tensor:
    """What is added to the attention's scores, [B, 1, L, L], where tokens are of these [B, L]."""
    length, device = branches.shape[1], branches.device
    same = conversations[:, :, None] == conversations[:, None, :]
    seen = (branches[:, None, :] == TRUNK) | (branches[:, None, :] == branches[:, :, None])
    allowed = same & seen & torch.ones(length, length, dtype=torch.bool, device=device).tril()
    return torch.zeros(allowed.shape, device=device).masked_fill_(~allowed, float("-inf"))[:, None]
