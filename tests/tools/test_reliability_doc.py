"""The page on faults is what the tests say, and says all that it has to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.reliability_doc import FAULTS, ROOT, BadMark, page, rows

PAGE = ROOT / "docs" / "reliability.md"


def test_the_page_is_up_to_date() -> None:
    expected = page(rows()) + "\n"
    assert PAGE.read_text() == expected, "python -m tools.reliability_doc > docs/reliability.md"


def test_every_fault_has_its_test_and_no_other_is_told() -> None:
    assert {row.fault for row in rows()} == set(FAULTS)


def test_a_row_is_read_from_its_mark(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        "import pytest\n"
        '@pytest.mark.fault(fault="slow client", provoked="p " "q", seen="s", kept="k")\n'
        "@pytest.mark.timeout(1)\n"
        "async def test_that() -> None: ...\n"
        "def test_other() -> None: ...\n"
    )
    (row,) = rows(tests)
    assert (row.fault, row.provoked, row.test, row.file) == (
        "slow client",
        "p q",
        "test_that",
        "tests/test_it.py",
    )
    assert "[test_that](../tests/test_it.py)" in page([row])


@pytest.mark.parametrize(
    "mark",
    ['fault="f"', 'fault="f", provoked="p", seen="s", kept=""', 'fault=f, provoked="p", seen="s", kept="k"'],
)
def test_a_mark_that_is_not_whole_is_an_error(tmp_path: Path, mark: str) -> None:
    (tmp_path / "test_it.py").write_text(f"@pytest.mark.fault({mark})\ndef test_that() -> None: ...\n")
    with pytest.raises(BadMark, match="test_that"):
        rows(tmp_path)
