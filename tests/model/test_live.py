"""Live audio in vLLM's resumable requests: appends, forks from the prefix cache, items without data."""

from __future__ import annotations

import json

import pytest

from model.checkpoint import NANO
from tests.model import engines
from tests.model.live import BLOCK, SECONDS, Seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    out = tmp_path_factory.mktemp("live") / "seen.json"
    engines.run("tests.model.live", NANO, out)
    found: Seen = json.loads(out.read_text())
    return found


def test_every_append_tells_how_likely_the_turn_is_to_end(seen: Seen) -> None:
    assert len(seen["end_of_turn"]) >= SECONDS / 0.4
    assert all(patch < 0 and end < 0 for patch, end in seen["end_of_turn"])


def test_a_fork_hits_the_prefix_cache_up_to_the_last_block(seen: Seen) -> None:
    fork = seen["forks"]["with data"]
    assert fork["cached"] == seen["appended"] // BLOCK * BLOCK > 0


def test_audio_that_was_sent_before_needs_no_data(seen: Seen) -> None:
    forks = seen["forks"]
    assert forks["without data"]["cached"] >= forks["with data"]["cached"]
    assert forks["without data"]["tokens"] == forks["with data"]["tokens"]


def test_tokens_are_the_same_from_a_cold_prefix(seen: Seen) -> None:
    forks = seen["forks"]
    for name in ("nothing cached, with data", "nothing cached, without data"):
        assert forks[name]["cached"] == 0
        assert forks[name]["tokens"] == forks["with data"]["tokens"]


def test_unknown_audio_without_data_fails_that_request_alone(seen: Seen) -> None:
    forks = seen["forks"]
    assert forks["never heard of"]["finished"] == "error"
    assert forks["never heard of"]["tokens"] == []
    assert forks["afterwards"]["tokens"] == forks["with data"]["tokens"]
