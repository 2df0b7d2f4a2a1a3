"""What nano gets right on voices and texts that it was never trained on.

Offline: takes are encoded whole or as live audio is, and answered greedily in batches. Prints one JSON
object. Knows no server; the live path is measured elsewhere.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model import checkpoint
from model.network import Cache, StepAudio2
from model.prompt import END_THINK, TRANSCRIBE, Prompt
from model.training import augment, corpus, features, world
from model.training.train import prompt_of

LIMIT = 200  # tokens of an answer
TOGETHER = 40


@torch.inference_mode()
def generate(
    network: StepAudio2, prompts: Sequence[Tensor], stop: int, limit: int = LIMIT
) -> list[list[int]]:
    """The likeliest continuation of each prompt [T, hidden], several at a time."""
    found: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for at in range(0, len(order), TOGETHER):
        members = order[at : at + TOGETHER]
        longest = max(len(prompts[i]) for i in members)
        x = torch.stack(
            [torch.nn.functional.pad(prompts[i], (0, 0, longest - len(prompts[i]), 0)) for i in members]
        )
        lacking = torch.tensor([longest - len(prompts[i]) for i in members])
        real = torch.arange(longest)[None] >= lacking[:, None]
        seen = real[:, None, :] & torch.ones(longest, longest, dtype=torch.bool).tril()
        seen |= torch.eye(longest, dtype=torch.bool)  # padding sees itself: no empty softmax
        positions = (torch.arange(longest)[None] - lacking[:, None]).clamp(min=0)
        cache: Cache = []
        open_rows = set(range(len(members)))
        for _ in range(limit):
            bias = torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None]
            hidden = network.model(x, positions=positions, bias=bias, cache=cache)
            tokens = network.lm_head(hidden[:, -1]).argmax(-1)
            for row in list(open_rows):
                if int(tokens[row]) == stop:
                    open_rows.discard(row)
                else:
                    found[members[row]].append(int(tokens[row]))
            if not open_rows:
                break
            x = network.model.embed_tokens(tokens[:, None])
            positions = positions[:, -1:] + 1
            real = torch.nn.functional.pad(real, (0, 1), value=True)
            seen = real[:, None, :]
    return found


class Listener:
    """A checkpoint, asked about takes."""

    def __init__(self, folder: Path) -> None:
        self.network = checkpoint.load(folder)
        self.words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.prompt: Prompt = prompt_of(self.words)

    @torch.inference_mode()
    def embed(self, seen: Sequence[np.ndarray]) -> list[Tensor]:
        return [features.adapt(self.network.adapter, torch.from_numpy(s).float()) for s in seen]

    def _ids(self, ids: Sequence[int]) -> Tensor:
        return self.network.model.embed_tokens(torch.tensor(list(ids), dtype=torch.long))

    @torch.inference_mode()
    def ask(self, audio: Sequence[Tensor], thinking: bool = True, request: str = "") -> list[str]:
        """What it says to each take: thoughts, if any, and reply, as text."""
        p = self.prompt
        head = self._ids(
            [*p.system("You are nano, a small voice assistant."), *p.human_open(), p.audio_start]
        )
        tail = self._ids([p.audio_end, *p.human_close(request), *p.assistant_open(thinking)])
        prompts = [torch.cat([head, a, tail]) for a in audio]
        return [
            self.words.decode(ids, skip_special_tokens=False)
            for ids in generate(self.network, prompts, p.eot)
        ]

    @torch.inference_mode()
    def complete(self, audio: Sequence[Tensor]) -> list[float]:
        """The probability that the turn ends here, of end or more audio."""
        p = self.prompt
        head = self._ids([*p.human_open(), p.audio_start])
        found = []
        for a in audio:
            logits = self.network.lm_head(self.network.model(torch.cat([head, a])[None])[0, -1])
            found.append(float(logits[[p.audio_end, p.audio_patch]].softmax(0)[0]))
        return found


def word_errors(said: str, heard: str) -> int:
    """The edit distance in words."""
    a, b = said.split(), heard.split()
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    above = np.array(positive)[:, None] > np.array(negative)[None]
    same = np.array(positive)[:, None] == np.array(negative)[None]
    return float((above + 0.5 * same).mean())


def _share(values: Sequence[bool]) -> str:
    return f"{100 * np.mean(values):.1f} (n={len(values)})" if values else "-"


def answers(listener: Listener, takes: Sequence[np.ndarray], said: Sequence[tuple[world.Question, str]],
            chunked: bool, ways: Sequence[str]) -> dict[str, object]:  # fmt: skip
    """Shares right, in per cent, of takes encoded one way."""
    seen = features.encode(features.encoder(), takes, [chunked] * len(takes))
    audio = listener.embed(seen)
    found: dict[str, object] = {}
    if "thinking" in ways:
        texts = listener.ask(audio)
        families, kinds = defaultdict(list), defaultdict(list)
        errors = words = 0
        failed: list[str] = []
        for (q, voice), text in zip(said, texts, strict=True):
            chain, _, reply = text.partition(f"\n{END_THINK}\n")
            right = reply == q.reply
            families[q.family].append(right)
            if q.family == "sum":
                kinds[
                    voice.split("/")[0] + "/" + voice.split("/")[-1].split("+")[0]
                    if "espeak" not in voice
                    else "espeak"
                ].append(right)
            if q.family != "other":
                errors += word_errors(q.words, chain.split("\n")[0].removeprefix("heard: "))
                words += len(q.words.split())
            if not right and len(failed) < 12:
                failed.append(f"{voice}: {q.words} -> {text!r}")
        found["word error"] = f"{100 * errors / words:.2f} (n={words})"
        found["right"] = {k: _share(v) for k, v in families.items()}
        found["sums by voice"] = {k: _share(v) for k, v in sorted(kinds.items())}
        found["failed"] = failed
    if "empty" in ways:
        direct = defaultdict(list)
        for (q, _), text in zip(said, listener.ask(audio, thinking=False), strict=True):
            direct[q.family].append(text == q.reply)
        found["right without thinking"] = {k: _share(v) for k, v in direct.items()}
    if "transcript" in ways:
        world_only = [i for i, (q, _) in enumerate(said) if q.family != "other"]
        texts = listener.ask([audio[i] for i in world_only], thinking=False, request=TRANSCRIBE)
        errors = sum(word_errors(said[i][0].words, t) for i, t in zip(world_only, texts, strict=True))
        words = sum(len(said[i][0].words.split()) for i in world_only)
        found["transcript word error"] = f"{100 * errors / words:.2f} (n={words})"
    return found


def spoken_sums(folder: Path) -> tuple[list[tuple[world.Question, str]], list[np.ndarray]]:
    """Questions with voices, and takes with the silence that a live turn has around."""
    asked, takes = [], []
    for row in json.loads((folder / "manifest.json").read_text()):
        reply = f"{row['a']} plus {row['b']} is {row['answer']}."
        asked.append((world.Question("sum", row["text"], "", reply, ""), row["voice"]))
        samples, _ = soundfile.read(folder / row["file"], dtype="float32")
        takes.append(np.concatenate([np.zeros(4800, np.float32), samples, np.zeros(8000, np.float32)]))
    return asked, takes


def ends(listener: Listener, speech: Sequence[np.ndarray], silence: float) -> dict[str, float]:
    """How well complete turns are told from broken-off ones, so many seconds after the speech."""
    r = np.random.default_rng(1)
    ears = features.encoder()
    after = np.zeros(int(silence * 16_000), np.float32)
    scores = []
    for cut in (False, True):
        takes = []
        for samples in speech:
            end = int(len(samples) * r.uniform(0.15, 0.85)) if cut else len(samples)
            takes.append(np.concatenate([np.zeros(3200, np.float32), samples[:end], after]))
        scores.append(listener.complete(listener.embed(features.encode(ears, takes, [True] * len(takes)))))
    return {
        "auc": round(auc(*scores), 3),
        "found at 0.5": round(float(np.mean(np.array(scores[0]) > 0.5)), 3),
        "false at 0.5": round(float(np.mean(np.array(scores[1]) > 0.5)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=checkpoint.NANO)
    parser.add_argument("--every", type=int, default=1, help="take every so many-th test clip")
    parser.add_argument("--ways", default="thinking,empty,transcript")
    parser.add_argument("--whole", action="store_true", help="also encode whole clips")
    parser.add_argument("--ends", action="store_true", help="also judge ends of turn")
    parser.add_argument("--noisy", action="store_true", help="with the augmentation of the training")
    parser.add_argument("--sums", type=Path, help="ask the sums of this folder (model.training.sums) instead")
    given = parser.parse_args()
    torch.set_num_threads(2)
    listener = Listener(given.folder)
    if given.sums:
        asked, takes = spoken_sums(given.sums)
        print(json.dumps(answers(listener, takes, asked, True, ["thinking"]), indent=2))
        return
    rows = [row for path in corpus.parts(held_out=True) for row in corpus.stored(path)][:: given.every]
    said = [(corpus.question_of(seed, family), voice) for seed, family, voice, _ in rows]
    speech = [samples.astype(np.float32) / 32768 for *_, samples in rows]
    r = np.random.default_rng(0)
    takes = [augment.take(s, r, clean=not given.noisy).samples for s in speech]
    report: dict[str, object] = {"chunked": answers(listener, takes, said, True, given.ways.split(","))}
    if given.whole:
        report["whole"] = answers(listener, takes, said, False, ["thinking"])
    if given.ends:
        report["ends"] = {f"{t:.2f} s": ends(listener, speech, t) for t in (0.0, 0.16, 0.32)}
    print(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
