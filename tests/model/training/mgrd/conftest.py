"""Spoken questions in which nothing can be heard, and a policy of the embedded checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from model import checkpoint
from model.training import features, world
from model.training.features import Heard
from model.training.mgrd.policy import Policy
from model.training.mgrd.questions import Question, expected


def unheard(seed: int, intent: str, tokens: int = 24) -> Question:
    said = world.of_intent(f"mgrd {seed}", intent)
    seen = np.random.default_rng(seed).standard_normal((tokens, features.SEEN)).astype(np.float16)
    heard = Heard(said, "none", seen, tokens, False, True)
    samples = np.zeros(tokens * 1280, np.int16)
    return Question(f"{intent} {seed}", said, expected(said), heard, samples)


@pytest.fixture
def spoken() -> list[Question]:
    return [unheard(i, intent) for i, intent in enumerate(("count", "sweep", "voice_pitch", "claim_count"))]


@pytest.fixture
def policy() -> Policy:
    return Policy(checkpoint.NANO)
