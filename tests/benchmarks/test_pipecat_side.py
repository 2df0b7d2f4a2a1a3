"""The callers of the side-by-side run, against our own server, and what is made of what they saw."""

from __future__ import annotations

import json
from pathlib import Path

from websockets.frames import Opcode

from benchmarks.pipecat_side import CYCLE, LAG, Step, frames, most, ours, protobuf, step, table, theirs
from server.load.figures import Cores
from tests.scripted import ScriptedEngine
from tests.server.client import serving

CORES = Cores(0.4, None, None, 0.1)


def payload(frame: bytes) -> tuple[int, bytes]:
    """Opcode and content of a masked frame (RFC 6455 5.2)."""
    size, at = frame[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(frame[2:4]), 4
    mask, data = frame[at : at + 4], frame[at + 4 :]
    assert frame[1] & 128 and len(data) == size
    return frame[0] & 15, bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


def test_a_cycle_is_a_question_and_silence() -> None:
    made, last = frames(ours(), silent=False)
    assert len(made) == CYCLE and 50 < last < CYCLE // 2
    kind, text = payload(made[last - 5])
    event = json.loads(text)
    assert (kind, event["type"]) == (Opcode.TEXT, "input_audio_buffer.append")
    assert payload(made[-1])[1].count(b"A") > payload(made[last - 5])[1].count(b"A")
    silent, nobody = frames(ours(), silent=True)
    assert nobody == -1 and len({payload(frame) for frame in silent}) == 1


def test_pipecat_gets_its_own_frames_at_its_own_rate() -> None:
    made, _ = frames(theirs(Path("nowhere")), silent=True)
    kind, frame = payload(made[0])
    assert kind == Opcode.BINARY and frame == protobuf(bytes(640))
    # Frame.audio (2) { audio (3): 640 bytes, sample_rate (4): 16000, num_channels (5): 1 }
    assert frame[:1] == b"\x12" and frame[3:6] == b"\x1a\x80\x05" and frame.endswith(b"\x20\x80\x7d\x28\x01")


async def test_callers_are_heard_and_answered() -> None:
    async with serving(ScriptedEngine()) as url:
        found = await step(ours(), url.replace("ws", "http", 1), 2, 7.0)
        silent = await step(ours(), url.replace("ws", "http", 1), 2, 0.5, silent=True)
    assert found.waits and not found.missing and found.used > 0
    assert 0 < found.p95 < float("inf")
    assert not silent.waits and silent.p95 == float("inf") and silent.silent


def test_the_most_callers_are_those_whose_replies_are_hardly_later_than_those_of_a_few() -> None:
    def seen(callers: int, wait: float, missing: int = 0, silent: bool = False, side: str = "A") -> Step:
        return Step(side, callers, [wait] * 9, missing, CORES, 0.0, silent)

    steps = [
        seen(2, 0.6),
        seen(16, 9, silent=True),
        seen(8, 0.7),
        seen(16, 0.6 + LAG),
        seen(32, 1.0),
        seen(64, 0.6, 1),
    ]
    assert most(steps, "A").callers == 16
    others = [seen(2, 0.5, side="B"), seen(16, 9, silent=True, side="B"), seen(8, 0.6, side="B")]
    told = table(steps + others)
    assert "| A | 16 | 25.0 | 25.0 | 600 | 800 |" in told and "A against B: 2.0 × the callers." in told
