"""Whatever the detector says: turns begin, pause and end in order, and every one of them ends."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from streaming.endpointing import (
    PER_MS,
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
from streaming.events import Detection, SemanticVad, ServerVad

SETTINGS: st.SearchStrategy[Detection] = st.one_of(
    st.builds(
        ServerVad,
        threshold=st.sampled_from((0.0, 0.1, 0.5, 1.0)),
        prefix_padding_ms=st.integers(0, 1000),
        silence_duration_ms=st.integers(0, 1500),
        interrupt_after_ms=st.integers(0, 1000),
    ),
    st.builds(SemanticVad, eagerness=st.sampled_from(("low", "medium", "high", "auto"))),
)
QUIET, DOUBT, SPEECH, PAUSE = "quiet", "doubt", "speech", "pause"
NEXT: dict[str, dict[type[Event], str]] = {  # what may come where
    QUIET: {Doubted: DOUBT, Started: SPEECH},
    DOUBT: {Started: SPEECH, NoTurn: QUIET},
    SPEECH: {Paused: PAUSE, Stopped: QUIET, NoTurn: QUIET},
    PAUSE: {Resumed: SPEECH, Stopped: QUIET, NoTurn: QUIET},
}
LONGEST = 8000 * PER_MS // WINDOW + 20  # windows of silence that end any turn


class Listening(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.settings: Detection = ServerVad()
        self.endpointer = Endpointer(self.settings)
        self.clock = 0
        self.phase = QUIET
        self.free = 0  # the end of the last turn: none begins before

    def window(self, probability: float) -> None:
        self.clock += WINDOW
        event = self.endpointer.push(probability, self.clock)
        if event is None:
            return
        self.phase = NEXT[self.phase][type(event)]
        assert event.at <= self.clock
        match event:
            case Started(at):
                assert at >= self.free
            case Stopped(at, last_voiced):
                assert at == self.clock and self.free <= last_voiced <= at
                self.free = at
            case NoTurn(at):
                assert at == self.clock

    @rule(probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=30))
    def hear(self, probabilities: list[float]) -> None:
        for probability in probabilities:
            self.window(probability)

    @rule(voiced=st.booleans(), windows=st.integers(1, 40))
    def stretch(self, voiced: bool, windows: int) -> None:
        for _ in range(windows):
            self.window(float(voiced))

    @rule(on=st.booleans())
    def guard(self, on: bool) -> None:
        self.endpointer.guard(on)

    @rule(late=st.integers(0, 20_000), over=st.floats(0, 1))
    def judge(self, late: int, over: float) -> None:
        self.endpointer.judge(self.clock - late, over)

    @rule(settings=SETTINGS)
    def configure(self, settings: Detection) -> None:
        self.settings = settings
        self.endpointer.configure(settings)

    @rule()
    def reset(self) -> None:
        self.endpointer.reset(self.clock)
        self.phase, self.free = QUIET, self.clock

    def teardown(self) -> None:
        self.endpointer.configure(ServerVad())
        for _ in range(LONGEST):
            self.window(0.0)
        assert self.phase == QUIET


TestListening = Listening.TestCase
