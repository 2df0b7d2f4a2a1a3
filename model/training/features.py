"""Takes to what the adaptor reads, computed once because the encoder is frozen.

A take is encoded whole, or exactly as live audio is: settled windows with the loudness known so far,
then the tail (model/windows.py). Windows of one shape are encoded together. For each audio token the
three hidden states that the adaptor's convolution sees are kept, side by side, so that the two ways
look alike afterwards. Knows no texts beyond the seeds it passes on.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import SAMPLES_PER_TOKEN, AudioConfig, audio_tokens
from model.features import as_heard
from model.network import AudioAdaptor, AudioEncoder
from model.training import augment, corpus, marks, sources, world
from model.windows import Window, Windows, whole

AUDIO = AudioConfig(
    n_mels=80, n_audio_ctx=1500, n_audio_state=384, n_audio_head=6, n_audio_layer=4, llm_dim=256
)
SEEN = 3 * AUDIO.n_audio_state  # what the adaptor sees for one token
TOGETHER = {"cpu": 2_400, "cuda": 48_000}  # mel frames encoded in one go
CHUNKED = 0.3  # share of the takes: in chunks they cost four times as much
CUT = 0.25
TURNS = 2  # takes of each clip, in another room each time; one of those that are many
LIVE = Windows()


def encoder() -> AudioEncoder:
    """Whisper tiny.en's, frozen, on a GPU if there is one."""
    found = AudioEncoder(AUDIO)
    state = {name.removeprefix("encoder."): value for name, value in sources.whisper_encoder().items()}
    found.load_state_dict(state)
    return found.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)


@torch.inference_mode()
def encode(
    ears: AudioEncoder,
    takes: Sequence[np.ndarray],
    chunked: Sequence[bool],
    sizes: Windows = LIVE,
) -> list[np.ndarray]:
    """What the adaptor sees of each take: float16 [tokens, 3 * width]. `sizes` are of those in chunks."""
    found = [np.zeros((audio_tokens(len(t)), SEEN), np.float16) for t in takes]
    device = next(ears.parameters()).device
    alike: dict[tuple[int, int, int], list[tuple[int, Window, Tensor]]] = defaultdict(list)
    for i, (samples, in_chunks) in enumerate(zip(takes, chunked, strict=True)):
        windows = sizes.every(len(samples)) if in_chunks else [whole(len(samples))]
        for mel, window in as_heard(samples, AUDIO.n_mels, windows):
            alike[window.first, window.end, window.real].append((i, window, mel))
    for (first, end, real), members in alike.items():
        size = max(1, TOGETHER[device.type] // (end - first))
        for at in range(0, len(members), size):
            batch = members[at : at + size]
            hidden = ears(torch.stack([mel for _, _, mel in batch]).to(device), real=real, first=first)
            seen = _seen(hidden).half().cpu()
            for row, (i, window, _) in zip(seen, batch, strict=True):
                found[i][window.start : window.stop] = row[window.keep].numpy()
    return found


def _seen(hidden: Tensor) -> Tensor:
    """[B, P, width] at 25 Hz to [B, (P + 1) // 2, 3 * width]: token t sees 2t-1, 2t and 2t+1."""
    batch, count, width = hidden.shape
    padded = F.pad(hidden, (0, 0, 1, 1 + count % 2))
    tokens = (count + 1) // 2
    around = [padded[:, k : k + 2 * tokens : 2] for k in range(3)]
    return torch.cat(around, dim=-1)


def adapt(adapter: AudioAdaptor, seen: Tensor) -> Tensor:
    """The adaptor on what it sees of each token: [N, 3 * width] to [N, hidden]."""
    weight = adapter.conv.weight.permute(0, 2, 1).flatten(1)
    x = F.gelu(F.linear(seen, weight, adapter.conv.bias))
    return adapter.linear2(F.relu(adapter.linear1(x)))


@dataclass(frozen=True)
class Heard:
    """One take as the adaptor sees it, its events told as they sound there.

    From token `complete_from` on, its speech is over.
    """

    said: world.Utterance
    voice: str
    seen: np.ndarray  # float16 [tokens, 3 * width], or the tokens' numbers in a bank of such (`places`)
    complete_from: int
    cut: bool
    chunked: bool
    marks: tuple[marks.Mark, ...] = ()
    counted: np.ndarray | None = None  # int64 [tokens, 2], see marks.py
    places: tuple[tuple[int, int], ...] = ()  # tokens of each sound, where it is whole


def _folder() -> Path:
    return sources.work() / "features"


def _build_part(path: Path, part: int, ears: AudioEncoder, turn: int) -> None:
    target = _folder() / (f"{path.stem}-{turn}.npz" if turn else f"{path.stem}.npz")
    if target.exists():
        return
    begun = time.monotonic()
    r = np.random.default_rng([part, turn] if turn else part)
    takes: list[augment.Take] = []
    names: list[tuple[str, str, str, str]] = []
    levels: list[float] = []
    for seed, family, voice, samples in corpus.stored(path):
        said = corpus.utterance_of(seed, family)
        clip = samples.astype(np.float32) / 32768
        cut = bool(said.words) and bool(r.random() < CUT)
        for one in (False, True)[: 1 + cut]:
            takes.append(augment.take(clip, said, r, one))
            levels += _levels(said, takes[-1])
            names.append((seed, family, voice, said.words))
    chunked = [bool(r.random() < CHUNKED) for _ in takes]
    seen = encode(ears, [t.samples for t in takes], chunked)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".tmp.npz")
    np.savez(
        half,
        seen=np.concatenate(seen),
        ends=np.cumsum([len(s) for s in seen]),
        names=np.array(names),
        places=np.array([(t.begin, t.speech_end) for t in takes]),
        stretches=np.array([t.stretch for t in takes]),
        levels=np.array(levels),
        cut=np.array([t.cut for t in takes]),
        chunked=np.array(chunked),
    )
    half.rename(target)
    hours, seconds = sum(map(len, seen)) * 0.08 / 3600, time.monotonic() - begun
    print(f"{target.name}: {len(takes)} takes, {hours:.2f} h, {seconds:.0f} s", flush=True)


def _levels(said: world.Utterance, take: augment.Take) -> list[float]:
    """Of its events, as they sound."""
    if take.cut:
        return [e.level for e in said.before + said.after]
    stretched = marks.stretched(said, take.stretch)
    return marks.levels(stretched, take.begin, take.speech_end, take.samples)


def build(worker: int = 0, workers: int = 1) -> None:
    """Compute what is not computed yet of every `workers`-th part of the training corpus."""
    torch.set_num_threads(1)
    ears = encoder()
    for path in corpus.parts(held_out=False):
        part = int(path.stem.split("-")[1])
        if part % workers == worker:
            for turn in range(1 if corpus.is_wide(part) else TURNS):
                _build_part(path, part, ears, turn)


def parts() -> list[Path]:
    """The computed parts."""
    return sorted(path for path in _folder().glob("train-*.npz") if ".tmp" not in path.name)


def load(known: set[str] | None = None) -> Iterator[tuple[str, list[Heard]]]:
    """The computed parts by name, but those in `known`. A take of a former world is passed over."""
    for path in parts():
        if not known or path.name not in known:
            with np.load(path) as stored:
                yield path.name, list(_takes(dict(stored)))


def places(path: Path, first: int) -> list[Heard]:
    """The takes of one part, where the tokens are numbers: from `first` on, as `tokens` has them."""
    with np.load(path) as stored:
        there = {name: stored[name] for name in stored.files if name != "seen"}
    return list(_takes(there | {"seen": np.arange(first, first + int(there["ends"][-1]))}))


def length(path: Path) -> int:
    """How many tokens a part has."""
    with np.load(path) as stored:
        return int(stored["ends"][-1])


def tokens(path: Path) -> np.ndarray:
    """What the adaptor sees of every token of a part: float16 [tokens, 3 * width]."""
    with np.load(path) as stored:
        return np.asarray(stored["seen"])


def _takes(stored: Mapping[str, np.ndarray]) -> Iterator[Heard]:
    """Those of one part."""
    at = sounded = 0
    for i, (seed, family, voice, words) in enumerate(stored["names"]):
        seen, at = stored["seen"][at : stored["ends"][i]], int(stored["ends"][i])
        said = corpus.utterance_of(str(seed), str(family))
        events = len(said.before) + len(said.after)
        levels, sounded = stored["levels"][sounded : sounded + events], sounded + events
        if said.words != words:
            continue
        said = marks.levelled(marks.stretched(said, float(stored["stretches"][i])), list(map(float, levels)))
        begin, end = map(int, stored["places"][i])
        complete_from, chunked = -(-end // SAMPLES_PER_TOKEN), bool(stored["chunked"][i])
        if stored["cut"][i]:
            yield Heard(said, str(voice), seen, complete_from, True, chunked)
            continue
        if not len(seen):
            continue
        known = marks.of(said, begin, end, len(seen))
        where = marks.places(said, begin, end, len(seen))
        counted = marks.counted(said, where, len(seen))
        yield Heard(said, str(voice), seen, complete_from, False, chunked, known, counted, where)


if __name__ == "__main__":
    build(int(sys.argv[1]), int(sys.argv[2]))
