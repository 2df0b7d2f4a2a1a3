"""streaming.pulse: when an engine counts as hung."""

from __future__ import annotations

from collections.abc import Iterable

from streaming.pulse import Pulse

MOST = 10.0


def looks(pulse: Pulse, seconds: Iterable[float], steps: int = 0) -> bool:
    """What the last one of them says."""
    return [pulse.hung(steps, now) for now in seconds][-1]


def every(start: float, end: float, pause: float = 0.25) -> list[float]:
    return [start + n * pause for n in range(int((end - start) / pause) + 1)]


def test_silence_while_something_is_owed() -> None:
    pulse = Pulse(MOST)
    assert not looks(pulse, every(0, 100))  # nobody waits
    with pulse.owing():
        assert not looks(pulse, every(100, 110))
        assert looks(pulse, every(110, 110.5))
        assert not looks(pulse, [110.75], steps=1)  # it was but slow
        assert not looks(pulse, every(111, 120), steps=1)
        assert looks(pulse, every(120, 121), steps=1)
    assert not looks(pulse, every(121, 200), steps=1)


def test_whoever_waits_after_another_waits_anew() -> None:
    pulse = Pulse(MOST)
    with pulse.owing():
        looks(pulse, every(0, 9))
    looks(pulse, [9.25])
    with pulse.owing(), pulse.owing():
        assert not looks(pulse, every(9.5, 19))
    with pulse.owing():
        assert not looks(pulse, [19.25])
        assert looks(pulse, every(19.5, 20.5))


def test_time_that_nobody_looked_on_does_not_count() -> None:
    """A server that was stopped itself, or whose event loop was blocked, has heard nothing meanwhile."""
    pulse = Pulse(MOST)
    with pulse.owing():
        looks(pulse, every(0, 5))
        assert not looks(pulse, [1000.0])
        assert not looks(pulse, every(1000, 1004))
        assert looks(pulse, every(1004, 1005))
