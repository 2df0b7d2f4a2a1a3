"""Synthetic voices: words to 16 kHz samples, spoken as an utterance's delivery asks.

espeak-ng, flite, festival and Piper are programs that run as subprocesses, Piper (GPL) and the vocoder
(vocoder.py) in a virtual environment of the recipe's own; none is imported. Two synthesisers, festival and
Piper, and some variants of espeak-ng are held out for evaluation: that is decided here. Speed is the
synthesiser's own, pitch, melody and whisper are the vocoder's. Knows no events, no answers and no features.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import numpy as np
import soundfile
import soxr

from model.config import SAMPLE_RATE
from model.training import sources
from model.training.world import Utterance
from model.training.world.speech import TENS

PACKAGES = "piper-tts", "onnxruntime"  # in the versions of this environment
ACCENTS = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029")
VARIANTS = (  # of espeak-ng, without those that are robots or effects
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Nguyen RicishayMax RicishayMax2 RicishayMax3 Storm adam anika announcer antonio "
    "aunty belinda benjamin boris caleb david ed edward edward2 f1 f2 f3 f4 f5 grandma grandpa "
    "gustave iven iven2 iven3 john kaukovalta klatt klatt2 klatt3 klatt4 klatt6 linda m1 m2 m3 m4 m5 "
    "m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby "
    "steph steph2 steph3 travis victor zac "
).split()
HELD_OUT_VARIANTS = "Andy Alicia belinda f4 m7 Mike linda victor pedro steph2".split()
TRAIN_VARIANTS = [v for v in VARIANTS if v not in HELD_OUT_VARIANTS]

TRAINING = {  # engine/voice: share
    "espeak": 56,
    "flite/slt": 14,
    "flite/rms": 12,
    "flite/awb": 10,
    "flite/kal": 4,
    "flite/kal16": 4,
}
HELD_OUT = {
    "piper/joe": 35,
    "festival/ked_diphone": 18,
    "festival/cmu_us_slt_arctic_hts": 12,
    "espeak": 35,
}
SPEEDS = {"fast": (1.5, 1.85), "slow": (0.5, 0.62)}
ENDINGS = "", ".", "?", ","  # of a word said by itself
OTHERS, OTHERS_CHANGED = 0.3, 0.7  # share of the lines in training that become another speaker's
HERTZ, TRACTS = (85.0, 270.0), (0.86, 1.18)
PITCHES = {"high": (215, 310), "low": (75, 112)}  # Hz, the median of the voice


@dataclass(frozen=True)
class Line:
    """One text in one voice. `speed` 1 is the voice's own; `pitch` (0 to 99) and `gap` are espeak-ng's.

    `hertz` (0: as it is), `tract` (how much longer the speaker's vocal tract is), `melody` and `whisper` are
    for the vocoder.
    """

    text: str
    voice: str  # engine/name; empty where nothing is said
    speed: float = 1.0
    pitch: int = 50
    gap: int = 0
    hertz: float = 0.0
    tract: float = 1.0
    melody: str = ""
    whisper: bool = False

    @property
    def engine(self) -> str:
        return self.voice.split("/")[0]

    @property
    def stretched(self) -> bool:
        """Whether the vocoder has to do the speed: festival's HTS voices have none of their own."""
        return self.voice.endswith("_hts") and self.speed != 1

    @property
    def changed(self) -> bool:
        return bool(self.hertz or self.tract != 1 or self.melody or self.whisper or self.stretched)


def cast(said: Utterance, seed: int | str, held_out: bool, others: float = OTHERS) -> Line:
    """Who says it, and how. `others`: share in training that is made another speaker by the vocoder."""
    r = random.Random(f"voice {seed}")
    how = said.delivery
    shares = HELD_OUT if held_out else TRAINING
    voice = r.choices(list(shares), weights=list(shares.values()))[0]
    if not said.words:
        return Line("", "")
    text = said.words + r.choice(("", "?", "."))
    hertz = r.uniform(*PITCHES[how.pitch]) if how.pitch else 0.0
    if voice != "espeak" and not how.language:
        line = Line(text, voice, speed=r.uniform(*SPEEDS.get(how.speed, (0.85, 1.2))))
    else:
        variant = r.choice(HELD_OUT_VARIANTS if held_out else TRAIN_VARIANTS)
        accent = how.language or r.choice(ACCENTS)
        gap = r.choice((0, 0, 0, 1, 3, 6)) if how.speed != "fast" else 0
        speed = r.uniform(*SPEEDS.get(how.speed, (0.75, 1.15)))
        line = Line(text, f"espeak/{accent}+{variant}", speed, r.randrange(15, 85), gap)
    line = replace(line, hertz=hertz, melody=how.melody, whisper=bool(how.whisper))
    return _another(line, r, others) if others and not held_out else line


def _another(line: Line, r: random.Random, share: float) -> Line:
    """Often another speaker made of the same voice; oftener where the vocoder is needed anyway."""
    if r.random() > (OTHERS_CHANGED if line.changed else share):
        return line
    return replace(line, hertz=line.hertz or r.uniform(*HERTZ), tract=r.uniform(*TRACTS))


def apart(line: Line, alone: Container[str], speeds: tuple[float, float], r: random.Random) -> list[Line]:
    """The line in pieces: each of the words `alone` is said by itself, and ends as it would there.

    One that belongs to the word before it, as in "fifty five", stays with that. `speeds`: against the line's.
    """
    speed = line.speed * r.uniform(*speeds)
    pieces: list[list[str]] = []
    for word in line.text.rstrip("?.").split():
        last = pieces[-1][-1] if pieces else ""
        joined = last and last not in alone and (word not in alone or last in TENS)
        pieces = [*pieces[:-1], [*pieces[-1], word]] if joined else [*pieces, [word]]
    return [replace(line, text=" ".join(words) + r.choice(ENDINGS), speed=speed) for words in pieces]


def speak(lines: Sequence[Line], workers: int = 2) -> list[np.ndarray]:
    """Each line as float32 samples at 16 kHz, trimmed; none for one without words.

    Raises RuntimeError where a synthesiser fails.
    """
    found = [np.zeros(0, np.float32)] * len(lines)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        batches = []
        for engine, batch in (("festival", _festival), ("piper", _piper)):
            jobs = {i: Path(folder) / f"{i}.wav" for i, line in enumerate(lines) if line.engine == engine}
            if jobs:
                batches.append((jobs, pool.submit(batch, [(lines[i], path) for i, path in jobs.items()])))
        rest = [i for i, line in enumerate(lines) if line.engine in ("espeak", "flite")]
        for i, samples in zip(rest, pool.map(_single, [lines[i] for i in rest]), strict=True):
            found[i] = samples
        for jobs, batch_done in batches:
            batch_done.result()
            for i, path in jobs.items():
                found[i] = _read(path.read_bytes())
        found = [trim(samples) if len(samples) else samples for samples in found]
        different = [(i, Path(folder) / f"{i}.npy") for i, line in enumerate(lines) if line.changed]
        for i, path in different:
            np.save(path, found[i])
        shares = [[(lines[i], path) for i, path in different[k::workers]] for k in range(workers)]
        list(pool.map(_vocode, filter(None, shares)))
        for i, path in different:
            found[i] = np.load(path)
    return found


def trim(samples: np.ndarray, margin: float = 0.02, silent: float = 40.0) -> np.ndarray:
    """Without the silence around: so many dB under the loudest 10 ms. `margin`: seconds of it that stay."""
    hop = SAMPLE_RATE // 100
    level = np.sqrt((samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2).mean(1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-silent / 20))
    extra = int(margin * SAMPLE_RATE)
    return samples[max(0, loud[0] * hop - extra) : (loud[-1] + 1) * hop + extra]


def _run(command: Sequence[str], text: str = "") -> bytes:
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout


def _read(wav: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    return soxr.resample(samples, rate, SAMPLE_RATE).astype(np.float32) if rate != SAMPLE_RATE else samples


def _single(line: Line) -> np.ndarray:
    name = line.voice.split("/", 1)[1]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        if line.engine == "espeak":
            speed = str(round(175 * line.speed))
            how = ["-s", speed, "-p", str(line.pitch), "-g", str(line.gap)]
            _run(["espeak-ng", "-v", name, *how, "-w", file.name, line.text])
        else:
            stretch = f"duration_stretch={1 / line.speed:.3f}"
            _run(["flite", "-voice", name, "--setf", stretch, "-t", line.text, file.name])
        return _read(Path(file.name).read_bytes())


def _festival(jobs: list[tuple[Line, Path]]) -> None:
    script, last = [], ""
    for line, path in sorted(jobs, key=lambda job: job[0].voice):
        voice = line.voice.split("/")[1]
        if voice != last:
            script.append(f"(voice_{voice})")
            last = voice
        script.append(f"(Parameter.set 'Duration_Stretch {1 / line.speed:.3f})")
        script.append(f'(utt.save.wave (utt.synth (Utterance Text "{line.text}")) "{path}" \'riff)')
    with tempfile.NamedTemporaryFile("w", suffix=".scm") as file:
        file.write("\n".join(script))
        file.flush()
        _run(["festival", "-b", file.name])


_PIPER = """
import json, sys, wave
from piper import PiperVoice, SynthesisConfig
voice = PiperVoice.load(sys.argv[1])
for job in map(json.loads, sys.stdin):
    with wave.open(job["path"], "wb") as file:
        how = SynthesisConfig(length_scale=job["length"], noise_scale=0.0, noise_w_scale=0.0)  # repeatable
        voice.synthesize_wav(job["text"], file, how)
"""


_INSTALLING = Lock()  # several threads speak


def speech_python() -> str:
    """The interpreter of the environment that holds Piper and pyworld, made on first use."""
    if named := os.environ.get("SOUNDMIND_NANO_PYTHON"):
        return named
    home = sources.work() / "speech"
    python, installed = str(home / "bin" / "python"), home / "installed.txt"
    packages = ["pyworld==0.3.5", *(f"{name}=={version(name)}" for name in PACKAGES)]
    wanted = "\n".join(packages)
    with _INSTALLING:
        if not installed.exists() or installed.read_text() != wanted:
            _run([sys.executable, "-m", "venv", str(home)])
            _run([python, "-m", "pip", "install", "-q", *packages])
            installed.write_text(wanted)
    return python


def _vocode(jobs: list[tuple[Line, Path]]) -> None:
    wanted = [
        {
            "path": str(path),
            "pitch": line.hertz,
            "tract": line.tract,
            "speed": line.speed if line.stretched else 1.0,
            "melody": line.melody,
            "whisper": line.whisper,
        }
        for line, path in jobs
    ]
    script = str(Path(__file__).with_name("vocoder.py"))
    _run([speech_python(), "-P", script], "\n".join(map(json.dumps, wanted)) + "\n")


def _piper(jobs: list[tuple[Line, Path]]) -> None:
    wanted = [{"text": line.text, "path": str(path), "length": 1 / line.speed} for line, path in jobs]
    _run([speech_python(), "-c", _PIPER, str(sources.joe())], "\n".join(map(json.dumps, wanted)) + "\n")
