"""The thinking curve: who is elected, how sure a share is, and a checkpoint measured in small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.curve import (
    BEGIN,
    BUDGETS,
    END,
    elected,
    gain,
    inserted,
    kept,
    measured,
    picture,
    share,
    tables,
)
from model import checkpoint
from model.training import world
from model.training.mgrd.policy import Policy
from model.training.mgrd.questions import Question, typed
from model.training.world import State


def test_the_most_common_words_win_and_the_earliest_of_equals() -> None:
    assert elected(["Yes.", "no", "No.", "NO!"]) == "no"
    assert elected(["a", "b"]) == "a"
    assert elected(["c", "a", "b", "b", "a"]) == "a"


def test_an_interval_is_over_questions_not_over_seeds() -> None:
    sure = share([[True] * 3] * 50 + [[False] * 3] * 50)
    assert sure.mean == 0.5 and sure.half == pytest.approx(1.96 * 0.5025 / 10, rel=1e-3) and sure.n == 100
    wavering = share([[True, False]] * 100)
    assert wavering.mean == 0.5 and wavering.half == 0.0


def test_a_gain_is_of_each_question_against_itself() -> None:
    found = gain([[False]] * 50 + [[True]] * 50, [[True]] * 50 + [[True]] * 50)
    assert found.mean == 0.5 and found.n == 100
    assert gain([[True], [False]] * 50, [[True], [False]] * 50).half == 0.0
    with pytest.raises(ValueError, match="shorter"):
        gain([[True], [False]], [[True]])


def test_a_table_is_put_between_its_marks() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert inserted(document, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="expected"):
        inserted("before", "new")


def test_other_settings_keep_nothing(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    assert kept(path, {"count": 2}) == {}
    path.write_text(json.dumps({"settings": {"count": 2}, "results": {"nano": {}}}))
    assert kept(path, {"count": 2}) == {"nano": {}}
    assert kept(path, {"count": 3}) == {}


def test_nano_thinks_its_way_to_a_sum() -> None:
    """Typed: without room to think it guesses, with room it reckons; room beyond a chain changes nothing."""
    said = [world.of_intent(f"curve {i}", "sum") for i in range(6)]
    questions = [Question(str(i), u, world.answer(State(), u)) for i, u in enumerate(said)]
    found = measured(Policy(checkpoint.NANO), questions, 2, (1, 2))
    assert list(found.budgets) == list(BUDGETS)
    shares = {budget: share(rights).mean for budget, rights in found.budgets.items()}
    assert shares["unlimited"] > shares["0"] + 0.3
    assert found.budgets["128"] == found.budgets["unlimited"]  # no chain of a sum is longer
    assert found.votes["1"] == found.budgets["unlimited"]
    assert share(found.votes["2"]).mean >= shares["unlimited"] - 0.2
    assert found.tokens > 10 and found.acoustic == 0.0

    results = {"nano": {"perception": vars(found), "arithmetic": vars(found)}}
    table = tables(results)
    assert table.count("| nano |") == 2 and "n = 6" in table and "2 votes" in table
    assert picture(results, "arithmetic", "votes").count("<polyline") == 1


def test_gains_are_told_apart_where_words_are_against_the_sound() -> None:
    """The last four are, and all of them lose by thinking; of the ten others half gain."""
    none = [[False], [False]] * 5 + [[True]] * 4
    all_of_it = [[True], [False]] * 5 + [[False]] * 4
    one = {
        "budgets": {budget: none for budget in BUDGETS} | {"unlimited": all_of_it},
        "votes": {"1": all_of_it},
        "tokens": 9.0,
        "acoustic": 0.5,
    }
    perception, arithmetic = tables({"m": {"perception": one, "arithmetic": one}}, 4).split("**arithmetic**")
    heads, _, row = perception.splitlines()[-4:-1]
    told = dict(zip(heads.split(" | "), row.split(" | "), strict=True))
    assert told["gained by thinking"].startswith("7.1 ±")
    assert told["where words and sound agree"].startswith("50.0 ±")
    assert told["where they disagree"] == "-100.0 ± 0.0"
    assert "disagree" not in arithmetic


def test_typed_questions_need_thought() -> None:
    assert all(q.said.intent != "digits" for q in typed(20, "curve"))
    assert len(np.unique([q.name for q in typed(20, "curve")])) == 20
