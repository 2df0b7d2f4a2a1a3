"""The body of POST /v1/realtime/client_secrets: for how long a secret is good, and for which session.

Knows no keys, no clock and no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from server import client_events as ce
from server import protocol as p
from server.session_object import SessionState
from streaming import asked
from streaming.errors import SessionError


class ExpiresAfter(ce.Shape):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7200)] = 600


class Body(ce.Shape):
    expires_after: ExpiresAfter | None = None
    session: ce.Session | None = None


@dataclass(frozen=True)
class Wanted:
    seconds: int
    session: ce.Session


def read(body: bytes) -> Wanted:
    """Raises ProtocolError."""
    try:
        raw = p.json_object(body.decode() or "{}")
        parsed = Body.model_validate(raw)
    except UnicodeDecodeError as error:
        raise p.ProtocolError("invalid_json", "expected a JSON object in UTF-8") from error
    except ValidationError as error:
        raise p.refusal(error) from error
    session = parsed.session or ce.Session(type="realtime")
    try:
        asked.check(SessionState("", "").updated(session).settings)
    except SessionError as error:
        raise p.ProtocolError(error.code, str(error), "session.tool_choice") from error
    return Wanted((parsed.expires_after or ExpiresAfter()).seconds, session)
