"""A request over the session's settings, and what it makes of the reply."""

from __future__ import annotations

import pytest

from model.tools import Tool
from streaming.asked import check, manner, merged
from streaming.errors import BadChoice
from streaming.events import Effort, Named, ResponseRequest, SessionSettings, ToolChoice
from streaming.speaker import Manner

F = Tool("f")


def test_a_request_has_its_way_and_nothing_else_changes() -> None:
    settings = SessionSettings("be brief", tools=(F,), max_output_tokens=100, encoding="refined")
    assert merged(settings, ResponseRequest(effort="minimal", metadata={"a": "b"})) == settings
    request = ResponseRequest("be long", "high", 10, 20, (), "none")
    assert merged(settings, request) == SessionSettings(
        "be long",
        max_reasoning_tokens=10,
        max_output_tokens=20,
        tools=(),
        tool_choice="none",
        encoding="refined",
    )


@pytest.mark.parametrize("choice", ["required", Named("f"), Named("g")])
def test_a_tool_that_must_be_called_has_to_be_there(choice: ToolChoice) -> None:
    with pytest.raises(BadChoice, match="no tools|there are none"):
        check(SessionSettings(tool_choice=choice))


def test_a_tool_that_is_there_may_be_named() -> None:
    check(SessionSettings(tools=(F,), tool_choice=Named("f")))
    with pytest.raises(BadChoice, match="expected one of f, got 'g'"):
        check(SessionSettings(tools=(F,), tool_choice=Named("g")))


@pytest.mark.parametrize(
    ("session", "request_", "thinking"),
    [("medium", None, True), ("medium", "none", False), ("minimal", "low", True), ("minimal", None, False)],
)
def test_effort_switches_thinking(session: Effort, request_: Effort | None, thinking: bool) -> None:
    made = manner(SessionSettings(effort=session), ResponseRequest(effort=request_), 100)
    assert made == Manner(thinking, 100)


def test_a_call_that_must_come_is_begun() -> None:
    settings = SessionSettings(tools=(F,), tool_choice="required", max_output_tokens=500)
    assert manner(settings, ResponseRequest(), 100) == Manner(True, 100, None, "<tool_call>function\n")
    named = merged(settings, ResponseRequest(tool_choice=Named("f"), max_output_tokens=50))
    assert manner(named, ResponseRequest(), 100) == Manner(True, 50, None, "<tool_call>function\nf\n")
