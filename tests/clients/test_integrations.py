"""The pages of docs/integrations do what they say: their code is run as it stands there.

Pipecat and LiveKit are not among our requirements. Where they are installed their pages are run as well;
everywhere those are compiled, and point at the address that the server has.
"""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.clients.node import run

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "integrations").glob("*.md"))
PYTHON = {  # pages to the package that they need, and what is printed
    "openai-python": ("openai", "Sam has 13 books."),
    "pipecat": ("pipecat", "6 times 9 is 54."),
    "livekit": ("livekit", "6 times 9 is 54."),
}
MOST_LINES = 20


def code(page: Path) -> str:
    [block] = re.findall(r"```(?:python|js)\n(.*?)```", page.read_text(), re.S)
    return str(block)


def pointed_at(live: str, page: Path) -> str:
    return code(page).replace("127.0.0.1:8000", live.removeprefix("http://"))


def test_there_is_a_page_for_each_client_and_the_readme_has_them() -> None:
    assert {page.stem for page in PAGES} == {*PYTHON, "openai-agents-js"}
    readme = (ROOT / "README.md").read_text()
    assert all(f"](docs/integrations/{page.name})" in readme for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_is_short_and_its_links_lead_somewhere(page: Path) -> None:
    lines = [line for line in code(page).splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", PYTHON)
async def test_the_python_of_a_page(name: str, live: str) -> None:
    package, answer = PYTHON[name]
    program = pointed_at(live, ROOT / "docs" / "integrations" / f"{name}.md")
    compile(program, name, "exec")
    assert live.removeprefix("http") in program
    if find_spec(package) is None:
        return  # compiled, which is all that can be done here
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=PIPE)
    assert process.stdout is not None
    said = ""
    try:
        while answer not in said:
            said += (read := await process.stdout.read(1000)).decode()
            assert read, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_javascript_of_a_page(live: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / "integrations" / "openai-agents-js.md"
    said = await run(pointed_at(live, page), folder=tmp_path, last="The timer is set for 5 minutes.")
    assert said.splitlines() == ["The timer is set for 5 minutes."]
