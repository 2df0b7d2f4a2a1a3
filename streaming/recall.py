"""A conversation as a context: how the engine is told again what it has forgotten, or never knew.

Spoken turns are encoded whole, as offline inference does it. Knows no engine and no tasks.
"""

from __future__ import annotations

from model.prompt import Prompt
from streaming import ear
from streaming.context import Context
from streaming.conversation import Conversation
from streaming.events import Item


def typed(item: Item, prompt: Prompt) -> Context:
    """A turn that is text; an assistant's is closed, and without its reasoning."""
    text = item.text or ""
    match item.role:
        case "assistant":
            return Context.of(prompt.reply(text))
        case "user":
            return Context.of(prompt.human_text(text))
        case "system":
            return Context.of(prompt.system(text))


def recall(conversation: Conversation, instructions: str, prompt: Prompt, n_mels: int) -> Context:
    """The turns that are kept, behind the instructions. Notes what each takes up."""
    context = Context.of(prompt.system(instructions))
    for entry in conversation.kept():
        if entry.samples is None:
            turn = typed(entry.item, prompt)
        else:
            audio = ear.whole(f"{entry.item.id}:whole", entry.samples, prompt, n_mels)
            turn = Context.of(prompt.human_open()) + audio + Context.of(prompt.human_close())
        entry.tokens = len(turn)
        context += turn
    return context
