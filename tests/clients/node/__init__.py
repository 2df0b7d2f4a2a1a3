"""Programs for Node, run with the packages that `make clients` installs. Knows no protocol."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tools.clients import home

PACKAGES = Path(sys.prefix) / "node" / "node_modules"


async def run(program: str, *arguments: str, folder: Path, last: str | None = None) -> str:
    """Runs a module in a folder of its own, and gives what it printed. Raises AssertionError if it fails.

    Until it ends, or until it has printed the line `last`.
    """
    assert PACKAGES.is_dir(), "the clients for Node are not installed: make clients"
    (folder / "node_modules").symlink_to(PACKAGES)  # where the modules that it imports are looked for
    (folder / "program.mjs").write_text(program)
    process = await asyncio.create_subprocess_exec(
        home() / "bin" / "node",
        "program.mjs",
        *arguments,
        cwd=folder,
        env={},  # no proxy, no settings of whoever runs the tests
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    output = ""
    try:
        async for line in process.stdout:
            output += line.decode()
            if last is not None and line.decode().rstrip() == last:
                return output
        errors = (await process.stderr.read()).decode()
        assert await process.wait() == 0 and last is None, output + errors
        assert not errors, errors
        return output
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
