"""Two hundred turns in one conversation: memory and requests stay flat, and nothing is left behind."""

import pytest

from benchmarks.endurance import converse, growth, requests
from server.audio_file import read_pcm
from tests.processes import RECORDINGS

TURNS = 200
FLAT_MIB = 60  # of some 2000: the engine keeps up to 50 MiB of audio features, and fills that slowly


@pytest.mark.timeout(900)
async def test_two_hundred_turns_leave_memory_and_requests_flat(live: str) -> None:
    samples = await converse(live, read_pcm(RECORDINGS / "sum.wav"), TURNS)
    assert len(samples) == TURNS
    assert {s["requests"] for s in samples} == {1}  # the listener's, and no other
    assert growth(samples) < FLAT_MIB
    while await requests(live):  # the test's time limit is the limit
        pass
