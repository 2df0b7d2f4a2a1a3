"""Stock vLLM in a process of its own: its imports warn, and it binds threads to cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# One thread, on whichever core is free: by itself every engine would take the same one.
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}


def run(module: str, *files: Path) -> None:
    """Run `python -m module files…` to its end; what it printed is shown if it fails."""
    ran = subprocess.run(
        [sys.executable, "-m", module, *map(str, files)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
