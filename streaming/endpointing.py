"""Speech probabilities to the beginning, the pauses and the end of a turn, on the sample clock.

A Schmitt trigger says voiced or not: voiced from `threshold` on, silent again only below `threshold` -
0.15 (Silero's own margin, silero_vad/utils_vad.py). Two voiced windows of three begin a turn; enough
silence ends it. Between the two nothing needs a transcript, so every turn that began can end.
All times are samples at 16 kHz since the session began. Knows no audio, no clock and no network.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.events import ServerVad

PER_MS = 16  # samples
WINDOW = 512  # samples a probability stands for: 32 ms, as Silero has it
HYSTERESIS = 0.15
FLOOR = 0.01  # the lowest probability that silence starts below, however low the threshold: as Silero's
# One window alone is a click. Two of three let a soft onset flicker, and clear speech is noticed 64 ms,
# flickering speech 96 ms, after its first window began.
ONSET = 2
ONSET_SPAN = 3
PAUSE_MS = 160  # of silence: longer than the closure of a plosive; far below any end of turn


@dataclass(frozen=True)
class Started:
    """A turn has begun. `at`: where its audio begins, padding included."""

    at: int


@dataclass(frozen=True)
class Paused:
    """Silence within a turn, which may become its end. `at`: when that was noticed."""

    at: int


@dataclass(frozen=True)
class Resumed:
    """The turn goes on after a pause. `at`: where the first voiced window begins."""

    at: int


@dataclass(frozen=True)
class Stopped:
    """The turn has ended. `at`: when that was noticed, its silence included; `last_voiced`: before it."""

    at: int
    last_voiced: int


Event = Started | Paused | Resumed | Stopped


class Endpointer:
    """The turns of one session. No turn's audio begins before `start`, or before the last turn's end."""

    def __init__(self, settings: ServerVad, start: int = 0) -> None:
        self._settings = settings
        self._clock = start  # the end of the newest window
        self._begin(start)

    def configure(self, settings: ServerVad) -> None:
        """From the next window on. A turn that is being spoken goes on."""
        self._settings = settings

    def reset(self, at: int) -> None:
        """Forget the turn, and tell nothing: a client committed or cleared it, or audio stopped coming.

        The next one begins no earlier than `at`. Speech that goes on begins it.
        """
        self._begin(at)

    def push(self, probability: float, end: int) -> Event | None:
        """The next window's speech probability. It ends at sample `end`; ValueError if that goes back."""
        if end <= self._clock:
            raise ValueError(f"the sample clock went from {self._clock} to {end}")
        self._clock = end
        if probability >= self._settings.threshold:
            self._voiced = True
        elif probability < max(self._settings.threshold - HYSTERESIS, FLOOR):
            self._voiced = False
        if not self._speaking:
            return self._onset(probability, end)
        return self._voice(end) if self._voiced else self._silence(end)

    def _begin(self, at: int) -> None:
        self._earliest = at
        self._speaking = False
        self._voiced = False
        self._paused = False
        self._last_voiced = at
        self._onsets: list[int] = []  # where the newest voiced windows begin

    def _onset(self, probability: float, end: int) -> Started | None:
        if probability >= self._settings.threshold:
            self._onsets.append(end - WINDOW)
        self._onsets = [start for start in self._onsets if start >= end - ONSET_SPAN * WINDOW]
        if len(self._onsets) < ONSET:
            return None
        self._speaking = True
        self._last_voiced = end
        padded = self._onsets[0] - self._settings.prefix_padding_ms * PER_MS
        return Started(max(self._earliest, padded))

    def _voice(self, end: int) -> Resumed | None:
        self._last_voiced = end
        if not self._paused:
            return None
        self._paused = False
        return Resumed(end - WINDOW)

    def _silence(self, end: int) -> Paused | Stopped | None:
        silence = end - self._last_voiced
        if silence >= self._settings.silence_duration_ms * PER_MS:
            stopped = Stopped(end, self._last_voiced)
            self._begin(end)
            return stopped
        if silence >= PAUSE_MS * PER_MS and not self._paused:
            self._paused = True
            return Paused(end)
        return None
