"""The rule by which a soak's samples are flat, and what counts as a fault."""

from __future__ import annotations

import argparse
import random
from xml.etree import ElementTree

import pytest

from benchmarks.soak import FLAT, Soak, against, grown, picture, table
from server.load.caller import Manner
from server.load.questions import Question
from tests.server.client import pcm
from tests.server.load.turns import said
from tests.server.scripted_server import Rote, running

STEADY = {
    "server_mib": 400,
    "engine_mib": 900,
    "descriptors": 60,
    "threads": 20,
    "tasks": 90,
    "requests": 12,
    "kv": 0.4,
}


def samples(count: int = 40, rising: str = "", by: float = 0.0) -> list[dict[str, float]]:
    """Steady but for noise, and for what rises by so much in all."""
    dice = random.Random(1)
    return [
        {"minutes": at, "sessions": 3.0}
        | {
            name: value * dice.uniform(0.99, 1.01) + (by if name == rising else 0.0) * at / count
            for name, value in STEADY.items()
        }
        for at in range(count)
    ]


def test_noise_is_flat() -> None:
    assert grown(samples()) == []
    assert grown(samples(8)) == []  # too few to say


@pytest.mark.parametrize("name", FLAT)
def test_a_leak_is_found(name: str) -> None:
    much, share = FLAT[name]
    (fault,) = grown(samples(rising=name, by=3 * (much + share * STEADY[name])))
    assert fault.startswith(f"{name} rose")


def test_a_start_up_is_no_leak_and_an_engine_that_is_away_no_sample() -> None:
    found = samples()
    for one in found[:10]:
        one["server_mib"] = 50
    for one in found[::3]:
        del one["engine_mib"]
    assert grown(found) == []


def test_what_is_lost_or_wrong_too_often_is_a_fault() -> None:
    assert Soak(1, samples(), [said()] * 99 + [said(status="wrong")]).faults == []
    assert "wrongly" in Soak(1, samples(), [said(), said(status="wrong")]).faults[0]
    assert Soak(1, samples(), [said(status="lost", why="x")]).faults == ["a turn was lost: x"]
    assert Soak(1, samples(), [said(status="refused", why="session_limit")]).faults
    assert Soak(1, samples(), [said(status="refused", why="engine_unavailable")]).faults == []


def test_only_an_engine_that_is_away_may_close_a_line_as_failed() -> None:
    soak = Soak(1, samples())
    soak.rude.faults.append("a bad client was closed with 1011")
    assert soak.faults == []
    soak.rude.errors["server_error"] += 1
    assert soak.faults == ["a bad client was closed with 1011"]


async def test_callers_and_rude_ones_against_a_scripted_server() -> None:
    given = argparse.Namespace(minutes=0.15, callers=2, every=4.0, kill=0, seed=2)
    asked = [Question("sum", pcm(900), "1 plus 1 is 2")]
    async with running(Rote(places=40)) as (url, _):
        soak = await against(url, given, asked, Manner(), lambda text: None)
    assert soak.faults == []
    assert {one.status for one in soak.said} <= {"right", "cut"} and len(soak.said) > 2
    assert soak.samples and set(FLAT) - {"engine_mib"} <= set(soak.samples[0])
    assert soak.rude.left == {"engine requests": 0, "sessions": 0}
    assert "Faults: none." in table(soak)


def test_table_and_picture() -> None:
    soak = Soak(1, samples(rising="descriptors", by=100), [said()])
    told = table(soak)
    assert "| descriptors |" in told and "descriptors rose" in told and "1 right" in told
    assert ElementTree.fromstring(picture(soak)).tag.endswith("svg")
