"""A child's standard error: kept at first, passed on afterwards, and the line that matters found."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from streaming.quiet import HeldBack

PROGRAM = """
import subprocess, sys, time
from streaming.quiet import hold_back

try:
    with hold_back() as held:
        child = subprocess.Popen(["sh", "-c", "echo early >&2; sleep 1; echo late >&2"])
        print("progress", file=sys.stderr, flush=True)
        while not held.lines:
            time.sleep(0.01)
        {ending}
finally:
    child.wait()
    time.sleep(0.2)
print("after", file=sys.stderr)
"""


def errors(ending: str) -> list[str]:
    program = textwrap.dedent(PROGRAM).replace("{ending}", ending)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def test_early_lines_are_kept_and_late_ones_passed_through() -> None:
    assert errors("pass") == ["progress", "late", "after"]


def test_after_a_failure_nothing_is_passed_through() -> None:
    said = errors("raise SystemExit('one line')")
    assert said == ["progress", "one line"]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["(EngineCore pid=1) ERROR 11-24 23:27:09 [core.py:15] ValueError: no  room", "x"], "no room"),
        (["Traceback", "torch.OutOfMemoryError: too much", "RuntimeError: later"], "too much"),
        (["nothing of interest"], None),
    ],
)
def test_the_first_error_is_the_cause(lines: list[str], cause: str | None) -> None:
    held = HeldBack(passing=False)
    held.lines.extend(lines)
    assert held.root_cause() == cause
