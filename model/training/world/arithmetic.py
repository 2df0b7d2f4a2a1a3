"""Working on paper, column by column, as lines of text: at nano's size thinking pays only in small steps.

    add(27, 15)     ->  27+15: 7+5=12, 2+1+1=4, 42

Whole numbers from 0 up alone; a difference below zero is told by a line before the columns. Knows no words
around the numbers, no chance and no replies.
"""

from __future__ import annotations

Lines = tuple[str, ...]


def digit(n: int, column: int) -> int:
    """Counted from the right, 0 beyond the left end."""
    return n // 10**column % 10


def line(a: int, sign: str, b: int, steps: list[str]) -> str:
    """An expression and its working."""
    return f"{a}{sign}{b}: {', '.join(steps)}"


def add(a: int, b: int) -> str:
    """27+5: 7+5=12, 2+0+1=3, 32. The last column in full."""
    steps, carry = [], 0
    for column in range(max(len(str(a)), len(str(b)))):
        x, y = digit(a, column), digit(b, column)
        total = x + y + carry
        steps.append(f"{x}+{y}+1={total}" if carry else f"{x}+{y}={total}")
        carry = total // 10
    return line(a, "+", b, [*steps, str(a + b)])


def subtract(a: int, b: int) -> Lines:
    """52-28: 2<8, 12-8=4, 5-2-1=2, 24. Where a < b, a line saying so, then b-a."""
    if a < b:
        return (line(a, "-", b, [*_order(a, b), "minus"]), *subtract(b, a))
    steps, borrow = [], 0
    for column in range(len(str(a))):
        x, y = digit(a, column), digit(b, column)
        if x < y + borrow:
            steps.append(f"{x}<{y}+1" if borrow else f"{x}<{y}")
            x += 10
        steps.append(f"{x}-{y}-1={x - y - 1}" if borrow else f"{x}-{y}={x - y}")
        borrow = int(x >= 10)
    return (line(a, "-", b, [*steps, str(a - b)]),)


def multiply(a: int, b: int) -> Lines:
    """27*5: 7*5=35, 2*5=10, 10+3=13, 135. One of the two is at most 12.

    With the longer behind they are swapped first; a two-digit `b` under 13 is ten and the rest.
    """
    if a <= 9 < b:
        return (line(a, "*", b, [f"{b}*{a}", *_times(b, a)]),)
    if b <= 9:
        return (line(a, "*", b, _times(a, b)),)
    if b > 12:
        a, b = b, a
    if b == 10:
        return (line(a, "*", b, [str(a * b)]),)
    rest = b - 10
    return (line(a, "*", b, [f"{a}*10={a * 10}", f"{a}*{rest}={a * rest}"]), add(a * 10, a * rest))


def halve(n: int) -> str:
    """56/2: 5/2=2 rest 1, 16/2=8, 28. For an even n, from the left."""
    steps, rest = [], 0
    for column in reversed(range(len(str(n)))):
        x = 10 * rest + digit(n, column)
        rest = x % 2
        steps.append(f"{x}/2={x // 2}" + (f" rest {rest}" if rest else ""))
    return line(n, "/", 2, [*steps, str(n // 2)])


def compare(a: int, b: int, word: str) -> str:
    """31,17: 3>1, larger 31. `word` is "larger" or "smaller"; the same where they are."""
    end = "same" if a == b else f"{word} {max(a, b) if word == 'larger' else min(a, b)}"
    return line(a, ",", b, [*_order(a, b), end])


def check(a: int, sign: str, b: int) -> str:
    """One line that does the same another way: a difference back by a sum, a product from the left."""
    if sign == "+":
        return f"check {subtract(a + b, b)[0]}"
    if sign == "-":
        low, high = sorted((a, b))
        return f"check {add(low, high - low)}"
    if sign == "/":
        return f"check {multiply(a // 2, 2)[0]}"
    if (a > 9) == (b > 9):
        return f"check {b}*{a}={a * b}"
    a, b = max(a, b), min(a, b)
    tens, ones = a // 10, a % 10
    left = f"check {a}*{b}: {tens}*{b}={tens * b}, {ones}*{b}={ones * b}"
    return f"{left}, {add(10 * tens * b, ones * b).replace(':', ',')}"


def _order(a: int, b: int) -> list[str]:
    """Digits compared from the left until two differ."""
    steps = []
    for column in reversed(range(max(len(str(a)), len(str(b))))):
        x, y = digit(a, column), digit(b, column)
        steps.append(f"{x}{'<' if x < y else '>' if x > y else '='}{y}")
        if x != y:
            break
    return steps


def _times(a: int, b: int) -> list[str]:
    """For a digit b."""
    steps, carry = [], 0
    for column in range(len(str(a))):
        part = digit(a, column) * b
        steps.append(f"{digit(a, column)}*{b}={part}")
        if carry:
            steps.append(f"{part}+{carry}={part + carry}")
        carry = (part + carry) // 10
    return [*steps, str(a * b)]
