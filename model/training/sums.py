"""200 spoken sums of two numbers below 100, in voices that nano never heard, as WAV files.

`python -m model.training.sums FOLDER` writes 16 kHz mono files and manifest.json, a list of objects
with file, text, voice, a, b and answer. The same sums and voices each time; whoever plays them to nano is
no concern of this module.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile

from model.config import SAMPLE_RATE
from model.training import voices, world

COUNT = 200


def questions() -> list[tuple[str, world.Question]]:
    """Seed and question of each sum. No two have the same words."""
    found: dict[str, tuple[str, world.Question]] = {}
    number = 0
    while len(found) < COUNT:
        seed = f"test sum {number}"
        asked = world.question(seed, "sum", held_out=True)
        if max(operands(asked)) < 100:
            found.setdefault(asked.words, (seed, asked))
        number += 1
    return list(found.values())


def operands(asked: world.Question) -> tuple[int, int]:
    a, b = asked.typed.split(" + ")
    return int(a), int(b)


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(samples).max())
    soundfile.write(path, samples * (0.6 / peak), SAMPLE_RATE, subtype="PCM_16")


def build(folder: Path) -> None:
    asked = questions()
    cast = [voices.cast(q.words, seed, held_out=True) for seed, q in asked]
    manifest = []
    for i, ((_, q), line, samples) in enumerate(zip(asked, cast, voices.speak(cast), strict=True)):
        name = f"{i:03}.wav"
        write(folder / name, samples)
        a, b = operands(q)
        manifest.append({"file": name, "text": q.words, "voice": line.voice, "a": a, "b": b, "answer": a + b})
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    build(parser.parse_args().folder)
