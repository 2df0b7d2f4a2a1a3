"""The voice as a session uses it: over a worker that a test scripts, and over Piper itself."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio

from streaming.piper import Piper, command, piper
from streaming.spoken_text import spoken
from streaming.voice import RATE, Sound, VoiceUnavailable

# Says one byte pair a word; "die" ends it, "die once" only where the file is not there yet, "wait" waits.
SCRIPT = """
import json, os, sys
def tell(head, pcm=b""):
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\\n" + pcm)
    sys.stdout.buffer.flush()
tell({"ready": ["one", "two"]})
for line in sys.stdin:
    asked = json.loads(line)
    with open(sys.argv[1], "a") as log:
        log.write(line)
    if "cancel" in asked:
        tell({"id": asked["cancel"], "done": True, "error": None})
        continue
    words, number = asked["text"].split(), asked["id"]
    if words[0] == "die" and (len(words) == 1 or open(sys.argv[1]).read().count("die once") < 2):
        print("it died", file=sys.stderr)
        os._exit(1)
    if words[0] == "fail":
        tell({"id": number, "done": True, "error": "no"})
        continue
    tell({"id": number, "bytes": 2 * len(words), "ends": list(range(1, 1 + len(words)))}, b"ab" * len(words))
    if words[0] != "wait":
        tell({"id": number, "done": True, "error": None})
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def scripted(tmp_path: Path) -> AsyncIterator[tuple[Piper, Path]]:
    script, log = tmp_path / "worker.py", tmp_path / "log"
    script.write_text(SCRIPT)
    async with piper([sys.executable, str(script), str(log)]) as voice:
        yield voice, log


async def say(voice: Piper, text: str, name: str = "one", speed: float = 1.0) -> list[Sound]:
    async with asyncio.timeout(40), aclosing(voice.say(spoken(text), name, speed)) as sounds:
        return [sound async for sound in sounds]


async def test_words_are_said(scripted: tuple[Piper, Path]) -> None:
    voice, log = scripted
    await voice.ready()
    assert voice.names == ("one", "two")
    assert await say(voice, "Hello $5.", "two", 1.5) == [Sound(b"ababab", (1, 2, 3))]
    assert '"text": "Hello five dollars.", "voice": "two", "speed": 1.5' in log.read_text()


async def test_many_are_told_apart(scripted: tuple[Piper, Path]) -> None:
    voice, _ = scripted
    said = await asyncio.gather(*(say(voice, "word " * n) for n in range(1, 9)))
    assert [len(sounds[0].ends) for sounds in said] == list(range(1, 9))


async def test_whoever_stops_listening_stops_it(scripted: tuple[Piper, Path]) -> None:
    voice, log = scripted
    async with aclosing(voice.say(spoken("wait"), "one", 1.0)) as sounds:
        async for _ in sounds:
            break
    await say(voice, "next")
    assert '{"cancel": 1}' in log.read_text()


@pytest.mark.fault(
    fault="voice process dies",
    provoked="Piper's process exits: once, and again at once",
    seen="the clause, spoken by the next process; after the second death `voice_unavailable`",
    kept="the reply's text; the next one is spoken",
)
async def test_one_that_dies_is_started_again(scripted: tuple[Piper, Path]) -> None:
    voice, _ = scripted
    assert await say(voice, "die once") == [Sound(b"abab", (1, 2))]
    with pytest.raises(VoiceUnavailable, match="broke down"):
        await say(voice, "die")
    assert await say(voice, "alive") == [Sound(b"ab", (1,))]


async def test_a_clause_that_cannot_be_said_hurts_no_other(scripted: tuple[Piper, Path]) -> None:
    voice, _ = scripted
    with pytest.raises(VoiceUnavailable, match="cannot speak this: no"):
        await say(voice, "fail")
    assert await say(voice, "alive")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('print(\'{"missing": "piper"}\')', "piper is not installed; to speak, pip install 'soundmind"),
        ('print(\'{"fatal": "no such file"}\')', "no voice: no such file"),
        ("raise SystemExit('out of memory')", "out of memory"),
        ("", "ended while it started"),
    ],
)
async def test_one_that_cannot_start_says_why(script: str, why: str) -> None:
    async with piper([sys.executable, "-c", script]) as voice:
        with pytest.raises(VoiceUnavailable, match=why):
            await voice.ready()
        with pytest.raises(VoiceUnavailable, match=why):
            await say(voice, "word")


async def test_none_is_left_behind(scripted: tuple[Piper, Path]) -> None:
    async with piper([sys.executable, "-c", "import time; time.sleep(60)"]) as deaf:
        await asyncio.sleep(0.3)
        children = psutil.Process().children()
        running = [p for p in children if p.status() != psutil.STATUS_ZOMBIE]  # of other tests
        own = [p for p in running if "import time; time.sleep(60)" in p.cmdline()]
        assert own
    assert not any(p.is_running() for p in own)
    with pytest.raises(VoiceUnavailable, match="shut down"):
        await deaf.ready()


# --- Piper itself ---


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def joe() -> AsyncIterator[Piper]:
    async with piper() as voice:
        async with asyncio.timeout(120):
            await voice.ready()
        yield voice


async def test_piper_speaks(joe: Piper) -> None:
    assert joe.names == ("joe",)
    words = spoken("27 + 15 = 42, of the day.")
    [sound] = await say(joe, "27 + 15 = 42, of the day.", "joe")
    samples = np.frombuffer(sound.pcm, "<i2")
    assert 2 < len(samples) / RATE < 6
    assert np.abs(samples).max() > 8_000
    assert len(sound.ends) == len(words)
    assert all(a < b for a, b in zip(sound.ends, sound.ends[1:], strict=False))
    assert len(samples) - RATE < sound.ends[-1] <= len(samples)
    assert not samples[-RATE // 10 :].any()  # a breath behind the sentence


async def test_piper_pauses_where_the_words_say_it_does(joe: Piper) -> None:
    """It is quieter behind a word that a comma follows than within it: the times are those of the sound."""
    [sound] = await say(joe, "yes, seven, hello, nine, yes", "joe")
    level = np.abs(np.frombuffer(sound.pcm, "<i2").astype(float))
    for end in sound.ends[:-1]:
        at = level[end : end + RATE // 50].mean()
        assert at < level[end - RATE // 5 : end - RATE // 20].mean() / 3


async def test_piper_speaks_faster_when_asked(joe: Piper) -> None:
    [slow] = await say(joe, "one two three four five six", "joe", 0.8)
    [fast] = await say(joe, "one two three four five six", "joe", 1.5)
    assert len(fast.pcm) < 0.7 * len(slow.pcm)


async def test_piper_stops_in_the_middle_of_a_clause(joe: Piper) -> None:
    long = "this clause goes on and on and on without an end for a long time " * 3
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await say(joe, long, "joe")
    await say(joe, "next", "joe")
    stopped = time.monotonic() - began
    await say(joe, long, "joe")
    assert stopped < (time.monotonic() - began - stopped) / 2


async def test_an_unknown_voice_is_an_error(joe: Piper) -> None:
    with pytest.raises(VoiceUnavailable, match="nobody"):
        await say(joe, "word", "nobody")


async def test_a_voice_that_is_not_there_is_told() -> None:
    async with piper(command(["x=/nowhere.onnx"])) as voice:
        with pytest.raises(VoiceUnavailable, match=r"/nowhere\.onnx"):
            await voice.ready()
