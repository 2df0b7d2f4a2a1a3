"""The training loop: text alone, then the adaptor alone with CTC, then everything together.

Stages are counted in steps, so a run that was stopped goes on where its last state was written, and a run
anywhere sees the same. The encoder is frozen and its output precomputed (features.py). CTC reads the
adaptor's output against the decoder's own word embeddings, so that a spoken word comes to look like the
written one, and the letters of a tone's place on the scale likewise. What is known of voices beside the words
(marks.py) is read off the adaptor, and counts off the decoder's middle, by heads that are not shipped. A GPU
is used if there is one. A second training is again.py's. Knows no audio.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from model.config import TextConfig
from model.network import AudioAdaptor, Qwen2
from model.prompt import Prompt
from model.training import conversations, corpus, features, marks, tokenizer
from model.training.conversations import Maker, Row, Source
from model.training.features import AUDIO, Heard
from model.training.packed import Packed, Tensors, pack
from model.training.sources import work
from model.training.world import scale

RATE, WARM_UP, FLAT = 1.5e-3, 100, 0.6  # learning rate, its first steps, share of the steps at full rate
END_WEIGHT, CTC_WEIGHT, MARKS_WEIGHT, COUNTS_WEIGHT = 0.3, 0.3, 1.0, 0.3
LETTERS_WEIGHT = 0.5  # within the marks
MIDDLE = 1  # the decoder's layer that counts
FEATURE_NOISE = 0.1
CHUNKED = 0.45  # share of the takes drawn, however many there are
EMA = 0.998
SAVE_EVERY, REPORT_EVERY = 120, 15  # seconds
CTC_TAKES = 64
ROWS = 7  # of short conversations in a step
TEXT = 1024  # tokens of text alone beside a step's audio


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


def _reader(classes: int) -> nn.Sequential:
    """A linear head. It begins with nothing to say, so that it does no harm to what it reads."""
    head = nn.Linear(AUDIO.llm_dim, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return nn.Sequential(nn.LayerNorm(AUDIO.llm_dim, elementwise_affine=False), head)


@dataclass
class Losses:
    text: Tensor
    end: Tensor
    ctc: Tensor
    marks: Tensor
    counts: Tensor
    right: Tensor  # share of the text tokens

    @property
    def total(self) -> Tensor:
        beside = MARKS_WEIGHT * self.marks + COUNTS_WEIGHT * self.counts
        return self.text + END_WEIGHT * self.end + CTC_WEIGHT * self.ctc + beside

    def told(self) -> dict[str, float]:
        return {name: round(float(value.detach()), 4) for name, value in vars(self).items()}


class Learner(nn.Module):
    """Adaptor, decoder with tied head, and what CTC and marks need beside them, which is not shipped."""

    word_ids: Tensor

    def __init__(self, vocabulary: int, word_ids: Sequence[int]) -> None:
        """`word_ids`: the tokens of the words and letters that CTC hears."""
        super().__init__()
        self.adapter = AudioAdaptor(AUDIO)
        self.model = Qwen2(text_config(vocabulary))
        self.blank = nn.Parameter(torch.zeros(1, AUDIO.llm_dim))
        self.sharpness = nn.Parameter(torch.tensor(3.0))  # log of what cosines are multiplied by
        self.marks = _reader(2 * len(marks.PROPERTIES))
        self.counts = _reader(len(marks.COUNTED) * marks.MOST)
        self.register_buffer("word_ids", torch.tensor(word_ids), persistent=False)
        self.middle = torch.zeros(0)  # what the decoder's middle gave last
        self.model.layers[MIDDLE].register_forward_hook(self._keep)
        for name, weight in self.model.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        nn.init.normal_(self.blank, std=0.02)

    def _keep(self, layer: nn.Module, given: object, hidden: Tensor) -> None:
        self.middle = hidden

    def ctc_logits(self, embedded: Tensor) -> Tensor:
        """[N, hidden] to [N, 1 + words]: the blank, then each word."""
        known = torch.cat([self.blank, self.model.embed_tokens.weight.detach()[self.word_ids]])
        cosines = F.normalize(embedded, dim=-1) @ F.normalize(known, dim=-1).T
        return cosines * self.sharpness.exp()

    def losses(self, step: Packed, seen: Tensor, heads_alone: bool = False) -> Losses:
        """Of a step whose takes the adaptor sees so: [tokens, 3 * width].

        `heads_alone`: the adaptor is better than what reads it, and is to stay as it is.
        """
        t = step.tensors(seen.device)
        heard = features.adapt(self.adapter, seen + FEATURE_NOISE * torch.randn_like(seen))
        heard = heard.detach() if heads_alone else heard
        told = self._marks(t, heard) + LETTERS_WEIGHT * self._letters(t, heard)
        ctc, text, zero = self._ctc(step, t, heard), t.text, seen.new_zeros(())
        if not text.numel():
            return Losses(zero, zero, ctc, told, zero, zero)
        x = self.model.embed_tokens(t.ids)
        x = x.flatten(0, 1).index_copy(0, t.audio_at, heard[: len(t.audio_at)]).view_as(x)
        bias = conversations.visible(t.conversations, t.branches)
        hidden = self.model(x, positions=t.positions, bias=bias).flatten(0, 1)
        head = self.model.embed_tokens.weight
        logits = hidden[t.text_at] @ head.T
        right = (logits.detach().argmax(-1) == text).float().mean()
        end = F.cross_entropy(hidden[t.end_at] @ head.T, t.end) if len(t.end) else zero
        return Losses(F.cross_entropy(logits, text), end, ctc, told, self._counts(step, t), right)

    def _ctc(self, step: Packed, t: Tensors, heard: Tensor) -> Tensor:
        """Nats a word."""
        if not len(step.ctc):
            return heard.new_zeros(())
        logs = self.ctc_logits(heard).log_softmax(-1)[t.ctc_at]
        lengths, sizes = (torch.from_numpy(x).long() for x in (step.ctc_lengths, step.ctc_sizes))
        losses = F.ctc_loss(logs, t.ctc, lengths, sizes, reduction="none", zero_infinity=True)
        return losses.sum() / len(step.ctc)

    def _marks(self, t: Tensors, heard: Tensor) -> Tensor:
        """Nats a mark, each read off the mean of its tokens."""
        if not len(t.mark):
            return heard.new_zeros(())
        sums = F.pad(heard.cumsum(0), (0, 0, 1, 0))
        means = (sums[t.mark_stop] - sums[t.mark_start]) / (t.mark_stop - t.mark_start)[:, None]
        logits = self.marks(means).unflatten(-1, (-1, 2))
        of_each = t.mark_of[:, None, None].expand(-1, 1, 2)
        return F.cross_entropy(logits.gather(1, of_each)[:, 0], t.mark)

    def _letters(self, t: Tensors, heard: Tensor) -> Tensor:
        """Nats a token of tones and sweeps, for being the letter that is written there (`marks.spelled`)."""
        if not len(t.letter):
            return heard.new_zeros(())
        return F.cross_entropy(self.ctc_logits(heard[t.letter_at]), t.letter)

    def _counts(self, step: Packed, t: Tensors) -> Tensor:
        """Nats a token of the takes with something to count, from the decoder's middle."""
        middle = self.middle.flatten(0, 1)
        if not (step.count != marks.UNKNOWN).any():
            return middle.new_zeros(())
        logits = self.counts(middle[t.audio_at[t.count_at]]).view(-1, marks.MOST)
        return F.cross_entropy(logits, t.count.flatten(), ignore_index=marks.UNKNOWN)


def learner_of(words: Sequence[str]) -> Learner:
    """A new one, of a tokenizer's words."""
    known = tokenizer.build(words).get_vocab()
    return Learner(len(known), [known[piece] for piece in (*(f" {word}" for word in words), *scale.LETTERS)])


def index_of(words: Sequence[str]) -> dict[str, int]:
    """The classes of CTC: those of `Learner.ctc_logits`."""
    return {word: i + 1 for i, word in enumerate((*words, *scale.LETTERS))}


def optimizer_of(learner: Learner) -> torch.optim.AdamW:
    weights = [p for p in learner.parameters() if p.ndim > 1]
    rest = [p for p in learner.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True)


class Pool:
    """The takes that are there so far, in endless shuffles: whole or in chunks, complete or cut."""

    def __init__(self) -> None:
        self.parts: set[str] = set()
        self.takes: dict[tuple[str, bool, bool], list[Heard]] = defaultdict(list)
        self._order: dict[tuple[str, bool, bool], list[Heard]] = defaultdict(list)
        self.r = random.Random("pool")

    def __len__(self) -> int:
        return sum(len(takes) for (intent, *_), takes in self.takes.items() if not intent)

    def add(self, take: Heard) -> None:
        intents = {take.said.intent} if take.said.intent == corpus.SOUNDS else {"", take.said.intent}
        for intent in intents:
            self.takes[intent, take.cut, take.chunked].append(take)

    def refresh(self) -> None:
        """Take in the parts that were computed since."""
        for name, takes in features.load(self.parts):
            self.parts.add(name)
            for take in takes:
                if len(take.seen):
                    self.add(take)

    def spoken(self, intent: str | None = None) -> Heard:
        return self._draw(intent or "", False)

    def cut(self) -> Heard:
        return self._draw("", True)

    def _draw(self, intent: str, cut: bool) -> Heard:
        kind = intent, cut, self.r.random() < CHUNKED
        if not self.takes[kind]:
            kind = "", cut, kind[2]
        if not self._order[kind]:
            self._order[kind] = self.r.sample(self.takes[kind], len(self.takes[kind]))
        return self._order[kind].pop()


def turns_short(r: random.Random) -> int:
    return r.choice((1, 1, 1, 1, 2, 2, 3))


def turns_long(r: random.Random) -> int:
    return r.choice((3, 4, 5, 6, 7, 8, 9))


def turns_text(r: random.Random) -> int:
    return r.choice((1, 1, 1, 2, 2, 3))


def draw_rows(maker: Maker, r: random.Random) -> list[Row]:
    """One step's rows of audio and text. Mostly short conversations, some of many turns."""
    kind = r.random()
    if kind < 0.8:
        spoken = [maker.row(320, r, turns_short) for _ in range(ROWS)]
    elif kind < 0.97:
        spoken = [maker.row(900, r, turns_long) for _ in range(2)]
    else:
        spoken = [maker.row(1600, r, lambda r: 24)]
    length = max(len(row.ids) for row in spoken)
    return spoken + [maker.row(length, r, turns_text, text=True) for _ in range(max(1, TEXT // length))]


@dataclass
class Schedule:
    """Steps of each stage, and the learning rate at its highest."""

    text: int
    ctc: int
    joint: int
    rate: float = RATE

    @property
    def total(self) -> int:
        return self.text + self.ctc + self.joint

    def stage(self, step: int) -> str:
        if step < self.text:
            return "text"
        return "ctc" if step < self.text + self.ctc else "joint"

    def rate_at(self, step: int) -> float:
        fall = max(0.0, (step / self.total - FLAT) / (1 - FLAT))
        share = min(1.0, (step + 1) / WARM_UP) * max(0.01, 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))
        return self.rate * share


STEPS = Schedule(text=1000, ctc=1500, joint=12_000)


@dataclass
class Mark:
    """A line of the log."""

    step: int
    stage: str
    text: float
    right: float
    end: float
    ctc: float
    marks: float
    counts: float


class Run:
    """A training run and its state on disk, which goes before what a run begins with."""

    average_decay = EMA

    def __init__(self, schedule: Schedule, path: Path) -> None:
        torch.manual_seed(0)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        state = torch.load(path, weights_only=True, map_location=self.device) if path.exists() else {}
        self.said: list[str] = state.get("words") or self.new_words()
        self.words = tokenizer.build(self.said)
        self.prompt = prompt_of(self.words)
        self.index = index_of(self.said)
        self.learner = learner_of(self.said).to(self.device)
        if not state:
            self.learner.load_state_dict(self.new_weights(), strict=False)
        self.optimizer = optimizer_of(self.learner)
        self.average = {k: v.clone() for k, v in self.learner.state_dict().items()}
        self.pool, self.maker = self.makers()
        self.schedule, self.path = schedule, path
        self.step = 0
        if state:
            self._restore(state)

    def new_words(self) -> list[str]:
        """Of the tokenizer, where there is no state yet."""
        return list(tokenizer.words())

    def new_weights(self) -> dict[str, Tensor]:
        """Those that are not by chance, where there is no state yet."""
        return {}

    def makers(self) -> tuple[Pool, Maker]:
        """Where takes and conversations come from."""
        pool = Pool()
        return pool, Maker(self.prompt, Source(pool.spoken, pool.cut))

    @property
    def heads_alone(self) -> bool:
        """Whether the adaptor is better than what reads it, and is to stay as it is in this step."""
        return False

    def takes_of_ears(self) -> list[Heard]:
        """One step's takes for the adaptor alone."""
        return [self.pool.spoken() for _ in range(CTC_TAKES)]

    def rows(self, r: random.Random) -> tuple[list[Row], list[Heard]]:
        """One step's rows, and takes beside them for the adaptor alone."""
        return draw_rows(self.maker, r), []

    def _restore(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step = state["average"], state["step"]

    def save(self) -> None:
        state = {
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "words": self.said,
        }
        half = self.path.with_suffix(".tmp")
        torch.save(state, half)
        half.rename(self.path)

    def losses(self, stage: str) -> Losses:
        r = random.Random(f"step {self.step}")
        rows: list[Row] = []
        beside: list[Heard] = []
        if stage == "ctc":
            beside = self.takes_of_ears()
        elif stage == "text":
            rows = [self.maker.row(512, r, turns_text, text=True) for _ in range(4)]
        else:
            rows, beside = self.rows(r)
        step = pack(rows, beside, tokenizer.pad(self.words), self.index)
        seen = torch.from_numpy(step.seen).to(self.device).float().reshape(-1, features.SEEN)
        return self.learner.losses(step, seen, stage == "ctc" and self.heads_alone)

    def go(self, stop: int | None = None) -> None:
        """Train until the schedule is over, or until step `stop`; the state is saved on the way."""
        saved = logged = time.monotonic()
        last_step = self.step
        self.learner.train()
        while self.step < min(self.schedule.total, stop or self.schedule.total):
            stage = self.schedule.stage(self.step)
            if stage != "text" and (not self.pool.parts or self.step % 100 == 0):
                self.pool.refresh()
            losses = self.losses(stage)
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate_at(self.step)
            self.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
            self.optimizer.step()
            self._average()
            self.step += 1
            now = time.monotonic()
            if now - logged > REPORT_EVERY:
                self._report(stage, losses, (self.step - last_step) / (now - logged))
                logged, last_step = now, self.step
            if now - saved > SAVE_EVERY:
                self.save()
                saved = now
        self.save()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.average_decay, (self.step + 1) / (self.step + 20))
        values = self.learner.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [values[k] for k in self.average], 1 - decay)

    def _report(self, stage: str, losses: Losses, speed: float) -> None:
        mark = Mark(self.step, stage, **losses.told())
        with self.path.with_name("train.jsonl").open("a") as file:
            file.write(json.dumps(asdict(mark)) + "\n")
        left = (self.schedule.total - self.step) / speed / 60
        print(
            f"{stage:5} step {mark.step} of {self.schedule.total}  text {mark.text:.4f} "
            f"right {mark.right:.3f} end {mark.end:.4f} ctc {mark.ctc:.3f} marks {mark.marks:.3f} "
            f"counts {mark.counts:.3f}  "
            f"{speed:.2f} steps/s  {left:.0f} min left  takes {len(self.pool)}",
            flush=True,
        )


def run(schedule: Schedule, threads: int, stop: int | None = None) -> None:
    torch.set_num_threads(threads)
    Run(schedule, work() / "state.pt").go(stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=int, default=STEPS.text)
    parser.add_argument("--ctc", type=int, default=STEPS.ctc)
    parser.add_argument("--joint", type=int, default=STEPS.joint)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stop", type=int, help="stop at this step, to go on later")
    given = parser.parse_args()
    run(Schedule(given.text, given.ctc, given.joint), given.threads, given.stop)
