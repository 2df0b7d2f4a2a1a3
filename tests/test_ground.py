"""What holds for the repository as a whole: versions, documents, commands, and where tests stand."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from server.cli import _parser
from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tests.voices import ScriptedVoice
from tools import check_versions

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PACKAGES = ("model", "streaming", "server", "tools")

# Modules without a test module of their own, and why.
ENGINE = "only lives inside vLLM: tests/model/test_parity.py and test_serve_openai.py run it there"
RECIPE = "needs speech synthesisers or hours of training: `make nano` runs it, and proves its splits itself"
LINES = "test_caller.py calls real servers by it, over WebSocket and WebRTC"
UNMIRRORED = {
    "model/vllm_config.py": ENGINE,
    "model/vllm_inputs.py": ENGINE,
    "model/vllm_model.py": ENGINE,
    "model/vllm_plugin.py": ENGINE,
    "model/vllm_processor.py": ENGINE,
    "model/evaluation/case.py": "plain values, which all tests of model/evaluation are made of",
    "model/training/augment.py": RECIPE,
    "model/training/features.py": RECIPE,
    "model/training/recordings.py": RECIPE,
    "model/training/sources.py": RECIPE,
    "model/training/vocoder.py": RECIPE,
    "server/client_events.py": "tables and types, which test_protocol.py and test_events_doc.py go through",
    "streaming/replies.py": "test_session*.py go through it, a whole session at a time",
    "streaming/thinking.py": "the same, and test_speculation.py",
    "streaming/voice.py": "an interface, which test_piper.py goes through",
    "streaming/lexicon.py": "tables, which test_spoken_text.py and test_clauses.py go through",
    "tools/pictures.py": "a recipe: its conversation is that of tests/client_web/test_nano.py",
    "model/errors.py": "one class, which test_cli.py sees the kinds of",
    "model/training/again.py": RECIPE,
    "model/training/mgrd/chains.py": "test_stages.py and test_vllm_sampler.py go through it",
    "server/drain.py": "test_takeover.py and, on SIGTERM, test_fleet.py go through it",
    "server/keeper.py": "test_kept.py keeps and takes conversations by it",
    "server/telling.py": "the same",
    "server/plan_command.py": "prints what test_plan.py reckons; test_plan.py runs it",
    "server/redis_store.py": "test_store.py holds it to the same as the store in memory",
    "server/load/command.py": "tests/server/load/test_caller.py runs it",
    "server/load/lines.py": LINES,
    "server/load/picture.py": "test_figures.py looks at it",
    "server/load/questions.py": LINES,
    "server/load/run.py": LINES,
    "server/load/usage.py": LINES,
    "server/load/webrtc_line.py": LINES,
    "streaming/events.py": "plain values, which all tests of sessions are made of",
    "streaming/figures.py": "vLLM's own counts, in test_engine.py",
    "streaming/snapshot.py": "plain values, which test_handover.py and test_kept.py hand over",
    "server/metrics.py": "read over HTTP in test_app.py and, beside the real engine, in test_live.py",
}

OTHER_ENVIRONMENT = {"model/training/vocoder.py"}  # run there, never imported

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


def test_what_is_imported_is_required() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    required = {
        canonicalize_name(Requirement(line).name)
        for line in [
            *project["dependencies"],
            *extras["cpu"],
            *extras["cuda"],
            *extras["suites"],
            *extras["talk"],
            *extras["voice"],
        ]
    }
    owners = packages_distributions()
    ours = {"model", "streaming", "server"}
    for package in ours:
        for path in (ROOT / package).rglob("*.py"):
            if str(path.relative_to(ROOT)) in OTHER_ENVIRONMENT:
                continue
            for name in imported(path.read_text()) - ours - set(sys.stdlib_module_names):
                # What is not installed here (an extra) is taken to be called like its package.
                distributions = {canonicalize_name(owner) for owner in owners.get(name, [name])}
                assert distributions & required, f"{path.relative_to(ROOT)} imports {name}"


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


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


async def test_the_client_in_the_readme_is_answered() -> None:
    found = re.search(r"```python\n(.*?)```", README, re.S)
    assert found
    async with serving(ScriptedEngine(), ScriptedVoice()) as url:
        code = found[1].replace("http://127.0.0.1:8000", url.replace("ws", "http", 1))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await client.communicate()
    assert client.returncode == 0
    assert said.decode().endswith("1 plus 1 is 2.")


def test_tests_mirror_the_source() -> None:
    modules = {
        str(path.relative_to(ROOT)): ROOT / "tests" / path.parent.relative_to(ROOT) / f"test_{path.name}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not path.name.startswith("__")
    }
    lacking = {path for path, test in modules.items() if not test.exists()}
    assert lacking == UNMIRRORED.keys()


def test_no_machine_and_no_registry_is_named() -> None:
    named = {
        path: found[0]
        for path, text in texts().items()
        if path not in FOREIGN_ALLOWED and (found := FOREIGN.search(text))
    }
    assert named == {}
