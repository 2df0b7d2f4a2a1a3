"""Cases answered without a server: the reference network, greedy or sampled, several cases at a time.

A turn is encoded whole, or in the windows of a live session (model/windows.py); windows of one shape are
encoded together. The history holds the expected replies. Knows no wire and nothing of scores.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from model import checkpoint, tools
from model.config import audio_tokens, pieces
from model.evaluation import conditions
from model.evaluation.case import Answered, Case, Encoding, Outcome
from model.features import as_heard
from model.network import Cache, StepAudio2
from model.prompt import END_THINK, LONG, SHORT, TRANSCRIBE, Prompt
from model.training.world.core import Call, Effort
from model.windows import Window, Windows, whole

LIMIT = 320  # tokens of thoughts and reply
ROW_TOKENS = 12_000  # of prompts answered together
FRAMES = 2_400  # mel frames encoded together
LINES: dict[Effort, str] = {"none": "", "short": SHORT, "medium": "", "long": LONG}

Piece = Tensor  # the embeddings of 25 s at most [n, hidden]
Pick = Callable[[Tensor], Tensor]  # logits [B, vocab] to tokens [B]
Samples = NDArray[np.float32]


def likeliest(logits: Tensor) -> Tensor:
    return logits.argmax(-1)


def sampled(temperature: float, seed: int) -> Pick:
    """Drawn at a temperature above 0, the same each time for one seed and one batch."""
    drawing = torch.Generator().manual_seed(seed)

    def pick(logits: Tensor) -> Tensor:
        shares = torch.softmax(logits.float() / temperature, -1).cpu()
        return torch.multinomial(shares, 1, generator=drawing)[:, 0].to(logits.device)

    return pick


@torch.inference_mode()
def generate(
    network: StepAudio2,
    prompts: Sequence[Tensor],
    stop: set[int],
    limit: int = LIMIT,
    pick: Pick = likeliest,
) -> list[list[int]]:
    """A continuation of each prompt [T, hidden], several at a time; the stop is left out."""
    found: list[list[int]] = [[] for _ in prompts]
    where = network.lm_head.weight.device
    for members in _batches([len(p) for p in prompts]):
        longest = max(len(prompts[i]) for i in members)
        lacking = [longest - len(prompts[i]) for i in members]
        x = torch.stack(
            [torch.nn.functional.pad(prompts[i], (0, 0, n, 0)) for i, n in zip(members, lacking, strict=True)]
        )
        begin = torch.tensor(lacking, device=where)
        real = torch.arange(longest, device=where)[None] >= begin[:, None]
        seen = real[:, None, :] & torch.ones(longest, longest, dtype=torch.bool, device=where).tril()
        seen |= torch.eye(longest, dtype=torch.bool, device=where)  # padding sees itself: no empty softmax
        positions = (torch.arange(longest, device=where)[None] - begin[:, None]).clamp(min=0)
        cache: Cache = []
        going = set(range(len(members)))
        for _ in range(limit):
            bias = x.new_zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None]
            hidden = network.model(x, positions=positions, bias=bias, cache=cache)
            tokens = pick(network.lm_head(hidden[:, -1]))
            told = tokens.tolist()
            for row in list(going):
                if told[row] in stop:
                    going.discard(row)
                else:
                    found[members[row]].append(told[row])
            if not going:
                break
            x = network.model.embed_tokens(tokens[:, None])
            positions = positions[:, -1:] + 1
            real = torch.nn.functional.pad(real, (0, 1), value=True)
            seen = real[:, None, :]
    return found


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of similar lengths, so many that they have some `ROW_TOKENS` together."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not out or (len(out[-1]) + 1) * lengths[i] > ROW_TOKENS:
            out.append([])
        out[-1].append(i)
    return out


@torch.inference_mode()
def encode(network: StepAudio2, takes: Sequence[Samples], sizes: Windows | None) -> list[list[Piece]]:
    """The pieces of each take: whole (None), or in windows of these sizes as they are heard live."""
    weight = network.encoder.conv1.weight
    places: list[tuple[int, int]] = []  # take and piece
    alike: dict[tuple[int, int, int], list[tuple[int, Window, Tensor]]] = defaultdict(list)
    found: list[list[Piece]] = [[] for _ in takes]
    for number, samples in enumerate(takes):
        for start, end in pieces(len(samples)):
            place = len(places)
            places.append((number, len(found[number])))
            found[number].append(torch.zeros(audio_tokens(end - start), network.config.text.hidden_size))
            windows = sizes.every(end - start) if sizes else [whole(end - start)]
            for mel, window in as_heard(samples[start:end], network.config.audio.n_mels, windows):
                alike[window.first, window.end, window.real].append((place, window, mel))
    for (first, end, real), members in alike.items():
        size = max(1, FRAMES // (end - first))
        for at in range(0, len(members), size):
            batch = members[at : at + size]
            mels = torch.stack([mel for _, _, mel in batch]).to(weight)
            rows = network.adapter(network.encoder(mels, real=real, first=first)).float().cpu()
            for row, (place, window, _) in zip(rows, batch, strict=True):
                number, piece = places[place]
                found[number][piece][window.start : window.stop] = row[window.keep]
    return found


class Respondent:
    """A checkpoint that answers cases."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32, limit: int = LIMIT) -> None:
        """Raises CheckpointError."""
        self.network = checkpoint.load(folder, dtype).to("cuda" if torch.cuda.is_available() else "cpu")
        self._limit = limit
        self.pick: Pick = likeliest
        words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.prompt = Prompt.of(
            lambda text: list(words.encode(text, add_special_tokens=False).ids), words.get_vocab()
        )
        self.decode: Callable[[list[int]], str] = lambda ids: words.decode(ids, skip_special_tokens=False)

    def answer(
        self,
        cases: Sequence[Case],
        encoding: Encoding,
        sizes: Windows | None = None,
        transcripts: bool = True,
    ) -> list[Answered]:
        """Every case; what is not encoded whole in windows of these sizes (None: a session's own)."""
        heads = self._heads(cases, encoding, sizes or Windows())
        prompts = [
            self._joined(head, [*self.prompt.human_close(case.question), *self._open(case)])
            for case, head in zip(cases, heads, strict=True)
        ]
        found = [self._read(case, ids) for case, ids in zip(cases, self._generated(prompts), strict=True)]
        self._tell(cases, prompts, found)
        if transcripts:
            self._transcribe(cases, heads, found)
        return [Answered(case, encoding, one) for case, one in zip(cases, found, strict=True)]

    def _heads(self, cases: Sequence[Case], encoding: Encoding, sizes: Windows) -> list[Tensor]:
        """Each case's prompt up to the end of its audio."""
        early = [
            conditions.take(before.clip.samples, case.condition, f"{case.name} {i}")
            for case in cases
            for i, before in enumerate(case.before)
            if before.clip
        ]
        late = [conditions.take(case.clip.samples, case.condition, case.name) for case in cases]
        earlier = iter(encode(self.network, early, None if encoding == "whole" else sizes))
        last = iter(encode(self.network, late, sizes if encoding == "incremental" else None))
        heads = []
        for case in cases:
            parts = [self.ids(self.prompt.system(case.instructions, LINES[case.effort]))]
            parts.append(self.ids(self.prompt.tools(case.schemas)))
            for before in case.before:
                if before.clip:
                    parts += [self._turn(next(earlier)), self.ids(self.prompt.human_close())]
                else:
                    parts.append(self.ids(self.prompt.human_text(before.said)))
                parts.append(self.ids(self.prompt.reply(before.reply)))
            heads.append(torch.cat([*parts, self._turn(next(last))]))
        return heads

    def ids(self, ids: Sequence[int]) -> Tensor:
        weight = self.network.model.embed_tokens.weight
        return self.network.model.embed_tokens(
            torch.tensor(list(ids), dtype=torch.long, device=weight.device)
        )

    def _turn(self, heard: Sequence[Piece]) -> Tensor:
        """An open human turn with its audio."""
        start, end = self.ids([self.prompt.audio_start]), self.ids([self.prompt.audio_end])
        parts = [part for piece in heard for part in (start, piece.to(start), end)]
        return torch.cat([self.ids(self.prompt.human_open()), *parts])

    def _joined(self, head: Tensor, ids: Sequence[int]) -> Tensor:
        return torch.cat([head, self.ids(ids)])

    def _open(self, case: Case) -> list[int]:
        return self.prompt.assistant_open(case.effort != "none")

    def _generated(self, prompts: Sequence[Tensor]) -> list[list[int]]:
        return generate(self.network, prompts, {self.prompt.eot}, self._limit, self.pick)

    def _read(self, case: Case, ids: list[int]) -> Outcome:
        thinking, body = "", self.decode(ids)
        if case.effort != "none":
            thinking, _, body = body.partition(END_THINK)
            ids = self.prompt.encode(thinking)
        call = called(body)
        return Outcome(
            thinking.strip("\n"),
            "" if call else body.strip(),
            call,
            think_tokens=len(ids) if case.effort != "none" else 0,
        )

    def _tell(self, cases: Sequence[Case], prompts: Sequence[Tensor], found: list[Outcome]) -> None:
        """Where the expected tool was called, the reply to what it gave back."""
        at = [i for i, one in enumerate(found) if one.call and one.call == cases[i].call]
        further = []
        for i in at:
            call = cases[i].call
            assert call
            # The thoughts are gone from the history once the turn is over.
            ids = [*self.prompt.function_output(call.name, cases[i].result), *self._open(cases[i])]
            head = prompts[i][: len(prompts[i]) - len(self._open(cases[i]))]
            further.append(self._joined(head, [*self.prompt.reply(call.text), *ids]))
        for i, ids in zip(at, self._generated(further), strict=True):
            found[i] = replace(found[i], told=self._read(cases[i], ids).reply)

    def _transcribe(self, cases: Sequence[Case], heads: Sequence[Tensor], found: list[Outcome]) -> None:
        """What a session asks beside the reply: the same context, with a request behind the audio."""
        at = [i for i, case in enumerate(cases) if case.transcript]
        tail = [*self.prompt.human_close(TRANSCRIBE), *self.prompt.assistant_open(False)]
        texts = self._generated([self._joined(heads[i], tail) for i in at])
        for i, ids in zip(at, texts, strict=True):
            found[i] = replace(found[i], heard=self.decode(ids).strip())


def called(body: str) -> Call | None:
    """The call in what the model said, if there is a whole one."""
    _, begun, rest = body.partition(tools.CALL)
    inside, ended, _ = rest.partition(tools.END_CALL)
    if not begun or not ended:
        return None
    try:
        name, arguments = tools.read_call(inside)
    except tools.BadCall:
        return None
    return call_of(name, arguments)


def call_of(name: str, arguments: str) -> Call:
    """From arguments as JSON."""

    return Call(name, json.loads(arguments))
