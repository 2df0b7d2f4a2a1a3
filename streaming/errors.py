"""What can go wrong in a session, named by what the caller can do. Knows no wire format."""

from __future__ import annotations


class SessionError(Exception):
    """Something a client asked for was refused; the session goes on. `code` is for programs."""

    code = "session_error"


class BadAudio(SessionError):
    code = "invalid_audio"


class EmptyBuffer(SessionError):
    code = "input_audio_buffer_commit_empty"


class ResponseActive(SessionError):
    code = "conversation_already_has_active_response"


class NoActiveResponse(SessionError):
    code = "response_cancel_not_active"


class DuplicateItem(SessionError):
    code = "item_create_duplicate_item_id"


class UnknownItem(SessionError):
    code = "item_not_found"


class AudioGone(SessionError):
    """A spoken turn that was let go to make room, and that nobody has written down."""

    code = "item_audio_gone"


class ItemActive(SessionError):
    """The item is of a reply that is still being made."""

    code = "item_active"


class UnknownCall(SessionError):
    code = "invalid_tool_call_id"


class BadChoice(SessionError):
    code = "invalid_tool_choice"


class BadFunctionCall(SessionError):
    """The model called a tool that was not offered, or what it wrote is no call."""

    code = "invalid_function_call"


class TooLong(SessionError):
    code = "context_length_exceeded"


class Refused(SessionError):
    """The engine does not take this request, and says why."""

    code = "engine_refused"


class Forgotten(SessionError):
    """The engine was told to use audio that it holds, and holds it no longer: send it again."""

    code = "engine_forgot"


class Crowded(SessionError):
    """The conversation was parked, and has waited too long for a place: too many go on at once."""

    code = "session_limit"


class SessionFull(Exception):
    """No room for one more session; try later or elsewhere."""


class EngineUnavailable(Exception):
    """The engine is not running; try later."""

    code = "engine_unavailable"
