"""Tables from answers: the right counts in the right rows and columns, and a picture that is well-formed."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from model.evaluation import report
from model.evaluation.case import Answered, Case, Clip, Condition, Outcome
from model.training.world.core import Effort

TIMES = {"first_thinking_ms": 100.0, "first_reply_ms": 300.0}


def answered(
    got: str,
    family: str = "numbers",
    suite: str = "families",
    condition: Condition = "clean",
    effort: Effort = "medium",
    refusal: bool = False,
    seen: bool = False,
) -> Answered:
    reply = "I did not understand that." if refusal else "12."
    clip = Clip("twelve", "flite/awb" if seen else "piper/joe", np.zeros(16_000, np.int16), seen=seen)
    case = Case(
        "x", family, "sum", clip, reply, suite, effort=effort, condition=condition, refusal=refusal,
        transcript="" if refusal else "twelve",
    )  # fmt: skip
    return Answered(case, "incremental", Outcome("think", got, heard="twelve", think_tokens=4, timings=TIMES))


def rows(found: list[report.Table], title: str) -> dict[str, list[str]]:
    table = next(t for t in found if t.title.startswith(title))
    return {label: [str(cell) for cell in cells] for label, cells in table.rows}


def test_counts() -> None:
    found = report.tables(
        [
            answered("12."),
            answered("13."),
            answered("I did not understand that."),
            answered("12.", condition="noise"),
            answered("12.", family="unknown", refusal=True),
            answered("I did not understand that.", family="unknown", refusal=True),
            answered("12", suite="three", effort="none"),
            answered("13", suite="three", effort="long"),
            answered("12", suite="seen voices", seen=True),
        ]
    )
    families = next(t for t in found if "family" in t.title)
    assert families.columns[:2] == ("clean, incremental", "10 dB noise, incremental")
    told = rows(found, "Right, by family")
    assert told["numbers"][0].startswith("33.3 % (6.1") and told["numbers"][1].startswith("100.0 %")
    assert "n=2" in told["false answers to what is unknown"][0]
    assert told["false answers to what is unknown"][0].startswith("50.0 %")
    assert told["false refusals of what is known"][0].startswith("33.3 %")
    assert told["words wrong in the transcript"] == ["0.0 % (of 3)", "0.0 % (of 1)"]
    assert told["first thought, ms: median (95 %)"][0] == "100 (100)"
    voices = rows(found, "Right, by voice")
    assert voices["flite/awb, trained"][0].startswith("100.0 %")
    assert voices["piper/joe, never heard"][0].startswith("33.3 %")
    three = rows(found, "Three numbers")
    assert three["no thinking"][0].startswith("100.0 %") and three["long thinking"][0].startswith("0.0 %")
    assert "Your recordings" not in [t.title for t in found]


def test_texts_and_picture() -> None:
    found = report.tables([answered("12", suite="own"), answered("<13>", suite="own", condition="noise")])
    assert [t.title for t in found] == ["Your recordings"]
    assert report.markdown(found).startswith(
        "| Your recordings | clean, incremental | 10 dB noise, incremental |\n|---"
    )
    assert "right" in report.plain(found)
    drawn = ElementTree.fromstring(report.svg(found))
    assert "Your recordings" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
