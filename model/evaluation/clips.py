"""The clips of the built-in tests: texts of no training, in voices of none and in trained ones.

What the recipe's corpus has of them is taken from it; what is needed beside it is spoken here, once, and kept
in the recipe's folder. Knows no cases.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLE_RATE
from model.errors import UserError
from model.evaluation.case import Clip
from model.training import corpus, sounds, sources, voices, world
from model.training.world.core import Utterance

PROGRAMS = ("espeak-ng", "flite", "festival")
INSTALL = "apt-get install espeak-ng flite festival festvox-kdlpc16k festvox-us-slt-hts"
COMPARED = ("numbers", "sequences", "everyday", "tools")  # families that are also spoken in trained voices
EACH = 60  # of these
EACH_FAMILY = 200  # of the tests, at least
OPEN = frozenset("plus minus times and is the of to with a what than or by from for in".split())
PAUSE = 0.5, 1.0  # seconds of hesitation
BATCH = 400

Speech = NDArray[np.int16]


class ClipsError(UserError):
    """The tests cannot be spoken here; one line that says why."""


@dataclass(frozen=True, eq=False)
class Said:
    """An utterance with its sound."""

    utterance: Utterance
    clip: Clip
    seed: str


@dataclass(frozen=True, eq=False)
class Hesitation:
    """An utterance with a pause in the middle of it: [0, pause) is said, then nothing until `goes_on`."""

    utterance: Utterance
    words: tuple[str, str]
    voice: str
    samples: Speech
    pause: int
    goes_on: int


def held_out(count: int = EACH_FAMILY) -> list[Said]:
    """At least `count` of each family, of conflicts, of digits and of three numbers.

    Speaks what has not been spoken yet. Raises ClipsError.
    """
    if len(corpus.parts(held_out=True)) * corpus.BATCH < len(corpus.plan(held_out=True)):
        _need_synthesisers()
        corpus.build(held_out=True)
    found = [
        _said(seed, family, voice, samples, seen=False)
        for path in corpus.parts(held_out=True)
        for seed, family, voice, samples in corpus.stored(path)
    ]
    kinds: dict[str, tuple[str, Callable[[Utterance], bool]]] = {
        "three": ("numbers", lambda u: u.intent == "three"),
        "digits": ("sequences", lambda u: u.intent == "digits"),
        "heard": ("perception", lambda u: not conflicting(u)),
        "conflict": ("perception", conflicting),
    }
    for kind, (family, wanted) in kinds.items():
        lacking = count - sum(s.utterance.family == family and wanted(s.utterance) for s in found)
        seeds = _seeds(f"test more {kind}", family, wanted, max(0, lacking))
        found += _stored(kind, seeds, seen=False)
    return found


def trained_voices() -> list[Said]:
    """Texts of the tests in the voices of the training. Raises ClipsError."""
    seeds = [(f"test {i}", family) for family in COMPARED for i in range(EACH)]
    return _stored("seen", seeds, seen=True)


def apart(count: int) -> list[Said]:
    """Strings of digits, each digit said by itself and the recordings joined. Raises ClipsError."""
    seeds = _seeds("test apart", "digits", lambda u: len(u.args) > 1, count)
    return _stored("apart", seeds, seen=False)


def alone(count: int) -> list[Said]:
    """Single digits, cut as closely as recordings often are: the voices are held out, the words cannot be.

    Raises ClipsError.
    """
    return _stored("alone", _seeds("alone", "digits", single, count), seen=False)


def single(said: Utterance) -> bool:
    """One digit; a number of several words is none."""
    return said.intent == "digits" and len(said.args) == 1 and said.words in corpus.DIGITS


def conflicting(said: Utterance) -> bool:
    """The words claim what the sound denies."""
    return said.intent.startswith("conflict_")


def group(voice: str) -> str:
    """The voice, or the synthesiser where it has many."""
    return "espeak-ng" if voice.startswith("espeak/") else voice


def hesitations(count: int = 200) -> list[Hesitation]:
    """Utterances of the tests, said in two parts, the first ending in a word that cannot be the last."""
    made: list[tuple[str, Utterance, tuple[str, str]]] = []
    for i in itertools.count():
        if len(made) == count:
            break
        seed = f"test pause {i}"
        family = ("numbers", "everyday", "tools", "sequences")[i % 4]
        said = world.utterance(seed, family, held_out=True)
        if parts := broken(said, random.Random(seed)):
            made.append((seed, said, parts))
    path = sources.work() / "clips" / f"eval-pauses-{count}.npz"
    if not path.exists():
        _need_synthesisers()
        cast = []
        for seed, _, parts in made:  # both in one voice
            line = voices.cast(Utterance("", "", " ".join(parts), ""), seed, held_out=True)
            cast += [replace(line, text=words) for words in parts]
        spoken = []
        for line, words in zip(cast, voices.speak(cast), strict=True):
            level = np.random.default_rng(0)  # both as loud
            x = sounds.clip(Utterance("", "", line.text, ""), words, level, held_out=True)
            spoken.append((x.clip(-1, 1) * 32767).astype(np.int16))
        _keep(path, spoken, [line.voice for line in cast])
    clips = list(_kept(path))
    found = []
    for i, (seed, said, parts) in enumerate(made):
        (voice, first), (_, second) = clips[2 * i], clips[2 * i + 1]
        silence = np.zeros(int(random.Random(seed).uniform(*PAUSE) * SAMPLE_RATE), np.int16)
        samples = np.concatenate([first, silence, second])
        found.append(Hesitation(said, parts, voice, samples, len(first), len(first) + len(silence)))
    return found


def broken(said: Utterance, r: random.Random) -> tuple[str, str] | None:
    """Its words in two, with an "and" where digits are listed; None where it has no such place."""
    words = said.words.split()
    if said.intent == "digits":
        if len(words) < 2:
            return None
        at = r.randrange(1, len(words))
        return " ".join([*words[:at], "and"]), " ".join(words[at:])
    places = [i for i in range(2, len(words)) if words[i - 1] in OPEN]
    if not places:
        return None
    at = r.choice(places)
    return " ".join(words[:at]), " ".join(words[at:])


def _seeds(name: str, family: str, wanted: Callable[[Utterance], bool], count: int) -> list[tuple[str, str]]:
    every = ((f"{name} {i}", family) for i in itertools.count())
    return list(itertools.islice((s for s in every if wanted(corpus.utterance_of(*s))), count))


def _stored(kind: str, seeds: list[tuple[str, str]], seen: bool) -> list[Said]:
    found = []
    for at in range(0, len(seeds), BATCH):
        part = seeds[at : at + BATCH]
        path = sources.work() / "clips" / f"eval-{kind}-{at}-{len(part)}.npz"
        if not path.exists():
            _need_synthesisers()
            cast, samples = corpus.spoken(tuple(part), not seen)
            _keep(path, [(x.clip(-1, 1) * 32767).astype(np.int16) for x in samples], cast)
        for (seed, family), (voice, speech) in zip(part, _kept(path), strict=True):
            found.append(_said(seed, family, voice, speech, seen))
    return found


def _keep(path: Path, spoken: list[Speech], cast: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".tmp.npz")
    ends = np.cumsum([len(x) for x in spoken])
    np.savez(half, samples=np.concatenate(spoken), ends=ends, voices=np.array(cast))
    half.rename(path)


def _kept(path: Path) -> Iterator[tuple[str, Speech]]:
    with np.load(path) as file:
        samples, ends = file["samples"], file["ends"]
        starts = np.concatenate([[0], ends[:-1]])
        for voice, start, end in zip(file["voices"], starts, ends, strict=True):
            yield str(voice), samples[start:end]


def _said(seed: str, family: str, voice: str, samples: Speech, seen: bool) -> Said:
    said = corpus.utterance_of(seed, family)
    return Said(said, Clip(said.words, voice, samples, _voiced(said), seen), f"{family} {seed}")


def _voiced(said: Utterance) -> bool:
    """Nothing but a voice that a detector hears begin and end."""
    how = said.delivery
    return bool(said.words) and not (said.before or said.after or how.noise or how.whisper)


def _need_synthesisers() -> None:
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise ClipsError(
            f"the tests are spoken by programs that are missing ({', '.join(missing)}): {INSTALL}"
        )
