from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tools import clients


def test_npm_trusts_what_the_system_trusts_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_USE_SYSTEM_CA", raising=False)
    made = clients.environment()
    assert made["NODE_USE_SYSTEM_CA"] == "1"
    assert made["PATH"].startswith(str(clients.home() / "bin"))
    monkeypatch.setenv("NODE_USE_SYSTEM_CA", "0")
    assert clients.environment()["NODE_USE_SYSTEM_CA"] == "0"


def test_what_npm_says_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.mkdir()
    for name in ("package.json", "package-lock.json"):
        (lock / name).write_text("no JSON")
    assert "npm error code EUSAGE" in clients.install(tmp_path / "to", lock)


def test_the_lock_is_of_the_package_and_says_no_place() -> None:
    lock = json.loads((clients.LOCK / "package-lock.json").read_text())
    package = json.loads((clients.LOCK / "package.json").read_text())
    root = lock["packages"].pop("")
    assert root["dependencies"] == package["dependencies"]
    for name, entry in lock["packages"].items():
        assert entry["integrity"] and "resolved" not in entry, name


def test_node_is_in_the_environment() -> None:
    done = subprocess.run([clients.home() / "bin" / "node", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("v24.")
