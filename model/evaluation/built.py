"""The built-in tests as cases: every family, conversations that need memory, tools, prompts, thinking or not.

From clips that are there already and a seed for all else: the same cases each time. What nano should reply is
the world's own answer (model/training/world). Knows no network and no files.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from model.evaluation.case import Before, Case, Condition
from model.evaluation.clips import Said, conflicting, single
from model.evaluation.scoring import last_number
from model.training import world
from model.training.world import dialogue, instructions, tools, unknown
from model.training.world.core import Effort, State

FAMILIES = (*world.FAMILIES, "conflict")
SPOILED = ("numbers", "sequences", "everyday", "memory", "tools")  # also in noise and by telephone
CHAT = ("numbers", "sequences", "everyday", "memory")  # earlier turns are of these
CALCULATED = (
    *("sum", "difference", "product", "three", "half", "double", "story"),
    *("memory_follow", "memory_double", "memory_half", "memory_correct"),
)
MOST_TURNS = 8
TYPED = 0.5  # share of the earlier turns
NO_TOOL = 0.15  # share of the tool cases where the tool is not offered
REFUSALS = (
    unknown.NOT_UNDERSTOOD,
    unknown.NOTHING_HEARD,
    unknown.ONLY_NOISE,
    unknown.ONLY_MUSIC,
    unknown.ENGLISH_ONLY,
)


def family(said: Said) -> str:
    return "conflict" if conflicting(said.utterance) else said.utterance.family


def families(clips: Sequence[Said], count: int, wanted: Iterable[str] = FAMILIES) -> list[Case]:
    """`count` of each family (fewer where there are no more clips), in the clean."""
    pool = _by_intent(clips)
    found = []
    for name in wanted:
        found += [case(said, pool) for said in [s for s in clips if family(s) == name][:count]]
    return found


def digits(clips: Sequence[Said], count: int) -> list[Case]:
    """Digits said alone and strings of them, beside those among `families`, up to `count` in all."""
    told = [s for s in clips if family(s) == "sequences"][:count]
    said = [s for s in clips if s.utterance.intent == "digits" and s not in told]
    lacking = count - sum(s.utterance.intent == "digits" for s in told)
    return [replace(case(s, {}), suite="digits") for s in said[: max(0, lacking)]]


def spoiled(cases: Iterable[Case], condition: Condition, count: int) -> list[Case]:
    """The same cases in noise or by telephone: those of words alone, `count` of each family."""
    left = dict.fromkeys(SPOILED, count)
    found = []
    for one in cases:
        if left.get(one.family, 0) and one.suite == "families":
            left[one.family] -= 1
            found.append(under(one, condition))
    return found


def under(one: Case, condition: Condition) -> Case:
    return one if condition == "clean" else replace(one, condition=condition, name=f"{one.name} {condition}")


def efforts(
    clips: Sequence[Said], count: int, wanted: Sequence[Effort] = ("none", "short", "medium", "long")
) -> list[Case]:
    """Three numbers, with thoughts of every length and without."""
    said = [s for s in clips if s.utterance.intent == "three"][:count]
    return [
        replace(case(s, {}), suite="three", effort=effort, name=f"three {s.seed} {effort}", transcript="")
        for effort in wanted
        for s in said
    ]


def prompts(clips: Sequence[Said], count: int) -> list[Case]:
    """System prompts of phrasings never seen, which all ask for something; often with tools on offer."""
    pool = _by_intent(clips)
    said = [s for s in clips if family(s) in (*CHAT, "tools")]
    said = random.Random("prompts").sample(said, min(count, len(said)))
    return [replace(case(s, pool, asked=True), suite="prompts", transcript="") for s in said]


def apart(clips: Sequence[Said]) -> list[Case]:
    """Digits said by themselves: one, or one by one."""
    return [replace(case(s, {}), suite="alone" if single(s.utterance) else "apart") for s in clips]


def seen(clips: Sequence[Said]) -> list[Case]:
    """In trained voices."""
    return [replace(case(s, {}), suite="seen voices") for s in clips]


def case(said: Said, pool: Mapping[str, Sequence[Said]], asked: bool = False) -> Case:
    """The conversation that ends with this. `asked`: under a system prompt that wants something."""
    utterance = said.utterance
    name = f"{utterance.family} {said.seed}"
    r = random.Random(f"case {name} {asked}")
    course = dialogue.Course(r, held_out=True, whole=True)
    if not asked:
        course.instructions, course.state, course.offered, course.schemas = instructions.NANO, State(), (), ""
    if utterance.family == "tools" and not (asked and r.random() < NO_TOOL):
        _offer(course, r, utterance.intent, r.random() >= NO_TOOL)
    before: tuple[Before, ...] = ()
    if utterance.family == "memory":
        before = _earlier(course, r, utterance.intent, pool)
    turn = course.turn(utterance)
    reply = turn.answer.reply
    number = None
    if utterance.intent in CALCULATED and turn.answer.state.last:
        result = turn.answer.state.last.result
        number = result if last_number(reply) == result else None
    return Case(
        name,
        family(said),
        utterance.intent,
        said.clip,
        reply,
        instructions=course.instructions,
        schemas=course.schemas,
        before=before,
        number=number,
        call=turn.call,
        result=turn.result.content if turn.result else "",
        told=turn.result.answer.reply if turn.result else "",
        refusal=utterance.family == "unknown",
        transcript="" if utterance.family == "unknown" else utterance.words,
    )


def _offer(course: dialogue.Course, r: random.Random, intent: str, wanted: bool) -> None:
    """Tools on offer, with the one that is needed, or without it."""
    needed = tools.TOPICS[intent][1]
    while True:
        offered = tools.offer(r, held_out=True)
        if (needed in offered) == wanted:
            break
    course.offered, course.schemas = offered, tools.schemas(offered)
    course.state = replace(course.state, tools=offered)


def _earlier(
    course: dialogue.Course, r: random.Random, last: str, pool: Mapping[str, Sequence[Said]]
) -> tuple[Before, ...]:
    """One to seven earlier turns; what the last refers to is mostly among them."""
    found = []
    for number, intent in enumerate(dialogue.plan(r, r.randint(2, MOST_TURNS), last)[:-1]):
        if intent is None:
            intent = r.choice([i for f in CHAT for i in world.FAMILIES[f] if pool.get(i)])
        clips = pool.get(intent)
        if clips and r.random() >= TYPED:
            said = r.choice(clips)
            found.append(Before(said.utterance.words, course.turn(said.utterance).kept, said.clip))
        else:
            seed = f"{number} {r.random()}"
            utterance = r.choice(clips).utterance if clips else world.of_intent(seed, intent)
            found.append(Before(utterance.words, course.turn(utterance).kept))
    return tuple(found)


def _by_intent(clips: Iterable[Said]) -> dict[str, list[Said]]:
    found = defaultdict(list)
    for said in clips:
        if said.utterance.family in CHAT:
            found[said.utterance.intent].append(said)
    return found


def tool_names(schemas: str) -> list[str]:
    return [tool["function"]["name"] for tool in json.loads(schemas)] if schemas else []
