"""Speech probabilities to the beginning, the pauses and the end of a turn, on the sample clock.

A sound is a turn, or none: while a reply is being made (`guard`) it is a turn only once it has lasted, so
that a cough or an "mhm" cuts nothing off. How much silence ends a turn is a setting, or follows from how
likely it is over (`judge`): little where that is likely, up to a cap where somebody is in the middle of a
sentence. What nobody judged in time ends by its eagerness alone.

A Schmitt trigger says voiced or not: voiced from `threshold` on, silent again only below `threshold` -
0.15 (Silero's own margin, silero_vad/utils_vad.py). Two voiced windows of three begin a turn; enough
silence ends it. Between the two nothing needs a transcript, so every turn that began can end.
All times are samples at 16 kHz since the session began. Knows no audio, no clock and no network.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.events import Detection, Eagerness, SemanticVad, ServerVad

PER_MS = 16  # samples
WINDOW = 512  # samples a probability stands for: 32 ms, as Silero has it
HYSTERESIS = 0.15
FLOOR = 0.01  # the lowest probability that silence starts below, however low the threshold: as Silero's
# One window alone is a click. Two of three let a soft onset flicker, and clear speech is noticed 64 ms,
# flickering speech 96 ms, after its first window began.
ONSET = 2
ONSET_SPAN = 3
PAUSE_MS = 160  # of silence: longer than the closure of a plosive; far below any end of turn
CLICK_MS = 100  # voiced for less: never a turn
BRIEF_MS = 400  # voiced for less, and UNLIKELY to be over: a cough or an "um", no turn either
UNLIKELY = 0.1
SURE_MS = 200  # silence that ends a turn which is surely over


@dataclass(frozen=True)
class Patience:
    """`sure`: from this likelihood on a turn is over after SURE_MS; `usual_ms`: of silence where nobody
    knows; `most_ms`: where it is surely not over. That of the API's own eagerness."""

    sure: float
    usual_ms: int
    most_ms: int

    def silence_ms(self, over: float | None) -> float:
        if over is None:
            return self.usual_ms
        return float(self.most_ms * (SURE_MS / self.most_ms) ** min(1.0, over / self.sure))


MEDIUM = Patience(0.5, 500, 4000)
PATIENCE: dict[Eagerness, Patience] = {
    "low": Patience(0.8, 1000, 8000),
    "medium": MEDIUM,
    "auto": MEDIUM,
    "high": Patience(0.3, 300, 2000),
}


@dataclass(frozen=True)
class Doubted:
    """A sound while a reply is being made. It will be Started, or NoTurn. `at`: where it begins."""

    at: int


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


@dataclass(frozen=True)
class NoTurn:
    """What was doubted or had started was no turn. `at`: when that was noticed."""

    at: int


Event = Doubted | Started | Paused | Resumed | Stopped | NoTurn


def patience(settings: Detection) -> Patience:
    if isinstance(settings, SemanticVad):
        return PATIENCE[settings.eagerness]
    assert isinstance(settings, ServerVad)
    return Patience(1.0, settings.silence_duration_ms, settings.silence_duration_ms)


class Endpointer:
    """The turns of one session. No turn's audio begins before `start`, or before the last turn's end."""

    def __init__(self, settings: Detection, start: int = 0) -> None:
        self._settings = settings
        self._guarded = False
        self._judged = start  # heard up to there, by who told how likely the turn is over
        self._over: float | None = None
        self._clock = start  # the end of the newest window
        self._begin(start)

    @property
    def doubting(self) -> bool:
        """A sound was Doubted, and is neither Started nor NoTurn yet."""
        return self._doubting

    @property
    def begun(self) -> int:
        """Where the turn begins, or would if the newest sound began one, padding included."""
        return max(self._earliest, self._begun - self._settings.prefix_padding_ms * PER_MS)

    @property
    def sounded(self) -> int:
        """Where the newest sound's first voiced window begins."""
        return self._begun

    def configure(self, settings: Detection) -> None:
        """From the next window on. A turn that is being spoken goes on."""
        self._settings = settings

    def guard(self, on: bool) -> None:
        """Whether a reply is being made, which not every sound is to cut off."""
        self._guarded = on

    def judge(self, at: int, over: float) -> None:
        """How likely the turn is over, 0 to 1, for who has heard it up to sample `at`.

        What was voiced later than that makes it void; the newest counts.
        """
        if at >= self._judged:
            self._judged, self._over = at, over

    def reset(self, at: int) -> None:
        """Forget the turn, and tell nothing: a client committed or cleared it, or audio stopped coming.

        The next one begins no earlier than `at`. Speech that goes on begins it.
        """
        self._begin(at)

    @property
    def earliest(self) -> int:
        """Before that no turn begins any more."""
        return self._earliest

    def speaking(self, begun: int, at: int) -> None:
        """A turn that begins at `begun` is being spoken at `at`, as another one has found."""
        self._begin(begun)
        self._clock = max(self._clock, at)
        self._speaking, self._sound, self._last_voiced = True, max(0, at - begun), at

    def push(self, probability: float, end: int) -> Event | None:
        """The next window's speech probability. It ends at sample `end`; ValueError if that goes back."""
        if end <= self._clock:
            raise ValueError(f"the sample clock went from {self._clock} to {end}")
        self._clock = end
        if probability >= self._settings.threshold:
            self._voiced = True
        elif probability < max(self._settings.threshold - HYSTERESIS, FLOOR):
            self._voiced = False
        if self._doubting:
            return self._doubt(end)
        if not self._speaking:
            return self._onset(probability, end)
        return self._voice(end) if self._voiced else self._silence(end)

    def _begin(self, at: int) -> None:
        self._earliest = at
        self._speaking = False
        self._doubting = False
        self._begun = at  # where the sound began
        self._sound = 0  # voiced samples of it
        self._judged = at
        self._over = None
        self._voiced = False
        self._paused = False
        self._last_voiced = at
        self._onsets: list[int] = []  # where the newest voiced windows begin

    def _onset(self, probability: float, end: int) -> Doubted | Started | None:
        if probability >= self._settings.threshold:
            self._onsets.append(end - WINDOW)
        self._onsets = [start for start in self._onsets if start >= end - ONSET_SPAN * WINDOW]
        if len(self._onsets) < ONSET:
            return None
        self._begun, self._last_voiced = self._onsets[0], end
        self._sound = ONSET * WINDOW
        self._doubting = self._guarded and not self._lasts()
        return Doubted(self._begun) if self._doubting else self._start()

    def _lasts(self) -> bool:
        return self._sound >= self._settings.interrupt_after_ms * PER_MS

    def _doubt(self, end: int) -> Started | NoTurn | None:
        if self._voiced:
            self._last_voiced = end
            self._sound += WINDOW
            return None if self._guarded and not self._lasts() else self._start()
        if end - self._last_voiced < PAUSE_MS * PER_MS:
            return None
        self._begin(self._earliest)  # what follows may begin with it
        return NoTurn(end)

    def _start(self) -> Started:
        self._speaking, self._doubting = True, False
        return Started(self.begun)

    def _voice(self, end: int) -> Resumed | None:
        self._last_voiced = end
        self._sound += WINDOW
        if not self._paused:
            return None
        self._paused = False
        return Resumed(end - WINDOW)

    def _silence(self, end: int) -> Paused | Stopped | NoTurn | None:
        silence = end - self._last_voiced
        over = self._over if self._judged >= self._last_voiced else None
        patient = patience(self._settings)
        needed = patient.silence_ms(over)
        nothing = self._nothing(over)
        if nothing:
            needed = min(needed, patient.usual_ms)
        if silence >= needed * PER_MS:
            ended = NoTurn(end) if nothing else Stopped(end, self._last_voiced)
            self._begin(end)
            return ended
        if silence >= PAUSE_MS * PER_MS and not self._paused:
            self._paused = True
            return Paused(end)
        return None

    def _nothing(self, over: float | None) -> bool:
        """What was heard is no turn, if it ends here."""
        if self._sound < CLICK_MS * PER_MS:
            return True
        return over is not None and over < UNLIKELY and self._sound < BRIEF_MS * PER_MS
