"""One microphone: packets in, windows and what they mean for the turn out, on the sample clock.

Resamples once, asks the voice detector once a window (our own voice is no voice), and remembers the newest
audio, because a turn begins before it is noticed. A packet may be of any size: it is taken window by window,
so that a file sent at once means the same as a live stream. Knows no turns, no engine; time is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streaming.audio import RATES, Resampler, decode, decode_pcm16
from streaming.echo import Echo
from streaming.endpointing import FLOOR, WINDOW, Endpointer, Event
from streaming.events import AudioFormat, Detection
from streaming.vad import SpeechDetector

RATE_IN = RATES["pcm"]
RATE = 16_000  # Hz: the sample clock
NOTICED_SECONDS = 1  # from its first sound a turn is noticed, padding and doubts included
MEMORY_SECONDS = 4  # of the newest audio: the longest padding, and the detector's delay

Samples = NDArray[np.float32]


class Microphone:
    def __init__(
        self, detector: SpeechDetector, detection: Detection | None, hears: AudioFormat = "pcm"
    ) -> None:
        """`detection` None: nothing is detected, all audio belongs to a turn."""
        self._format = hears
        self._resampler = Resampler(RATES[hears], RATE)
        self._voice = detector.stream()
        self._echo = Echo()
        self._playing: Resampler | None = None
        self._endpointer = Endpointer(detection) if detection else None
        self._guarded = False
        self._pending: Samples = np.empty(0, np.float32)  # less than a window
        self._newest: Samples = np.zeros(2 * MEMORY_SECONDS * RATE, np.float32)  # in front, up to `clock`
        self._kept = 0  # samples of it
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=512)  # samples received, seconds
        self._received = 0
        self.clock = 0  # samples that were handed on

    @property
    def detecting(self) -> bool:
        return self._endpointer is not None

    @property
    def doubting(self) -> bool:
        """A sound has begun that may become a turn."""
        return self._endpointer is not None and self._endpointer.doubting

    @property
    def begun(self) -> int:
        """Where the newest sound began, or the next may begin: sample clock, padding included."""
        return self._endpointer.begun if self._endpointer else self.clock

    @property
    def sounded(self) -> int:
        """Where the first voiced window of the newest sound begins: sample clock, without padding."""
        return self._endpointer.sounded if self._endpointer else self.clock

    @property
    def last_arrival(self) -> float | None:
        """When the newest packet came, in seconds."""
        return self._arrivals[-1][1] if self._arrivals else None

    @property
    def received(self) -> int:
        """Samples that came: sample clock, what is no window yet and what is not resampled yet included."""
        return self._received + round(self._resampler.delay)

    @property
    def needed(self) -> int:
        """What came from there on may still belong to a turn that nobody has noticed: sample clock."""
        if self._endpointer is None:
            return self.clock
        return max(self._endpointer.earliest, self.clock - NOTICED_SECONDS * RATE)

    def restore(self, clock: int, begun: int | None) -> None:
        """Go on where another one has heard up to `clock`. `begun`: where the turn began that is open."""
        self.clock = self._received = clock
        if self._endpointer:
            self._endpointer.reset(clock)
            if begun is not None:
                self._endpointer.speaking(begun, clock)

    def configure(self, detection: Detection | None, hears: AudioFormat = "pcm") -> None:
        if hears != self._format:
            self._take(self._resampler.finish())
            self._format, self._resampler = hears, Resampler(RATES[hears], RATE)
        if detection is None:
            self._endpointer = None
        elif self._endpointer is None:
            self._endpointer = Endpointer(detection, self.clock)
            self._endpointer.guard(self._guarded)
        else:
            self._endpointer.configure(detection)

    def guard(self, on: bool) -> None:
        """Whether a reply is being made, which not every sound is to cut off."""
        self._guarded = on
        if self._endpointer:
            self._endpointer.guard(on)

    def judge(self, at: int, over: float) -> None:
        """How likely the turn is over, for who has heard it up to sample `at`."""
        if self._endpointer:
            self._endpointer.judge(at, over)

    def playing(self, pcm: bytes) -> None:
        """What the user is to hear from us, as soon as what came before is over: PCM16, mono, 24 kHz."""
        self._playing = self._playing or Resampler(RATE_IN, RATE)
        self._echo.played(self._playing.push(decode_pcm16(pcm)), self.clock)

    def silenced(self) -> None:
        """The user hears no more of it."""
        self._playing = None
        self._echo.stopped(self.clock)

    def push(self, pcm: bytes, now: float) -> Iterator[tuple[Samples, Event | None]]:
        """Audio in the client's format to blocks at 16 kHz, each with what it was found to mean.

        Raises BadAudio, before any block.
        """
        if pcm:
            self._receive(pcm, now)
        return self._blocks()

    async def ahead(self, pcm: bytes, now: float) -> None:
        """Take audio in, and ask the voice detector about it together with others. The next `push` tells.

        Raises BadAudio.
        """
        self._receive(pcm, now)
        count = self._pending.size // WINDOW
        if self._endpointer and count:
            await self._voice.ahead(self._pending[: count * WINDOW].reshape(count, WINDOW))

    def _receive(self, pcm: bytes, now: float) -> None:
        self._take(self._resampler.push(decode(pcm, self._format)))
        self._arrivals.append((self._received, now))

    def _take(self, samples: Samples) -> None:
        self._received += samples.size
        self._pending = np.concatenate([self._pending, samples])

    def _blocks(self) -> Iterator[tuple[Samples, Event | None]]:
        if not self._endpointer:
            self._voice.forget()
        size = WINDOW if self._endpointer else self._pending.size
        while size and self._pending.size >= size:
            block, self._pending = np.split(self._pending, [size])
            self.clock += size
            self._remember(block)
            event = None
            if self._endpointer:
                event = self._endpointer.push(self._voiced(block), self.clock)
            yield block, event

    def _remember(self, block: Samples) -> None:
        most = MEMORY_SECONDS * RATE
        block = block[-most:]
        if self._kept + block.size > self._newest.size:
            self._newest[:most] = self._newest[self._kept - most : self._kept]
            self._kept = most
        self._newest[self._kept : self._kept + block.size] = block
        self._kept += block.size

    def _voiced(self, window: Samples) -> float:
        """The probability that somebody speaks, other than we."""
        probability = self._voice.push(window)
        self._echo.hear(window, self.clock)
        return 0.0 if probability >= FLOOR and self._echo.ours else probability

    def back(self, now: float) -> None:
        """Audio may come again, from now on."""
        if self._arrivals:
            self._arrivals.append((self._received, now))

    def since(self, at: int) -> Samples:
        """The audio from sample `at` on, as far as it is remembered."""
        first = max(0, self._kept - MEMORY_SECONDS * RATE, self._kept - (self.clock - at))
        return self._newest[first : self._kept].copy()

    def arrived(self, at: int, now: float) -> float:
        """When sample `at` came in, in seconds; `now` where that is not known."""
        return next((when for received, when in self._arrivals if received >= at), now)

    def reset(self) -> None:
        """The turn was ended or dropped by somebody else: the next one begins from here on."""
        if self._endpointer:
            self._endpointer.reset(self.clock)
