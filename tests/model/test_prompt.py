from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from model.checkpoint import NANO
from model.prompt import EFFORTS, SPECIAL, Prompt, PromptError
from model.tools import Tool, call, call_head, schemas
from model.vllm_plugin import CHAT_TEMPLATE
from tests import checkpoints

TOKENIZER = checkpoints.tokenizer()
VOCABULARY = TOKENIZER.get_vocab()


def encode(text: str) -> list[int]:
    return list(TOKENIZER.encode(text).ids)


@pytest.fixture
def prompt() -> Prompt:
    return Prompt.of(encode, VOCABULARY)


def test_a_foreign_tokenizer_is_refused() -> None:
    with pytest.raises(PromptError, match="lacks <audio_patch>"):
        Prompt.of(encode, {name: 1 for name in SPECIAL if name != "<audio_patch>"})


def test_thinking_is_ordinary_text_in_several_tokens() -> None:
    assert len(encode("<think>")) > 1
    assert encode("</think>\n") != [*encode("</think>"), *encode("\n")]


def test_segments_put_together_equal_the_whole_encoding(prompt: Prompt) -> None:
    ids = [
        *prompt.system("Be brief."),
        *prompt.human_open(), *prompt.audio(3), *prompt.human_close("What was that?"),
        *prompt.reply("A dog."),
        *prompt.human_text("Sure?"),
        *prompt.human_open(), *prompt.audio(2), *prompt.audio(1), *prompt.human_close(),
        *prompt.assistant_open(True),
    ]  # fmt: skip
    patch = "<audio_patch>"
    assert ids == encode(
        "<|BOT|>system\nBe brief.<|EOT|>"
        f"<|BOT|>human\n<audio_start>{patch * 3}<audio_end>What was that?<|EOT|>"
        "<|BOT|>assistant\nA dog.<|EOT|>"
        "<|BOT|>human\nSure?<|EOT|>"
        f"<|BOT|>human\n<audio_start>{patch * 2}<audio_end><audio_start>{patch}<audio_end><|EOT|>"
        "<|BOT|>assistant\n<think>\n"
    )


def test_without_thinking_the_chain_is_there_and_empty(prompt: Prompt) -> None:
    assert prompt.assistant_open(False) == encode("<|BOT|>assistant\n<think>\n\n</think>\n")


def test_no_instructions_are_no_turn(prompt: Prompt) -> None:
    assert prompt.system("") == []


def test_effort_is_a_line_of_the_system_turn(prompt: Prompt) -> None:
    assert prompt.system("Be brief.", EFFORTS["low"]) == encode(
        "<|BOT|>system\nBe brief.\nThink briefly.<|EOT|>"
    )
    assert prompt.system("", EFFORTS["high"]) == encode("<|BOT|>system\nThink for long.<|EOT|>")


def test_thoughts_that_are_over(prompt: Prompt) -> None:
    assert prompt.assistant_behind("") == prompt.assistant_open(False)
    assert prompt.assistant_behind("Hm.", call_head("weather")) == encode(
        "<|BOT|>assistant\n<think>\nHm.\n</think>\n<tool_call>function\nweather\n"
    )


AUDIO = {"type": "audio"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def rendered(messages: list[dict[str, Any]], **options: Any) -> str:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER)
    text = tokenizer.apply_chat_template(
        messages, chat_template=CHAT_TEMPLATE.read_text(), tokenize=False, **options
    )
    assert isinstance(text, str)
    return text


def test_the_chat_template_says_the_same(prompt: Prompt) -> None:
    text = rendered(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [AUDIO, {"type": "text", "text": "What was that?"}]},
            {"role": "assistant", "content": "<think>\nIt barks.\n</think>\nA dog."},
            {"role": "user", "content": "Sure?"},
        ],
        add_generation_prompt=True,
    )
    assert encode(text) == [
        *prompt.system("Be brief."),
        *prompt.human_open(), *prompt.audio(1), *prompt.human_close("What was that?"),
        *prompt.reply("A dog."),
        *prompt.human_text("Sure?"),
        *prompt.assistant_open(True),
    ]  # fmt: skip


@pytest.mark.parametrize("thinking", [False, True])
def test_the_chat_template_switches_thinking(prompt: Prompt, thinking: bool) -> None:
    text = rendered([{"role": "user", "content": "Hi"}], add_generation_prompt=True, enable_thinking=thinking)
    assert encode(text) == [*prompt.human_text("Hi"), *prompt.assistant_open(thinking)]


def test_the_chat_template_writes_tools_calls_and_results(prompt: Prompt) -> None:
    made = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    text = rendered(
        [
            {"role": "user", "content": "Is it raining?"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": "1", "content": "yes"},
        ],
        tools=[WEATHER],
    )
    head, _, rest = text.partition("<|EOT|>")
    assert head.startswith('<|BOT|>tool_json_schemas\n[{"type": "function"')
    assert rest == (
        "<|BOT|>human\nIs it raining?<|EOT|>"
        '<|BOT|>assistant\n<tool_call>function\nweather\n{"city": "Oslo"}</tool_call><|EOT|>'
        "<|BOT|>function_output\nweather\nyes<|EOT|>"
    )
    assert encode(text) == [
        *prompt.tools(schemas([Tool("weather", parameters={"type": "object"})])),
        *prompt.human_text("Is it raining?"),
        *prompt.reply(call("weather", '{"city": "Oslo"}')),
        *prompt.function_output("weather", "yes"),
    ]


def test_tools_come_right_after_the_instructions() -> None:
    text = rendered([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}], tools=[WEATHER])
    assert text.startswith("<|BOT|>system\nS<|EOT|><|BOT|>tool_json_schemas\n")
    assert text.count("tool_json_schemas") == 1


def test_nano_ships_the_same_template() -> None:
    assert (NANO / "chat_template.jinja").read_text() == CHAT_TEMPLATE.read_text()
