"""The server's settings: flags over the environment (`SOUNDMIND_*`) over a TOML file, read once.

Knows no argparse: flags come as a mapping of what was given. Everything after `--` is vLLM's.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from model.windows import LEFT, LOOK_AHEAD, TOKEN_MS, Windows
from streaming.events import Encoding

PREFIX = "SOUNDMIND_"
RECIPE = "nano_"  # what begins so is for `make nano` (model/training)


Speech = Literal["piper", "none"]  # what speaks the replies


class ConfigError(ValueError):
    """A setting is unknown or makes no sense; one line that says what was expected."""


@dataclass(frozen=True)
class Config:
    model: str = "nano"  # nano, a folder, or a Hugging Face id
    host: str = "127.0.0.1"
    port: int = 8000  # 0: any free one
    alias: str | None = None  # the model's name as clients are told it
    api_key: str | None = None  # None: nobody is asked for one
    encoding: Encoding = "incremental"  # of sessions that do not say
    look_ahead_ms: int = LOOK_AHEAD * TOKEN_MS  # audio heard behind a chunk before it is encoded
    left_context_s: float = LEFT * TOKEN_MS / 1000  # audio before a chunk that is encoded along with it
    vllm_args: tuple[str, ...] = ()
    voice: Speech = "piper"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port: expected 0 to 65535, got {self.port}")
        if self.encoding not in (encodings := get_args(Encoding)):
            raise ConfigError(f"encoding: expected {' or '.join(encodings)}, got {self.encoding!r}")
        if self.voice not in (voices := get_args(Speech)):
            raise ConfigError(f"voice: expected {' or '.join(voices)}, got {self.voice!r}")
        try:
            assert self.windows
        except ValueError as error:
            raise ConfigError(str(error)) from error
        for name in ("model", "host", "alias", "api_key"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name}: expected some text, got nothing")

    @property
    def windows(self) -> Windows:
        """What of the live audio is encoded when."""
        return Windows.of(self.look_ahead_ms, self.left_context_s * 1000)


KNOWN = {field.name: field for field in fields(Config)}

NUMBERS: dict[str, tuple[Any, str]] = {
    "port": (int, "a whole number"),
    "look_ahead_ms": (int, "a whole number"),
    "left_context_s": (int | float, "a number"),
}


def load(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None = None) -> Config:
    """Put the three sources together; a flag that is None was not given. Raises ConfigError."""
    named = env.get(PREFIX + "CONFIG")
    file = file or (Path(named) if named else None)
    settings = _from_file(file) if file else {}
    settings |= _from_environment(env)
    settings |= {name: value for name, value in flags.items() if value is not None}
    return Config(**settings)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: expected TOML ({error})") from error
    return {name: _value(name, value, str(file)) for name, value in raw.items()}


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for variable, text in env.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or name == "config" or name.startswith(RECIPE):
            continue
        value: object = text
        if name in NUMBERS:
            value = _number(text)
        elif name == "vllm_args":
            value = shlex.split(text)
        settings[name] = _value(name, value, variable)
    return settings


def _value(name: str, value: object, where: str) -> object:
    """One setting, of the right type."""
    if name not in KNOWN:
        raise ConfigError(f"{where}: no such setting as {name}; known are {', '.join(KNOWN)}")
    if name == "vllm_args":
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise ConfigError(f"{where}: {name}: expected a list of strings, got {value!r}")
    wanted, expected = NUMBERS.get(name, (str, "text"))
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ConfigError(f"{where}: {name}: expected {expected}, got {value!r}")
    return value


def _number(text: str) -> int | float | str:
    """What the text says as a number; itself where it is none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
