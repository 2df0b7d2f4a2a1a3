"""A key where one is set; no other site's page where none is."""

from __future__ import annotations

import pytest

from server.auth import is_loopback, refusal

HERE = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://localhost:5173"},
        {"origin": "http://[::1]:1"},
    ],
)
def test_without_a_key_programs_and_local_pages_may_come(headers: dict[str, str]) -> None:
    assert refusal(None, HERE | headers) is None


@pytest.mark.parametrize(
    "origin", ["https://example.org", "null", "http://127.0.0.1.example.org", "http://[bad"]
)
def test_without_a_key_pages_of_other_sites_may_not(origin: str) -> None:
    assert refusal(None, HERE | {"origin": origin})


def test_with_a_key() -> None:
    assert refusal("k", {"authorization": "Bearer k", "origin": "https://example.org"}) is None
    assert refusal("k", {"authorization": "bearer  k"}) is None
    assert refusal("k", {}, ["realtime", "openai-insecure-api-key.k"]) is None
    assert "expected an API key" in (refusal("k", {}) or "")
    assert "expected an API key" in (refusal("k", {"authorization": "Basic k"}) or "")
    assert refusal("k", {"authorization": "Bearer x"}) == "wrong API key"
    assert refusal("k", {"authorization": "Bearer \u00e9"}) == "wrong API key"


def test_loopback() -> None:
    assert is_loopback("127.0.0.2") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("example.org") and not is_loopback("")
