"""A step as arrays: what is to be learned stands where the rows and takes have it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from model import checkpoint
from model.training import conversations, corpus, marks, tokenizer, train
from model.training.conversations import IGNORE, Maker, Source
from model.training.packed import FULL, pack
from tests.model.training.test_train import heard

WORDS = tokenizer.words_in(checkpoint.NANO)
INDEX = train.index_of(WORDS)
COUNT, TONES, CUT = (
    heard(1, "count", False, False),
    heard(2, "tones_pitch", False, False),
    heard(3, "sum", True, False),
)


@pytest.fixture(scope="module")
def rows() -> list[conversations.Row]:
    prompt = train.prompt_of(tokenizer.build(WORDS))
    maker = Maker(prompt, Source(lambda intent: COUNT, lambda: CUT))
    r = random.Random(0)
    return [maker.row(300, r, train.turns_short) for _ in range(2)]


def test_rows_are_laid_end_to_end(rows: list[conversations.Row]) -> None:
    step = pack(rows, [], 0, INDEX)
    height, width = step.ids.shape
    assert height == 2 and width % FULL == 0 and width >= max(len(row.ids) for row in rows)
    for name, at, values in (("labels", step.text_at, step.text), ("ends", step.end_at, step.end)):
        wanted = [
            (i * width + j, label)
            for i, row in enumerate(rows)
            for j, label in enumerate(getattr(row, name))
            if label != IGNORE
        ]
        assert wanted == list(zip(at.tolist(), values.tolist(), strict=True))
    patch = rows[0].ids[rows[0].heard[0][0]]
    assert (step.ids.ravel()[step.audio_at] == patch).all()
    assert len(step.audio_at) == len(step.seen) == sum(len(t.seen) for row in rows for _, t in row.heard)


def test_takes_are_laid_end_to_end() -> None:
    step = pack([], [CUT, COUNT, TONES], 0, INDEX)
    first, second = len(CUT.seen), len(CUT.seen) + len(COUNT.seen)
    assert np.array_equal(step.seen, np.concatenate([CUT.seen, COUNT.seen, TONES.seen]))
    said = [corpus.ctc_words(take.said) for take in (COUNT, TONES)]  # of what was cut nothing is known
    assert step.ctc.tolist() == [INDEX[word] for words in said for word in words]
    assert step.ctc_sizes.tolist() == [len(words) for words in said]
    assert step.ctc_at[:, 0].tolist() == list(range(first, second))
    assert step.ctc_at[0, 1] == second
    spelled = marks.spelled(TONES.said, TONES.places, len(TONES.seen))
    assert step.letter_at.tolist() == [second + n for start, stop, _ in spelled for n in range(start, stop)]
    assert not len(step.text) and not len(step.count)  # counts are read off the rows


def test_it_is_moved_as_what_it_is(rows: list[conversations.Row]) -> None:
    moved = pack(rows, [], 0, INDEX).tensors(torch.device("cpu"))
    assert moved.ids.dtype == torch.int64 and moved.seen.dtype == torch.float16
    with pytest.raises(AttributeError):
        _ = moved.nothing
