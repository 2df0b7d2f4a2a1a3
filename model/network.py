"""Step-Audio 2 in plain PyTorch: for training, and the reference that the served network is held to.

Audio encoder (Whisper's, with its final norm after an average pool), adaptor, Qwen2 decoder. Module
names are the parameter names of the official safetensors. Sources: arXiv 2511.15848 section 2, and the
remote code of the Step-Audio-2-mini checkpoint. Knows no files, tokens' meaning or sampling beyond greedy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import AudioConfig, StepAudio2Config, TextConfig, audio_tokens, pieces
from model.features import log_mel

Cache = list[tuple[Tensor, Tensor]]  # a layer: keys and values, each [B, kv heads, T, head dim]


class _AudioAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (
            p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value)
        )
        # q and k each scaled by d^-0.25 in the reference: d^-0.5 on their product.
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class _AudioBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = _AudioAttention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.attn(self.attn_ln(x), bias)
        return x + self.mlp(self.mlp_ln(x))


class AudioEncoder(nn.Module):
    """Log-mel at 100 Hz to hidden states at 25 Hz. Attention is full and bidirectional."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.n_ctx = config.n_audio_ctx
        self.conv1 = nn.Conv1d(config.n_mels, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.positional_embedding = nn.Embedding(config.n_audio_ctx, width)
        self.blocks = nn.ModuleList(
            _AudioBlock(width, config.n_audio_head) for _ in range(config.n_audio_layer)
        )
        self.after_norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, real: int | None = None, first: int = 0) -> Tensor:
        """Encode frames of one length.

        mel: [B, n_mels, T]; `real` of the T frames are audio, the rest are padding that no frame
        attends to (None: all are audio); `first` is the frame's number in its piece at which mel
        begins, a multiple of 8. Returns [B, T // 4, n_audio_state].
        Raises ValueError when the frames reach beyond the positional table (30 s).
        """
        frames = mel.shape[-1]
        at = first // 2
        x = F.gelu(self.conv1(mel))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        if at + x.shape[1] > self.n_ctx:
            raise ValueError(f"{first + frames} mel frames: a piece has at most {2 * self.n_ctx - 2}")
        x = x + self.positional_embedding.weight[at : at + x.shape[1]]
        bias = None
        if real is not None and real < frames:
            # The reference masks at 100 Hz and takes every second value, from the last backwards.
            valid = (torch.arange(frames, device=mel.device) < real)[(frames + 1) % 2 :: 2]
            bias = torch.where(valid, 0.0, -1e10).to(x.dtype)[None, None, None]
        for block in self.blocks:
            x = block(x, bias)
        x = F.avg_pool1d(x.transpose(1, 2), kernel_size=2, stride=2).transpose(1, 2)
        return self.after_norm(x)


class AudioAdaptor(nn.Module):
    """Hidden states [B, P, n_audio_state] at 25 Hz to embeddings [B, (P + 1) // 2, llm_dim] at 12.5 Hz."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.conv = nn.Conv1d(width, width, config.kernel_size, stride=config.adapter_stride, padding=1)
        self.linear1 = nn.Linear(width, config.adapter_hidden)
        self.linear2 = nn.Linear(config.adapter_hidden, config.llm_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        return self.linear2(F.relu(self.linear1(x)))


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class _SelfAttention(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        width, head = config.hidden_size, config.head_dim
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = nn.Linear(width, self.heads * head)
        self.k_proj = nn.Linear(width, self.kv_heads * head)
        self.v_proj = nn.Linear(width, self.kv_heads * head)
        self.o_proj = nn.Linear(self.heads * head, width, bias=False)

    def forward(
        self, x: Tensor, rotary: Tensor, bias: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        q = self.q_proj(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)
        q, k = rotate(q, rotary), rotate(k, rotary)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        self.cached = (k, v)
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, is_causal=bias is None and q.shape[2] > 1, enable_gqa=True
        )
        return self.o_proj(mixed.transpose(1, 2).flatten(-2))


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Rotary positions, NeoX style. x: [B, heads, T, d]; rotary: cos and sin [2, B or 1, 1, T, d/2]."""
    low, high = x.chunk(2, dim=-1)
    cos, sin = rotary
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


class _MLP(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class _Layer(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.self_attn = _SelfAttention(config)
        self.mlp = _MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, x: Tensor, rotary: Tensor, bias: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotary, bias, past)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen2(nn.Module):
    """The decoder without its head: embeddings [B, T, hidden] to hidden states of the same shape."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Causal by default. `bias` [B or 1, 1, T, T] (added to the scores) and `positions` [B or 1, T]
        serve packed training batches. A `cache` list is read where filled, and filled."""
        past = cache[0][0].shape[2] if cache else 0
        if positions is None:
            positions = torch.arange(past, past + x.shape[1], device=x.device)[None]
        half = self.config.head_dim // 2
        speed = self.config.rope_theta ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
        angle = positions[:, None, :, None].float() * speed
        rotary = torch.stack([angle.cos(), angle.sin()]).to(x.dtype)
        if cache and bias is None and x.shape[1] > 1:
            allowed = torch.ones(x.shape[1], past + x.shape[1], dtype=torch.bool, device=x.device).tril(past)
            bias = torch.where(allowed, 0.0, float("-inf")).to(x.dtype)
        filled: Cache = []
        for i, layer in enumerate(self.layers):
            x = layer(x, rotary, bias, cache[i] if cache else None)
            if cache is not None:
                filled.append(layer.self_attn.cached)  # type: ignore[union-attr,arg-type]
            layer.self_attn.cached = None  # type: ignore[union-attr]
        if cache is not None:
            cache[:] = filled
        return self.norm(x)


class StepAudio2(nn.Module):
    """Encoder, adaptor, decoder and head."""

    def __init__(self, config: StepAudio2Config) -> None:
        super().__init__()
        self.config = config
        self.encoder = AudioEncoder(config.audio)
        self.adapter = AudioAdaptor(config.audio)
        self.model = Qwen2(config.text)
        self.lm_head = nn.Linear(config.text.hidden_size, config.text.vocab_size, bias=False)
        if config.text.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def embed_audio(self, samples: Tensor) -> list[Tensor]:
        """Audio of any length, encoded offline: float32 [N] at 16 kHz to one [n, hidden] a piece of 25 s."""
        found = []
        for start, end in pieces(samples.numel()):
            mel = log_mel(samples[start:end], self.config.audio.n_mels)
            real = mel.shape[1] - 2
            found.append(self.embed_window(mel, real=real, tokens=slice(0, audio_tokens(end - start))))
        return found

    def embed_window(self, mel: Tensor, real: int, tokens: slice, first: int = 0) -> Tensor:
        """Encode one window of a piece and keep some of its embeddings.

        mel: normalised log-mel [n_mels, T] that begins at frame `first` of its piece; the first `real`
        frames are audio. `tokens` counts from the window's start. Returns [len(tokens), hidden].
        """
        weight = self.encoder.conv1.weight
        hidden = self.encoder(mel[None].to(weight), real=real, first=first)
        return self.adapter(hidden)[0, tokens]

    def embed(self, token_ids: Tensor, audio: Tensor, audio_token_id: int) -> Tensor:
        """Token ids [T] to embeddings [T, hidden], with audio [n, hidden] at the n audio tokens."""
        x = self.model.embed_tokens(token_ids)
        where = token_ids == audio_token_id
        if int(where.sum()) != audio.shape[0]:
            raise ValueError(f"{int(where.sum())} audio tokens in the prompt for {audio.shape[0]} embeddings")
        return x.masked_scatter(where[:, None], audio.to(x))

    @torch.inference_mode()
    def greedy(self, embeddings: Tensor, limit: int, stop: set[int]) -> list[int]:
        """The likeliest continuation of one prompt [T, hidden]: up to `limit` ids, the stop left out."""
        cache: Cache = []
        found: list[int] = []
        x = embeddings[None]
        while len(found) < limit:
            token = int(self.lm_head(self.model(x, cache=cache)[:, -1]).argmax())
            if token in stop:
                break
            found.append(token)
            x = self.model.embed_tokens(torch.tensor([[token]], device=x.device))
        return found
