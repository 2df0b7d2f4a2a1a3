"""The streams as PortAudio calls them, through a module with sounddevice's interface.

That nothing of it is installed is told in test_talk.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from server.ask import AskError
from server.audio_file import RATE
from server.portaudio import BLOCK, KEPT_BLOCKS, PortAudio, portaudio


class PortAudioError(Exception):
    pass


class Stream:
    """Opened and closed, and called by hand."""

    opened: list[Stream] = []

    def __init__(self, callback: Callable[..., None], **form: Any) -> None:
        self.callback, self.form, self.time = callback, form, 5.0
        self.running = False
        self.opened.append(self)

    def __enter__(self) -> Stream:
        self.running = True
        return self

    def __exit__(self, *error: object) -> None:
        self.running = False


class Output(Stream):
    pass


class Input(Stream):
    pass


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    module = SimpleNamespace(
        PortAudioError=PortAudioError, RawOutputStream=Output, RawInputStream=Input, opened=[]
    )
    Stream.opened = module.opened
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


async def test_both_directions(sounddevice: SimpleNamespace) -> None:
    with portaudio(microphone=True) as device:
        output, microphone = sounddevice.opened
        assert output.running and microphone.running
        form = {"samplerate": RATE, "channels": 1, "dtype": "int16", "blocksize": BLOCK, "latency": "low"}
        assert output.form == microphone.form == form
        await asyncio.to_thread(microphone.callback, b"\1\2" * BLOCK, BLOCK, None, None)
        assert await device.read() == b"\1\2" * BLOCK

        device.reel.push("a", b"\3\4" * BLOCK)
        block = bytearray(2 * BLOCK)
        output.callback(memoryview(block), BLOCK, SimpleNamespace(outputBufferDacTime=4.99), None)
        assert block == b"\3\4" * BLOCK
        assert device.reel.heard("a", device.now()) == RATE // 100  # of what comes out at 4.99 s, at 5 s
    assert not output.running and not microphone.running


async def test_without_a_microphone_none_is_opened(sounddevice: SimpleNamespace) -> None:
    with portaudio(microphone=False):
        assert [type(stream) for stream in sounddevice.opened] == [Output]


async def test_a_microphone_that_nobody_reads_keeps_the_newest() -> None:
    device = PortAudio()
    for number in range(KEPT_BLOCKS + 2):
        device.captured(number.to_bytes(2, "little"), 1, None, None)
    await asyncio.sleep(0)
    assert int.from_bytes(await device.read(), "little") == 2


async def test_a_device_that_cannot_be_opened_closes_the_other(
    sounddevice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(**form: Any) -> Stream:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(sounddevice, "RawInputStream", none)
    with pytest.raises(AskError, match="microphone and loudspeaker cannot be opened: Error querying device"):
        with portaudio(microphone=True):
            pass
    assert [stream.running for stream in sounddevice.opened] == [False]
