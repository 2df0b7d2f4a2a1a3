from __future__ import annotations

import httpx
import pytest
from starlette.datastructures import Headers

from server.offer import Offer, read
from server.protocol import ProtocolError

SDP = "v=0\r\n"


async def form(**fields: str | tuple[str, str]) -> Offer:
    files = {
        name: (None, value) if isinstance(value, str) else (value[0], value[1], "application/sdp")
        for name, value in fields.items()
    }
    request = httpx.Request("POST", "http://localhost", files=files)
    return await read(Headers(request.headers), request.read())


async def test_the_raw_offer() -> None:
    assert await read(Headers({"content-type": "application/sdp; charset=utf-8"}), SDP.encode()) == Offer(SDP)


async def test_a_form() -> None:
    offer = await form(sdp=SDP, session='{"type": "realtime", "instructions": "Be brief."}')
    assert offer.sdp == SDP
    assert offer.session is not None and offer.session.instructions == "Be brief."
    assert await form(sdp=("offer.sdp", SDP)) == Offer(SDP)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"session": "{}"}, "missing_required_parameter", "sdp"),
        ({"sdp": SDP, "session": "{"}, "invalid_json", None),
        ({"sdp": SDP, "session": "[]"}, "invalid_json", None),
        ({"sdp": SDP, "session": '{"voices": 1}'}, "unknown_parameter", "voices"),
        ({"sdp": SDP, "session": '{"type": "transcription"}'}, "unsupported", "type"),
        ({"sdp": SDP, "session": "{}", "more": "x"}, "invalid_form", None),
    ],
)
async def test_a_form_that_is_wrong(fields: dict[str, str], code: str, param: str | None) -> None:
    with pytest.raises(ProtocolError) as caught:
        await form(**fields)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("application/json", b"{}", "invalid_content_type"),
        ("", b"", "invalid_content_type"),
        ("application/sdp", b"\xff", "invalid_offer"),
        ("multipart/form-data", b"--", "invalid_form"),
        ("multipart/form-data; boundary=x", b"nonsense", "invalid_form"),
    ],
)
async def test_a_body_that_is_neither(kind: str, body: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        await read(Headers({"content-type": kind}), body)
    assert caught.value.code == code
