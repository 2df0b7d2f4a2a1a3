"""Microphone and loudspeaker of this machine through PortAudio (the package `sounddevice`, the extra `talk`).

PCM16, mono, 24 kHz in both directions, in blocks of 20 ms. PortAudio calls from threads of its own: what the
microphone gives is handed to the event loop, what the loudspeaker needs is taken from a `Reel`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from server.ask import AskError
from server.audio_file import RATE
from server.reel import Reel

BLOCK = RATE // 50  # samples
KEPT_BLOCKS = 250  # of the microphone, where nobody takes them: 5 s
PACKAGE = "the sound needs the package sounddevice: pip install 'soundmind[talk]' (or type: --text)"
LIBRARY = "the sound needs PortAudio: apt-get install libportaudio2, brew install portaudio (or type: --text)"


class PortAudio:
    """Both streams. Made by `portaudio`."""

    def __init__(self) -> None:
        self.reel = Reel()
        self._loop = asyncio.get_running_loop()
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue(KEPT_BLOCKS)
        self.output: Any = None  # sounddevice.RawOutputStream

    def now(self) -> float:
        """Seconds by the clock of the output stream."""
        return float(self.output.time)

    async def read(self) -> bytes:
        """The microphone's next block."""
        return await self._blocks.get()

    def captured(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's callback for input."""
        self._loop.call_soon_threadsafe(self._put, bytes(data))

    def _put(self, block: bytes) -> None:
        if self._blocks.full():
            self._blocks.get_nowait()  # the oldest
        self._blocks.put_nowait(block)

    def needed(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's callback for output."""
        data[:] = self.reel.pull(frames, time.outputBufferDacTime)


@contextmanager
def portaudio(microphone: bool) -> Iterator[PortAudio]:
    """Loudspeaker and, where asked for, microphone, open for as long as the block lasts. Raises AskError."""
    sounddevice = _sounddevice()
    device = PortAudio()
    form: dict[str, Any] = {
        "samplerate": RATE, "channels": 1, "dtype": "int16", "blocksize": BLOCK, "latency": "low",
    }  # fmt: skip
    with ExitStack() as streams:
        try:
            device.output = sounddevice.RawOutputStream(callback=device.needed, **form)
            streams.enter_context(device.output)
            if microphone:
                streams.enter_context(sounddevice.RawInputStream(callback=device.captured, **form))
        except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: there is no device at all
            what = "microphone and loudspeaker" if microphone else "loudspeaker"
            raise AskError(f"{what} cannot be opened: {error} (or type: --text)") from error
        yield device


def check() -> None:
    """Before anything is started: is there what sound needs? Raises AskError."""
    _sounddevice()


def _sounddevice() -> Any:
    """The package, once its library is there, too. Raises AskError."""
    try:
        import sounddevice
    except ImportError as error:
        raise AskError(PACKAGE) from error
    except OSError as error:
        raise AskError(LIBRARY) from error
    return sounddevice
