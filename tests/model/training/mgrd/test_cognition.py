"""Questions after hearing: none of the evaluation is trained on, and the error is told from the truth."""

from __future__ import annotations

import random

from model.training.mgrd.cognition import HEARS, READS, affirms_hearing, denies_hearing, question


def test_no_wording_is_on_both_sides() -> None:
    r = random.Random(0)
    trained = {question(r, False).words for _ in range(3000)}
    tested = {question(r, True).words for _ in range(3000)}
    assert len(trained) > 100 and len(tested) > 20 and not trained & tested


def test_the_error_is_told_from_the_truth() -> None:
    assert denies_hearing(READS) and not affirms_hearing(READS)
    assert affirms_hearing(HEARS) and not denies_hearing(HEARS)
    for reply in ("I can't hear you.", "No, I do not hear.", "I only read.", "It is only text."):
        assert denies_hearing(reply)
    for reply in ("27 plus 15 is 42.", "I did not understand that."):
        assert not denies_hearing(reply) and not affirms_hearing(reply)
