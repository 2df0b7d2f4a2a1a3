"""Function tools in Step-Audio 2's words: the tools offered, a call, and what may count as one.

    <tool_call>function\n{name}\n{json arguments}</tool_call>

A call stands inside the assistant's turn. Its arguments are kept as the model wrote them. Knows no tokens,
no sessions and no tool: whether a call makes sense to the tool is for whoever runs it to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CALL, END_CALL = "<tool_call>", "</tool_call>"
KIND = "function"  # the one kind of call there is


@dataclass(frozen=True)
class Tool:
    """`parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        fields = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {name: value for name, value in fields.items() if value is not None}


class BadCall(ValueError):
    """What the model wrote is no call; one line that says why."""


def schemas(tools: Iterable[Tool]) -> str:
    """What the model is told of the tools: a JSON array; nothing for none."""
    offered = [{"type": KIND, "function": tool.schema()} for tool in tools]
    return json.dumps(offered, ensure_ascii=False) if offered else ""


def call(name: str, arguments: str) -> str:
    return f"{CALL}{call_body(name, arguments)}{END_CALL}"


def call_body(name: str, arguments: str) -> str:
    """What stands between the tags."""
    return f"{KIND}\n{name}\n{arguments}"


def call_head(name: str | None = None) -> str:
    """How a call begins, of any tool or of a certain one."""
    return f"{CALL}{KIND}\n" + (f"{name}\n" if name else "")


def read_call(body: str) -> tuple[str, str]:
    """Name and arguments of a call, from what stands between its tags. Raises BadCall."""
    kind, _, rest = body.strip().partition("\n")
    name, _, arguments = rest.partition("\n")
    name, arguments = name.strip(), arguments.strip() or "{}"
    if kind.strip() != KIND or not name:
        raise BadCall(f"the model's call has no head: expected {KIND!r} and a name, a line each")
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        raise BadCall(f"the model called {name!r} with arguments that are no JSON") from error
    if not isinstance(parsed, dict):
        raise BadCall(f"the model called {name!r} with arguments that are no JSON object")
    return name, arguments
