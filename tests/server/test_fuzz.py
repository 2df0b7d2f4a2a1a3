"""Bad clients disturb nobody and leave nothing behind; benchmarks/fuzz.py does the same, longer."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from benchmarks.fuzz import scripted, table
from benchmarks.fuzz_events import Mischief
from server.protocol import ProtocolError, parse

EVENTS = 1500


@pytest.mark.parametrize("seed", [1, 2])
async def test_bad_clients_beside_a_good_one(seed: int) -> None:
    outcome = await scripted(EVENTS // 2, clients=3, seed=seed)
    assert outcome.faults == []
    assert outcome.events == EVENTS // 2 and outcome.connections > 3
    assert outcome.good_turns > 1
    assert len(outcome.errors) > 10
    assert outcome.left and not any(outcome.left.values())
    assert "| faults | none |" in table(outcome, "a run")
    assert json.loads(json.dumps(vars(outcome)))["events"] == outcome.events


def test_the_mischief_is_the_same_again_and_of_every_kind() -> None:
    sent = list(islice(iter(Mischief(7)), 3000))
    assert sent == list(islice(iter(Mischief(7)), 3000)) != list(islice(iter(Mischief(8)), 3000))
    codes: set[str] = set()
    taken: set[str] = set()
    for message in sent:
        try:
            taken.add(type(parse(message)).__name__)
        except ProtocolError as error:
            codes.add(error.code)
    assert codes >= {
        "invalid_json",
        "invalid_message",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "unknown_event",
        "unknown_parameter",
        "unsupported",
    }
    assert len(taken) == 10, "each command"
    assert any(isinstance(message, bytes) for message in sent)
    assert json.loads(next(m for m in sent if isinstance(m, str) and '"input_audio_buffer.append"' in m))
