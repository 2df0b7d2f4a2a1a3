"""Whether an engine still says anything, as long as it owes somebody an answer.

An engine's process may be alive and do nothing any more: a deadlock, a lost device, a stopped process. Then
no request ends and none fails. It shows in two things together: somebody waits, and its scheduler takes no
step.
Time is an argument, in seconds of any clock. Knows no engine; does not know why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_LOOK = 1.0  # seconds that one look counts for: this process may have been stopped itself, in between


class Pulse:
    """Of one scheduler. It counts as hung once it has owed something in silence for longer than `most`."""

    def __init__(self, most: float) -> None:
        """`most`: seconds."""
        self._most = most
        self._owed = 0
        self._steps = 0
        self._looked = 0.0
        self._silent = 0.0

    @contextmanager
    def owing(self) -> Iterator[None]:
        """Somebody waits for it in this block."""
        self._owed += 1
        try:
            yield
        finally:
            self._owed -= 1

    def hung(self, steps: int, now: float) -> bool:
        """To be asked often. `steps`: how many it has told of."""
        if not self._owed or steps != self._steps:
            self._silent = 0.0
        else:
            self._silent += min(now - self._looked, LONGEST_LOOK)
        self._steps, self._looked = steps, now
        return self._silent > self._most
