"""What the server gives a browser: files, what they must know, and headers that guard them."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from server.page import PAGES
from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tests.voices import ScriptedVoice


def client(url: str) -> AsyncClient:
    return AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False)


@pytest.mark.parametrize(
    "path", ["/", "/main.js", "/worklets/playback.js", "/client.json", "/nothing", "/v1/models"]
)
async def test_every_answer_has_the_security_headers(path: str) -> None:
    async with serving(ScriptedEngine()) as url, client(url) as http:
        headers = (await http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["permissions-policy"].startswith("microphone=(self), camera=()")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"


async def test_a_page_is_told_what_it_must_know_before_it_has_a_key() -> None:
    known = {"model": "nano", "webrtc": True}
    async with serving(ScriptedEngine(), ScriptedVoice()) as url, client(url) as http:
        assert (await http.get("/client.json")).json() == {**known, "voices": ["ann", "bob"], "key": False}
    async with serving(ScriptedEngine(), keys=["secret"]) as url, client(url) as http:
        assert (await http.get("/client.json")).json() == {**known, "voices": [], "key": True}


async def test_a_page_is_asked_for_again_and_may_be_unchanged() -> None:
    async with serving(ScriptedEngine()) as url, client(url) as http:
        first = await http.get("/style.css")
        assert first.headers["cache-control"] == "no-cache"
        again = await http.get("/style.css", headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304


def test_the_files_are_ours_alone_and_nothing_is_inline() -> None:
    """What the policy would stop in a browser, found without one."""
    files = [path for path in PAGES.rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")]
    assert len(files) > 20
    for path in files:
        text = path.read_text().replace(SVG, "").replace(WORDS, "")
        assert "http://" not in text and "https://" not in text, path
        assert "innerHTML" not in text and "eval(" not in text, path
        assert " style=" not in text and "onclick=" not in text, path


SVG = "http://www.w3.org/2000/svg"
WORDS = "from https:// or from localhost"  # said to the user
