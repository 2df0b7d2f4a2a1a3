"""The weights that are trained: the decoder of a checkpoint, read behind its frozen ears.

Encoder and adaptor stay as they are, so what a question sounds like is computed once. Questions and what is
to be learned behind them are laid out as conversations.py does it: many replies hang on one prompt. Knows no
rewards and no stages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from model import checkpoint
from model.prompt import END_THINK, Prompt
from model.training import features
from model.training.conversations import IGNORE, TRUNK, Batch, Row, Writer, batch
from model.training.export import ENCODER, REST
from model.training.features import Heard
from model.training.mgrd.questions import Question
from model.training.tokenizer import END_OF_TEXT
from model.training.train import prompt_of
from model.training.world.instructions import NANO

ROOM = 640  # tokens of a row, about


@dataclass(frozen=True, eq=False)
class Lesson:
    """Tokens to learn behind a question, the stop with them. `weight`: of each of them."""

    question: Question
    ids: tuple[int, ...]
    thinking: bool = True
    weight: float = 1.0


@dataclass(frozen=True)
class Laid:
    """Lessons in rows. Of every token to learn, in the order of the rows: its weight and its lesson."""

    rows: Batch
    weights: Tensor
    lessons: Tensor


class Policy(nn.Module):
    """Raises CheckpointError."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        network = checkpoint.load(folder)
        self.folder = folder
        self.adapter, self.model = network.adapter, network.model
        self.model.requires_grad_(True)
        words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        pad = words.token_to_id(END_OF_TEXT)
        assert pad is not None
        self.prompt, self._pad = prompt_of(words), pad
        self.decode: Callable[[Sequence[int]], str] = lambda ids: words.decode(
            list(ids), skip_special_tokens=False
        )

    def read(self, ids: Sequence[int], thinking: bool = True) -> tuple[str, str]:
        """Thoughts and reply, from what was said behind the open head."""
        text = self.decode(ids)
        if not thinking:
            return "", text.strip()
        thoughts, _, reply = text.partition(END_THINK)
        return thoughts.strip("\n"), reply.strip()

    # --- prompts to go on with ---

    @torch.inference_mode()
    def heads(self, questions: Iterable[Question]) -> list[Tensor]:
        """Embeddings of each question, up to where the assistant begins."""
        found = []
        for question in questions:
            parts = [self.embedded(system(self.prompt))]
            if question.heard:
                prompt = self.prompt
                parts.append(self.embedded([*prompt.human_open(), prompt.audio_start]))
                parts.append(self.hears([question.heard]))
                parts.append(self.embedded([prompt.audio_end, *prompt.human_close()]))
            else:
                parts.append(self.embedded(self.prompt.human_text(question.said.words)))
            found.append(torch.cat(parts))
        return found

    def opened(self, heads: Iterable[Tensor], thinking: bool = True) -> list[Tensor]:
        """With the head of the assistant's turn."""
        begin = self.embedded(self.prompt.assistant_open(thinking))
        return [torch.cat([head, begin]) for head in heads]

    @torch.no_grad()
    def embedded(self, ids: Sequence[int]) -> Tensor:
        return self.model.embed_tokens(torch.tensor(ids, dtype=torch.long))

    @torch.no_grad()
    def hears(self, takes: Sequence[Heard]) -> Tensor:
        seen = torch.cat([torch.from_numpy(take.seen) for take in takes])
        return features.adapt(self.adapter, seen.float())

    # --- what is learned ---

    def rows(self, lessons: Sequence[Lesson]) -> list[tuple[Row, dict[int, int]]]:
        """In rows, those of one question behind one prompt where they follow each other; branch to lesson."""
        out: list[tuple[Writer, dict[int, int]]] = []
        before, at = None, 0
        for number, lesson in enumerate(lessons):
            if not out or len(out[-1][0]) > ROOM:
                out.append((Writer(self.prompt), {}))
                before = None
            writer, where = out[-1]
            if lesson.question is not before:
                before = lesson.question
                writer.conversation += 1
                at = self._asked(writer, before)
            head = self.prompt.assistant_open(lesson.thinking)
            writer.branch += 1
            where[writer.branch] = number
            writer.put([*head, *lesson.ids], at, writer.branch, supervised=len(lesson.ids))
        return [(writer.row, where) for writer, where in out]

    def _asked(self, writer: Writer, question: Question) -> int:
        prompt = self.prompt
        at = writer.put(system(prompt), 0, TRUNK)
        if question.heard is None:
            return writer.put(prompt.human_text(question.said.words), at, TRUNK)
        at = writer.audio(question.heard, at)
        return writer.put([prompt.audio_end, *prompt.human_close()], at, TRUNK)

    def laid(self, lessons: Sequence[Lesson]) -> Laid:
        found = self.rows(lessons)
        numbers = [
            where[branch]
            for row, where in found
            for branch, label in zip(row.branches, row.labels, strict=True)
            if label != IGNORE
        ]
        weights = torch.tensor([lessons[i].weight for i in numbers])
        return Laid(self.batch([row for row, _ in found]), weights, torch.tensor(numbers))

    def batch(self, rows: Sequence[Row]) -> Batch:
        return batch(rows, self._pad)

    def forward(self, rows: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the tokens to learn, and of patch or end behind the audio, row by row."""
        x = self.model.embed_tokens(rows.ids)
        if rows.heard:
            width = rows.ids.shape[1]
            at = [torch.arange(len(take.seen)) + i * width + start for i, start, take in rows.heard]
            embedded = self.hears([take for _, _, take in rows.heard])
            x = x.flatten(0, 1).index_copy(0, torch.cat(at), embedded).view_as(x)
        hidden = self.model(x, positions=rows.positions, bias=rows.bias)
        return self._told(hidden, rows.labels), self._told(hidden, rows.ends)

    def _told(self, hidden: Tensor, labels: Tensor) -> Tensor:
        chosen = labels != IGNORE
        logits = hidden[chosen] @ self.model.embed_tokens.weight.T
        return -F.cross_entropy(logits, labels[chosen], reduction="none")

    # --- on disk ---

    def write(self, folder: Path) -> None:
        """A checkpoint like the one it began with, but for the decoder."""
        names = load_file(self.folder / REST).keys()
        mine = {f"adapter.{k}": v for k, v in self.adapter.state_dict().items()}
        mine |= {f"model.{k}": v for k, v in self.model.state_dict().items()}
        rest = {name: mine[name].half() for name in names}
        shards = {ENCODER: load_file(self.folder / ENCODER), REST: rest}
        checkpoint.save(folder, checkpoint.read_config(self.folder), shards)
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copy(self.folder / name, folder)
        checkpoint.check(folder)


def system(prompt: Prompt) -> list[int]:
    """What every question is asked under."""
    return prompt.system(NANO)
