"""The ids of sessions, items, responses and calls, as clients see them. Knows nothing of what they name."""

from __future__ import annotations

import uuid


def new_id(kind: str) -> str:
    """`KIND_` and twenty random hexadecimal digits."""
    return f"{kind}_{uuid.uuid4().hex[:20]}"
