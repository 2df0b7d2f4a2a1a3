"""What a judge is asked under each rule, and how its words are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites import judging, uro_bench
from model.evaluation.suites.item import Item, Sound
from tests.model.evaluation.suites import samples


def item(rule: str) -> Item:
    return Item("n", "g", Sound(Path("none")), "42", rule=rule, said=samples.SUM)


def test_every_rule_of_uro_bench_has_its_question() -> None:
    rules = set(uro_bench.RULES.values())
    judged = {rule for rule in rules if judging.judged(item(rule))}
    assert rules - judged == {uro_bench.UNSCORED, uro_bench.REPEAT}
    for rule in judged:
        text = judging.prompt(item(rule), "It is 42.")
        assert samples.SUM in text and "It is 42." in text
        assert ("### Reference\n42" in text) is (rule != uro_bench.OPEN)


def test_official_answers() -> None:
    text = judging.prompt(item("same"), "It is 42.")
    assert "### Official answer\n42" in text and "CORRECT or INCORRECT" in text


def test_a_conversation(tmp_path: Path) -> None:
    samples.uro_bench(tmp_path)
    (talk,) = [i for i in uro_bench.load(tmp_path) if i.earlier]
    text = judging.prompt(talk, "second reply", ["first reply"])
    assert text.index("## Round 1") < text.index("first reply") < text.index("## Round 2")
    assert text.index("## Round 2") < text.index("second reply")
    assert text.count("### Reference") == 2


@pytest.mark.parametrize(
    ("rule", "words", "found"),
    [
        ("open", "5", 1.0),
        ("half", " 3.\n", 0.6),
        ("talk", "Mark: 1", 0.2),
        ("open", "4 or 5", None),
        ("open", "good", None),
        ("answer", "Yes.", 1.0),
        ("answer", "no", 0.0),
        ("answer", "Maybe", None),
        ("same", "**CORRECT**", 1.0),
        ("same", "INCORRECT", 0.0),
        ("same", "It is correct", None),
    ],
)
def test_verdicts(rule: str, words: str, found: float | None) -> None:
    assert judging.verdict(item(rule), words) == found
