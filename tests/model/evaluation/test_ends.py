"""The threshold for ends of turns, and the table, from made-up probabilities; a tiny network gives some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.evaluation.case import Clip
from model.evaluation.clips import Hesitation, Said
from model.evaluation.ends import SILENCES, Ends, judge, table
from model.evaluation.offline import Respondent
from model.training.world.core import Utterance
from tests import checkpoints
from tests.model.listening import voice


def test_what_saves_the_most_waiting() -> None:
    ends = Ends(0.16, [0.9, 0.8, 0.7, 0.2], [0.1, 0.1, 0.3], [0.75], [0.95])
    assert ends.threshold() == 0.8  # at 0.7 one more end is found, and one more turn cut in on
    told = dict(table([ends]).rows)
    assert str(told["ends found at it"][0]).startswith("60.0 %")
    assert str(told["false cut-ins at it"][0]).startswith("0.0 %")
    assert told["AUC, over against broken off"][0].text == "0.917 (n=4 and 3)"


def test_a_network_is_asked(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    samples = (voice(0.8).numpy() * 32767).astype(np.int16)
    clip = Clip("hello", "none", samples)
    hello = Utterance("everyday", "greeting", "hello", "hello")
    said = Said(hello, clip, "test 0")
    pause = Hesitation(hello, ("five and", "three"), "none", samples, 4000, 9000)
    found = judge(Respondent(tmp_path), [said], [pause])
    assert [e.silence for e in found] == list(SILENCES)
    assert all(0 <= p <= 1 for e in found for p in (*e.over, *e.going_on))
