"""URO-Bench: spoken conversations in two tracks, basic and pro.

    basic/SET/test.jsonl             id, source_wav, source_text, target_text (one or several)
    pro/SET/test.jsonl               in sets of several rounds: id, dialogue [round, source_wav, …]

`source_wav` is named from the folder of test.jsonl on. Source: Ruiqi-Yan/URO-Bench on GitHub. A judge model
marks most sets; Repeat is scored by its word errors. The benchmark marks a transcript of the spoken reply:
here it is the reply's text. What is marked by the sound of the reply (feelings, styles, songs; UTMOS) or by a
field whose name its scripts do not tell is asked, written down and not scored.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from model.evaluation.scoring import edit_distance
from model.evaluation.suites import files
from model.evaluation.suites.files import Place
from model.evaluation.suites.item import Item, Round, Suite, SuiteError

OPEN, HALF, ANSWER, REPEAT, TALK, SAFETY, UNSCORED = "open", "half", "answer", "repeat", "talk", "safety", ""
RULES = {
    **dict.fromkeys(("AlpacaEval", "CommonEval", "WildchatEval", "Claude"), OPEN),
    **dict.fromkeys(("StoralEval", "Summary", "TruthfulEval", "LCSTS", "CodeSwitching"), HALF),
    **dict.fromkeys(
        ("GaokaoEval", "Gsm8kEval", "MLC", "OpenbookQA", "MLCpro", "ClothoEval", "MuChoEval"), ANSWER
    ),
    **dict.fromkeys(("Wildchat",), OPEN),
    **dict.fromkeys(("HSK5", "APE"), ANSWER),  # by their English pairs
    **dict.fromkeys(("SQuAD", "UnderEmotion", "Multilingual", "SpeakerAware"), UNSCORED),
    **dict.fromkeys(("GenEmotion", "GenStyle", "SRT"), UNSCORED),
    "Repeat": REPEAT,
    "MtBenchEval": TALK,
    "Safety": SAFETY,
}
TRACKS = ("basic", "pro")
BAD = 0.5  # share of wrong words from which a repetition is none
PUNCTUATION = re.compile(r"[^\w\s]")


def load(data: Path) -> list[Item]:
    """Every set that is there. Raises SuiteError."""
    files.folder(data, "URO-Bench-data, with basic/SET/test.jsonl and pro/SET/test.jsonl")
    tables = sorted(path for track in TRACKS for path in data.glob(f"{track}/*/test.jsonl"))
    if not tables:
        raise SuiteError(f"{data}: expected basic/SET/test.jsonl or pro/SET/test.jsonl, found none")
    return [item(place) for table in tables for place in files.places(table)]


def item(place: Place) -> Item:
    """Raises SuiteError."""
    home = place.path.parent
    name, track = home.name, home.parent.name
    kind, _, language = name.removesuffix("_test").partition("-")
    if kind not in RULES:
        raise SuiteError(f"{place.path}: expected a set of {', '.join(RULES)}, got {name!r}")
    section = (
        f"{track}, {'Chinese' if language == 'zh' else 'several' if kind == 'Multilingual' else 'English'}"
    )
    rounds = place.row.get("dialogue")
    turns = [Place(place.path, place.number, turn) for turn in rounds] if rounds else [place]
    heard = [Round(t.sound("source_wav", home), t.text("source_text"), _target(t)) for t in turns]
    last = heard[-1]
    return Item(
        f"{track}/{name}/{place.text('id')}",
        name,
        last.sound,
        last.reference,
        section=section,
        rule=RULES[kind],
        said=last.said,
        earlier=tuple(heard[:-1]),
    )


def _target(place: Place) -> str:
    """What is asked again where there is none, as in the benchmark's own scripts."""
    target: Any = place.row.get("target_text")
    if isinstance(target, list):
        return " / ".join(place.texts("target_text"))
    return place.text("target_text") if target is not None else place.text("source_text")


def score(item: Item, reply: str) -> float | None:
    """A repetition with up to half of its words wrong: the share of right ones; one with more: nothing.

    As in the benchmark, the share is of the reply's words, normalised as Whisper's authors do; American and
    British spellings are not made the same here. Chinese is compared by characters.
    """
    if item.rule != REPEAT:
        return None
    if item.section.endswith("Chinese"):
        said, right = (list(re.sub(r"\s", "", PUNCTUATION.sub("", text))) for text in (reply, item.answer))
    else:
        said, right = _normal(reply).split(), _normal(item.answer).split()
    errors = edit_distance(said, right) / len(said) if said else 1.0
    return 1 - errors if errors <= BAD else 0.0


def _normal(text: str) -> str:
    return str(_normaliser()(text.strip().lower()))


@cache
def _normaliser() -> Any:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})


SUITE = Suite(
    "uro-bench",
    "URO-Bench",
    "Ruiqi-Yan/URO-Bench on GitHub; Honggao/URO-Bench on Hugging Face; arXiv 2502.17810",
    "MIT, as its repository says",
    load,
    score,
    "Repeat by its word errors; the other sets by a judge",
    judge="gpt-4o-mini",
    opinions=3,
    macro=True,
)
