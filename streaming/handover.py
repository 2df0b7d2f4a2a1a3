"""What a session gives to its successor on another server, and how that begins with it.

A reply whose end was still being played counts as heard: its client has all of it. One that was held back
for a sound is not held any more, since whatever the sound was, its beginning is gone. Knows no tasks, no
wire and no store.
"""

from __future__ import annotations

from dataclasses import replace

from streaming.memory import Memory
from streaming.microphone import Microphone
from streaming.replies import Replies
from streaming.snapshot import Hearing, Snapshot
from streaming.thinking import Thinker
from streaming.turn import GUARDED, State

RESTED = {State.SOUNDING: State.IDLE, State.DOUBTING: State.REPLYING}


def snapshot(
    state: State,
    memory: Memory,
    microphone: Microphone,
    thinker: Thinker,
    replies: Replies,
    turn: tuple[str, int],
    now: float,
) -> Snapshot:
    """`turn`: the id of the newest turn, and the sample at which it began."""
    making, asides, made = replies.snapshot(now)
    return Snapshot(
        microphone.clock if memory.hearing else microphone.needed,
        state,
        memory.conversation.snapshot(),
        Hearing(*turn, memory.heard) if memory.hearing else None,
        making,
        asides,
        replies.newest,
        made,
        tuple(thinker.dictations.values()),
    )


def state(snapshot: Snapshot) -> State:
    """Whose turn it is for the successor."""
    return RESTED.get(snapshot.state, snapshot.state)


def restore(snapshot: Snapshot, memory: Memory, microphone: Microphone, thinker: Thinker) -> None:
    """What was said, what is being said, and what is being written down of it."""
    hearing = snapshot.hearing
    turns = [replace(turn, open=turn.open and snapshot.making is not None) for turn in snapshot.turns]
    memory.restore(turns, hearing)
    microphone.restore(snapshot.clock, None if hearing is None else hearing.start)
    microphone.guard(state(snapshot) in GUARDED)
    for dictation in snapshot.dictations:
        thinker.write_on(dictation)
