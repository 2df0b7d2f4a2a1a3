"""nano's tokenizer: the world's words as whole pieces, everything else as characters and bytes.

All ordinary pieces cost the same, so the fewest pieces win; a byte costs more, so it stands only where
no character does. Spaces belong to the pieces, and nothing is normalised: decoding gives back any text.
Digits always stand alone. Knows nothing of training.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models

from model.prompt import END_THINK, LONG, SHORT, SPECIAL, THINK, TRANSCRIBE
from model.training import world
from model.training.world import tools
from model.training.world.core import chain
from model.training.world.dialogue import Course

END_OF_TEXT = "<|endoftext|>"
OTHER_SPECIAL = ("<tts_start>", "<tts_end>", END_OF_TEXT)
EOS = "<|EOT|>"
WORD = re.compile(r" [^\W\d_]+(?:'[^\W\d_]+)*")
ORDINARY, BYTE = -1.0, -100.0  # log probabilities, as it were
TURNS, OFTEN = 20_000, 8  # the world's words are those that so many turns have so often


def _texts(seed: int) -> Iterator[str]:
    """What is said, thought and replied in a conversation of one turn."""
    r = random.Random(f"tokenizer {seed}")
    course = Course(r)
    said = world.utterance(f"tokenizer {seed}")
    turn = course.turn(said)
    yield course.instructions
    if said.family != "unknown":
        yield said.words
    yield chain(said, turn.answer, "long")
    yield turn.answer.reply
    if turn.call and turn.result:
        yield turn.call.text
        yield from (turn.result.content, turn.result.answer.reply, *turn.result.answer.steps)


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """The words that the world is made of, most common first."""
    counts: Counter[str] = Counter()
    for seed in range(TURNS):
        for text in _texts(seed):
            found = (word.strip(".,!?:;|\"'(){}[]") for word in text.split())
            counts.update(word for word in found if word.replace("'", "").isalpha())
    often = (word for word, count in counts.items() if count >= OFTEN)
    return tuple(sorted(often, key=lambda w: (-counts[w], w)))


def pieces(words: Sequence[str]) -> list[str]:
    """Ordinary pieces but bytes: characters, roles and tags, words alone and after a space."""
    found = ["<unk>", *map(chr, range(32, 127)), "\n", THINK, END_THINK, "system", "human", "assistant"]
    found += ["tool_json_schemas\n", "function_output\n", "<tool_call>function\n", "</tool_call>"]
    found += [piece for piece in tools.PIECES if not piece.replace(" ", "").isalpha() or " " not in piece]
    for word in [*words, *f"{TRANSCRIBE} {SHORT} {LONG}".replace(".", "").split()]:
        found += [f" {word}", word]
    return list(dict.fromkeys(found))


def build(words: Sequence[str]) -> Tokenizer:
    """A tokenizer with these words. A training run keeps its list, however the world changes meanwhile."""
    vocabulary = [(piece, ORDINARY) for piece in pieces(words)]
    vocabulary += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in (*SPECIAL, *OTHER_SPECIAL)]
    )
    return tokenizer


def pad(tokenizer: Tokenizer) -> int:
    """The token that rows are filled up with."""
    found = tokenizer.token_to_id(END_OF_TEXT)
    assert found is not None
    return int(found)


def words_in(folder: Path) -> list[str]:
    """The words of which a checkpoint's tokenizer was built. Raises ValueError if it was not built here."""
    built = Tokenizer.from_file(str(folder / "tokenizer.json"))
    in_order = sorted(built.get_vocab().items(), key=lambda piece: piece[1])
    found = [piece[1:] for piece, _ in in_order if WORD.fullmatch(piece)]
    if build(found).get_vocab() != built.get_vocab():
        raise ValueError(f"{folder}: its tokenizer is not of this recipe")
    return found


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
