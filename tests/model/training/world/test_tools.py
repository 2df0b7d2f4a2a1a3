"""Tools: called only where offered, with all that was said; the result is told; schemas stay short."""

from __future__ import annotations

import json
import random

import pytest
from tokenizers import Tokenizer, models

from model.training.world import tools
from model.training.world.core import Call, State, Utterance
from model.training.world.speech import spoken

EVERY = State(tools=tuple(tools.TOOLS))


def made(intent: str, count: int = 300) -> list[Utterance]:
    r = random.Random(intent)
    return [tools.RULES[intent].make(r) for _ in range(count)]


@pytest.mark.parametrize("intent", list(tools.RULES))
def test_called_where_offered_with_arguments_of_the_schema(intent: str) -> None:
    for said in made(intent):
        call = tools.RULES[intent].answer(EVERY, said).call
        assert call
        parameters = tools.TOOLS[call.name]["function"]["parameters"]
        assert set(parameters["required"]) <= set(call.arguments) <= set(parameters["properties"])
        for key, value in call.arguments.items():
            kind = parameters["properties"][key]
            assert isinstance(value, int if kind["type"] == "integer" else str)
            assert value in kind.get("enum", [value])
            heard = spoken(value) if isinstance(value, int) else value.lower()
            if key not in ("shots", "sugar"):
                assert heard in said.words, said
        assert json.loads(call.text.split("\n")[2].removesuffix("</tool_call>")) == call.arguments


@pytest.mark.parametrize("intent", list(tools.RULES))
def test_never_called_where_not_offered(intent: str) -> None:
    said = made(intent, 1)[0]
    others = tuple(name for name in tools.TOOLS if name != tools.TOPICS[intent][1])
    for offered in ((), others):
        found = tools.RULES[intent].answer(State(tools=offered), said)
        assert found.call is None
        assert found.reply == tools.TOPICS[intent][2]


@pytest.mark.parametrize("intent", list(tools.RULES))
def test_both_sides_exist_and_no_text_is_on_both(intent: str) -> None:
    found = made(intent, 400)
    assert {u.held_out for u in found} == {False, True}
    assert not {u.words for u in found if u.held_out} & {u.words for u in found if not u.held_out}


def test_an_order_keeps_every_part_with_its_amount() -> None:
    for said in made("tools_drink"):
        call = tools.RULES["tools_drink"].answer(EVERY, said).call
        assert call
        order = call.arguments
        assert ("roast" in order) == (" roast" in said.words)
        assert ("milk" in order) == (" milk" in said.words)
        assert ("sugar" in order) == ("sugar" in said.words)
        assert ("shots" in order) == ("shot" in said.words)
        if "sugar" in order:
            amount = str(order["sugar"])
            assert (spoken(int(amount)) if amount.isdigit() else amount) in said.words


@pytest.mark.parametrize(
    ("call", "content", "reply"),
    [
        (Call("set_timer", {"minutes": 5}), '{"ok": true}', "The timer is set for 5 minutes."),
        (
            Call("get_weather", {"city": "Paris"}),
            '{"weather": "rain", "degrees": 12}',
            "In Paris it is 12 degrees with rain.",
        ),
        (Call("lookup", {"name": "Anna"}), '{"number": "4 7 1"}', "The number of Anna is 4 7 1."),
        (
            Call("order_drink", {"drink": "latte", "size": "large", "shots": 2, "milk": "oat", "sugar": "1"}),
            '{"ok": true}',
            "Your large latte with 2 shots, oat milk and 1 sugar is on its way.",
        ),
        (
            Call("get_weather", {"city": "Rome"}),
            '{"error": "no such city"}',
            "That did not work: no such city.",
        ),
        (Call("lookup", {"name": "Anna"}), "no JSON", "That did not work."),
    ],
)
def test_a_result_is_told(call: Call, content: str, reply: str) -> None:
    assert tools.told(State(), call, content).reply == reply


def test_an_offer_has_schemas() -> None:
    r = random.Random(3)
    offers = [tools.offer(r, held_out) for held_out in (False, True) for _ in range(200)]
    assert () in offers
    assert tools.schemas(()) == ""
    for names in filter(None, offers):
        assert tuple(tool["function"]["name"] for tool in json.loads(tools.schemas(names))) == names


def test_a_schema_takes_few_pieces() -> None:
    pieces = dict.fromkeys(["<unk>", *map(chr, range(32, 127)), *tools.PIECES])
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    for name in tools.TOOLS:
        assert len(tokenizer.encode(tools.schemas((name,))).tokens) <= 30, name
