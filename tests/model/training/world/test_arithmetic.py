"""Every step that is written down is true, and the last one is the result."""

from __future__ import annotations

import random
import re

from model.training.world import arithmetic

TERM = r"\d+(?:[-+*]\d+)*"


def true(step: str) -> bool:
    """Whether a step holds, by Python's own reckoning."""
    halved = re.fullmatch(r"(\d+)/2=(\d+)(?: rest (\d))?", step)
    if halved:
        n, half, rest = (int(x or 0) for x in halved.groups())
        return n == 2 * half + rest
    found = re.fullmatch(f"({TERM})([<>=])({TERM})", step)
    return not found or bool(eval(f"{found[1]}{found[2].replace('=', '==')}{found[3]}"))


def all_true(line: str) -> bool:
    return all(true(step) for step in line.split(": ", 1)[-1].removeprefix("check ").split(", "))


def last(line: str) -> int:
    return int(re.split(r"[ =]", line)[-1])


def test_the_columns_lead_to_the_result() -> None:
    r = random.Random(1)
    for _ in range(3000):
        a, b = r.randrange(300), r.randrange(300)
        assert all_true(arithmetic.add(a, b)) and last(arithmetic.add(a, b)) == a + b
        lines = arithmetic.subtract(a, b)
        assert all(map(all_true, lines)) and last(lines[-1]) == abs(a - b)
        assert len(lines) == 1 + (a < b)
        assert all_true(arithmetic.halve(2 * a)) and last(arithmetic.halve(2 * a)) == a


def test_products_lead_to_the_result_in_either_order() -> None:
    for a in range(100):
        for b in range(13):
            for lines in (arithmetic.multiply(a, b), arithmetic.multiply(b, a)):
                assert all(map(all_true, lines)) and last(lines[-1]) == a * b


def test_steps_are_small() -> None:
    """But for tens times something, nothing beyond two digits and a carry is worked out at once."""
    assert arithmetic.add(27, 15) == "27+15: 7+5=12, 2+1+1=4, 42"
    assert arithmetic.subtract(52, 28) == ("52-28: 2<8, 12-8=4, 5-2-1=2, 24",)
    assert arithmetic.subtract(15, 42) == ("15-42: 1<4, minus", "42-15: 2<5, 12-5=7, 4-1-1=2, 27")
    assert arithmetic.multiply(27, 5) == ("27*5: 7*5=35, 2*5=10, 10+3=13, 135",)
    assert arithmetic.multiply(11, 12) == ("11*12: 11*10=110, 11*2=22", "110+22: 0+2=2, 1+2=3, 1+0=1, 132")
    assert arithmetic.halve(56) == "56/2: 5/2=2 rest 1, 16/2=8, 28"


def test_comparisons_name_what_was_asked_for() -> None:
    assert arithmetic.compare(31, 17, "larger") == "31,17: 3>1, larger 31"
    assert arithmetic.compare(31, 37, "smaller") == "31,37: 3=3, 1<7, smaller 31"
    assert arithmetic.compare(5, 5, "larger") == "5,5: 5=5, same"


def test_checks_hold_and_come_out_where_the_calculation_began() -> None:
    r = random.Random(2)
    for _ in range(1000):
        a, b, c = r.randrange(200), r.randrange(200), r.randrange(13)
        for sign, other, end in (("+", b, a), ("-", b, max(a, b)), ("*", c, a * c)):
            line = arithmetic.check(a, sign, other)
            assert line.startswith("check ") and all_true(line) and last(line) == end
        assert last(arithmetic.check(2 * a, "/", 2)) == 2 * a
