from __future__ import annotations

import json
import pwd
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import clients


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account's own home, with settings for npm, while HOME is another, empty folder."""
    (tmp_path / "account").mkdir()
    (tmp_path / "home").mkdir()
    settings = tmp_path / "account" / ".npmrc"
    settings.write_text("fund=false\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NPM_CONFIG_USERCONFIG", "npm_config_userconfig"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "account")))
    return settings


def test_an_empty_home_does_not_hide_the_accounts_settings(account: Path) -> None:
    assert clients.npm_settings()["NPM_CONFIG_USERCONFIG"] == str(account)


def test_settings_in_the_home_itself_or_named_come_first(
    account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / ".npmrc").touch()
    assert "NPM_CONFIG_USERCONFIG" not in clients.npm_settings()
    (tmp_path / "home" / ".npmrc").unlink()
    monkeypatch.setenv("npm_config_userconfig", "mine")
    assert "NPM_CONFIG_USERCONFIG" not in clients.npm_settings()


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
