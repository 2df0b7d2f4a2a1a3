"""What a secret is asked to be."""

from __future__ import annotations

import pytest

from server.client_secrets import read
from server.protocol import ProtocolError


def test_the_defaults() -> None:
    for body in (b"", b"{}", b'{"expires_after": null, "session": null}'):
        wanted = read(body)
        assert wanted.seconds == 600 and wanted.session.type == "realtime"


def test_a_session_and_its_secrets_time() -> None:
    body = b'{"expires_after": {"anchor": "created_at", "seconds": 10}, "session": {"type": "realtime", '
    wanted = read(body + b'"instructions": "be brief"}}')
    assert (wanted.seconds, wanted.session.instructions) == (10, "be brief")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"[]", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        (b'{"expires_after": {"seconds": 9}}', "invalid_value", "expires_after.seconds"),
        (b'{"expires_after": {"seconds": 7201}}', "invalid_value", "expires_after.seconds"),
        (b'{"session": {"type": "transcription"}}', "unsupported", "session.type"),
        (b'{"session": {"type": "realtime", "voice": 1}}', "unknown_parameter", "session.voice"),
        (
            b'{"session": {"type": "realtime", "tool_choice": "required"}}',
            "invalid_tool_choice",
            "session.tool_choice",
        ),
    ],
)
def test_what_cannot_be(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(ProtocolError) as refused:
        read(body)
    assert (refused.value.code, refused.value.param) == (code, param)
