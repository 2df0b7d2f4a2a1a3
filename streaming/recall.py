"""A conversation as a context: how the engine is told again what it has forgotten, or never knew.

Spoken turns are encoded whole, as offline inference does it. Knows no engine and no tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model import tools
from model.prompt import EFFORTS, Prompt
from streaming import ear
from streaming.context import Context
from streaming.conversation import Conversation, Entry
from streaming.errors import AudioGone
from streaming.events import FunctionCall, FunctionOutput, Given, Item, Message, Reference, SessionSettings


def opening(settings: SessionSettings, prompt: Prompt) -> Context:
    """What stands before the conversation: instructions, how much to think, the tools offered."""
    system = prompt.system(settings.instructions, EFFORTS.get(settings.effort, ""))
    return Context.of(system + prompt.tools(tools.schemas(settings.offered)))


def typed(entry: Entry, prompt: Prompt) -> Context:
    """A turn that is text; a reply is closed, and without its reasoning. Nothing for a turn of no items."""
    said = ""
    for item in entry.items:
        match item:
            case FunctionOutput(_, _, name, output):
                return Context.of(prompt.function_output(name, output))
            case Message(role="user"):
                return Context.of(prompt.human_text(item.text or ""))
            case Message(role="system"):
                return Context.of(prompt.system(item.text or ""))
            case Message():
                said += item.text or ""
            case FunctionCall(_, _, name, arguments):
                said += tools.call(name, arguments)
    return Context.of(prompt.reply(said)) if entry.items else Context()


def spoken(entry: Entry, prompt: Prompt, n_mels: int) -> Context:
    """A spoken turn, whole. Its samples must be there."""
    assert entry.samples is not None
    audio = ear.whole(f"{entry.key or entry.items[0].id}:whole", entry.samples, prompt, n_mels)
    return Context.of(prompt.human_open()) + audio + Context.of(prompt.human_close())


def recorded(item: Item, samples: NDArray[np.int16] | None) -> Entry:
    """A turn that a client has written down, or recorded.

    The engine keeps audio by its name, for all sessions, and a client chose the id: so what is recorded is
    named by what it is.
    """
    if samples is None:
        return Entry([item])
    return Entry([item], samples, key="sha256_" + hashlib.sha256(samples.tobytes()).hexdigest())


def gathered(
    wanted: Iterable[Reference | Given],
    conversation: Conversation,
    hear: Callable[[bytes], NDArray[np.int16]],
) -> list[Entry]:
    """The turns that a reply of its own input is to see. `hear` makes samples of a client's audio.

    Raises UnknownItem, UnknownCall, AudioGone and what `hear` raises.
    """
    turns: list[Entry] = []
    calls: dict[str, str] = {}
    for part in wanted:
        if isinstance(part, Reference):
            turn, item = conversation.find(part.item_id)
            entry = Entry([item], turn.samples, key=turn.key)
        else:
            item = part.item
            if isinstance(item, FunctionOutput):
                item = replace(item, name=calls.get(item.call_id) or conversation.name_of(item.call_id))
            entry = recorded(item, None if part.audio is None else hear(part.audio))
        if isinstance(item, Message) and item.spoken and item.text is None and entry.samples is None:
            raise AudioGone(f"the audio of {item.id!r} was let go to make room, and it has no transcript")
        if isinstance(item, FunctionCall):
            calls[item.call_id] = item.name
        if turns and _of_a_reply(turns[-1].items[0]) and _of_a_reply(item):
            turns[-1].items.append(item)
        else:
            turns.append(entry)
    return turns


def _of_a_reply(item: Item) -> bool:
    return isinstance(item, FunctionCall) or isinstance(item, Message) and item.role == "assistant"


def told(entry: Entry, prompt: Prompt, n_mels: int) -> Context:
    return typed(entry, prompt) if entry.samples is None else spoken(entry, prompt, n_mels)


def recall(
    conversation: Conversation,
    opening: Context,
    prompt: Prompt,
    n_mels: int,
    before: Sequence[Entry] | None = None,
) -> Context:
    """The turns that are kept, behind the opening, up to a reply in the making. Notes what each takes up.

    `before`: no further than the last of these that is still there.
    """
    context, entries = opening, conversation.settled()
    if before is not None:
        known = {id(entry) for entry in before}
        entries = entries[: max((at + 1 for at, e in enumerate(entries) if id(e) in known), default=0)]
    for entry in entries:
        turn = told(entry, prompt, n_mels)
        entry.tokens = len(turn)
        context += turn
    return context
