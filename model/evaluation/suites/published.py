"""What others have published on the same benchmarks, each figure with its source. Percent. Plain values.

The papers do not tell every prompt, release and run behind a figure: they stand beside ours for orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

R1 = "Step-Audio-R1 report, arXiv 2511.15848, table 1"
R1_SPOKEN = "Step-Audio-R1 report, arXiv 2511.15848, table 2, speech to speech"
R15 = "Step-Audio-R1.5 report, arXiv 2604.25719, table 1"
ANALYSIS = "Artificial Analysis, January 2026, speech to speech"
PACED = "Mind-Paced Speaking, arXiv 2510.09592"
URO = "URO-Bench's repository, basic track, English, August 2025"
MMAU = "MMAU's repository, first version of the set"
MMSU = "MMSU's paper, arXiv 2506.04779"


@dataclass(frozen=True)
class Figure:
    model: str
    percent: float
    source: str


def _table(
    source: str, columns: tuple[str, ...], rows: dict[str, tuple[float, ...]]
) -> dict[str, list[Figure]]:
    return {
        column: [Figure(model, row[at], source) for model, row in rows.items()]
        for at, column in enumerate(columns)
    }


_R1 = _table(
    R1,
    ("big-bench-audio", "spoken-mqa", "mmsu", "mmau"),
    {
        "Step-Audio-R1": (98.7, 95.2, 75.9, 77.7),
        "Step-Audio 2": (59.1, 88.8, 64.3, 78.0),
        "Gemini 2.5 Pro": (96.1, 94.8, 79.3, 77.4),
        "Gemini 3 Pro": (92.1, 95.3, 82.9, 78.9),
    },
)
_R15 = _table(
    R15,
    ("big-bench-audio", "spoken-mqa", "mmsu", "mmau"),
    {
        "Step-Audio-R1": (98.29, 95.06, 75.68, 77.00),
        "Step-Audio-R1.5": (98.30, 93.74, 79.03, 77.90),
        "Gemini 3 Pro": (99.40, 96.56, 83.70, 79.80),
        "Gemini 3 Flash": (96.80, 95.37, 76.64, 75.90),
        "qwen3.5-omni-plus": (73.03, 96.03, 82.74, 79.60),
        "qwen3.5-omni-flash": (59.59, 93.39, 72.50, 77.20),
    },
)
_PACED = _table(
    PACED,
    ("spoken-mqa", "uro-bench"),
    {
        "Step-Audio-R1, no thinking": (70.6, 77.4),
        "Step-Audio-R1, speak-first": (92.8, 82.5),
        "Step-Audio-R1, think-first": (93.9, 84.8),
    },
)
_OTHERS = {
    "big-bench-audio": [
        Figure("Step-Audio-R1.1 Realtime", 96.4, ANALYSIS),
        Figure("Step-Audio-R1 Realtime", 96.1, R1_SPOKEN),
    ],
    "spoken-mqa": [Figure("Step-Audio-R1, think-before-speaking", 93.0, PACED)],
    "mmau": [Figure("Gemini 1.5", 66.15, MMAU), Figure("Qwen2-Audio", 55.4, MMAU)],
    "mmsu": [Figure("people", 89.72, MMSU), Figure("Gemini 1.5 Pro", 60.68, MMSU)],
    "uro-bench": [
        Figure("Whisper + GPT-4o", 89.33, URO),
        Figure("GPT-4o-Audio-Preview, small set", 87.48, URO),
        Figure("GLM-4-Voice", 69.09, URO),
        Figure("Freeze-Omni", 48.28, URO),
    ],
}


def figures(suite: str) -> list[Figure]:
    """Of a benchmark; none where no figure was found of it."""
    return [figure for found in (_R1, _R15, _PACED, _OTHERS) for figure in found.get(suite, [])]
