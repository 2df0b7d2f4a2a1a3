"""A conversation as fields of a record, and back: what a server writes down for its successor.

The head is what changes with every event, and small; a turn, its audio, and the audio of the turn that is
being spoken are fields of their own, written once. JSON and raw samples, read with their types checked, so
that what somebody else has put there is refused. Knows no store and no session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from server.session_object import SessionState
from server.telling import Narrated
from streaming.events import Item, ResponseRequest
from streaming.snapshot import Dictation, Hearing, Made, Making, Snapshot, Turn
from streaming.turn import State

HEAD, SAVED_AT = "head", "saved_at"


class BadRecord(Exception):
    """What was kept is not what this version of the server writes."""


class Head(BaseModel):
    """`turns`: by their first items, in order; `heard`: names of fields."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", extra="forbid")

    account: str
    session: SessionState
    narrated: Narrated
    clock: int
    state: str
    turns: list[str]
    hearing: tuple[str, int] | None
    heard: list[str]
    making: Making | None
    asides: tuple[Making, ...]
    request: ResponseRequest
    made: tuple[Made, ...]
    dictations: tuple[Dictation, ...]


class Written(BaseModel):
    """A turn, but for its audio."""

    items: tuple[Item, ...]
    kept: bool
    open: bool
    key: str
    spoken: bool


TURN = TypeAdapter(Written)


@dataclass(frozen=True)
class Kept:
    """All that a successor begins with. `saved_at`: seconds since 1970."""

    account: str
    session: SessionState
    narrated: Narrated
    snapshot: Snapshot
    saved_at: float


def turn_field(item_id: str) -> str:
    return f"turn:{item_id}"


def audio_field(item_id: str) -> str:
    return f"audio:{item_id}"


def heard_field(turn_id: str, block: int) -> str:
    """Of the audio of the turn that is being spoken, from one block on."""
    return f"heard:{turn_id}:{block}"


def head(kept: Kept, heard: list[str]) -> bytes:
    snapshot, hearing = kept.snapshot, kept.snapshot.hearing
    return (
        Head(
            account=kept.account,
            session=kept.session,
            narrated=kept.narrated,
            clock=snapshot.clock,
            state=snapshot.state.name,
            turns=[turn.items[0].id for turn in snapshot.turns],
            hearing=None if hearing is None else (hearing.turn_id, hearing.start),
            heard=heard,
            making=snapshot.making,
            asides=snapshot.asides,
            request=snapshot.request,
            made=snapshot.made,
            dictations=snapshot.dictations,
        )
        .model_dump_json()
        .encode()
    )


def written(turn: Turn) -> bytes:
    spoken = turn.samples is not None
    fields = Written(items=turn.items, kept=turn.kept, open=turn.open, key=turn.key, spoken=spoken)
    return TURN.dump_json(fields)


def pcm(samples: NDArray[np.int16]) -> bytes:
    return samples.astype("<i2").tobytes()


def heard_pcm(blocks: tuple[NDArray[np.float32], ...]) -> bytes:
    whole = np.concatenate([np.empty(0, np.float32), *blocks])
    return pcm(np.clip(np.rint(whole * 32768.0), -32768, 32767).astype(np.int16))


def read(fields: Mapping[str, bytes]) -> Kept:
    """Raises BadRecord."""
    try:
        told, saved_at = Head.model_validate_json(fields[HEAD]), float(fields[SAVED_AT])
        snapshot = Snapshot(
            told.clock,
            State[told.state],
            tuple(_turns(told, fields)),
            _hearing(told, fields),
            told.making,
            told.asides,
            told.request,
            told.made,
            told.dictations,
        )
    except (KeyError, ValidationError, ValueError) as error:
        raise BadRecord(f"the conversation that was kept cannot be read ({type(error).__name__})") from error
    return Kept(told.account, told.session, told.narrated, snapshot, saved_at)


def _turns(told: Head, fields: Mapping[str, bytes]) -> Iterator[Turn]:
    for item_id in told.turns:
        turn = TURN.validate_json(fields[turn_field(item_id)])
        samples = _samples(fields[audio_field(item_id)]) if turn.spoken else None
        yield Turn(turn.items, turn.kept, turn.open, turn.key, samples)


def _hearing(told: Head, fields: Mapping[str, bytes]) -> Hearing | None:
    if told.hearing is None:
        return None
    heard = tuple(_samples(fields[name]).astype(np.float32) / np.float32(32768.0) for name in told.heard)
    return Hearing(*told.hearing, heard)


def _samples(data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(data, "<i2").astype(np.int16)
