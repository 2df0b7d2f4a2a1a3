"""What holds for the repository as a whole: versions, documents, commands, and where tests stand."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from server.cli import _parser
from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tools import check_versions

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PACKAGES = ("model", "streaming", "server", "tools")

# Modules without a test module of their own, and why.
UNMIRRORED: dict[str, str] = {}

FOREIGN = re.compile(
    r"(?<![\w.~])/(?:work|root|opt)/"
    r"|(?:pypi|npmjs|debian|pythonhosted)\.org"
    r"|index-url|find-links|trusted-host"
)
FOREIGN_ALLOWED = {
    "tools/setup.py": "PyTorch's own index, which alone has its CPU builds",
    "tests/test_ground.py": "says what is looked for",
}


def texts() -> dict[str, str]:
    found = {}
    for path in check_versions.tracked(ROOT):
        try:
            found[path] = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
    return found


def test_every_version_stands_in_one_place() -> None:
    assert check_versions.problems(ROOT) == []


def test_the_changelog_tells_of_this_version() -> None:
    current = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("soundmind") == current, "run `make setup`"
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.M)[0] == current


def test_what_is_installed_is_this_checkout() -> None:
    plugins = entry_points(group="vllm.general_plugins", name="soundmind")
    commands = entry_points(group="console_scripts", name="soundmind")
    assert [plugin.value for plugin in plugins] == ["model.vllm_plugin:register"]
    assert [command.value for command in commands] == ["server.cli:main"]


def test_the_commands_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    asked = {word for line in re.findall(r"(?:^    |`)make ([a-z ]+)", README, re.M) for word in line.split()}
    assert {"run", "test", "check"} <= asked <= targets
    usage = _parser().format_help()
    for command in set(re.findall(r"soundmind ([a-z]+)\b", README)):
        assert re.search(rf"^    {command} ", usage, re.M), command


def test_what_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.skipif(not (ROOT / "server" / "demo.wav").exists(), reason="no recording")
async def test_the_client_in_the_readme_is_answered() -> None:
    found = re.search(r"```python\n(.*?)```", README, re.S)
    assert found
    async with serving(ScriptedEngine()) as url:
        code = found[1].replace("http://127.0.0.1:8000", url.replace("ws", "http", 1))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await client.communicate()
    assert client.returncode == 0
    assert said.decode().endswith("1 plus 1 is 2.")


def test_tests_mirror_the_source() -> None:
    lacking = []
    for package in PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            path = module.relative_to(ROOT)
            if path.name.startswith("__") or str(path) in UNMIRRORED:
                continue
            if not (ROOT / "tests" / path.parent / f"test_{path.name}").exists():
                lacking.append(str(path))
    assert not lacking, "no test module for " + ", ".join(lacking)
    assert [path for path in UNMIRRORED if not (ROOT / path).exists()] == []


def test_no_machine_and_no_registry_is_named() -> None:
    named = {
        path: found[0]
        for path, text in texts().items()
        if path not in FOREIGN_ALLOWED and (found := FOREIGN.search(text))
    }
    assert named == {}
