"""The spoken corpus: questions of the world in many voices, as clips on disk.

A clip is named by the seed of its question, so nothing but seeds and samples is stored. No text of
the evaluation clips is among the training texts: `build` proves it. Knows no features and no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.config import SAMPLE_RATE
from model.training import voices, world
from model.training.sources import work

TRAIN_CLIPS = 10_000
TEST_CLIPS = {family: 40 for family in world.FAMILIES} | {"sum": 240}
SHORTEST, LONGEST = 0.2, 10.0  # seconds
BATCH = 1000


def _plan(held_out: bool) -> list[tuple[str, str]]:
    """Seed and family (empty: any) of each clip."""
    if not held_out:
        return [(str(i), "") for i in range(TRAIN_CLIPS)]
    return [(f"test {i}", family) for family, count in TEST_CLIPS.items() for i in range(count)]


def _path(held_out: bool, part: int) -> Path:
    return work() / "clips" / f"{'test' if held_out else 'train'}-{part:03}.npz"


def build(held_out: bool) -> None:
    """Speak what is not spoken yet, a thousand clips a file."""
    plan = _plan(held_out)
    trained = {question_of(seed, family).words for seed, family in _plan(False)}
    tested = {question_of(seed, family).words for seed, family in _plan(True)}
    assert not trained & tested, f"test texts in training: {sorted(trained & tested)[:5]}"
    for part, at in enumerate(range(0, len(plan), BATCH)):
        path = _path(held_out, part)
        if path.exists():
            continue
        batch = plan[at : at + BATCH]
        cast = [voices.cast(question_of(*one).words, f"{one[0]} {one[1]}", held_out) for one in batch]
        spoken = [(s.clip(-1, 1) * 32767).astype(np.int16) for s in voices.speak(cast)]
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".tmp.npz")
        np.savez(
            half,
            samples=np.concatenate(spoken),
            ends=np.cumsum([len(s) for s in spoken]),
            voices=np.array([line.voice for line in cast]),
            seeds=np.array(batch),
        )
        half.rename(path)
        hours = sum(map(len, spoken)) / SAMPLE_RATE / 3600
        print(f"{path.name}: {len(batch)} clips, {hours:.2f} h", flush=True)


def parts(held_out: bool) -> list[Path]:
    """The files that are there."""
    pattern = "test-???.npz" if held_out else "train-???.npz"
    return sorted(_path(held_out, 0).parent.glob(pattern))


def stored(path: Path) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Seed, family, voice and samples (int16, 16 kHz, trimmed) of the clips of one file."""
    with np.load(path) as file:
        samples, ends = file["samples"], file["ends"]
        starts = np.concatenate([[0], ends[:-1]])
        for (seed, family), voice, start, end in zip(
            file["seeds"], file["voices"], starts, ends, strict=True
        ):
            if SHORTEST <= (end - start) / SAMPLE_RATE <= LONGEST:
                yield str(seed), str(family), str(voice), samples[start:end]


def question_of(seed: str, family: str) -> world.Question:
    """The question of a stored clip."""
    if family == "nothing":
        return world.nothing_said(seed)
    return world.question(seed, family or None, seed.startswith("test"))


if __name__ == "__main__":
    build(held_out=True)
    build(held_out=False)
