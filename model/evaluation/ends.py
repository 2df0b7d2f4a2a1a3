"""How well the end of a turn is told: the probability of <audio_end> against one more <audio_patch>.

Turns that are over, turns broken off, and hesitations: a pause behind a word that cannot be the last.
The audio is encoded as a live session does it, some silence behind the last sound. Knows no server.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.config import SAMPLE_RATE
from model.evaluation.clips import Hesitation, Said
from model.evaluation.offline import Respondent, Samples, encode
from model.evaluation.report import Cell, Table
from model.evaluation.scoring import auc
from model.training.world.instructions import NANO
from model.windows import Windows

SILENCES = (0.08, 0.16, 0.32, 0.48)  # seconds since the last sound
BEFORE = 0.3
CUT = 0.15, 0.85  # of an utterance
FULL_WAIT_MS = 500  # what a turn's end costs where nothing tells it sooner


@dataclass(frozen=True)
class Ends:
    """Probabilities that the turn is over, so many seconds after the last sound."""

    silence: float
    complete: list[float]
    cut: list[float]
    hesitating: list[float]
    resumed: list[float]  # over, with a hesitation in it

    @property
    def over(self) -> list[float]:
        return self.complete + self.resumed

    @property
    def going_on(self) -> list[float]:
        return self.cut + self.hesitating

    def threshold(self) -> float:
        """The one that saves the most waiting: what is saved at ends, less what false cut-ins cost.

        At a true end that is found, the rest of the wait; a false cut-in costs a whole one.
        """
        saved = FULL_WAIT_MS - 1000 * self.silence

        def gain(t: float) -> float:
            return saved * _above(self.over, t) - FULL_WAIT_MS * _above(self.going_on, t)

        return max(sorted({0.5, *self.over}), key=gain)


def _above(scores: Sequence[float], threshold: float) -> float:
    return sum(s >= threshold for s in scores) / len(scores)


def judge(
    respondent: Respondent, clips: Sequence[Said], pauses: Sequence[Hesitation], sizes: Windows | None = None
) -> list[Ends]:
    """Over clips of words alone, whose voices and texts were never heard."""
    said = [s.clip.samples for s in clips if s.clip.voiced and s.utterance.family != "unknown"]
    found = []
    for silence in SILENCES:
        r = random.Random("ends")
        cut = [speech[: int(len(speech) * r.uniform(*CUT))] for speech in said]
        groups = [said, cut, [p.samples[: p.pause] for p in pauses], [p.samples for p in pauses]]
        found.append(
            Ends(silence, *(_complete(respondent, group, silence, sizes or Windows()) for group in groups))
        )
    return found


@torch.inference_mode()
def _complete(
    respondent: Respondent, speech: Sequence[NDArray[np.int16]], silence: float, sizes: Windows
) -> list[float]:
    """The probability of an end, of end or more audio."""
    prompt, network = respondent.prompt, respondent.network
    around = int(BEFORE * SAMPLE_RATE), int(silence * SAMPLE_RATE)
    takes: list[Samples] = [np.pad(x.astype(np.float32) / 32768, around) for x in speech]
    head = respondent.ids([*prompt.system(NANO), *prompt.human_open()])
    start, end = respondent.ids([prompt.audio_start]), respondent.ids([prompt.audio_end])
    found = []
    for heard in encode(network, takes, sizes):
        parts = [head]
        for piece in heard:
            parts += [start, piece.to(head), end]
        logits = network.lm_head(network.model(torch.cat(parts[:-1])[None])[0, -1]).float()
        found.append(float(logits[[prompt.audio_end, prompt.audio_patch]].softmax(0)[0]))
    return found


def table(found: Sequence[Ends]) -> Table:
    columns = tuple(f"{1000 * e.silence:.0f} ms after the last sound" for e in found)
    rows: list[tuple[str, list[Cell]]] = [
        ("AUC, over against broken off or hesitating", [_auc(e.over, e.going_on) for e in found]),
        ("AUC, over against broken off", [_auc(e.complete, e.cut) for e in found]),
        ("AUC, over against hesitating", [_auc(e.over, e.hesitating) for e in found]),
        ("threshold that saves the most waiting", [Cell(text=f"{e.threshold():.2f}") for e in found]),
        ("ends found at it", [_count(e.over, e) for e in found]),
        ("false cut-ins at it", [_count(e.going_on, e) for e in found]),
        ("false cut-ins at it, hesitations alone", [_count(e.hesitating, e) for e in found]),
    ]
    return Table("End of turn", columns, tuple((label, tuple(cells)) for label, cells in rows))


def _auc(over: Sequence[float], going_on: Sequence[float]) -> Cell:
    return Cell(text=f"{auc(over, going_on):.3f} (n={len(over)} and {len(going_on)})")


def _count(scores: Sequence[float], e: Ends) -> Cell:
    threshold = e.threshold()
    return Cell(sum(s >= threshold for s in scores), len(scores))
