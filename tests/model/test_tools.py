"""Tools and calls in the model's words, and what is no call."""

from __future__ import annotations

import pytest

from model.tools import BadCall, Tool, call, call_head, read_call, schemas


def test_schemas_are_one_json_array() -> None:
    weather = Tool("weather", "Wie ist das Wetter in Köln?", {"type": "object"})
    assert schemas([weather, Tool("time")]) == (
        '[{"type": "function", "function": {"name": "weather", '
        '"description": "Wie ist das Wetter in Köln?", "parameters": {"type": "object"}}}, '
        '{"type": "function", "function": {"name": "time"}}]'
    )
    assert schemas([]) == ""


def test_a_call_and_how_it_begins() -> None:
    assert call("f", '{"a": 1}') == '<tool_call>function\nf\n{"a": 1}</tool_call>'
    assert call_head() == "<tool_call>function\n"
    assert call("f", "{}").startswith(call_head("f"))


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ('function\nf\n{"a": 1}', ("f", '{"a": 1}')),
        ('\nfunction\nf\n{"a":\n1}\n', ("f", '{"a":\n1}')),
        ("function\nf", ("f", "{}")),
    ],
)
def test_calls_are_read(body: str, read: tuple[str, str]) -> None:
    assert read_call(body) == read


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "no head"),
        ("f\n{}", "no head"),
        ("function\n\n{}", "no head"),
        ('function\nf\n{"a": 1', "'f' with arguments that are no JSON"),
        ("function\nf\n[1]", "no JSON object"),
        ("function\nf\n" + "[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_call(body: str, told: str) -> None:
    with pytest.raises(BadCall, match=told):
        read_call(body)
