"""Ports, addresses and names; serving itself is tested by all that talks to a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import Config
from server.serving import ServeError, address, bind, cautions, model_name


def test_a_free_port_and_its_address() -> None:
    with bind("127.0.0.1", 0) as sock:
        assert address(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"
    with bind("0.0.0.0", 0) as sock:
        assert address(sock).startswith("http://127.0.0.1:")


def test_a_port_that_is_taken() -> None:
    with bind("127.0.0.1", 0) as sock:
        sock.listen()
        with pytest.raises(ServeError, match="Address already in use"):
            bind("127.0.0.1", sock.getsockname()[1])


def test_a_host_that_is_not_here() -> None:
    with pytest.raises(ServeError, match="cannot listen on 192.0.2.1"):
        bind("192.0.2.1", 0)
    with pytest.raises(ServeError, match="cannot listen on host.invalid"):
        bind("host.invalid", 0)


def test_what_an_operator_is_told_to_mind() -> None:
    assert list(cautions(Config())) == []
    assert "anybody" in next(cautions(Config(host="0.0.0.0")))
    assert list(cautions(Config(host="0.0.0.0", api_key="secret"))) == []
    assert "written to the log" in next(cautions(Config(log_content=True)))


def test_names(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert model_name(f"{tmp_path}/mine/") == "mine"
    assert model_name("nano") == "nano"
    assert model_name("stepfun-ai/Step-Audio-R1") == "stepfun-ai/Step-Audio-R1"
