"""A key where one is set, or a secret made with it; no other site's page where none is."""

from __future__ import annotations

import pytest

from server import auth
from server.auth import ANYBODY, Caller, Denied, Doors, TooManySecrets, is_loopback

HERE = {"host": "127.0.0.1:8000"}
FOREIGN = ["https://example.org", "null", "http://127.0.0.1.example.org", "http://[bad"]


def bearer(key: str, **headers: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **headers}


def status(doors: Doors, headers: dict[str, str], now: float = 0.0) -> int:
    with pytest.raises(Denied) as denied:
        doors.enter(HERE | headers, (), now)
    return denied.value.status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("none"),
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://localhost:5173"},
        {"origin": "http://[::1]:1"},
    ],
)
def test_without_a_key_programs_and_local_pages_may_come(headers: dict[str, str]) -> None:
    assert Doors().enter(HERE | headers, (), 0.0) == Caller(ANYBODY)


@pytest.mark.parametrize("origin", FOREIGN)
def test_without_a_key_pages_of_other_sites_may_not(origin: str) -> None:
    assert status(Doors(), {"origin": origin}) == 403


def test_with_keys() -> None:
    doors = Doors(["k", "l"])
    first = doors.enter(bearer("k", origin="https://example.org"), (), 0.0)
    assert doors.enter({"authorization": "bearer  k"}, (), 0.0) == first
    assert doors.enter({}, ["realtime", "openai-insecure-api-key.k"], 0.0) == first
    assert doors.enter(bearer("l"), (), 0.0).account != first.account
    assert first.account not in ("k", ANYBODY)
    for headers in ({}, {"authorization": "Basic k"}, bearer("x"), bearer("\u00e9"), bearer("")):
        assert status(doors, headers) == 401


@pytest.mark.parametrize("keys", [[], ["k"]])
def test_where_origins_are_named_no_others_may_come(keys: list[str]) -> None:
    doors = Doors(keys, ["https://example.org/"])
    doors.enter(bearer("k", origin="https://example.org"), (), 0.0)
    doors.enter(HERE | bearer("k", origin="http://127.0.0.1:8000"), (), 0.0)
    doors.enter(bearer("k"), (), 0.0)
    assert status(doors, bearer("k", origin="https://example.com")) == 403
    Doors(keys, ["*"]).enter(bearer("k", origin="https://example.com"), (), 0.0)


@pytest.mark.parametrize("keys", [[], ["k"]])
def test_a_secret_opens_sessions_until_it_expires(keys: list[str]) -> None:
    doors = Doors(keys)
    caller = doors.enter(bearer("k"), (), 0.0)
    value = doors.make_secret(caller, "session", 10.0, 0.0)
    assert value.startswith("ek_")
    offered = ["realtime", auth.KEY_SUBPROTOCOL + value]
    guest = doors.enter({"origin": "https://example.org"}, offered, 9.9)
    assert guest == Caller(caller.account, True, "session")
    assert status(doors, bearer(value), 10.0) == 401
    with pytest.raises(Denied):
        doors.make_secret(guest, "session", 20.0, 9.9)


def test_secrets_are_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MOST_SECRETS", 2)
    doors, caller = Doors(), Caller(ANYBODY)
    for _ in range(2):
        doors.make_secret(caller, None, 10.0, 0.0)
    with pytest.raises(TooManySecrets):
        doors.make_secret(caller, None, 10.0, 9.0)
    doors.make_secret(caller, None, 20.0, 10.0)


def test_loopback() -> None:
    assert is_loopback("127.0.0.2") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("example.org") and not is_loopback("")
