"""The client's loudspeaker: what it has still to play of all that it was sent, and what was heard of it.

It plays sound in the order in which that comes: at once, or as soon as what came before is over. So when a
word is heard follows from the clock, until the client says how much it has played, or stops because the user
cuts in. Time is an argument, in seconds of the session's clock. Knows no voice, no turns and no wire.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from streaming.snapshot import Made, Marks
from streaming.voice import RATE

REMEMBERED = 20  # replies of which it is known when each word was spoken


class Track:
    """Which part of a text is spoken when: by its own samples, and by the clock."""

    def __init__(self) -> None:
        self._samples = [0]  # rising
        self._characters = [0]
        self._sent = 0
        self._begins: list[float] = []  # of each stretch without a gap: when it is played
        self._firsts: list[int] = []  # and its first sample

    def marks(self, most: int | None = None) -> Marks:
        """As far as `most` characters, None: all."""
        known = len(self._samples) if most is None else bisect_right(self._characters, most)
        return Marks(tuple(self._samples[:known]), tuple(self._characters[:known]))

    @classmethod
    def restored(cls, marks: Marks) -> Track:
        track = cls()
        track._samples, track._characters = list(marks.samples), list(marks.characters)
        return track

    def mark(self, sample: int, characters: int) -> None:
        """So many characters have been spoken with that sample."""
        self._samples.append(max(sample, self._samples[-1]))
        self._characters.append(characters)

    def plays(self, at: float, samples: int) -> None:
        """The next samples are played from then on."""
        if not self._begins or at > self.ends(at) + 0.5 / RATE:
            self._begins.append(at)
            self._firsts.append(self._sent)
        self._sent += samples

    @property
    def ms(self) -> int:
        """How long it is."""
        return self._samples[-1] * 1000 // RATE

    def heard(self, ms: float) -> int:
        """Characters of the words that have been spoken whole after so many milliseconds."""
        return self._spoken(round(ms * RATE / 1000))

    def played(self, now: float) -> int:
        """The same for all that has been played by now, gaps left out."""
        stretch = bisect_right(self._begins, now)
        if not stretch:
            return 0
        end = self._firsts[stretch] if stretch < len(self._firsts) else self._sent
        since = round((now - self._begins[stretch - 1]) * RATE)
        return self._spoken(min(self._firsts[stretch - 1] + since, end))

    def ends(self, now: float) -> float:
        """When all of it will have been played; now where there is no sound."""
        return self._begins[-1] + (self._sent - self._firsts[-1]) / RATE if self._begins else now

    def _spoken(self, samples: int) -> int:
        return self._characters[bisect_right(self._samples, samples) - 1]


@dataclass
class _Spoken:
    track: Track
    text: str  # what counts as heard


@dataclass(frozen=True)
class Heard:
    """What was heard of a reply; `less` than was noted. `ms` of it were played, as far as it is known."""

    item_id: str
    text: str
    less: bool
    ms: int


class Loudspeaker:
    def __init__(self) -> None:
        self._until = float("-inf")  # when all of it will have been played
        self._replies: dict[str, _Spoken] = {}  # that have been made, by their items

    def ahead(self, now: float) -> float:
        """Seconds that are still to be played."""
        return max(0.0, self._until - now)

    def play(self, track: Track, samples: int, now: float) -> None:
        """More sound is on its way."""
        begins = max(now, self._until)
        self._until = begins + samples / RATE
        track.plays(begins, samples)

    def made(self, item_id: str, track: Track, text: str) -> None:
        """A reply has come to its end, with the text that counts as heard, some of which may be to come."""
        self._replies[item_id] = _Spoken(track, text)
        while len(self._replies) > REMEMBERED:
            del self._replies[next(iter(self._replies))]

    def snapshot(self) -> tuple[Made, ...]:
        return tuple(Made(item_id, r.text, r.track.marks()) for item_id, r in self._replies.items())

    def restore(self, made: Iterable[Made]) -> None:
        """Replies that another one was sent: all of them have been played."""
        for reply in made:
            self.made(reply.item_id, Track.restored(reply.marks), reply.text)

    def forget(self, item_id: str) -> None:
        self._replies.pop(item_id, None)

    def truncated(self, item_id: str, ms: int) -> Heard | None:
        """The client has played so much of a reply. None where it is no such reply, or too long ago."""
        reply = self._replies.get(item_id)
        if reply is None:
            return None
        return self._shortened(item_id, reply, reply.track.heard(ms), min(ms, reply.track.ms))

    def stopped(self, now: float, known: str = "") -> list[Heard]:
        """The client plays no more of it: what that leaves of replies, but for a known one."""
        self._until = min(self._until, now)
        cut = [
            self._shortened(item_id, reply, reply.track.played(now), 0)
            for item_id, reply in self._replies.items()
            if reply.track.ends(now) > now and item_id != known
        ]
        return [heard for heard in cut if heard.less]

    def _shortened(self, item_id: str, reply: _Spoken, characters: int, ms: int) -> Heard:
        text, before = reply.text[:characters], reply.text
        reply.text = text
        return Heard(item_id, text, len(text) < len(before), ms)
