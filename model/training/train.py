"""The training loop: text alone, then the adaptor alone with CTC, then everything together.

It runs by the clock: a stage lasts its minutes, the learning rate follows the share of the time that is
used up, and a run that was stopped goes on where its last state was written. The encoder is frozen and
its output precomputed (features.py). Knows no audio.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from model.config import TextConfig
from model.network import AudioAdaptor, Qwen2
from model.prompt import Prompt
from model.training import conversations, features, tokenizer, world
from model.training.conversations import IGNORE, Batch, Maker, Row
from model.training.features import AUDIO, Heard
from model.training.sources import work

RATE, WARM_UP, FLAT = 1.5e-3, 100, 0.5  # learning rate, its first steps, share of the time at full rate
END_WEIGHT, CTC_WEIGHT = 0.3, 0.5
FEATURE_NOISE = 0.1
CHUNKED = 0.45  # share of the takes drawn, however many there are
EMA = 0.99
SAVE_EVERY = 120  # seconds


def text_config(vocabulary: int) -> TextConfig:
    return TextConfig(
        hidden_size=AUDIO.llm_dim,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=vocabulary,
        max_position_embeddings=2048,
        rope_theta=1e4,
        tie_word_embeddings=True,
    )


def prompt_of(words: Tokenizer) -> Prompt:
    return Prompt.of(lambda text: words.encode(text, add_special_tokens=False).ids, words.get_vocab())


class Learner(nn.Module):
    """Adaptor, decoder with tied head, and a CTC head that is not shipped."""

    def __init__(self, vocabulary: int, ctc_words: int) -> None:
        super().__init__()
        self.adapter = AudioAdaptor(AUDIO)
        self.model = Qwen2(text_config(vocabulary))
        self.ctc = nn.Linear(AUDIO.llm_dim, ctc_words + 1)
        for name, weight in self.model.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)


class Pool:
    """The takes that are there so far, in endless shuffles: whole or in chunks, complete or cut."""

    def __init__(self) -> None:
        self.parts: set[str] = set()
        self.takes: dict[tuple[bool, bool], list[Heard]] = defaultdict(list)
        self._order: dict[tuple[bool, bool], list[Heard]] = defaultdict(list)
        self._r = random.Random("pool")

    def __len__(self) -> int:
        return sum(map(len, self.takes.values()))

    def refresh(self) -> None:
        """Take in the parts that were computed since."""
        for name, takes in features.load(self.parts):
            self.parts.add(name)
            for take in takes:
                if len(take.seen):
                    self.takes[take.cut, take.chunked].append(take)

    def draw(self, cut: bool) -> Heard:
        kind = cut, self._r.random() < CHUNKED
        if not self._order[kind]:
            self._order[kind] = self._r.sample(self.takes[kind], len(self.takes[kind]))
        return self._order[kind].pop()


def _turns_short(r: random.Random) -> int:
    return r.choice((1, 1, 1, 1, 2, 2, 3, 4))


def _turns_long(r: random.Random) -> int:
    return r.choice((2, 4, 5, 6, 7, 8, 9))


def draw_rows(maker: Maker, r: random.Random) -> list[Row]:
    """One step's rows of audio and text. Mostly short conversations, some of many turns."""
    kind = r.random()
    if kind < 0.72:
        spoken = [maker.row(512, r, _turns_short) for _ in range(5)]
    elif kind < 0.95:
        spoken = [maker.row(1000, r, _turns_long) for _ in range(2)]
    else:
        spoken = [maker.row(1600, r, lambda r: 24)]
    length = max(len(row.ids) for row in spoken)
    return spoken + [maker.row(length, r, _turns_text, text=True) for _ in range(max(1, 1024 // length))]


def _turns_text(r: random.Random) -> int:
    return r.choice((1, 1, 1, 1, 1, 2, 3))


@dataclass
class Losses:
    text: Tensor
    end: Tensor
    ctc: Tensor
    right: float  # share of the text tokens

    @property
    def total(self) -> Tensor:
        return self.text + END_WEIGHT * self.end + CTC_WEIGHT * self.ctc


def seen_of(takes: list[Heard], noise: bool) -> Tensor:
    seen = torch.from_numpy(np.concatenate([t.seen for t in takes])).float()
    return seen + FEATURE_NOISE * torch.randn_like(seen) if noise else seen


def ctc_loss(learner: Learner, embedded: Tensor, takes: list[Heard], index: dict[str, int]) -> Tensor:
    """Nats a word, over the takes whose words are all in the world."""
    logs = learner.ctc(embedded).log_softmax(-1).split([len(t.seen) for t in takes])
    known = [
        i for i, t in enumerate(takes) if not t.cut and t.question.words and t.question.family != "other"
    ]
    if not known:
        return embedded.new_zeros(())
    targets = [[index[w] for w in takes[i].question.words.split()] for i in known]
    padded = nn.utils.rnn.pad_sequence([logs[i] for i in known])
    lengths = torch.tensor([len(takes[i].seen) for i in known])
    sizes = torch.tensor([len(t) for t in targets])
    flat = torch.tensor([w for t in targets for w in t])
    losses = F.ctc_loss(padded, flat, lengths, sizes, reduction="none", zero_infinity=True)
    return losses.sum() / sizes.sum()


def forward(learner: Learner, rows: Batch, index: dict[str, int]) -> Losses:
    x = learner.model.embed_tokens(rows.ids)
    zero = x.new_zeros(())
    ctc = end = zero
    if rows.heard:
        takes = [take for _, _, take in rows.heard]
        embedded = features.adapt(learner.adapter, seen_of(takes, noise=learner.training))
        ctc = ctc_loss(learner, embedded, takes, index)
        width = rows.ids.shape[1]
        where = torch.cat([torch.arange(len(t.seen)) + i * width + start for i, start, t in rows.heard])
        x = x.flatten(0, 1).index_copy(0, where, embedded).view_as(x)
    hidden = learner.model(x, positions=rows.positions, bias=rows.bias)
    head = learner.model.embed_tokens.weight
    chosen = rows.labels != IGNORE
    logits = hidden[chosen] @ head.T
    text = F.cross_entropy(logits, rows.labels[chosen])
    right = float((logits.argmax(-1) == rows.labels[chosen]).float().mean())
    at_ends = rows.ends != IGNORE
    if rows.heard:
        end = F.cross_entropy(hidden[at_ends] @ head.T, rows.ends[at_ends])
    return Losses(text, end, ctc, right)


@dataclass
class Schedule:
    """Minutes of each stage. Resuming counts the minutes spent before."""

    text: float
    ctc: float
    joint: float

    @property
    def total(self) -> float:
        return self.text + self.ctc + self.joint

    def stage(self, minutes: float) -> str:
        if minutes < self.text:
            return "text"
        return "ctc" if minutes < self.text + self.ctc else "joint"

    def rate(self, minutes: float, step: int) -> float:
        share = minutes / self.total
        fall = max(0.0, (share - FLAT) / (1 - FLAT))
        return (
            RATE * min(1.0, (step + 1) / WARM_UP) * max(0.01, 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))
        )


MINUTES = Schedule(text=7, ctc=3, joint=67)


class Run:
    """A training run and its state on disk."""

    def __init__(self, schedule: Schedule, path: Path) -> None:
        torch.manual_seed(0)
        self.words = tokenizer.build()
        self.prompt = prompt_of(self.words)
        said = sorted({w for w in world.vocabulary()})
        self.index = {word: i + 1 for i, word in enumerate(said)}
        self.learner = Learner(self.words.get_vocab_size(), len(said))
        weights = [p for p in self.learner.parameters() if p.ndim > 1]
        rest = [p for p in self.learner.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))
        self.average = {k: v.clone() for k, v in self.learner.state_dict().items()}
        self.pool = Pool()
        self.maker = Maker(self.prompt, lambda: self.pool.draw(False), lambda: self.pool.draw(True))
        self.schedule, self.path = schedule, path
        self.step, self.minutes = 0, 0.0
        if path.exists():
            self._restore(torch.load(path, weights_only=True))

    def _restore(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step, self.minutes = state["average"], state["step"], state["minutes"]

    def save(self) -> None:
        state = {
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "minutes": self.minutes,
        }
        half = self.path.with_suffix(".tmp")
        torch.save(state, half)
        half.rename(self.path)

    def losses(self, stage: str) -> Losses:
        r = random.Random(f"step {self.step}")
        pad = self.words.token_to_id(tokenizer.END_OF_TEXT)
        assert pad is not None
        if stage == "ctc":
            takes = [self.pool.draw(False) for _ in range(64)]
            embedded = features.adapt(self.learner.adapter, seen_of(takes, noise=True))
            zero = embedded.new_zeros(())
            return Losses(zero, zero, ctc_loss(self.learner, embedded, takes, self.index), 0.0)
        if stage == "text":
            rows = [self.maker.row(400, r, _turns_text, text=True) for _ in range(6)]
        else:
            rows = draw_rows(self.maker, r)
        return forward(self.learner, conversations.batch(rows, pad), self.index)

    def go(self) -> None:
        """Train until the schedule is over, saving on the way."""
        saved = logged = began = time.monotonic()
        before, last_step = self.minutes, self.step
        self.learner.train()
        while self.minutes < self.schedule.total:
            stage = self.schedule.stage(self.minutes)
            if stage != "text" and (not self.pool.parts or self.step % 100 == 0):
                self.pool.refresh()
            losses = self.losses(stage)
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(self.minutes, self.step)
            self.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
            self.optimizer.step()
            decay = min(EMA, (self.step + 1) / (self.step + 20))
            for name, value in self.learner.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
            self.step += 1
            now = time.monotonic()
            self.minutes = before + (now - began) / 60
            if now - logged > 15:
                self._report(stage, losses, (self.step - last_step) / (now - logged))
                logged, last_step = now, self.step
            if now - saved > SAVE_EVERY:
                self.save()
                saved = now
        self.save()

    def _report(self, stage: str, losses: Losses, speed: float) -> None:
        text, end, ctc = (float(x.detach()) for x in (losses.text, losses.end, losses.ctc))
        print(
            f"{self.minutes:6.2f} min {stage:5} step {self.step} text {text:.4f} right {losses.right:.3f} "
            f"end {end:.4f} ctc {ctc:.3f} {speed:.2f} steps/s takes {len(self.pool)}",
            flush=True,
        )


def run(schedule: Schedule, threads: int) -> None:
    torch.set_num_threads(threads)
    Run(schedule, work() / "state.pt").go()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=float, default=MINUTES.text)
    parser.add_argument("--ctc", type=float, default=MINUTES.ctc)
    parser.add_argument("--joint", type=float, default=MINUTES.joint)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    run(Schedule(given.text, given.ctc, given.joint), given.threads)
