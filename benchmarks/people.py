"""Recordings of people who are in no training, as folders for `soundmind eval`: digits and telephone prompts.

    python -m benchmarks.people FOLDER
    soundmind eval FOLDER/digits --encodings incremental
    soundmind eval FOLDER/beyond --encodings incremental

`digits` has each digit, as it is, slower and faster, and strings of them: recordings of single digits, joined
with pauses. `beyond` has the prompts of telephone systems, in English and four other languages, each by one
person, to all of which nano should say that it did not understand. The packages are Debian's
asterisk-core-sounds (CC BY-SA and CC BY; people who are named there) and PyPI's captcha and spokennumbers,
which do not tell who speaks. Needs apt-get, dpkg and pip. Does not ask anything itself.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from model.config import SAMPLE_RATE
from model.evaluation import own
from model.training.voices import trim
from model.training.world.speech import ONES

LANGUAGES = "en", "es", "fr", "it", "ru"
DEBIAN = "asterisk-core-sounds-{}-g722"
WHEELS = {"captcha": "captcha/data/{}/default.wav", "spokennumbers": "spokennumbers/default/{}.wav"}
SPEEDS = 1.0, 0.9, 1.1
STRINGS, PROMPTS = 60, 40  # of each speaker
PAUSE = 0.02, 0.25  # seconds between the digits of a string
AROUND = 0.1, 0.4  # seconds of near silence before and after
SECONDS = 1.2, 5.0  # of a prompt
HISS = 3e-4


@dataclass
class Folder:
    """Recordings and the list that says what is in them."""

    path: Path
    r: random.Random
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def put(self, name: str, samples: np.ndarray, text: str, answer: str, voice: str) -> None:
        before, after = (np.zeros(int(self.r.uniform(*AROUND) * SAMPLE_RATE), np.float32) for _ in range(2))
        x = np.concatenate([before, samples / np.abs(samples).max() * self.r.uniform(0.2, 0.8), after])
        x += np.random.default_rng(len(self.rows)).normal(0, HISS, len(x))
        self.path.mkdir(parents=True, exist_ok=True)
        soundfile.write(self.path / f"{name}.wav", x, SAMPLE_RATE, subtype="PCM_16")
        self.rows.append((f"{name}.wav", text, answer, voice))

    def finish(self) -> None:
        with (self.path / "list.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "text", "answer", "voice"), *self.rows])


def fetch(to: Path) -> None:
    """The packages, unpacked, each in a folder of its name."""
    to.mkdir(parents=True, exist_ok=True)
    for name in map(DEBIAN.format, LANGUAGES):
        subprocess.run(["apt-get", "download", name], cwd=to, check=True)
        subprocess.run(["dpkg", "-x", next(to.glob(f"{name}_*.deb")), to / name], check=True)
    for name in WHEELS:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", to, name], check=True
        )
        zipfile.ZipFile(next(to.glob(f"{name}-*.whl"))).extractall(to / name)


def prompts(packages: Path, language: str) -> list[Path]:
    return sorted((packages / DEBIAN.format(language)).glob("usr/share/asterisk/sounds/*/*.g722"))


def read(path: Path) -> np.ndarray:
    """float32 at 16 kHz; nothing of an empty file."""
    if path.suffix == ".g722":
        if not path.stat().st_size:
            return np.zeros(0, np.float32)
        with av.open(str(path), format="g722") as file:
            parts = [frame.to_ndarray().ravel() for frame in file.decode(audio=0)]
        return np.concatenate(parts).astype(np.float32) / 32768
    return own.read(path).astype(np.float32) / 32768


def speakers(packages: Path) -> Iterator[tuple[str, dict[int, np.ndarray]]]:
    """Who said which digits."""
    folder = prompts(packages, "en")[0].parent / "digits"
    files = {"asterisk": [folder / f"{d}.g722" for d in range(10)]}
    files |= {name: [packages / name / path.format(d) for d in range(10)] for name, path in WHEELS.items()}
    for name, paths in files.items():
        yield name, {d: trim(read(path)) for d, path in enumerate(paths)}


def at_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    return np.asarray(soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE / speed), np.float32)


def digits(folder: Folder, name: str, said: Mapping[int, np.ndarray]) -> None:
    """Of one speaker."""
    r = folder.r
    for d, samples in said.items():
        for speed in SPEEDS:
            folder.put(f"{name}-{d}-{speed}", at_speed(samples, speed), ONES[d], str(d), name)
    for number in range(STRINGS):
        chosen, speed = [r.randrange(10) for _ in range(r.randint(2, 4))], r.choice(SPEEDS)
        parts: list[np.ndarray] = []
        for d in chosen:
            parts += [at_speed(said[d], speed), np.zeros(int(r.uniform(*PAUSE) * SAMPLE_RATE), np.float32)]
        words, answer = " ".join(ONES[d] for d in chosen), " ".join(map(str, chosen))
        folder.put(f"{name}-string-{number}", np.concatenate(parts[:-1]), words, answer, f"{name}, strings")


def beyond(folder: Folder, language: str, paths: list[Path]) -> None:
    """Prompts of one language."""
    folder.r.shuffle(paths)
    left = PROMPTS
    for path in paths:
        if not left:
            break
        samples = read(path)
        if SECONDS[0] < len(samples) / SAMPLE_RATE < SECONDS[1] and np.abs(samples).max() > 0.05:
            folder.put(f"{language}-{path.stem}", samples, "", "understand", language)
            left -= 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Recordings of people, as folders for soundmind eval.")
    parser.add_argument("folder", type=Path)
    to = parser.parse_args().folder
    packages = to / "packages"
    fetch(packages)
    of_digits = Folder(to / "digits", random.Random("digits"))
    for name, said in speakers(packages):
        digits(of_digits, name, said)
    of_digits.finish()
    of_prompts = Folder(to / "beyond", random.Random("beyond"))
    for language in LANGUAGES:
        beyond(of_prompts, language, prompts(packages, language))
    of_prompts.finish()
    print(f"soundmind eval {of_digits.path}\nsoundmind eval {of_prompts.path}")


if __name__ == "__main__":
    main()
