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


def thinking(mode: str | None) -> dict[str, Any]:
    """None: as the server does by default."""
    if mode is None:
        return {}
    effort, pace = MODES[mode]
    return {"reasoning": {"effort": effort}} | ({"soundmind": {"pace": pace}} if pace else {})
