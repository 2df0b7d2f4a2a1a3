"""The page on what is there yet is what the code says."""

from __future__ import annotations

from pathlib import Path

from server.events_doc import page

PAGE = Path(__file__).parents[2] / "docs" / "realtime-events.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page() + "\n", "python -m server.events_doc > docs/realtime-events.md"
