"""The spoken corpus: utterances of the world in many voices, with their sounds, as clips on disk.

A clip is named by the seed of its utterance, so nothing but seeds and samples is stored. No words of the
evaluation clips are among the training words: `build` proves it. More training clips never change those
that are there. Knows no features and no network.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from model.config import SAMPLE_RATE
from model.training import sounds, voices, world
from model.training.sources import work
from model.training.world import scale
from model.training.world.speech import ONES

TRAIN_CLIPS = 16_000
MORE = {"everyday": 2200, "perception": 2300, "memory": 800, "tools": 700}  # their words were rare
LATER = 8000  # for the second training: more voices of everything
TAKEN = 8000  # of these and those of TOLD, by chance
TOLD = {  # and of these intents
    "count": 900,
    "claim_count": 150,
    "conflict_count": 450,
    "tones_pitch": 300,
    "tones_level": 300,
    "tones_length": 300,
    "claim_tones": 200,
    "conflict_tones": 350,
    "sweep": 250,
    "order": 250,
    "melody": 500,
    "voice_both": 300,
    "voice_pitch": 100,
    "voice_speed": 50,
    "voice_level": 150,
    "voice_whisper": 150,
    "voice_noise": 150,
    "claim_pitch": 100,
    "claim_speed": 50,
    "claim_level": 100,
    "claim_whisper": 100,
    "claim_noise": 100,
    "conflict_pitch": 250,
    "conflict_speed": 100,
    "conflict_level": 200,
    "conflict_whisper": 200,
    "conflict_noise": 200,
    "unknown_near": 1000,
}
FRESH = {  # and of these, later still: what was heard well only in the clips trained on
    "sounds": 1200,
    "melody": 250,
    "voice_whisper": 150,
    "claim_whisper": 60,
    "conflict_whisper": 90,
    "voice_level": 110,
    "claim_level": 60,
    "conflict_level": 120,
    "voice_pitch": 100,
    "claim_pitch": 50,
    "conflict_pitch": 150,
    "voice_noise": 60,
    "claim_noise": 40,
    "conflict_noise": 60,
}
DEEP = {  # and of these for the third training, whose voices are changed as well
    "melody": 800,
    "voice_both": 400,
    "voice_pitch": 450,
    "voice_speed": 150,
    "voice_level": 450,
    "voice_whisper": 450,
    "voice_noise": 300,
    "claim_pitch": 150,
    "claim_speed": 100,
    "claim_level": 200,
    "claim_whisper": 150,
    "claim_noise": 100,
    "conflict_pitch": 450,
    "conflict_speed": 200,
    "conflict_level": 450,
    "conflict_whisper": 350,
    "conflict_noise": 350,
}
WIDE = {  # and of these, in the synthesisers' own voices
    "numbers": 16_000,
    "sequences": 9000,
    "everyday": 10_000,
    "memory": 9000,
    "tools": 8000,
    "unknown": 8000,
}
APART = {"digits": 2400, "sequences": 1600}  # and of these, each digit said by itself
READ = {"alone": 4000, "fluent": 4000}  # and of digits read out, each time by someone else
GAPS = 0.02, 0.5  # seconds between such digits
SOUNDS = "sounds"  # sounds alone, of no intent
TEST_CLIPS = {family: 200 for family in world.FAMILIES} | {"conflict": 100}
DIGITS = frozenset((*ONES[:10], "oh"))
SHORTEST, LONGEST = 0.2, 12.0  # seconds
BATCH = 1000


@dataclass(frozen=True)
class Apart:
    """How each digit is said by itself in clips of a kind."""

    in_a_row: int  # clips that one speaker says
    others: float  # share of the speakers that the vocoder makes
    speed: tuple[float, float]  # against the voice's own
    closely: tuple[float, float] | None = None  # dB under the loudest, where a word begins and ends then


KINDS_APART = {
    "apart": Apart(3, 0.6, (0.6, 0.95)),
    "alone": Apart(1, 0.85, (0.6, 1.5), (20.0, 40.0)),
}


@cache
def plan(held_out: bool) -> tuple[tuple[str, str], ...]:
    """Seed and family or intent (empty: any) of each clip."""
    if not held_out:
        more = [(f"more {i}", family) for family, count in MORE.items() for i in range(count)]
        random.Random("more").shuffle(more)
        later = [(f"later {i}", "") for i in range(LATER)]
        later += [(f"told {i}", intent) for intent, count in TOLD.items() for i in range(count)]
        random.Random("later").shuffle(later)
        fresh = [(f"fresh {i}", intent) for intent, count in FRESH.items() for i in range(count)]
        random.Random("fresh").shuffle(fresh)
        deep = [(f"deep {i}", intent) for intent, count in DEEP.items() for i in range(count)]
        random.Random("deep").shuffle(deep)
        wide = [(f"wide {i}", family) for family, count in WIDE.items() for i in range(count)]
        random.Random("wide").shuffle(wide)
        apart = [(f"apart {i}", family) for family, count in APART.items() for i in range(count)]
        read = [(f"{kind} {i}", "digits") for kind, count in READ.items() for i in range(count)]
        first = [(str(i), "") for i in range(TRAIN_CLIPS)]
        return (*first, *more, *later[:TAKEN], *fresh, *deep, *wide, *apart, *read)
    return tuple(one for family, count in TEST_CLIPS.items() for one in _tests(family, count))


def _tests(family: str, count: int) -> Iterator[tuple[str, str]]:
    """`conflict` is those of perception where the words say one thing and the sound another."""
    if family != "conflict":
        return ((f"test {i}", family) for i in range(count))
    seeds = ((f"test conflict {i}", "perception") for i in itertools.count())
    return itertools.islice((s for s in seeds if utterance_of(*s).intent.startswith("conflict_")), count)


def utterance_of(seed: str, family: str) -> world.Utterance:
    """The utterance of a stored clip."""
    if family == SOUNDS:
        return world.perception.sounds(random.Random(f"world {family} {seed}"))
    if family in world.RULES:
        return world.of_intent(seed, family, seed.startswith("test"))
    return world.utterance(seed, family or None, seed.startswith("test"))


def ctc_words(said: world.Utterance) -> list[str]:
    """What sounds, in order: words, events by their names, each letter of a tone as if it were a word.

    None where the words are not of the world.
    """
    if said.family == "unknown" and said.words:
        return []

    def named(events: tuple[world.Event, ...]) -> list[str]:
        return [word for e in events if e.kind != "silence" for word in (e.kind, *scale.letters(e))]

    return [*named(said.before), *said.words.split(), *named(said.after)]


def _path(held_out: bool, part: int) -> Path:
    return work() / "clips" / f"{'test' if held_out else 'train'}-{part:03}.npz"


def prove() -> None:
    """No words of the tests are in training."""
    trained = {utterance_of(*one).words for one in plan(False)} - {""}
    tested = {utterance_of(*one).words for one in plan(True)}
    assert not trained & tested, f"test words in training: {sorted(trained & tested)[:5]}"


def build(held_out: bool, first: int = 0, worker: int = 0, workers: int = 1) -> None:
    """Speak what is not spoken yet, a thousand clips a file, every `workers`-th from file `first` on."""
    prove()
    for part, at in enumerate(range(0, len(plan(held_out)), BATCH)):
        path = _path(held_out, part)
        if part < first or part % workers != worker or path.exists():
            continue
        begun = time.monotonic()
        batch = plan(held_out)[at : at + BATCH]
        voiced, clips = spoken(batch, held_out)
        samples = [(s.clip(-1, 1) * 32767).astype(np.int16) for s in clips]
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".tmp.npz")
        np.savez(
            half,
            samples=np.concatenate(samples),
            ends=np.cumsum([len(s) for s in samples]),
            voices=np.array(voiced),
            seeds=np.array(batch),
            words=np.array([utterance_of(*one).words for one in batch]),
        )
        half.rename(path)
        hours = sum(map(len, samples)) / SAMPLE_RATE / 3600
        seconds = time.monotonic() - begun
        print(f"{path.name}: {len(batch)} clips, {hours:.2f} h, {seconds:.0f} s", flush=True)


def spoken(batch: tuple[tuple[str, str], ...], held_out: bool) -> tuple[list[str], list[np.ndarray]]:
    """Voices (empty without words) and samples of clips."""
    said = [utterance_of(*one) for one in batch]
    lines = [_lines(u, *one, held_out) for u, one in zip(said, batch, strict=True)]
    every = list(dict.fromkeys(itertools.chain(*lines)))
    heard = dict(zip(every, voices.speak(every), strict=True))
    clips = []
    for u, pieces, (seed, family) in zip(said, lines, batch, strict=True):
        words = _joined([heard[line] for line in pieces], seed, family)
        r = np.random.default_rng(list(f"sounds {seed} {family}".encode()))
        clips.append(sounds.clip(u, words, r, held_out))
    return [pieces[0].voice for pieces in lines], clips


def _kind(seed: str) -> tuple[str, int]:
    """Of a clip, and its number among them."""
    kind, _, number = seed.removeprefix("test ").rpartition(" ")
    return kind, int(number)


def _lines(said: world.Utterance, seed: str, family: str, held_out: bool) -> list[voices.Line]:
    """What is to be spoken for a clip, one after the other."""
    kind, number = _kind(seed)
    how = KINDS_APART.get(kind)
    if how is None:
        return [voices.cast(said, f"{seed} {family}", held_out, 0.0 if kind == "wide" else voices.OTHERS)]
    speaker = f"{seed.removesuffix(str(number))}{number // how.in_a_row} {family}"
    line = voices.cast(said, speaker, held_out, how.others)
    return voices.apart(line, DIGITS, how.speed, random.Random(f"apart {speaker}"))


def _joined(pieces: list[np.ndarray], seed: str, family: str) -> np.ndarray:
    """With silence between them, about as long each time."""
    r = random.Random(f"gaps {seed} {family}")
    how = KINDS_APART.get(_kind(seed)[0])
    if how and how.closely:
        pieces = [voices.trim(x, 0.0, r.uniform(*how.closely)) for x in pieces]
    if len(pieces) == 1:
        return pieces[0]
    gap = r.uniform(*GAPS)
    found = []
    for samples in pieces:
        found += [
            samples * 10 ** (r.uniform(-3, 3) / 20),
            np.zeros(int(gap * r.uniform(0.5, 1.5) * SAMPLE_RATE)),
        ]
    return np.concatenate(found[:-1]).astype(np.float32)


def is_wide(part: int) -> bool:
    """Whether a file of the training clips has those of WIDE or of digits apart, which are many."""
    return plan(False)[part * BATCH][0].startswith(("wide", *KINDS_APART))


def parts(held_out: bool) -> list[Path]:
    """The files that are there."""
    pattern = "test-???.npz" if held_out else "train-???.npz"
    return sorted(_path(held_out, 0).parent.glob(pattern))


def stored(path: Path) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Seed, family, voice and samples (int16, 16 kHz, trimmed) of the clips of one file.

    A clip of a former world, whose seed now gives other words, is passed over.
    """
    with np.load(path) as file:
        samples, ends = file["samples"], file["ends"]
        starts = np.concatenate([[0], ends[:-1]])
        rows = zip(file["seeds"], file["voices"], file["words"], starts, ends, strict=True)
        for (seed, family), voice, words, start, end in rows:
            if utterance_of(str(seed), str(family)).words != words:
                print(f"{path.name}: {seed} has other words now", file=sys.stderr)
            elif SHORTEST <= (end - start) / SAMPLE_RATE <= LONGEST:
                yield str(seed), str(family), str(voice), samples[start:end]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=["train", "test"])
    parser.add_argument("--first", type=int, default=0, help="leave out the files before this one")
    parser.add_argument("--worker", type=int, default=0, help="which of the workers this one is")
    parser.add_argument("--workers", type=int, default=1, help="that share the files")
    given = parser.parse_args()
    for name in given.sets:
        build(name == "test", given.first, given.worker, given.workers)
