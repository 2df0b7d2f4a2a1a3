"""Chains of a checkpoint by chance, many of one prompt and many prompts at a time, in plain PyTorch.

A prompt is computed once, however many chains go on behind it; chains that have ended leave the batch. What
is sampled at temperature 1 comes from the policy as it is, which the gradient in losses.py rests on.
The tokens are the same whatever is sampled beside them only up to rounding. Knows no text and no rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from model.network import Cache, Qwen2

LIMIT = 160  # tokens of thoughts and reply
ROWS = 384  # chains in one batch, prompts alike
CROWD = 12_000  # tokens of prompts computed together


@dataclass(frozen=True)
class Sampled:
    """Tokens as they came, the stop left out. `ended`: by itself, not by the limit."""

    ids: tuple[int, ...]
    ended: bool


class Decoder(Protocol):
    """The part of a network that goes on with embeddings; its head is tied."""

    model: Qwen2


@torch.inference_mode()
def sample(
    network: Decoder,
    prompts: Sequence[Tensor],
    count: int,
    stop: int,
    chance: torch.Generator,
    temperature: float = 1.0,
    limit: int = LIMIT,
) -> list[list[Sampled]]:
    """`count` continuations of each prompt [T, hidden]; the likeliest one where `temperature` is 0."""
    found: list[list[Sampled]] = [[] for _ in prompts]
    for members in batches([len(p) for p in prompts], max(1, ROWS // count)):
        chains = _batch(network, [prompts[i] for i in members], count, stop, chance, temperature, limit)
        for row, chain in enumerate(chains):
            found[members[row // count]].append(chain)
    return found


def batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indices of similar lengths, at most so many and some `CROWD` tokens together."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not out or len(out[-1]) == most or (len(out[-1]) + 1) * lengths[i] > CROWD:
            out.append([])
        out[-1].append(i)
    return out


def _batch(
    network: Decoder,
    prompts: Sequence[Tensor],
    count: int,
    stop: int,
    chance: torch.Generator,
    temperature: float,
    limit: int,
) -> list[Sampled]:
    """The prompts stand at the right; what is before them is seen by nobody."""
    longest, head = max(map(len, prompts)), network.model.embed_tokens.weight
    begin = torch.tensor([longest - len(p) for p in prompts])
    x = torch.stack([F.pad(p, (0, 0, longest - len(p), 0)) for p in prompts])
    real = torch.arange(longest) >= begin[:, None]
    seen = (real[:, None] & torch.ones(longest, longest, dtype=torch.bool).tril()) | torch.eye(longest).bool()
    cache: Cache = []
    positions = (torch.arange(longest) - begin[:, None]).clamp(min=0)
    hidden = network.model(x, positions=positions, bias=_bias(seen), cache=cache)[:, -1]
    cache = [(k.repeat_interleave(count, 0), v.repeat_interleave(count, 0)) for k, v in cache]
    hidden, real = hidden.repeat_interleave(count, 0), real.repeat_interleave(count, 0)
    at = (longest - begin).repeat_interleave(count, 0)
    going = torch.arange(len(hidden))
    found: list[list[int]] = [[] for _ in range(len(hidden))]
    ended = [False] * len(hidden)
    for _ in range(limit):
        tokens = _drawn(hidden @ head.T, temperature, chance)
        stays = tokens != stop
        for row, token in zip(going.tolist(), tokens.tolist(), strict=True):
            if token == stop:
                ended[row] = True
            else:
                found[row].append(token)
        if not stays.all():
            going, tokens, real, at = going[stays], tokens[stays], real[stays], at[stays]
            cache = [(k[stays], v[stays]) for k, v in cache]
        if not len(going):
            break
        real = F.pad(real, (0, 1), value=True)
        x = network.model.embed_tokens(tokens[:, None])
        hidden = network.model(x, positions=at[:, None], bias=_bias(real[:, None]), cache=cache)[:, -1]
        at = at + 1
    return [Sampled(tuple(ids), over) for ids, over in zip(found, ended, strict=True)]


def _bias(seen: Tensor) -> Tensor:
    return torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None]


def _drawn(logits: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=chance)[:, 0]
