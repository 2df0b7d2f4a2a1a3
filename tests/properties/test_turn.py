"""The turn table under every sequence of events that the shell can tell it."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streaming.turn import Do, Happened, State, step


class Turns(RuleBasedStateMachine):
    """What the shell holds, as the actions change it: no action may come when it cannot be done."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.IDLE
        self.turn = False  # one is being spoken
        self.doubted = False  # the detector has heard a sound that may become one
        self.reply = False
        self.held = False
        self.ahead = False  # something is thought ahead
        self.cut_off = False  # the last reply was, for the turn that is being spoken

    def tell(self, happened: Happened) -> None:
        self.state, actions = step(self.state, happened)
        for action in actions:
            match action:
                case Do.OPEN_TURN:
                    assert not self.turn
                    self.turn = True
                case Do.CLOSE_TURN | Do.DROP_TURN:
                    assert self.turn
                    self.turn = False
                case Do.THINK_AHEAD:
                    assert self.turn and not self.reply
                    self.ahead = True
                case Do.FORGET:
                    self.ahead = False
                case Do.START_REPLY | Do.ANSWER | Do.REPEAT_REPLY:
                    assert not self.reply
                    assert action is not Do.REPEAT_REPLY or self.cut_off
                    self.reply, self.ahead, self.cut_off = True, self.ahead and action is not Do.ANSWER, False
                case Do.ABORT_REPLY:
                    assert self.reply
                    self.reply = self.held = False
                case Do.HOLD_REPLY:
                    assert self.reply and not self.held
                    self.held = True
                case Do.RELEASE_REPLY:
                    assert self.reply and self.held
                    self.held = False

    # --- the detector ---

    @precondition(lambda self: not self.turn)
    @rule()
    def speech(self) -> None:
        self.doubted = False
        self.tell(Happened.SPEECH)

    @precondition(lambda self: not self.turn)
    @rule()
    def interruption(self) -> None:
        self.doubted, self.cut_off = False, self.reply
        self.tell(Happened.INTERRUPTION)

    @precondition(lambda self: self.reply and not self.turn and not self.doubted)
    @rule()
    def sound(self) -> None:
        self.doubted = True
        self.tell(Happened.SOUND)

    @precondition(lambda self: self.turn or self.doubted)
    @rule()
    def no_turn(self) -> None:
        self.doubted = False
        self.tell(Happened.NO_TURN)

    @precondition(lambda self: self.turn)
    @rule()
    def pause(self) -> None:
        self.tell(Happened.PAUSE)

    @precondition(lambda self: self.turn)
    @rule()
    def resumed(self) -> None:
        self.tell(Happened.RESUMED)

    @precondition(lambda self: self.turn)
    @rule()
    def silence(self) -> None:
        self.tell(Happened.SILENCE)

    @precondition(lambda self: self.turn)
    @rule()
    def question(self) -> None:
        self.tell(Happened.QUESTION)

    # --- the client ---

    @precondition(lambda self: self.turn or self.state is State.DOUBTING)
    @rule()
    def discarded(self) -> None:
        self.doubted = False
        self.tell(Happened.DISCARDED)

    @precondition(lambda self: not self.reply)
    @rule()
    def asked(self) -> None:
        self.tell(Happened.REPLY_ASKED)

    @precondition(lambda self: self.reply)
    @rule()
    def cancelled(self) -> None:
        self.tell(Happened.REPLY_CANCELLED)

    # --- the engine ---

    @precondition(lambda self: self.reply)
    @rule()
    def ended(self) -> None:
        self.reply = self.held = False
        self.tell(Happened.REPLY_ENDED)

    @invariant()
    def the_state_says_what_there_is(self) -> None:
        told = {
            State.IDLE: (False, False, False),
            State.HEARING: (True, False, False),
            State.REPLYING: (False, True, False),
            State.OVERLAP: (True, True, False),
            State.DOUBTING: (False, True, True),
            State.CUT_OFF: (True, False, False),
        }
        assert (self.turn, self.reply, self.held) == told[self.state]

    @invariant()
    def what_is_thought_ahead_does_not_outlive_its_turn(self) -> None:
        assert self.turn or not self.ahead

    def teardown(self) -> None:
        """From anywhere, silence and the end of the reply lead home."""
        if self.turn:
            self.tell(Happened.QUESTION)
        elif self.state is State.DOUBTING:
            self.tell(Happened.NO_TURN)
        if self.reply:
            self.ended()
        assert self.state is State.IDLE
        assert not (self.turn or self.reply or self.held or self.ahead)


TestTurns = Turns.TestCase
