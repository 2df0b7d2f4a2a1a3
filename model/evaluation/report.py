"""Answers to tables: shares with 95 % intervals, word errors, thoughts and waiting; as text and as a picture.

Pure: answers in, text out. The picture is SVG, drawn here.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from model.evaluation.built import REFUSALS, SPOILED
from model.evaluation.case import CONDITIONS, Answered
from model.evaluation.clips import COMPARED, group
from model.evaluation.scoring import interval, right, same, told_right, word_error

TITLES = {"conflict": "perception, words against sound"}
TIMES = {"first_thinking_ms": "first thought", "first_reply_ms": "first word of the reply"}


@dataclass(frozen=True)
class Cell:
    """A share of `n`, or a text alone. `better` is "low" where it counts what went wrong."""

    count: int = 0
    n: int = 0
    text: str = ""

    def __str__(self) -> str:
        if self.text or not self.n:
            return self.text
        low, high = interval(self.count, self.n)
        return f"{100 * self.count / self.n:.1f} % ({100 * low:.1f}–{100 * high:.1f}, n={self.n})"


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


Counts = Callable[[Sequence[Answered]], Cell]
Filter = Callable[[Answered], bool]


def share(counted: Filter = lambda a: right(a.case, a.outcome)) -> Counts:
    return lambda answered: Cell(sum(map(counted, answered)), len(answered))


def tables(answered: Sequence[Answered]) -> list[Table]:
    """Everything that can be told of the answers; what was not asked is left out."""
    built = [a for a in answered if a.case.suite != "own"]
    found = [
        _table("Right, by family", built, _families(built), _setting),
        _table("Right, by voice, clean", _by_voice(built), _voices(built), _encoding),
        _table("Three numbers, by thinking", _suite(built, "three"), _efforts(built), _encoding),
        _table("Right, by intent, clean", _clean(built), _intents(built), _encoding),
        _table("Your recordings", _suite(answered, "own"), _own(answered), _setting),
    ]
    return [table for table in found if table.rows]


Rows = list[tuple[str, Filter, Counts]]


def _table(title: str, answered: Sequence[Answered], rows: Rows, column: Callable[[Answered], str]) -> Table:
    """A column for each setting; rows with nothing in them are left out."""
    columns = tuple(dict.fromkeys(map(column, answered)))
    out = []
    for label, belongs, counts in rows:
        of_row = [a for a in answered if belongs(a)]
        cells = tuple(counts([a for a in of_row if column(a) == c]) for c in columns)
        if any(map(str, cells)):
            out.append((label, cells))
    return Table(title, columns, tuple(out))


def _suite(answered: Iterable[Answered], *names: str) -> list[Answered]:
    return [a for a in answered if a.case.suite in names]


def _clean(answered: Iterable[Answered]) -> list[Answered]:
    return [a for a in answered if a.case.condition == "clean" and a.case.suite == "families"]


def _encoding(a: Answered) -> str:
    return a.encoding


def _setting(a: Answered) -> str:
    return f"{CONDITIONS[a.case.condition]}, {a.encoding}"


# --- rows ---


def _in(family: str, suite: str = "families") -> Filter:
    return lambda a: a.case.family == family and a.case.suite == suite


def _families(answered: Sequence[Answered]) -> Rows:
    rows: Rows = []
    for family in dict.fromkeys(a.case.family for a in answered if a.case.suite == "families"):
        rows.append((TITLES.get(family, family), _in(family), share()))
        if family == "tools":
            rows.append(("tools, result told as well", _called, share(_told)))
    rows += [
        ("digits alone and strings of digits", _digits, share()),
        ("single digits, cut closely", lambda a: a.case.suite == "alone", share()),
        ("strings of digits said one by one", lambda a: a.case.suite == "apart", share()),
        ("system prompts never seen", lambda a: a.case.suite == "prompts", share()),
        ("false answers to what is unknown", _unknown, share(_false_answer)),
        ("false refusals of what is known", _known, share(_refused)),
        ("words wrong in the transcript", _spoken, _words_wrong),
        ("taken for more than one turn", lambda a: a.case.suite == "families", share(_split)),
        ("failed", lambda a: True, share(lambda a: a.outcome.error is not None)),
        ("tokens of thoughts, median", _thought, _think_tokens),
    ]
    for name, title in TIMES.items():
        rows.append((f"{title}, ms: median (95 %)", lambda a: a.case.suite == "families", _times(name)))
    live = any(a.outcome.timings for a in answered)
    hidden = () if live else ("taken for more than one turn", "failed")
    return [row for row in rows if row[0] not in hidden]


def _called(a: Answered) -> bool:
    return _in("tools")(a) and a.case.call is not None


def _digits(a: Answered) -> bool:
    return a.case.intent == "digits" and a.case.suite in ("families", "digits")


def _told(a: Answered) -> bool:
    return told_right(a.case, a.outcome)


def _unknown(a: Answered) -> bool:
    return a.case.suite == "families" and a.case.refusal


def _false_answer(a: Answered) -> bool:
    return not right(a.case, a.outcome)


def _known(a: Answered) -> bool:
    return a.case.suite == "families" and not a.case.refusal


def _refused(a: Answered) -> bool:
    return any(same(refusal, a.outcome.reply) for refusal in REFUSALS)


def _spoken(a: Answered) -> bool:
    """The families that are also asked in noise and by telephone, so that the columns compare."""
    return a.case.suite == "families" and a.case.family in SPOILED


def _words_wrong(answered: Sequence[Answered]) -> Cell:
    wrong, total = word_error(answered)
    return Cell(text=f"{100 * wrong / total:.1f} % (of {total})" if total else "")


def _split(a: Answered) -> bool:
    return a.outcome.turns > 1


def _thought(a: Answered) -> bool:
    return a.case.suite == "families" and a.case.effort != "none"


def _think_tokens(answered: Sequence[Answered]) -> Cell:
    found = [a.outcome.think_tokens for a in answered if a.outcome.think_tokens is not None]
    return Cell(text=f"{statistics.median(found):.0f} (longest {max(found)})" if found else "")


def _times(name: str) -> Counts:
    def cell(answered: Sequence[Answered]) -> Cell:
        found = sorted(t for a in answered if (t := a.outcome.timings.get(name)) is not None)
        if not found:
            return Cell()
        return Cell(text=f"{statistics.median(found):.0f} ({found[int(0.95 * (len(found) - 1))]:.0f})")

    return cell


def _by_voice(answered: Sequence[Answered]) -> list[Answered]:
    """Equal texts but for chance: families that trained voices speak, too."""
    suites = {"families", "seen voices"}
    return [
        a
        for a in answered
        if a.case.suite in suites and a.case.condition == "clean" and a.case.family in COMPARED
    ]


def _voices(answered: Sequence[Answered]) -> Rows:
    rows: Rows = [
        ("all trained voices", lambda a: a.case.clip.seen, share()),
        ("all voices never heard", lambda a: not a.case.clip.seen, share()),
    ]
    kinds = sorted({(a.case.clip.seen, group(a.case.clip.voice)) for a in _by_voice(answered)})
    for seen, voice in kinds:
        label = f"{voice}, {'trained' if seen else 'never heard'}"
        rows.append((label, _voice(seen, voice), share()))
    return rows


def _voice(seen: bool, voice: str) -> Filter:
    return lambda a: a.case.clip.seen == seen and group(a.case.clip.voice) == voice


def _efforts(answered: Sequence[Answered]) -> Rows:
    rows: Rows = []
    for effort in dict.fromkeys(a.case.effort for a in answered if a.case.suite == "three"):
        label = "no thinking" if effort == "none" else f"{effort} thinking"
        rows.append((label, _effort(effort), share()))
        if effort != "none":
            rows.append((f"{label}, tokens: median", _effort(effort), _think_tokens))
    return rows


def _effort(effort: str) -> Filter:
    return lambda a: a.case.effort == effort


def _intents(answered: Sequence[Answered]) -> Rows:
    intents = dict.fromkeys((a.case.family, a.case.intent) for a in _clean(answered))
    return [(f"{family}: {intent}", _intent(intent), share()) for family, intent in intents]


def _intent(intent: str) -> Filter:
    return lambda a: a.case.intent == intent


def _own(answered: Sequence[Answered]) -> Rows:
    rows: Rows = [
        ("right", _any, share()),
        ("words wrong in the transcript", _any, _words_wrong),
        ("tokens of thoughts, median", _any, _think_tokens),
    ]
    rows += [(f"{title}, ms: median (95 %)", _any, _times(name)) for name, title in TIMES.items()]
    voices = sorted({a.case.clip.voice for a in answered if a.case.suite == "own"} - {""})
    return rows + [(voice, _speaker(voice), share()) for voice in voices]


def _any(a: Answered) -> bool:
    return True


def _speaker(voice: str) -> Filter:
    return lambda a: a.case.clip.voice == voice


# --- text ---


def markdown(found: Iterable[Table]) -> str:
    blocks = []
    for table in found:
        lines = [f"| {table.title} | {' | '.join(table.columns)} |", "|---" * (1 + len(table.columns)) + "|"]
        lines += [f"| {label} | {' | '.join(map(str, cells))} |" for label, cells in table.rows]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def plain(found: Iterable[Table]) -> str:
    """For a terminal: columns in line."""
    lines = []
    for table in found:
        grid = [(table.title, *table.columns)] + [(label, *map(str, cells)) for label, cells in table.rows]
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        for row in grid:
            lines.append("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip())
        lines.append("")
    return "\n".join(lines)


# --- picture ---

ROW, LABEL, COLUMN, MARGIN = 22, 270, 250, 14
BAR = 84
INK, FAINT, GOOD, WHISKER = "#1c1c1c", "#d8d8d8", "#4c72b0", "#222222"


def svg(found: Sequence[Table]) -> str:
    """The tables below one another; a share is a bar with its interval."""
    width = 2 * MARGIN + LABEL + COLUMN * max(len(t.columns) for t in found)
    parts: list[str] = []
    y = MARGIN
    across = f'x1="{MARGIN}" x2="{width - MARGIN}" stroke="{FAINT}"'
    for table in found:
        y += ROW
        parts.append(_text(MARGIN, y, table.title, "bold"))
        for i, column in enumerate(table.columns):
            parts.append(_text(MARGIN + LABEL + i * COLUMN, y, column, "bold"))
        for label, cells in table.rows:
            y += ROW
            parts.append(f'<line {across} y1="{y - 16}" y2="{y - 16}"/>')
            parts.append(_text(MARGIN, y, label))
            for i, cell in enumerate(cells):
                parts += _cell(MARGIN + LABEL + i * COLUMN, y, cell)
        y += ROW
    size = f'width="{width}" height="{y}" viewBox="0 0 {width} {y}"'
    style = f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}"'
    back = f'<rect width="{width}" height="{y}" fill="white"/>'
    return (
        "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', back, *parts, "</svg>"]) + "\n"
    )


def _cell(x: int, y: int, cell: Cell) -> list[str]:
    if cell.text or not cell.n:
        return [_text(x, y, cell.text)] if cell.text else []
    low, high = (x + BAR * end for end in interval(cell.count, cell.n))
    top, middle = y - 11, f'y1="{y - 5}" y2="{y - 5}"'
    return [
        f'<rect x="{x}" y="{top}" width="{BAR}" height="12" fill="{FAINT}"/>',
        f'<rect x="{x}" y="{top}" width="{BAR * cell.count / cell.n:.1f}" height="12" fill="{GOOD}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" {middle} stroke="{WHISKER}" stroke-width="2"/>',
        _text(x + BAR + 8, y, str(cell)),
    ]


def _text(x: int, y: int, text: str, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(text)}</text>'
