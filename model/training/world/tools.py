"""Tools: what nano can have done by others, how it calls them, and how it tells what came of it.

A tool is called only where it is offered; else nano says that it can not. Schemas are OpenAI's, calls are
Step-Audio 2's (see core.Call), results are small JSON. Orders of drinks are put together in any order.
Runs no tool, and knows no tokens beyond PIECES, the fragments that keep schemas short.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from model.training.world.core import Answer, Call, Rule, State, Utterance
from model.training.world.speech import DAYS, PEOPLE, asked, spoken

BARE = "as it is"  # the key of what is always trained on

ROOMS = "kitchen bedroom bathroom hall garage".split()
CITIES = "paris london berlin madrid rome vienna oslo dublin".split()
WEATHERS = "sun rain snow clouds wind fog".split()
SIZES = "small medium large".split()
ROASTS = "light medium dark".split()
DRINKS = ("latte", "cappuccino", "americano", "mocha", "espresso", "flat white", "coffee")
ORDER = ("drink", "size", "roast", "shots", "milk", "sugar")
MILKS = "whole skim oat almond soy".split()
AMOUNTS = ("a little", "some", "a lot of")


def _tool(name: str, description: str, optional: Sequence[str] = (), /, **properties: Any) -> dict[str, Any]:
    """A schema; a property is its type, or the values it may have."""
    fields = {
        key: {"type": "string", "enum": list(kind)} if isinstance(kind, tuple) else {"type": kind}
        for key, kind in properties.items()
    }
    required = [key for key in fields if key not in optional]
    parameters = {"type": "object", "properties": fields, "required": required}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def _table(*tools: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tool["function"]["name"]: tool for tool in tools}


TOOLS: dict[str, dict[str, Any]] = _table(
    _tool("set_timer", "Set a timer.", minutes="integer"),
    _tool("set_light", "Switch a light.", room=tuple(ROOMS), state=("on", "off")),
    _tool("get_weather", "Get the weather in a city.", ("day",), city="string", day="string"),
    _tool("lookup", "Look up the number of a person.", name="string"),
    _tool(
        "order_drink",
        "Order a drink.",
        ("size", "roast", "shots", "milk", "sugar"),
        drink="string",
        size=tuple(SIZES),
        roast=tuple(ROASTS),
        shots="integer",
        milk="string",
        sugar="string",
    ),
)
DECOYS = _table(
    _tool("play_music", "Play music.", title="string"),
    _tool("send_mail", "Send a mail.", to="string", text="string"),
    _tool("book_taxi", "Book a taxi.", place="string", time="string"),
    _tool("open_door", "Open a door.", door=("front", "back")),
    _tool("get_news", "Get the news.", topic="string"),
)
UNSEEN_DECOYS = _table(
    _tool("translate", "Translate a text.", text="string", language="string"),
    _tool("water_plants", "Water the plants.", seconds="integer"),
    _tool("take_photo", "Take a photo.", camera=("left", "right")),
)
TOPICS = {
    "tools_timer": ("timer", "set_timer", "I can not set a timer."),
    "tools_light": ("light", "set_light", "I can not switch a light."),
    "tools_weather": ("weather", "get_weather", "I do not know the weather."),
    "tools_lookup": ("number", "lookup", "I can not look up a number."),
    "tools_drink": ("order", "order_drink", "I can not order a drink."),
}


def offer(r: random.Random, held_out: bool = False) -> tuple[str, ...]:
    """Names of the tools offered in a conversation, in any order; often none."""
    chance = r.random()
    if chance < 0.35:
        return ()
    count = len(TOOLS) if chance < 0.45 else r.choice((1, 1, 2, 2, 3))
    names = r.sample(list(TOOLS), count)
    if r.random() < 0.3:
        names += r.sample(list(UNSEEN_DECOYS if held_out else DECOYS), r.choice((1, 1, 2)))
    r.shuffle(names)
    return tuple(names)


def schemas(names: Sequence[str]) -> str:
    """The JSON array that offers them; empty for none."""
    every = {**TOOLS, **DECOYS, **UNSEEN_DECOYS}
    return json.dumps([every[name] for name in names], ensure_ascii=False) if names else ""


# --- what is said ---

TIMERS = (
    "set a timer for {t}",
    "set a timer for {t}",
    "set a timer to {t}",
    "start a timer for {t}",
    "set the timer for {t}",
    "timer for {t}",
    "i need a timer for {t}",
    "can you set a timer for {t}",
    "could you set a timer for {t}",
    "wake me in {t}",
    "wake me up in {t}",
    "can you wake me in {t}",
    "a {n} minute timer",
    "set a {n} minute timer",
)
LIGHTS = (
    "turn {s} the light in the {r}",
    "turn the light in the {r} {s}",
    "turn {s} the {r} light",
    "turn the {r} light {s}",
    "switch {s} the light in the {r}",
    "switch the light in the {r} {s}",
    "switch {s} the {r} light",
    "switch the {r} light {s}",
    "can you turn {s} the light in the {r}",
    "could you switch the {r} light {s}",
    "light {s} in the {r}",
)
WEATHER = (
    "what is the weather in {c}",
    "what is the weather in {c}",
    "how is the weather in {c}",
    "what is the weather like in {c}",
    "the weather in {c}",
    "give me the weather in {c}",
    "get the weather in {c}",
)
LOOKUPS = (
    "what is the number of {p}",
    "what is the phone number of {p}",
    "look up the number of {p}",
    "look up {p}",
    "find the number of {p}",
    "find the phone number of {p}",
    "give me the number of {p}",
    "i need the number of {p}",
    "can you look up {p}",
    "could you find the number of {p}",
)
ORDERING = (
    "",
    "",
    "i would like",
    "i would like",
    "can i get",
    "can i have",
    "could i get",
    "could i have",
    "may i have",
    "i will have",
    "i will take",
    "i want",
    "i need",
    "give me",
    "get me",
    "please get me",
    "let me get",
    "let me have",
    "can you get me",
    "could you order",
    "can you order me",
    "order",
    "order me",
    "i would like to order",
    "i would like to have",
)
GREETING = ("",) * 6 + ("hello", "hi", "hey", "okay", "um")
CLOSING = ("",) * 3 + ("please", "please", "thank you", "thanks")


def _said(
    intent: str, words: str, args: Sequence[str], bare: bool = False, written: tuple[str, ...] = ()
) -> Utterance:
    return Utterance("tools", f"tools_{intent}", words, BARE if bare else words, tuple(args), written)


def _timer(r: random.Random) -> Utterance:
    n = r.choice((1, 2, 3, 5, 10, 15, 20, 30)) if r.random() < 0.4 else r.randrange(1, 61)
    phrase = r.choice(TIMERS)
    unit = "minute" if n == 1 else "minutes"
    words = asked(r, phrase.format(t=f"{spoken(n)} {unit}", n=spoken(n)))
    return _said("timer", words, [str(n)], written=(phrase.format(t=f"{n} {unit}", n=n),))


def _light(r: random.Random) -> Utterance:
    room, state = r.choice(ROOMS), r.choice(("on", "off"))
    return _said("light", asked(r, r.choice(LIGHTS).format(s=state, r=room)), (room, state))


def _weather(r: random.Random) -> Utterance:
    city = r.choice(CITIES)
    day = r.choice(("", "", "today", "tomorrow", "tomorrow", r.choice(DAYS)))
    words = r.choice(WEATHER).format(c=city)
    if day:
        words += f" on {day}" if day in DAYS else f" {day}"
    return _said("weather", asked(r, words), (city.capitalize(), day.capitalize() if day in DAYS else day))


def _lookup(r: random.Random) -> Utterance:
    person = r.choice(PEOPLE)
    return _said("lookup", asked(r, r.choice(LOOKUPS).format(p=person)), (person.capitalize(),))


def _milk(r: random.Random) -> tuple[str, str]:
    """As said behind the drink, and as ordered."""
    if r.random() < 0.12:
        return "no milk", "no"
    kind = r.choice((*MILKS, *MILKS, ""))
    amount = r.choice(AMOUNTS) if not kind or r.random() < 0.35 else ""
    milk = f"{amount} {kind}".strip()
    return f"{milk} milk", milk


def _sugar(r: random.Random) -> tuple[str, str]:
    chance = r.random()
    if chance < 0.2:
        return "no sugar", "no"
    if chance < 0.45:
        amount = r.choice(AMOUNTS)
        return f"{amount} sugar", amount
    n = r.randrange(1, 6)
    return (
        r.choice((f"{spoken(n)} {'sugar' if n == 1 else 'sugars'}", f"{spoken(n)} {_spoons(n)} of sugar")),
        str(n),
    )


def _spoons(n: int) -> str:
    return "spoon" if n == 1 else "spoons"


def _shots(r: random.Random) -> tuple[str, str, str]:
    """Before the drink (may be empty), behind it, and as ordered."""
    n = r.choice((1, 1, 2, 2, 2, 3, 3, 4))
    shots = f"{spoken(n)} {'shot' if n == 1 else 'shots'}"
    behind = [shots, f"{shots} of espresso"]
    if n < 4:
        word = ("single", "double", "triple")[n - 1]
        behind += [f"a {word} shot", f"{word} shot"]
        return f"{word} shot", r.choice(behind), str(n)
    return "", r.choice(behind), str(n)


def _drink(r: random.Random) -> Utterance:
    """Every part comes before the drink or behind it, in any order."""
    drink = r.choice(DRINKS)
    ordered = {"drink": drink}
    before: list[str] = []
    behind: list[str] = []
    if r.random() < 0.7:
        ordered["size"] = size = r.choice(SIZES)
        (before if r.random() < 0.8 else behind).append(size)
    if r.random() < 0.45:
        roast = r.choice(ROASTS)
        ordered["roast"] = roast
        (before if r.random() < 0.6 else behind).append(f"{roast} roast")
    if drink != "espresso" and r.random() < 0.4:
        front, back, ordered["shots"] = _shots(r)
        if front and r.random() < 0.3:
            before.append(front)
        else:
            behind.append(back)
    if r.random() < 0.5:
        said, milk = _milk(r)
        ordered["milk"] = milk
        if milk in MILKS and r.random() < 0.35:
            before.append(f"{milk} milk")
        else:
            behind.append(said)
    if r.random() < 0.5:
        said, ordered["sugar"] = _sugar(r)
        behind.append(said)
    r.shuffle(before)
    r.shuffle(behind)
    noun = " ".join([*before, drink])
    article = r.choice(("", "the", "one")) if r.random() < 0.15 else "an" if noun[0] in "aeo" else "a"
    words = [r.choice(GREETING), r.choice(ORDERING), article, noun]
    if behind:
        joined = " and ".join(filter(None, (" ".join(behind[:-1]), behind[-1])))
        if r.random() < 0.3:
            joined = r.choice((" ", " and ")).join(behind)
        words += [r.choice(("with", "with", "with", "")), joined]
    polite = r.choice(CLOSING)
    if r.random() < 0.08:  # in the middle
        words.insert(4, "please")
        polite = ""
    text = re.sub(r"\b(please) please$", r"\1", " ".join(filter(None, [*words, polite])))
    return _said("drink", text, [f"{key}={ordered[key]}" for key in ORDER if key in ordered])


# --- calling ---


def _arguments(said: Utterance) -> dict[str, str | int]:
    args = said.args
    if said.intent == "tools_timer":
        return {"minutes": int(args[0])}
    if said.intent == "tools_light":
        return {"room": args[0], "state": args[1]}
    if said.intent == "tools_weather":
        return {"city": args[0], "day": args[1]} if args[1] else {"city": args[0]}
    if said.intent == "tools_lookup":
        return {"name": args[0]}
    pairs = [arg.split("=") for arg in args]
    return {key: int(value) if key == "shots" else value for key, value in pairs}


def _answer(state: State, said: Utterance) -> Answer:
    topic, name, refusal = TOPICS[said.intent]
    if name not in state.tools:
        return Answer(refusal, (f"{topic}: no tool",), brief="No.", state=state)
    arguments = _arguments(said)
    listed = ", ".join(f"{key} {value}" for key, value in arguments.items())
    return Answer("", (f"{topic}, {listed}: {name}",), call=Call(name, arguments), state=state)


# --- what comes of it ---


def result(call: Call, r: random.Random) -> str:
    """What a tool might give back, now and then an error."""
    wrong = r.random() < 0.12
    found: dict[str, Any] = {"ok": True}
    if call.name == "get_weather":
        found = {"weather": r.choice(WEATHERS), "degrees": r.randrange(35)}
    if call.name == "lookup":
        found = {"number": " ".join(str(r.randrange(10)) for _ in range(r.choice((3, 3, 4, 5))))}
    if wrong:
        found = {"error": r.choice(ERRORS.get(call.name, ERRORS[""]))}
    return json.dumps(found)


ERRORS = {
    "": ("not ready", "try again"),
    "set_timer": ("not ready", "too many timers"),
    "set_light": ("not ready", "no such room"),
    "get_weather": ("no such city", "not ready"),
    "lookup": ("no such name", "not ready"),
    "order_drink": ("not ready", "no milk", "no sugar", "no such drink"),
}


def told(state: State, call: Call, content: str) -> Answer:
    """The reply after a tool gave back `content`, which may be anything."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Answer("That did not work.", brief="No.", state=state)
    if "error" in found:
        return Answer(f"That did not work: {found['error']}.", brief="No.", state=state)
    arguments = call.arguments
    if call.name == "set_timer":
        n = arguments["minutes"]
        reply = f"The timer is set for {n} minute{'' if n == 1 else 's'}."
    elif call.name == "set_light":
        reply = f"The light in the {arguments['room']} is {arguments['state']}."
    elif call.name == "get_weather" and {"weather", "degrees"} <= found.keys():
        return _weather_told(state, call, found)
    elif call.name == "lookup" and "number" in found:
        number = found["number"]
        return Answer(f"The number of {arguments['name']} is {number}.", brief=f"{number}.", state=state)
    elif call.name == "order_drink":
        reply = f"Your {_order_text(call)} is on its way."
    else:
        return Answer("That did not work.", brief="No.", state=state)
    return Answer(reply, brief="Done.", state=state)


def _weather_told(state: State, call: Call, found: dict[str, Any]) -> Answer:
    day = str(call.arguments.get("day", ""))
    when = f" on {day}" if day.lower() in DAYS else f" {day}" if day else ""
    verb = "is" if day in ("", "today") else "will be"
    weather, degrees = found["weather"], found["degrees"]
    unit = "degree" if degrees == 1 else "degrees"
    reply = f"In {call.arguments['city']} it {verb} {degrees} {unit} with {weather}{when}."
    return Answer(reply, brief=f"{str(weather).capitalize()}.", state=state)


def _order_text(call: Call) -> str:
    """large dark roast latte with 2 shots, a little oat milk and 1 sugar"""
    a = call.arguments
    before = [str(a["size"])] if "size" in a else []
    before += [f"{a['roast']} roast"] if "roast" in a else []
    parts = [f"{a['shots']} shot{'' if a['shots'] == 1 else 's'}"] if "shots" in a else []
    parts += [f"{a['milk']} milk"] if "milk" in a else []
    if "sugar" in a:
        many = str(a["sugar"]).isdigit() and a["sugar"] != "1"
        parts.append(f"{a['sugar']} sugar{'s' if many else ''}")
    text = " ".join([*before, str(a["drink"])])
    if parts:
        text += " with " + " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return text


RULES: dict[str, Rule] = {
    "tools_timer": Rule(18, _timer, _answer),
    "tools_light": Rule(17, _light, _answer),
    "tools_weather": Rule(15, _weather, _answer),
    "tools_lookup": Rule(14, _lookup, _answer),
    "tools_drink": Rule(36, _drink, _answer),
}


# --- pieces for the tokenizer ---

JOINTS = (
    '[{"type": "function", "function": {"name": "',
    '{"type": "function", "function": {"name": "',
    '", "description": "',
    '", "parameters": {"type": "object", "properties": {"',
    '"}, "',
    '"]}, "',
    '": {"type": "',
    '": {"type": "string"}, "',
    '": {"type": "integer"}, "',
    '": {"type": "string"}}, "required": ["',
    '": {"type": "integer"}}, "required": ["',
    '": {"type": "string", "enum": ["',
    '"]}}, "required": ["',
    '"}}, "required": ["',
    '", "',
    '"]}}}',
    '"]}}}, ',
    '"]}}}]',
    '{"',
    '": "',
    '": ',
    ', "',
    '"}',
    "<tool_call>",
    "</tool_call>",
    "<tool_call>function\n",
    "function",
    "function_output",
    "tool_json_schemas",
    '{"ok": true}',
    '{"error": "',
    '{"number": "',
    '{"weather": "',
    '", "degrees": ',
)


def _names(pick: Callable[[dict[str, Any]], Sequence[str]], *tables: dict[str, dict[str, Any]]) -> list[str]:
    return [name for table in tables for tool in table.values() for name in pick(tool["function"])]


def _fields(function: dict[str, Any]) -> list[str]:
    return list(function["parameters"]["properties"])


def _pieces() -> tuple[str, ...]:
    found = [*JOINTS, *TOOLS, *_names(_fields, TOOLS), *"string integer object on off".split()]
    for description in _names(lambda f: [f["description"]], TOOLS):
        for word in description.rstrip(".").split():
            found += [word, f" {word}"]
    found += ['", "'.join(values) for values in (("on", "off"), SIZES, ROASTS)]
    enums = [*ROOMS, *SIZES, *ROASTS, *MILKS, *DRINKS, *WEATHERS, *(c.capitalize() for c in CITIES)]
    for value in enums:
        found += [value, f" {value}"]
    found += [error for errors in ERRORS.values() for error in errors]
    return tuple(dict.fromkeys(found))


PIECES: tuple[str, ...] = _pieces()
