"""The body of `POST /v1/realtime/calls`: the raw SDP offer, or a form with it and how the session is set.

Knows no peer connection and no keys.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from server import client_events as ce
from server import protocol as p


@dataclass(frozen=True)
class Offer:
    sdp: str
    session: ce.Session | None = None


async def read(headers: Headers, body: bytes) -> Offer:
    """`application/sdp`, or `multipart/form-data` with `sdp` and `session` (JSON). Raises ProtocolError."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/sdp":
            return Offer(body.decode())
        if kind == "multipart/form-data":
            fields = await _fields(headers, body)
            return Offer(_sdp(fields), _session(fields))
    except UnicodeDecodeError as error:
        raise p.ProtocolError("invalid_offer", "expected text in UTF-8", "sdp") from error
    raise p.ProtocolError(
        "invalid_content_type", f"expected application/sdp or multipart/form-data, got {kind[:64]!r}"
    )


async def _fields(headers: Headers, body: bytes) -> dict[str, str]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        async with aclosing(stream()) as parts:
            form = await MultiPartParser(headers, parts, max_files=2, max_fields=2).parse()
    except MultiPartException as error:
        raise p.ProtocolError("invalid_form", f"expected a form: {error.message}") from error
    try:
        return {
            name: (await value.read()).decode() if isinstance(value, UploadFile) else value
            for name, value in form.multi_items()
        }
    finally:
        await form.close()


def _sdp(fields: dict[str, str]) -> str:
    try:
        return fields["sdp"]
    except KeyError:
        why = "sdp: expected an SDP offer in the form"
        raise p.ProtocolError("missing_required_parameter", why, "sdp") from None


def _session(fields: dict[str, str]) -> ce.Session | None:
    if (text := fields.get("session")) is None:
        return None
    try:
        return ce.Session.model_validate({"type": "realtime", **p.json_object(text)})
    except ValidationError as error:
        raise p.refusal(error) from error
