"""Sentences of other languages are many, and none of them is another's."""

from __future__ import annotations

from model.training.world import foreign


def test_every_language_has_whole_sentences_of_its_own() -> None:
    assert foreign.SENTENCES.keys() == foreign.FRAMES.keys() == foreign.FOREIGN.keys()
    every = [one for sentences in foreign.SENTENCES.values() for one in set(sentences)]
    assert len(every) == len(set(every)) > 400
    assert not any("{" in one or not one.strip() for one in every)
