"""Turns out of generated probabilities, to the sample."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest

from streaming.endpointing import (
    WINDOW,
    Doubted,
    Endpointer,
    Event,
    NoTurn,
    Paused,
    Resumed,
    Started,
    Stopped,
)
from streaming.events import Detection, Eagerness, SemanticVad, ServerVad

NO_PADDING = ServerVad(prefix_padding_ms=0)
SPEECH, BETWEEN, SILENCE = [0.9], [0.4], [0.05]  # with a threshold of 0.5: above, in the margin, below


def run(endpointer: Endpointer, probabilities: Iterable[float], start: int = 0) -> list[Event]:
    """Push windows from sample `start` on."""
    events = (endpointer.push(p, start + (i + 1) * WINDOW) for i, p in enumerate(probabilities))
    return [event for event in events if event is not None]


def test_a_turn_to_the_sample() -> None:
    events = run(Endpointer(ServerVad()), 20 * SILENCE + 10 * SPEECH + 20 * SILENCE)
    assert events == [
        Started(20 * WINDOW - 300 * 16),
        Paused(35 * WINDOW),  # 160 ms are five windows
        Stopped(46 * WINDOW, last_voiced=30 * WINDOW),  # 500 ms are over within the sixteenth
    ]


def test_speech_is_noticed_within_100_ms_of_its_first_window() -> None:
    for voiced in ([0.9, 0.9], [0.9, 0.2, 0.9], [0.5, 0.49, 0.5]):
        endpointer = Endpointer(NO_PADDING)
        events = [endpointer.push(p, (i + 1) * WINDOW) for i, p in enumerate(voiced)]
        assert events[-1] == Started(0)
        assert len(voiced) * WINDOW <= 100 * 16


def test_a_click_is_no_turn() -> None:
    clicks = 5 * SILENCE + SPEECH
    assert run(Endpointer(ServerVad()), 10 * clicks + 40 * SILENCE) == []


def test_padding_ends_at_the_beginning_of_the_session() -> None:
    assert run(Endpointer(ServerVad()), 3 * SILENCE + 2 * SPEECH) == [Started(0)]
    assert run(Endpointer(ServerVad(), start=1000), 2 * SPEECH, start=1000) == [Started(1000)]


def test_padding_ends_at_the_turn_before() -> None:
    events = run(Endpointer(ServerVad()), 4 * SPEECH + 17 * SILENCE + 4 * SPEECH)
    assert events == [Started(0), Paused(9 * WINDOW), Stopped(20 * WINDOW, 4 * WINDOW), Started(20 * WINDOW)]


def test_the_margin_keeps_speech_speech_and_silence_silence() -> None:
    assert run(Endpointer(NO_PADDING), 100 * BETWEEN) == []
    assert run(Endpointer(NO_PADDING), 2 * SPEECH + 100 * BETWEEN) == [Started(0)]
    events = run(Endpointer(NO_PADDING), 4 * SPEECH + SILENCE + 20 * BETWEEN)
    assert events == [Started(0), Paused(9 * WINDOW), Stopped(20 * WINDOW, 4 * WINDOW)]


def test_flicker_at_the_threshold_is_one_turn() -> None:
    events = run(Endpointer(NO_PADDING), 50 * [0.51, 0.49] + 16 * SILENCE)
    assert events == [Started(0), Paused(105 * WINDOW), Stopped(116 * WINDOW, 100 * WINDOW)]


def test_a_low_threshold_still_ends() -> None:
    events = run(Endpointer(ServerVad(threshold=0.1)), 5 * [0.2] + 16 * [0.005])
    assert isinstance(events[-1], Stopped)


def test_a_pause_is_told_once_and_taken_back() -> None:
    events = run(Endpointer(NO_PADDING), 4 * SPEECH + 10 * SILENCE + 4 * SPEECH + 16 * SILENCE)
    assert events == [
        Started(0),
        Paused(9 * WINDOW),
        Resumed(14 * WINDOW),
        Paused(23 * WINDOW),
        Stopped(34 * WINDOW, 18 * WINDOW),
    ]


def test_a_gap_shorter_than_a_pause_is_silent() -> None:
    assert run(Endpointer(NO_PADDING), 4 * SPEECH + 4 * SILENCE + 4 * SPEECH) == [Started(0)]


def test_an_end_sooner_than_a_pause_has_none() -> None:
    settings = ServerVad(prefix_padding_ms=0, silence_duration_ms=100)
    assert run(Endpointer(settings), 4 * SPEECH + 4 * SILENCE) == [
        Started(0),
        Stopped(8 * WINDOW, 4 * WINDOW),
    ]


def test_settings_change_in_the_middle_of_a_turn() -> None:
    endpointer = Endpointer(ServerVad(silence_duration_ms=2000))
    assert run(endpointer, 4 * SPEECH + 20 * SILENCE) == [Started(0), Paused(9 * WINDOW)]
    endpointer.configure(ServerVad(threshold=0.95))  # 500 ms of silence are over already
    assert endpointer.push(0.05, 25 * WINDOW) == Stopped(25 * WINDOW, 4 * WINDOW)
    assert run(endpointer, 10 * SPEECH, start=25 * WINDOW) == []


def test_reset_forgets_the_turn_and_speech_that_goes_on_begins_the_next() -> None:
    endpointer = Endpointer(ServerVad())
    assert run(endpointer, 10 * SPEECH) == [Started(0)]
    endpointer.reset(10 * WINDOW + 100)
    assert run(endpointer, 2 * SPEECH, start=10 * WINDOW) == [Started(10 * WINDOW + 100)]


def test_reset_forgets_a_click() -> None:
    endpointer = Endpointer(ServerVad())
    run(endpointer, SPEECH)
    endpointer.reset(WINDOW)
    assert run(endpointer, SPEECH + 5 * SILENCE, start=WINDOW) == []


def test_the_clock_does_not_go_back() -> None:
    endpointer = Endpointer(ServerVad())
    endpointer.push(0.0, WINDOW)
    with pytest.raises(ValueError, match="sample clock"):
        endpointer.push(0.0, WINDOW)


def test_a_start_too_short_was_none() -> None:
    assert run(Endpointer(NO_PADDING), 3 * SPEECH + 20 * SILENCE) == [
        Started(0),
        Paused(8 * WINDOW),
        NoTurn(19 * WINDOW),
    ]


def guarded(settings: Detection = NO_PADDING) -> Endpointer:
    endpointer = Endpointer(settings)
    endpointer.guard(True)
    return endpointer


def test_a_short_sound_while_a_reply_goes_on_is_no_turn() -> None:
    for windows in (2, 6, 12):  # 400 ms are over within the thirteenth
        events = run(guarded(), windows * SPEECH + 40 * SILENCE)
        assert events == [Doubted(0), NoTurn((windows + 5) * WINDOW)]


def test_a_sound_that_lasts_is_a_turn_from_its_beginning() -> None:
    events = run(guarded(ServerVad(prefix_padding_ms=32)), 5 * SILENCE + 13 * SPEECH)
    assert events == [Doubted(5 * WINDOW), Started(4 * WINDOW)]
    flickering = 4 * (3 * SPEECH + 2 * SILENCE) + SPEECH
    assert run(guarded(), flickering) == [Doubted(0), Started(0)]
    assert run(guarded(ServerVad(interrupt_after_ms=0)), 2 * SPEECH)[0].__class__ is Started


def test_a_doubt_ends_with_the_reply() -> None:
    endpointer = guarded()
    assert run(endpointer, 3 * SPEECH) == [Doubted(0)]
    endpointer.guard(False)
    assert endpointer.push(0.9, 4 * WINDOW) == Started(0)
    endpointer = guarded()
    run(endpointer, 3 * SPEECH)
    endpointer.guard(False)
    assert run(endpointer, 6 * SILENCE, start=3 * WINDOW) == [NoTurn(8 * WINDOW)]


def silence(eagerness: Eagerness, over: float | None) -> float:
    """Milliseconds of it that end a turn of 640 ms."""
    endpointer = Endpointer(SemanticVad(eagerness=eagerness))
    run(endpointer, 20 * SPEECH + 5 * SILENCE)
    if over is not None:
        endpointer.judge(25 * WINDOW, over)
    (stopped,) = run(endpointer, 400 * SILENCE, start=25 * WINDOW)
    assert isinstance(stopped, Stopped)
    return (stopped.at - stopped.last_voiced) / 16


def test_what_is_over_ends_soon_and_what_is_not_late() -> None:
    waits = [silence("auto", over) for over in (1.0, 0.5, 0.4, 0.2, 0.05, 0.0)]
    assert waits[:2] == [224, 224] and waits == sorted(waits) and 3900 < waits[-1] < 4100
    assert [silence(e, None) for e in ("low", "medium", "auto", "high")] == [1024, 512, 512, 320]
    assert silence("low", 0.4) > silence("medium", 0.4) > silence("high", 0.4) == 224


def test_what_was_judged_before_more_was_said_counts_no_longer() -> None:
    endpointer = Endpointer(SemanticVad())
    run(endpointer, 20 * SPEECH + 5 * SILENCE)
    endpointer.judge(25 * WINDOW, 0.0)
    run(endpointer, 10 * SPEECH, start=25 * WINDOW)
    endpointer.judge(30 * WINDOW, 0.0)  # in the middle of the rest
    assert run(endpointer, 16 * SILENCE, start=35 * WINDOW) == [
        Paused(40 * WINDOW),
        Stopped(51 * WINDOW, 35 * WINDOW),
    ]


def test_the_newest_judgement_counts() -> None:
    endpointer = Endpointer(SemanticVad())
    run(endpointer, 20 * SPEECH + 5 * SILENCE)
    endpointer.judge(25 * WINDOW, 0.0)
    endpointer.judge(40 * WINDOW, 1.0)
    endpointer.judge(30 * WINDOW, 0.0)
    assert run(endpointer, 3 * SILENCE, start=25 * WINDOW)[0].__class__ is Stopped


def test_something_brief_that_says_nothing_is_no_turn() -> None:
    for windows, over, kind in ((10, 0.05, NoTurn), (10, 0.9, Stopped), (10, None, Stopped)):
        endpointer = Endpointer(SemanticVad())
        run(endpointer, windows * SPEECH + 5 * SILENCE)
        if over is not None:
            endpointer.judge((windows + 5) * WINDOW, over)
        (ended,) = run(endpointer, 15 * SILENCE, start=(windows + 5) * WINDOW)
        assert isinstance(ended, kind)


def detection(rng: random.Random) -> Detection:
    common = {"threshold": rng.random(), "prefix_padding_ms": rng.randrange(600)}
    if rng.random() < 0.5:
        return SemanticVad(**common)  # type: ignore[arg-type]
    return ServerVad(**common, silence_duration_ms=rng.randrange(1000))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(50))
def test_whatever_comes_turns_alternate_and_times_never_go_back(seed: int) -> None:
    rng = random.Random(seed)
    endpointer = Endpointer(ServerVad())
    events: list[Event] = []
    end, level = 0, 0.0
    for _ in range(2000):
        end += WINDOW
        if rng.random() < 0.1:
            level = rng.random()
        if rng.random() < 0.01:
            endpointer.configure(detection(rng))
            endpointer.guard(rng.random() < 0.5)
        if rng.random() < 0.05:
            endpointer.judge(end - rng.randrange(10_000), rng.random())
        event = endpointer.push(min(1.0, max(0.0, rng.gauss(level, 0.1))), end)
        if event is not None:
            assert event.at <= end
            events.append(event)
    assert len(events) > 10
    follows = {
        Doubted: (Started, NoTurn),
        Started: (Paused, Stopped, NoTurn),
        Paused: (Resumed, Stopped, NoTurn),
        Resumed: (Paused, Stopped, NoTurn),
        Stopped: (Started, Doubted),
        NoTurn: (Started, Doubted),
    }
    assert isinstance(events[0], Started | Doubted) and events[0].at >= 0
    for event, after in pairwise(events):
        assert isinstance(after, follows[type(event)])
        assert event.at <= after.at or isinstance(event, Doubted | NoTurn)  # the padding, or what was no turn
        if isinstance(after, Stopped):
            assert after.last_voiced < after.at
