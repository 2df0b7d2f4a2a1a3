from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from server.ice import CREDENTIAL_SECONDS, BadIceServer, Ice, IceServer, short_lived

INTERFACES = ["192.0.2.7", "2001:db8::7"]


def test_a_password_that_expires_is_what_coturn_computes() -> None:
    name, password = short_lived("north", "soundmind", 1000.7)
    assert name == f"{1000 + CREDENTIAL_SECONDS}:soundmind"
    assert base64.b64decode(password) == hmac.digest(b"north", name.encode(), hashlib.sha1)


def test_servers_as_a_call_may_use_them() -> None:
    servers = ("stun:a.example:3478", "turn:b.example:3478?transport=udp")
    fixed = Ice(servers=servers, turn_username="me", turn_password="pass").given(0)
    assert fixed == [IceServer(servers[0]), IceServer(servers[1], "me", "pass")]
    [_, turn] = Ice(servers=servers, turn_secret="north").given(1000)
    assert (turn.username, turn.credential) == short_lived("north", "soundmind", 1000)


@pytest.mark.parametrize("url", ["a.example", "http://a.example", "stun:", "turn://"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(BadIceServer, match="expected stun:HOST:PORT"):
        Ice(servers=(url,), turn_secret="x")


def test_a_turn_server_needs_credentials() -> None:
    with pytest.raises(BadIceServer, match="needs turn_secret, or turn_username and turn_password"):
        Ice(servers=("turn:a.example",), turn_username="me")


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"]),
        ("192.0.2.7", ["192.0.2.7"]),
        ("::1", ["::1"]),
        ("0.0.0.0", ["127.0.0.1", "192.0.2.7"]),
        ("::", ["127.0.0.1", "192.0.2.7", "2001:db8::7"]),
        ("name.example", INTERFACES),
    ],
)
def test_only_the_addresses_listened_at_are_offered(host: str, addresses: list[str]) -> None:
    assert Ice(host).addresses(INTERFACES) == addresses
