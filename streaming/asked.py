"""What one reply is asked to be: the session's settings, and over them what its request has of its own.

Knows no engine, no conversation and no wire.
"""

from __future__ import annotations

from dataclasses import replace

from model.tools import call_head
from streaming.errors import BadChoice
from streaming.events import Named, ResponseRequest, SessionSettings, thinks
from streaming.speaker import Manner

MERGED = (  # what a reply may have otherwise than its session; None: as the session
    "instructions",
    "tools",
    "tool_choice",
    "max_reasoning_tokens",
    "max_output_tokens",
    "spoken",
    "voice",
    "speed",
    "speaks",
)


def merged(settings: SessionSettings, request: ResponseRequest) -> SessionSettings:
    """The settings of one reply.

    Its effort may switch thinking off or on, and no more: how much to think is told at the head of the
    conversation, which is the session's.
    """
    asked = {name: getattr(request, name) for name in MERGED}
    return replace(settings, **{name: value for name, value in asked.items() if value is not None})


def check(settings: SessionSettings) -> None:
    """Raises BadChoice where a tool must be called that is not there."""
    names = [tool.name for tool in settings.tools]
    match settings.tool_choice:
        case Named(name) if name not in names:
            raise BadChoice(f"tool_choice: expected one of {', '.join(names) or 'no tools'}, got {name!r}")
        case "required" if not names:
            raise BadChoice("tool_choice: expected tools to choose from, there are none")


def manner(settings: SessionSettings, request: ResponseRequest, most: int) -> Manner:
    """How to make the reply; `most` tokens are there for it. A call that must come is begun for the model."""
    begun = ""
    if settings.tool_choice == "required":
        begun = call_head()
    elif isinstance(settings.tool_choice, Named):
        begun = call_head(settings.tool_choice.name)
    thinking = thinks(request.effort or settings.effort)
    return Manner(
        thinking,
        min(settings.max_output_tokens or most, most),
        settings.max_reasoning_tokens,
        begun,
        settings.pacing if thinking and not begun else None,  # a call is made from all of the thoughts
    )
