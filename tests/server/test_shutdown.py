"""Signals, on real processes with children: an orderly end, an end at once, and an end by the clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.processes import ROOT, alive

# A process with a child and a grandchild. `orderly` waits to be stopped, `stuck` does not stop, `starting`
# has nothing to stop yet, `draining` needs longer than there is, unless it may drain.
PROGRAM = """
import signal, subprocess, sys, threading, time
from contextlib import nullcontext
from server.shutdown import Shutdown, exit_now

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
shutdown = Shutdown(grace=0.5)
shutdown.install()
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
nested = "import subprocess, sys; subprocess.run(%r)" % sleeper
children = [subprocess.Popen([sys.executable, "-c", nested])]
stopped = threading.Event()
print("ready", flush=True)
if sys.argv[1] == "starting":
    time.sleep(600)
drain = threading.Timer(1.5, stopped.set).start if sys.argv[1] == "draining" else stopped.set
with (
    shutdown.orderly(stopped.set if sys.argv[1] == "orderly" else lambda: print("asked", flush=True)),
    shutdown.draining(drain, 60.0) if sys.argv[1] == "draining" else nullcontext(),
):
    while not stopped.wait(0.05):
        pass
print("stopped", flush=True)
exit_now(0)
"""


def ended(how: str, number: int, times: int = 1) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        own = psutil.Process(process.pid)
        while len(family := own.children(recursive=True)) < 2:
            pass
        for _ in range(times):
            os.kill(process.pid, number)
        output, _ = process.communicate()
    assert not alive(psutil.wait_procs(family, timeout=10)[1])
    return process.returncode, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_orderly_end(number: int) -> None:
    assert ended("orderly", number) == (0, "stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_with_nothing_to_end_in_good_order(number: int) -> None:
    assert ended("starting", number) == (128 + number, "")


def test_to_drain_is_given_more_time_and_to_be_interrupted_is_not() -> None:
    assert ended("draining", signal.SIGTERM) == (0, "stopped\n")
    assert ended("draining", signal.SIGINT) == (128 + signal.SIGINT, "asked\n")


def test_time_is_up() -> None:
    assert ended("stuck", signal.SIGTERM) == (128 + signal.SIGTERM, "asked\n")


def test_the_second_signal_ends_at_once() -> None:
    code, output = ended("stuck", signal.SIGINT, times=2)
    assert code == 128 + signal.SIGINT
