"""docs/reliability.md, from the tests that provoke each fault.

    python -m tools.reliability_doc > docs/reliability.md

A test says with `@pytest.mark.fault(fault=…, provoked=…, seen=…, kept=…)` what it provokes, what the user
sees of it and what is kept; each such mark is a row, so that no row is without its test. FAULTS are the rows
there must be, in their order. The tests are read, not imported. Knows nothing of what they test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
FIELDS = ("fault", "provoked", "seen", "kept")

FAULTS = (
    "engine killed between turns",
    "engine killed while the user speaks",
    "engine killed in mid-thought",
    "engine killed in mid-reply",
    "engine killed while the reply is spoken",
    "engine killed while it thinks ahead",
    "engine killed while it transcribes",
    "engine killed with a tool's call out",
    "engine killed twice in a row",
    "engine restart that fails",
    "engine that stays away",
    "engine that hangs",
    "engine forgets the audio",
    "engine refuses a request",
    "KV cache runs short",
    "server full",
    "more speak than there are places",
    "no engine when a client comes",
    "context limit near",
    "context limit near, truncation disabled",
    "turn longer than the context",
    "connection dropped in mid-reply",
    "connection dropped in mid-turn",
    "dropped, and nobody comes back",
    "call that never connects",
    "network gone in mid-call",
    "packets lost or reordered",
    "client vanishes in mid-turn",
    "client vanishes in mid-reply",
    "server gone in mid-reply",
    "server killed in mid-reply",
    "server killed in mid-sentence",
    "slow client",
    "bad input",
    "muted microphone",
    "tool whose result never comes",
    "tool whose result comes late",
    "model calls a tool that is not there",
    "voice process dies",
    "transcription fails",
)

INTRO = """\
# What goes wrong, and what is left then

Each row is written down at the test that provokes the fault (`python -m tools.reliability_doc` makes this
page, a test holds it to them). What is kept the conversation knows afterwards, and the next reply shows it.
How often a killed engine loses a conversation, and how long a reply takes then, is measured by
[benchmarks/engine_kill.py](../benchmarks/README.md).
"""


class BadMark(ValueError):
    """A mark lacks a field, or has one that is not plain text."""


@dataclass(frozen=True)
class Row:
    fault: str
    provoked: str
    seen: str
    kept: str
    test: str  # its name
    file: str  # relative to the repository

    def line(self) -> str:
        test = f"[{self.test}](../{self.file})"
        return f"| {self.fault} | {self.provoked} | {self.seen} | {self.kept} | {test} |"


def rows(folder: Path = TESTS) -> list[Row]:
    """In the order of FAULTS. Raises BadMark."""
    found = [row for file in sorted(folder.rglob("test_*.py")) for row in _rows(file, folder.parent)]
    place = {fault: at for at, fault in enumerate(FAULTS)}
    return sorted(found, key=lambda row: place.get(row.fault, len(place)))


def _rows(file: Path, root: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
                    yield Row(
                        **_fields(decorator, node.name), test=node.name, file=str(file.relative_to(root))
                    )


def _fields(mark: ast.Call, test: str) -> dict[str, str]:
    try:
        fields = {str(word.arg): ast.literal_eval(word.value) for word in mark.keywords}
    except ValueError as error:
        raise BadMark(f"{test}: expected plain text in its mark") from error
    if mark.args or tuple(sorted(fields)) != tuple(sorted(FIELDS)):
        raise BadMark(f"{test}: expected {', '.join(FIELDS)}, got {', '.join(fields)}")
    if not all(isinstance(text, str) and text and "|" not in text for text in fields.values()):
        raise BadMark(f"{test}: expected text without | in each field of its mark")
    return fields


def page(found: list[Row]) -> str:
    head = (
        "| fault | how it is provoked | what the user sees | what is kept | test |\n|---|---|---|---|---|\n"
    )
    return INTRO + "\n" + head + "\n".join(row.line() for row in found)


if __name__ == "__main__":
    print(page(rows()))
