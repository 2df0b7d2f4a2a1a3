"""nano's tokenizer: the world's words as whole pieces, everything else as characters and bytes.

All ordinary pieces cost the same, so the fewest pieces win; a byte costs more, so it stands only where
no character does. Spaces belong to the pieces, and nothing is normalised: decoding gives back any text.
Digits always stand alone. Knows nothing of training.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models

from model.prompt import END_THINK, SPECIAL, THINK, TRANSCRIBE
from model.training import world

END_OF_TEXT = "<|endoftext|>"
OTHER_SPECIAL = ("<tts_start>", "<tts_end>", END_OF_TEXT)
EOS = "<|EOT|>"
ORDINARY, BYTE = -1.0, -100.0  # log probabilities, as it were


def pieces() -> list[str]:
    """Ordinary pieces but bytes: characters, roles and tags, words alone and after a space."""
    found = ["<unk>", *map(chr, range(32, 127)), "\n", THINK, END_THINK, "system", "human", "assistant"]
    words = world.vocabulary() + [word.strip(".") for word in TRANSCRIBE.split()]
    for word in words:
        found += [f" {word}", word]
    return list(dict.fromkeys(found))


def build() -> Tokenizer:
    vocabulary = [(piece, ORDINARY) for piece in pieces()]
    vocabulary += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in (*SPECIAL, *OTHER_SPECIAL)]
    )
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """tokenizer.json and what AutoTokenizer needs beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": EOS,
        "pad_token": END_OF_TEXT,
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": [t for t in (*SPECIAL, *OTHER_SPECIAL) if t not in (EOS, END_OF_TEXT)],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
