"""Questions to sample chains for: spoken ones with what the adaptor sees of them, and typed ones.

Spoken are those of perception that the recipe's corpus has already, more of them where those are too few, and
questions after hearing (cognition.py). Each is taken once, with a room, a line and noise of its own
(augment.py), and encoded as live audio is. All chance comes from a question's name, so that a stopped run
finds the same; clips and what the encoder makes of them are kept in a folder. Knows no chains.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLES_PER_TOKEN
from model.network import AudioEncoder
from model.training import augment, corpus, features, marks, sounds, voices, world
from model.training.features import Heard
from model.training.mgrd import cognition
from model.training.world import Answer, State, Utterance, dialogue

TEXT = ("numbers", "sequences")  # families whose answers can be reckoned from the words
TOGETHER = 100  # clips spoken or encoded at a time
Number = TypeVar("Number", bound=np.generic)
Speech = NDArray[np.int16]
Clip = tuple[str, str, str, Speech]  # seed, family or intent, voice, samples


@dataclass(frozen=True, eq=False)
class Question:
    """`said` is as it sounds. Without `heard` it is typed. `samples` (16 kHz) are what was encoded."""

    name: str
    said: Utterance
    expected: Answer
    heard: Heard | None = None
    samples: Speech | None = None

    @property
    def spoken(self) -> bool:
        return self.heard is not None


def typed(count: int, kind: str, held_out: bool = False) -> list[Question]:
    """Of `TEXT`, half each. `kind` tells one set from another."""
    found: list[Question] = []
    for i in itertools.count():
        if len(found) == count:
            return found
        seed = f"{kind} {i}"
        said = world.utterance(seed, TEXT[i % len(TEXT)], held_out)
        if dialogue.can_be_typed(said) and said.intent != "digits":  # those need no thought
            found.append(Question(f"typed {seed}", said, world.answer(State(), said)))
    raise AssertionError


def perception(ears: AudioEncoder, folder: Path, count: int) -> list[Question]:
    """What can only be answered by hearing: none of it is for evaluation."""
    clips = list(itertools.islice(_corpus(), count))
    if lacking := count - len(clips):
        r = random.Random("mgrd perception")
        intents = r.choices(list(corpus.TOLD), weights=list(corpus.TOLD.values()), k=4 * count)
        wanted = [i for i in intents if i in world.FAMILIES["perception"]][:lacking]
        clips += _spoken([(f"mgrd {i}", intent) for i, intent in enumerate(wanted)], False, folder)
    return _encoded(ears, clips, folder / f"perception-{count}.npz")


def hearing(ears: AudioEncoder, folder: Path, count: int, held_out: bool) -> list[Question]:
    """Whether it can hear, asked aloud; `held_out` in wordings and voices that no training has."""
    kind = "test" if held_out else "train"
    seeds = [(f"{kind} hearing {i}", "cognition") for i in range(count)]
    clips = _spoken(seeds, held_out, folder)
    return _encoded(ears, clips, folder / f"hearing-{kind}-{count}.npz")


def utterance_of(seed: str, family: str) -> Utterance:
    """What a clip of this seed says."""
    if family == "cognition":
        return cognition.question(random.Random(seed), seed.startswith("test"))
    return corpus.utterance_of(seed, family)


def expected(said: Utterance) -> Answer:
    if said.family == "cognition":
        return Answer(cognition.HEARS)
    return world.answer(State(), said)


def _corpus() -> Iterator[Clip]:
    """The clips of perception that are there, the latest first: those have most of it."""
    for path in reversed(corpus.parts(held_out=False)):
        for clip in corpus.stored(path):
            if utterance_of(clip[0], clip[1]).intent in world.FAMILIES["perception"]:
                yield clip


def _spoken(seeds: Sequence[tuple[str, str]], held_out: bool, folder: Path) -> list[Clip]:
    """Clips that no corpus has, spoken once."""
    found: list[Clip] = []
    for at in range(0, len(seeds), TOGETHER):
        batch = seeds[at : at + TOGETHER]
        path = folder / "clips" / f"{batch[0][0]}-{len(batch)}.npz".replace(" ", "-")
        if not path.exists():
            said = [utterance_of(*seed) for seed in batch]
            cast = [voices.cast(u, " ".join(seed), held_out) for u, seed in zip(said, batch, strict=True)]
            chance = (np.random.default_rng(list(f"mgrd {seed}".encode())) for seed, _ in batch)
            parts = zip(said, voices.speak(cast), chance, strict=True)
            clips = [sounds.clip(u, words, r, held_out) for u, words, r in parts]
            speech = [(x.clip(-1, 1) * 32767).astype(np.int16) for x in clips]
            _keep(path, speech, np.array([line.voice for line in cast]))
        speech, names = _kept(path, np.int16)
        rows = zip(batch, names, speech, strict=True)
        found += [(seed, family, str(voice), samples) for (seed, family), voice, samples in rows]
    return found


def _encoded(ears: AudioEncoder, clips: Sequence[Clip], path: Path) -> list[Question]:
    """The clips as questions; what the encoder makes of them is kept in a file."""
    takes = []
    for seed, family, _, samples in clips:
        r = np.random.default_rng(list(f"mgrd take {seed} {family}".encode()))
        takes.append(augment.take(samples.astype(np.float32) / 32768, utterance_of(seed, family), r))
    every = seen(ears, [take.samples for take in takes], path)
    return [_question(clip, take, tokens) for clip, take, tokens in zip(clips, takes, every, strict=True)]


def _question(clip: Clip, take: augment.Take, tokens: NDArray[np.float16]) -> Question:
    seed, family, voice, _ = clip
    said = marks.stretched(utterance_of(seed, family), take.stretch)
    said = marks.levelled(said, marks.levels(said, take.begin, take.speech_end, take.samples))
    heard = Heard(said, voice, tokens, -(-take.speech_end // SAMPLES_PER_TOKEN), False, True)
    samples = (take.samples * 32767).astype(np.int16)
    return Question(f"{family} {seed}", said, expected(said), heard, samples)


def seen(ears: AudioEncoder, takes: Sequence[NDArray[np.float32]], path: Path) -> list[NDArray[np.float16]]:
    """What the adaptor sees of each take, encoded as live audio is; kept in a file, for the same takes."""
    lengths = np.array([len(take) for take in takes])
    if path.exists():
        found, known = _kept(path, np.float16)
        if np.array_equal(known, lengths):
            return [one.reshape(-1, features.SEEN) for one in found]
    found = []
    for at in range(0, len(takes), TOGETHER):
        batch = takes[at : at + TOGETHER]
        found += features.encode(ears, batch, [True] * len(batch))
    _keep(path, [one.ravel() for one in found], lengths)
    return found


def _keep(path: Path, parts: Sequence[NDArray[np.generic]], names: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".tmp.npz")
    np.savez(half, values=np.concatenate(parts), ends=np.cumsum([len(p) for p in parts]), names=names)
    half.rename(path)


def _kept(path: Path, kind: type[Number]) -> tuple[list[NDArray[Number]], NDArray[np.generic]]:
    with np.load(path) as file:
        return np.split(file["values"].astype(kind, copy=False), file["ends"][:-1]), file["names"]
