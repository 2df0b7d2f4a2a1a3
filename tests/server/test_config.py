"""Flags over the environment over a file; what is unknown or wrong is told with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.windows import Windows
from server.config import Config, ConfigError, load
from server.limits import Limits


def write(folder: Path, text: str) -> Path:
    file = folder / "soundmind.toml"
    file.write_text(text)
    return file


def test_the_defaults() -> None:
    assert load({}, {}) == Config("nano", "127.0.0.1", 8000, None, None, "incremental", 320, 4.0, ())


def test_flags_over_environment_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'model = "a"\nport = 1\nhost = "::1"\nvllm_args = ["--x", "1"]')
    env = {"SOUNDMIND_MODEL": "b", "SOUNDMIND_PORT": "2", "HOME": "/", "SOUNDMIND_VLLM_ARGS": "--y '2 3'"}
    assert load({"model": "c", "port": None}, env, file) == Config("c", "::1", 2, vllm_args=("--y", "2 3"))
    assert load({}, {"SOUNDMIND_CONFIG": str(file)}).vllm_args == ("--x", "1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modle = 'a'", "no such setting as modle; known are model, host, port"),
        ("port = '8000'", "port: expected a whole number, got '8000'"),
        ("port = true", "port: expected a whole number"),
        ("overcommit = 0.5", "overcommit: expected 1 or more, got 0.5"),
        ("port = 70000", "port: expected 0 to 65535, got 70000"),
        ("encoding = 'both'", "encoding: expected incremental or refined, got 'both'"),
        ("look_ahead_ms = 100", "the look-ahead to be a multiple of 80 ms from 0 to 24960, got 100"),
        ("look_ahead_ms = 80.5", "look_ahead_ms: expected a whole number"),
        ("left_context_s = 4.1", "the left context to be a multiple of 80 ms from 0 to 24960, got 4100"),
        ("left_context_s = 'all'", "left_context_s: expected a number, got 'all'"),
        ("model = 3", "model: expected text, got 3"),
        ("ice_servers = ['a']", "ice_servers: expected stun:HOST:PORT"),
        ("ice_servers = ['turn:a']", "ice_servers: turn:a needs turn_secret"),
        ("connect_seconds = 0", "connect_seconds: expected more than 0, got 0"),
        ("model = ''", "model: expected some text"),
        ("vllm_args = '--x'", "vllm_args: expected a list of strings"),
        ("model", "expected TOML"),
        ("log_format = 'xml'", "log_format: expected text or json, got 'xml'"),
        ("log_level = 'loud'", "log_level: expected debug or info or warning or error"),
        ("log_content = 'yes'", "log_content: expected true or false, got 'yes'"),
        ("otlp_endpoint = 'here:4318'", "otlp_endpoint: expected http://HOST:PORT, got 'here:4318'"),
    ],
)
def test_a_file_that_makes_no_sense(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=".*") as caught:
        load({}, {}, write(tmp_path, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_windows_come_from_everywhere(tmp_path: Path) -> None:
    file = write(tmp_path, "left_context_s = 8\nlook_ahead_ms = 80")
    env = {"SOUNDMIND_LEFT_CONTEXT_S": "1.6", "SOUNDMIND_ENCODING": "refined"}
    config = load({"look_ahead_ms": 400}, env, file)
    assert config.windows == Windows(look_ahead=5, left=20, tail_left=20)
    assert config.encoding == "refined"
    assert load({}, {}).windows == Windows()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, {}, tmp_path / "none.toml")


@pytest.mark.parametrize("variable", ["SOUNDMIND_PROT", "SOUNDMIND_PORT"])
def test_an_environment_that_makes_no_sense(variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        load({}, {variable: "many"})


def test_keys_come_from_a_file_too(tmp_path: Path) -> None:
    keys = write(tmp_path, "# ours\nb\n\n c \n")
    env = {"SOUNDMIND_API_KEYS_FILE": str(keys), "SOUNDMIND_API_KEYS": "d"}
    assert load({"api_key": "a"}, env).keys == ("a", "d", "b", "c")
    assert load({}, {"SOUNDMIND_ORIGINS": "https://a https://b"}).origins == ("https://a", "https://b")
    with pytest.raises(ConfigError, match="cannot be read"):
        load({"api_keys_file": str(tmp_path / "none")}, {})
    keys.write_text("# nobody\n")
    with pytest.raises(ConfigError, match="expected a key a line"):
        load({"api_keys_file": str(keys)}, {})


def test_limits_of_a_key() -> None:
    env = {"SOUNDMIND_SESSION_MINUTES": "0.5", "SOUNDMIND_KBYTES_PER_SECOND": "200"}
    config = load({"sessions_per_key": 2, "replies_per_minute": 30}, env)
    assert config.limits == Limits(2, 30.0, 200_000.0, 30)
    with pytest.raises(ConfigError, match="session_minutes: expected more than 0"):
        load({"session_minutes": 0}, {})


def test_the_recipes_variables_are_no_settings() -> None:
    assert load({}, {"SOUNDMIND_NANO_WORK": "somewhere"}) == load({}, {})


def test_switches_and_where_traces_go(tmp_path: Path) -> None:
    file = write(tmp_path, "log_content = true\notlp_endpoint = 'http://file:1'")
    assert load({}, {}, file).log_content
    assert not load({}, {"SOUNDMIND_LOG_CONTENT": "false"}, file).log_content
    with pytest.raises(ConfigError, match="SOUNDMIND_LOG_CONTENT: log_content: expected true or false"):
        load({}, {"SOUNDMIND_LOG_CONTENT": "maybe"})
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://standard:2"}
    assert load({}, {}).otlp_endpoint is None
    assert load({}, {}, file).otlp_endpoint == "http://file:1"
    assert load({}, standard, file).otlp_endpoint == "http://standard:2"
    ours = {"SOUNDMIND_OTLP_ENDPOINT": "http://ours:3"}
    assert load({}, standard | ours, file).otlp_endpoint == "http://ours:3"
