"""Conversation to token ids: Step-Audio 2's template, segment by segment.

    <|BOT|>system\nS<|EOT|><|BOT|>human\n…<|EOT|><|BOT|>assistant\n<think>\n

No newline follows <|EOT|>. Audio is <audio_start>, patches, <audio_end>. Text between two special
tokens is always encoded in one go, so that segments put together equal the whole string's encoding.
Past reasoning is dropped; a past reply is closed with <|EOT|>. Source: stepfun-ai/Step-Audio-R1; what is
said of tools and calls: model/tools.py.
Special ids are looked up by name in the checkpoint's tokenizer. Knows no sessions and no samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

BOT = "<|BOT|>"
EOT = "<|EOT|>"
AUDIO_START = "<audio_start>"
AUDIO_END = "<audio_end>"
AUDIO_PATCH = "<audio_patch>"
SPECIAL = (BOT, EOT, AUDIO_START, AUDIO_END, AUDIO_PATCH)
THINK = "<think>"
END_THINK = "</think>"
TRANSCRIBE = "Write down what was said."
SHORT, LONG = "Think briefly.", "Think for long."  # in the system turn: how much to think
EFFORTS = {"low": SHORT, "high": LONG, "xhigh": LONG}  # by the names of the field; the others: no line


class PromptError(ValueError):
    """The tokenizer lacks a special token of Step-Audio 2."""


@dataclass(frozen=True)
class Prompt:
    """The template over one tokenizer. Every method returns token ids."""

    encode: Callable[[str], list[int]]  # ordinary text, no special tokens added
    bot: int
    eot: int
    audio_start: int
    audio_end: int
    audio_patch: int

    @classmethod
    def of(cls, encode: Callable[[str], list[int]], special: Mapping[str, int]) -> Prompt:
        """`special` maps token text to id. Raises PromptError when one of SPECIAL is missing."""
        if missing := [name for name in SPECIAL if name not in special]:
            raise PromptError(f"the tokenizer lacks {', '.join(missing)}")
        return cls(encode, *(special[name] for name in SPECIAL))

    def system(self, instructions: str, effort: str = "") -> list[int]:
        """The system turn, `effort` (SHORT, LONG or nothing) on a line of its own; nothing for nothing."""
        text = "\n".join(filter(None, (instructions, effort)))
        return [self.bot, *self.encode(f"system\n{text}"), self.eot] if text else []

    def tools(self, schemas: str) -> list[int]:
        """The turn right after the system's: the tools offered, a JSON array; nothing for an empty text."""
        return [self.bot, *self.encode(f"tool_json_schemas\n{schemas}"), self.eot] if schemas else []

    def function_output(self, name: str, content: str) -> list[int]:
        """What a tool gave back, as a turn."""
        return [self.bot, *self.encode(f"function_output\n{name}\n{content}"), self.eot]

    def human_open(self) -> list[int]:
        """The head of a spoken human turn; audio follows."""
        return [self.bot, *self.encode("human\n")]

    def human_text(self, text: str) -> list[int]:
        """A whole typed human turn."""
        return [self.bot, *self.encode(f"human\n{text}"), self.eot]

    def audio(self, tokens: int) -> list[int]:
        """One whole piece of audio of so many tokens."""
        return [self.audio_start, *self.patches(tokens), self.audio_end]

    def patches(self, tokens: int) -> list[int]:
        return [self.audio_patch] * tokens

    def human_close(self, request: str = "") -> list[int]:
        """The end of a human turn, after its audio, with a typed request behind it."""
        return [*(self.encode(request) if request else []), self.eot]

    def assistant_open(self, thinking: bool) -> list[int]:
        """The head of the reply to come. Without thinking the chain is there already, and empty."""
        head = f"assistant\n{THINK}\n" + ("" if thinking else f"\n{END_THINK}\n")
        return [self.bot, *self.encode(head)]

    def assistant_behind(self, chain: str, begun: str = "") -> list[int]:
        """The head of a reply whose thoughts are these, and over; `begun` is how what follows begins."""
        return [self.bot, *self.encode(f"assistant\n{THINK}\n{chain}\n{END_THINK}\n{begun}")]

    def reply(self, text: str) -> list[int]:
        """A whole past reply, without its reasoning."""
        return [self.bot, *self.encode(f"assistant\n{text}"), self.eot]
