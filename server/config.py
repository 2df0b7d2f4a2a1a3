"""The server's settings: flags over the environment (`SOUNDMIND_*`) over a TOML file, read once.

Knows no argparse: flags come as a mapping of what was given. Everything after `--` is vLLM's.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from model.windows import LEFT, LOOK_AHEAD, TOKEN_MS, Windows
from server.ice import BadIceServer, Ice
from server.limits import Limits
from server.logs import Format, Level
from streaming.events import Encoding

PREFIX = "SOUNDMIND_"
RECIPE = "nano_"  # what begins so is for `make nano` (model/training)


Speech = Literal["piper", "none"]  # what speaks the replies


CHOICES: dict[str, tuple[str, ...]] = {
    "encoding": get_args(Encoding),
    "voice": get_args(Speech),
    "log_format": get_args(Format),
    "log_level": get_args(Level),
}
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"  # OpenTelemetry's own name for our `otlp_endpoint`


class ConfigError(ValueError):
    """A setting is unknown or makes no sense; one line that says what was expected."""


STORES = ("redis", "rediss", "unix")
NAME = re.compile(r"[A-Za-z0-9-]{1,63}")


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
    api_keys: tuple[str, ...] = ()  # more of them
    api_keys_file: str | None = None  # one a line; # begins a comment
    origins: tuple[str, ...] = ()  # of pages that may connect, beside the server's own and local ones
    sessions_per_key: int | None = None  # None, here and below: as many as there are
    session_minutes: float | None = None
    kbytes_per_second: float | None = None  # that a key's clients may send
    replies_per_minute: int | None = None
    engine_patience_s: float = 120.0  # that a reply waits for an engine, when one has died, or for a place
    # That an engine may owe an answer and take no step, before it counts as dead: more than any step takes,
    # which is long for a large model on a CPU.
    engine_hang_s: float = 60.0
    overcommit: float = 1.0  # conversations to a place in the KV cache: idle ones lend theirs
    resume_s: float = 60.0  # that a conversation is kept whose line has dropped
    lora: tuple[str, ...] = ()  # NAME=FOLDER: adapters, which clients ask for as models
    store: str | None = None  # where conversations are kept for other servers; None: nowhere
    name: str | None = None  # of this server among others, for the proxy in front of them
    drain_s: float = 25.0  # that conversations have to end or to go elsewhere, when the server is to stop
    log_format: Format = "text"
    log_level: Level = "warning"
    log_content: bool = False  # write what is said to the log
    otlp_endpoint: str | None = None  # where traces go: http://HOST:4318; None: nowhere
    connect_seconds: float = 15.0  # for a call over WebRTC to come about
    ice_servers: tuple[str, ...] = ()  # stun:HOST:PORT, turn:HOST:PORT, turns:HOST:PORT
    turn_username: str | None = None
    turn_password: str | None = None
    turn_secret: str | None = None  # shared with the TURN server: each call gets a password of its own

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port: expected 0 to 65535, got {self.port}")
        for name, choices in CHOICES.items():
            if (chosen := getattr(self, name)) not in choices:
                raise ConfigError(f"{name}: expected {' or '.join(choices)}, got {chosen!r}")
        if self.otlp_endpoint is not None and urlsplit(self.otlp_endpoint).scheme not in ("http", "https"):
            raise ConfigError(f"otlp_endpoint: expected http://HOST:PORT, got {self.otlp_endpoint!r}")
        try:
            assert self.windows
        except ValueError as error:
            raise ConfigError(str(error)) from error
        try:
            assert self.ice
        except BadIceServer as error:
            raise ConfigError(f"ice_servers: {error}") from error
        if self.overcommit < 1:
            raise ConfigError(f"overcommit: expected 1 or more, got {self.overcommit}")
        for name in POSITIVE:
            if (most := getattr(self, name)) is not None and most <= 0:
                raise ConfigError(f"{name}: expected more than 0, got {most}")
        if self.store is not None and urlsplit(self.store).scheme not in STORES:
            raise ConfigError(
                f"store: expected {' or '.join(f'{s}://...' for s in STORES)}, got {self.store!r}"
            )
        if self.name is not None and not NAME.fullmatch(self.name):
            raise ConfigError(f"name: expected letters, digits and dashes, got {self.name!r}")
        for adapter in self.lora:
            name, _, folder = adapter.partition("=")
            if not name or not folder or not (Path(folder) / "adapter_config.json").is_file():
                raise ConfigError(f"lora: expected NAME=FOLDER with an adapter_config.json, got {adapter!r}")
        if not all(self.api_keys):
            raise ConfigError("api_keys: expected some text, got nothing")
        for name in ("model", "host", "alias", "api_key"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name}: expected some text, got nothing")

    @property
    def windows(self) -> Windows:
        """What of the live audio is encoded when."""
        return Windows.of(self.look_ahead_ms, self.left_context_s * 1000)

    @property
    def adapters(self) -> dict[str, Path]:
        """Folders of LoRA adapters by their names."""
        return {name: Path(folder) for name, _, folder in (one.partition("=") for one in self.lora)}

    @property
    def keys(self) -> tuple[str, ...]:
        """Clients must know one of them; none: nobody is asked."""
        return self.api_keys if self.api_key is None else (self.api_key, *self.api_keys)

    @property
    def ice(self) -> Ice:
        """How calls find their way."""
        return Ice(self.host, self.ice_servers, self.turn_username, self.turn_password, self.turn_secret)

    @property
    def limits(self) -> Limits:
        """Of each key."""
        minutes, kbytes = self.session_minutes, self.kbytes_per_second
        return Limits(
            self.sessions_per_key,
            None if minutes is None else minutes * 60,
            None if kbytes is None else kbytes * 1000,
            self.replies_per_minute,
        )


KNOWN = {field.name: field for field in fields(Config)}

NUMBERS: dict[str, tuple[Any, str]] = {
    "port": (int, "a whole number"),
    "look_ahead_ms": (int, "a whole number"),
    "left_context_s": (int | float, "a number"),
    "sessions_per_key": (int, "a whole number"),
    "session_minutes": (int | float, "a number"),
    "kbytes_per_second": (int | float, "a number"),
    "replies_per_minute": (int, "a whole number"),
    "connect_seconds": (int | float, "a number"),
    "engine_patience_s": (int | float, "a number"),
    "engine_hang_s": (int | float, "a number"),
    "overcommit": (int | float, "a number"),
    "resume_s": (int | float, "a number"),
    "drain_s": (int | float, "a number"),
}


POSITIVE = (
    "sessions_per_key",
    "session_minutes",
    "kbytes_per_second",
    "replies_per_minute",
    "connect_seconds",
    "engine_patience_s",
    "engine_hang_s",
    "resume_s",
    "drain_s",
)
SWITCHES = {"log_content"}
ON_OR_OFF = {"true": True, "1": True, "false": False, "0": False}
LISTS = ("vllm_args", "api_keys", "origins", "ice_servers", "lora")


def load(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None = None) -> Config:
    """Put the three sources together; a flag that is None was not given. Raises ConfigError."""
    named = env.get(PREFIX + "CONFIG")
    file = file or (Path(named) if named else None)
    settings = _from_file(file) if file else {}
    if env.get(OTLP):
        settings["otlp_endpoint"] = env[OTLP]
    settings |= _from_environment(env)
    settings |= {name: value for name, value in flags.items() if value is not None}
    if named := settings.get("api_keys_file"):
        settings["api_keys"] = (*settings.get("api_keys", ()), *_keys(Path(named)))
    return Config(**settings)


def _keys(file: Path) -> list[str]:
    """No key at all would let everybody in, who was to be kept out."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"api_keys_file: {file}: cannot be read ({error})") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"api_keys_file: {file}: expected a key a line, got none")
    return keys


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
        elif name in SWITCHES:
            value = ON_OR_OFF.get(text.lower(), text)
        elif name in LISTS:
            value = shlex.split(text)
        settings[name] = _value(name, value, variable)
    return settings


def _value(name: str, value: object, where: str) -> object:
    """One setting, of the right type."""
    if name not in KNOWN:
        raise ConfigError(f"{where}: no such setting as {name}; known are {', '.join(KNOWN)}")
    if name in LISTS:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise ConfigError(f"{where}: {name}: expected a list of strings, got {value!r}")
    if name in SWITCHES:
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{where}: {name}: expected true or false, got {value!r}")
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
