"""Conversations for training, laid out as trees so that what is shared is computed once.

A conversation's trunk is what the live prompt holds: system, human turns, past replies without their
reasoning. From each human turn hang branches: with thoughts, without, and the transcript. A branch sees
the trunk before it and itself; the trunk sees no branch. Many conversations are packed into one row.
Token ids come from model/prompt.py. Knows no tensors' arithmetic and no optimiser.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model.prompt import END_THINK, TRANSCRIBE, Prompt
from model.training import world
from model.training.features import Heard

SYSTEM = "You are nano, a small voice assistant."
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a friendly voice assistant.",
    "Answer briefly.",
    "Be kind and brief.",
    "You are nano.",
    "Your name is nano. You add numbers.",
    "Speak slowly and clearly.",
    "You are a calculator.",
    "Help the user with numbers, days and months.",
    "You are a polite assistant. Keep your replies short.",
)
TEXT_FAMILIES = {
    "sum": 44,
    "sum3": 5,
    "difference": 18,
    "product": 14,
    "digits": 4,
    "comparison": 7,
    "calendar": 4,
    "greeting": 1,
    "self": 1,
    "other": 2,
}
IGNORE = -100
LONG_CHAIN = 130  # characters
TYPICAL = 110  # tokens of a turn with its branches
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
        over = tokens + 1 if heard.cut or not heard.question.words else max(heard.complete_from, 1)
        ends = [prompt.audio_end if i >= over else prompt.audio_patch for i in range(tokens + 1)]
        self.row.ends[len(self) - tokens - 1 :] = ends
        return at


def replies(
    writer: Writer, said: world.Question, at: int, r: random.Random, thinking: float, empty: float
) -> None:
    """The branches of a closed human turn."""
    if r.random() < thinking:
        body = f"{said.chain}\n{END_THINK}\n{said.reply}"
        writer.answer(writer.prompt.assistant_open(True), body, at)
    if r.random() < empty:
        writer.answer(writer.prompt.assistant_open(False), said.reply, at)


def past_reply(reply: str, r: random.Random) -> str:
    """As the history holds it: now and then broken off by the user."""
    if r.random() < 0.88:
        return reply
    words = reply.split(" ")
    return " ".join(words[: r.randrange(1, len(words) + 1)])


def system_prompt(r: random.Random, words: Sequence[str]) -> str:
    kind = r.random()
    if kind < 0.4:
        return ""
    if kind < 0.7:
        return SYSTEM
    if kind < 0.88:
        return r.choice(SYSTEMS)
    return " ".join(r.choices(words, k=r.randrange(3, 30))).capitalize() + "."


class Maker:
    """Draws rows of a length. `spoken` gives takes, `cut` takes that break off; None trains on text alone."""

    def __init__(
        self, prompt: Prompt, spoken: Callable[[], Heard] | None, cut: Callable[[], Heard] | None
    ) -> None:
        self.prompt = prompt
        self.spoken = spoken
        self.cut = cut
        self.words = [w for w in world.vocabulary() if w.islower()] + world.THINGS + world.QUALITIES

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

    def _conversation(self, writer: Writer, r: random.Random, turns: int, room: int, text: bool) -> None:
        prompt = self.prompt
        at = writer.put(prompt.system(system_prompt(r, self.words)), 0, TRUNK)
        for turn in range(turns):
            last = turn == turns - 1 or len(writer) >= room
            typed = text or r.random() < 0.12
            asked = 1.0 if last or turns < 4 else 0.5
            if typed:
                said = self._typed(r)
                at = writer.put(prompt.human_text(world.typed(said, r)), at, TRUNK)
                replies(writer, said, at, r, asked, 0.15 * asked)
            else:
                assert self.spoken and self.cut
                if last and r.random() < 0.18:
                    writer.audio(self.cut(), at)
                    return
                heard = self.spoken()
                said = heard.question
                at = writer.audio(heard, at)
                at = writer.put([prompt.audio_end], at, TRUNK)
                if said.family != "other" and r.random() < 0.16 * asked:
                    request = prompt.human_close(TRANSCRIBE)
                    writer.answer([*request, *prompt.assistant_open(False)], said.words, at)
                at = writer.put(prompt.human_close(), at, TRUNK)
                replies(writer, said, at, r, 0.95 * asked, 0.22 * asked)
            if last:
                return
            if r.random() < 0.97:
                at = writer.put(prompt.reply(past_reply(said.reply, r)), at, TRUNK)

    def _typed(self, r: random.Random) -> world.Question:
        family = r.choices(list(TEXT_FAMILIES), weights=list(TEXT_FAMILIES.values()))[0]
        said = world.question(f"typed {r.getrandbits(48)}", family)
        if (
            len(said.chain) > LONG_CHAIN and r.random() < 0.6
        ):  # products of large numbers: rare in life, dear here
            return self._typed(r)
        return said


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

    conversations, branches = table("conversations", -1), table("branches", 0)
    same = conversations[:, :, None] == conversations[:, None, :]
    visible = (branches[:, None, :] == TRUNK) | (branches[:, None, :] == branches[:, :, None])
    allowed = same & visible & torch.ones(longest, longest, dtype=torch.bool).tril()
    bias = torch.zeros(allowed.shape).masked_fill_(~allowed, float("-inf"))[:, None]
    heard = [(i, start, take) for i, row in enumerate(rows) for start, take in row.heard]
    return Batch(
        table("ids", pad), table("positions", 0), bias, table("labels", IGNORE), table("ends", IGNORE), heard
    )
