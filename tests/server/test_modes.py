"""Every mode of thinking is one that the server takes, and means what it says."""

import pytest

from server.client_events import Session
from server.modes import MODES, thinking
from server.session_object import SessionState
from streaming.events import Pacing, SessionSettings, thinks


def settings(mode: str | None) -> SessionSettings:
    wanted = Session.model_validate({"type": "realtime", **thinking(mode)})
    return SessionState("sess_1", "nano").updated(wanted).settings


@pytest.mark.parametrize("mode", [None, *MODES])
def test_every_mode_is_taken(mode: str | None) -> None:
    assert thinks(settings(mode).effort) == (mode != "off")


def test_the_server_decides_where_nothing_was_asked() -> None:
    assert thinking(None) == {} and settings(None) == SessionSettings(spoken=False)


def test_to_think_while_listening_goes_with_every_mode() -> None:
    wanted = Session.model_validate({"type": "realtime", **thinking("speak-first", while_listening=True)})
    assert SessionState("sess_1", "nano").updated(wanted).settings.while_listening
    assert thinking(None, while_listening=True) == {"soundmind": {"while_listening": True}}


def test_two_of_them_pace_the_reply() -> None:
    assert settings("mind-paced").pacing == settings("think-first").pacing == Pacing()
    assert settings("speak-first").pacing == Pacing(speak_first=True)
    assert settings("on").pacing is None
