"""The recordings in the repository: the demo's question and those of the tests.

`python -m model.training.recordings` writes tests/recordings/, and server/demo.wav at the rate that clients
of the Realtime API send. Knows no network.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import soxr

from model.config import SAMPLE_RATE
from model.training import voices

ROOT = Path(__file__).parents[2]
JOE, AWB = "piper/joe", "flite/awb"
DEMO = ("sam has nine books and gets four more how many books does sam have", JOE)
DEMO_RATE = 24_000
RECORDINGS = (  # file, what is said with the pause in seconds before the second, voice, in the reply
    ("sum", ("what is twenty seven plus fifteen",), JOE, ("42",)),
    ("difference", ("what is ninety minus thirty five",), AWB, ("55",)),
    ("product", ("what is six times nine",), JOE, ("54",)),
    ("digits", ("seven three zero five",), AWB, ("7 3 0 5",)),
    ("comparison", ("which is larger thirty one or seventeen",), JOE, ("31",)),
    ("day", ("what day comes after tuesday",), AWB, ("Wednesday",)),
    ("greeting", ("hello",), JOE, ("Hello",)),
    ("two-questions", ("what is twelve plus thirty", "what is seven plus eight"), JOE, ("42", "15")),
    ("timer", ("set a timer for five minutes",), AWB, ("can not set a timer",)),  # no such tool is offered
    ("name", ("my name is anna",), AWB, ("Hello Anna",)),
    ("recall", ("what is my name",), AWB, ("have not told me",)),  # asked without the one before
)
PAUSE = 1.2  # seconds between two questions


def build() -> None:
    lines = [voices.Line(text + "?", voice) for _, texts, voice, _ in RECORDINGS for text in texts]
    spoken = iter(voices.speak(lines))
    manifest = []
    for name, texts, voice, expected in RECORDINGS:
        parts = [next(spoken) for _ in texts]
        gap = np.zeros(int(PAUSE * SAMPLE_RATE), np.float32)
        joined = parts[0] if len(parts) == 1 else np.concatenate([parts[0], gap, parts[1]])
        write(ROOT / "tests" / "recordings" / f"{name}.wav", joined)
        manifest.append({"file": f"{name}.wav", "texts": texts, "voice": voice, "expect": expected})
    target = ROOT / "tests" / "recordings" / "manifest.json"
    target.write_text(json.dumps(manifest, indent=1) + "\n")
    demo = voices.speak([voices.Line(DEMO[0] + "?", DEMO[1])])[0]
    write(ROOT / "server" / "demo.wav", soxr.resample(demo, SAMPLE_RATE, DEMO_RATE), DEMO_RATE)


def write(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(samples).max())
    soundfile.write(path, samples * (0.6 / peak), rate, subtype="PCM_16")


if __name__ == "__main__":
    build()
