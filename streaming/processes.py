"""vLLM's processes, among all that this one has started: finding and ending them; and what they leave here.

Reaps none: that is their parents' affair. Knows no engine.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

import psutil

END_SECONDS = 1.0  # for a process to end by itself


def running() -> list[psutil.Process]:
    """vLLM's, among all that this process has started: they name themselves."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name().startswith("VLLM::"):
                found.append(child)
    return found


def others(known: Collection[psutil.Process]) -> list[psutil.Process]:
    return [process for process in running() if process not in known]


def end(processes: Sequence[psutil.Process], seconds: float = END_SECONDS) -> None:
    """Blocks for so long while they end by themselves; kills those that do not."""
    last = time.monotonic() + seconds
    while (left := [process for process in processes if _lives(process)]) and time.monotonic() < last:
        time.sleep(0.02)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def give_back() -> None:
    """To the system, the memory that this process has freed and its C library keeps (malloc_trim(3): glibc's
    alone, elsewhere this does nothing). Takes some milliseconds, in which other threads' allocations wait."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
