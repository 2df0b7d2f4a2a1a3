"""How to think, by the names of the command line, as a part of the session object. Knows no sockets."""

from __future__ import annotations

from typing import Any

MODES = {  # effort and pace
    "off": ("minimal", None),
    "on": ("medium", None),
    "low": ("low", None),
    "medium": ("medium", None),
    "high": ("high", None),
    "mind-paced": ("medium", "think_first"),
    "think-first": ("medium", "think_first"),
    "speak-first": ("medium", "speak_first"),
}


def thinking(mode: str | None, while_listening: bool = False) -> dict[str, Any]:
    """A mode, None: as the server does by default. `while_listening`: thoughts at pauses are carried on."""
    effort, pace = MODES[mode] if mode else (None, None)
    own: dict[str, Any] = {"pace": pace} if pace else {}
    own |= {"while_listening": True} if while_listening else {}
    return ({"reasoning": {"effort": effort}} if effort else {}) | ({"soundmind": own} if own else {})
