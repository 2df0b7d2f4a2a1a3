"""What the engine's processes write to standard error while they start: held back, and read when they fail.

vLLM's processes and the libraries below them write dozens of lines, and on a failure several stack traces
of which one line matters. They inherit this process's standard error as a pipe; until the start has
succeeded its lines are kept, from then on they are passed through. Knows nothing of vLLM's interface.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = 500  # lines
ERROR = re.compile(r"(?:^|\] )(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit)): (.+)$")


class HeldBack:
    """The lines so far, and whether new ones are passed through."""

    def __init__(self, passing: bool) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT)
        self.passing = passing

    def root_cause(self) -> str | None:
        """The message of the first error that any process wrote, in one line."""
        for line in self.lines:
            if found := ERROR.search(line):
                return " ".join(found[2].split())
        return None


@contextmanager
def hold_back(passing: bool = False) -> Iterator[HeldBack]:
    """Hold back what is written to file descriptor 2 while the block runs, by this process and its children.

    Children started within the block write there for good; when the block ends well, their lines are passed
    through from then on (`passing`: from the beginning). This process's own `sys.stderr` is not affected.
    """
    held = HeldBack(passing)
    sys.stderr.flush()
    ours = os.dup(2)
    reading, writing = os.pipe()
    os.set_inheritable(ours, False)
    before, sys.stderr = sys.stderr, open(os.dup(ours), "w", buffering=1)
    os.dup2(writing, 2)
    os.close(writing)
    threading.Thread(target=_read, args=(reading, ours, held), daemon=True).start()
    try:
        yield held
        held.passing = True
    finally:
        os.dup2(ours, 2)
        beside, sys.stderr = sys.stderr, before
        beside.close()


def _read(reading: int, ours: int, held: HeldBack) -> None:
    """Until the last process that writes there has ended."""
    with open(reading, errors="replace") as lines, open(ours, "w") as out:
        for line in lines:
            held.lines.append(line)
            if held.passing:
                out.write(line)
                out.flush()
