"""Written text to the words that a person would say: `$5.50` to "five dollars and fifty cents".

A word remembers which characters of the text it stands for, so that from the words that were heard it is
known how much of the text was. Markup, emoji and citations are not said; numbers, signs, abbreviations,
addresses and capitals are, each by a rule below, tried in order at every place of the text. English alone.
Knows no sound and no clauses: what it is given is read as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streaming import lexicon
from streaming import number_words as say

Found = re.Match[str]
Said = Sequence["Word"]

MINUS = "-−–"
SEEN = 40  # characters to either side of a place that decide how it is read
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\d)\.\d+"
MONTH = rf"(?:{'|'.join([*lexicon.MONTHS, *(rf'{short}[.]?' for short in lexicon.SHORT_MONTHS)])})"
YEAR_CUE = re.compile(
    rf"(?:\b(?:in|since|until|till|by|before|after|during|year|from|of|circa|and|to)|{MONTH}"
    rf"|{MONTH} \d{{1,2}}(?:st|nd|rd|th)?,|\d{{4}}[-–])\s?$",
    re.IGNORECASE,
)
# Of a mark: how it ranks among others, and what a synthesiser is told.
PAUSES = {
    ".": (3, "."), "!": (3, "!"), "?": (3, "?"), "\n": (3, "."), ":": (2, ":"), ";": (2, ";"), ",": (1, ","),
    "…": (1, ","), "(": (0, ","), ")": (0, ","), "—": (0, ","), "|": (0, ","),
}  # fmt: skip
SPACE = re.compile(r"\s")
PAUSE = re.compile(r"\.{2,}|[.!?:;,…()—|\n]|\s[-–]\s")


@dataclass(frozen=True)
class Word:
    """`text` is to be spoken; it stands for the characters from `start` to `end`, alone or with others."""

    text: str
    start: int
    end: int
    pause: str = ""  # the punctuation behind it


def spoken(text: str) -> tuple[Word, ...]:
    """The words of a text, in order."""
    plain = "".join(map(_plain, text))
    words: list[Word] = []
    marks = list(plain)
    for found in RULES.finditer(plain):
        said = _say(found)
        words += said
        if said or found.lastgroup in ("ruler", "lead", "html", "note"):
            _blank(marks, found)
    return tuple(_reach(plain, _punctuated("".join(marks), words)))


def written(words: Sequence[Word]) -> str:
    """For a synthesiser."""
    return " ".join(word.text + word.pause for word in words)


def heard(words: Sequence[Word], count: int) -> int:
    """How many characters of the text its first `count` words stand for; half a number was not heard."""
    if count < len(words) and count and words[count].start == words[count - 1].start:
        first = words[count].start
        return max((word.end for word in words[:count] if word.start != first), default=0)
    return words[count - 1].end if count else 0


def _plain(char: str) -> str:
    """Digits of any script as 0 to 9, and nothing else that counts as a letter or digit and is none."""
    if char.isascii() or char in lexicon.FRACTIONS or char in "²³":
        return char
    kind = unicodedata.category(char)
    if kind == "Nd" or "₀" <= char <= "₉":
        return str(unicodedata.digit(char))
    return " " if kind in ("Nl", "No") else char


def _say(found: Found) -> Said:
    assert found.lastgroup
    return HANDLERS[found.lastgroup](found)


def _blank(marks: list[str], found: Found) -> None:
    """What has been read is no punctuation, but for that within the text of a link."""
    for at in range(*found.span()):
        if found.lastgroup != "link" or not found.start("link_text") <= at < found.end("link_text"):
            marks[at] = "\0"


def _punctuated(marks: str, words: Sequence[Word]) -> Iterator[Word]:
    """Each word with the strongest mark between it and the next."""
    for i, word in enumerate(words):
        until = words[i + 1].start if i + 1 < len(words) else len(marks)
        between = PAUSE.findall(marks, word.end, max(until, word.end))
        found = [mark if mark in PAUSES else "—" for mark in between]
        mark = max(found, key=lambda m: PAUSES[m][0], default="")
        yield replace(word, pause=PAUSES[mark][1] if mark else word.pause)


def _reach(text: str, words: Iterable[Word]) -> Iterator[Word]:
    """Each word up to the next one or the next white space: what is not said belongs to what it touches."""
    ahead = list(words)
    for i, word in enumerate(ahead):
        until = ahead[i + 1].start if i + 1 < len(ahead) else len(text)
        space = SPACE.search(text, word.end, max(until, word.end))
        yield replace(word, end=max(word.end, space.start() if space else until))


# --- rules ---


def _as(found: Found, *parts: str | Sequence[str], group: str | int = 0, pause: str = "") -> list[Word]:
    """All of it for the characters of the group."""
    texts = [text for part in parts for text in (part.split() if isinstance(part, str) else part)]
    words = [Word(text, found.start(group), found.end(group)) for text in texts]
    if words and pause:
        words[-1] = replace(words[-1], pause=pause)
    return words


def _silent(found: Found) -> Said:
    return ()


def _inner(found: Found) -> Said:
    """What stands between the markup."""
    group = f"{found.lastgroup}_text"
    return _part(found, group, CODE if found.lastgroup == "code" else None)


def _part(found: Found, group: str, rules: re.Pattern[str] | None = None) -> list[Word]:
    """The words of a part, read by itself."""
    at = found.start(group)
    words = (word for inner in (rules or RULES).finditer(found[group]) for word in _say(inner))
    return [replace(word, start=word.start + at, end=word.end + at) for word in words]


def _letters(text: str) -> list[str]:
    """By their names. "A" alone would be taken for the article."""
    return ["eh" if letter in "aA" else letter.upper() for letter in text if letter.isalpha()]


def _address(found: Found) -> Said:
    """A URL without its scheme and query, or an e-mail address."""
    names = {".": "dot", "/": "slash", "@": "at", "_": "underscore", "-": "dash", "+": "plus", ":": "colon"}
    text = re.sub(r"^<?(?:https?://)?(?:www\.)?|[?#].*|/?>?$", "", found[0])
    said: list[str] = []
    for part in re.findall(r"[A-Za-z]+|\d+|[./@_+:-]", text):
        if part.isdigit():
            said += say.digits(part)
        elif part in names:
            said.append(names[part])
        else:
            said += _letters(part) if len(part) < 3 and part != "io" else [part]
    return _as(found, said)


def _file(found: Found) -> Said:
    suffixes = {"py": "pie", "txt": "text", "json": "jason", "wav": "wave", "yaml": "yammel", "yml": "yammel"}
    words = _part(found, "file_name", CODE)
    suffix = found["file_suffix"]
    short = len(suffix) < 4 and suffix not in ("zip", "doc", "exe")
    said = suffixes.get(suffix) or (_letters(suffix) if short else [suffix])
    return [*words, *_as(found, "dot", said, group="file_suffix")]


def _listed(found: Found) -> Said:
    return _as(found, say.cardinal(int(found["listed_at"])), group="listed_at", pause=",")


def _tex(found: Found) -> Said:
    if found["tex_upper"] is not None:
        upper, lower = _part(found, "tex_upper"), _part(found, "tex_lower")
        return [*upper, *_as(found, "over", group="tex_lower"), *lower]
    return _as(found, lexicon.TEX.get(found["tex_name"] or "", ""))


def _date(found: Found) -> Said:
    """2026-11-25 or 11/25/2026."""
    if found["iso_year"]:
        year, month, day = (int(found[f"iso_{name}"]) for name in ("year", "month", "day"))
    else:
        year, month, day = (int(found[f"us_{name}"]) for name in ("year", "month", "day"))
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return _as(found, *(say.cardinal(int(part)) for part in re.findall(r"\d+", found[0])))
    return _as(found, lexicon.MONTHS[month - 1], say.ordinal(day), _year(year))


def _year(year: int) -> say.Words:
    return say.year(year) if 1000 <= year <= 9999 else say.cardinal(year)


def _time(found: Found) -> Said:
    hour, minute, second = found["hour"], found["minute"], found["second"]
    half = found["half"] or found["half_alone"]
    said: list[str] = [*say.cardinal(int(hour or found["hour_alone"]))]
    if minute and int(minute):
        said += ["oh", *say.cardinal(int(minute))] if minute[0] == "0" else say.cardinal(int(minute))
    elif minute and not half and not second:
        said += ["o'clock"] if 1 <= int(hour) <= 12 else ["hundred"]
    if second:
        said += ["and", *say.cardinal(int(second)), "second" if int(second) == 1 else "seconds"]
    return _as(found, said, _letters(half + "m") if half else "", pause=_stop(found))


def _phone(found: Found) -> Said:
    words: list[Word] = []
    for group in re.finditer(r"\+?\d+", found[0]):
        plus = ["plus"] if group[0][0] == "+" else []
        words += _as(found, plus, say.digits(group[0]), pause=",")
    words[-1] = replace(words[-1], pause="")
    return words


def _dotted(found: Found) -> Said:
    """A version, or the address of a machine."""
    parts = re.findall(r"\d+", found[0])
    said: list[str] = ["version"] if found[0][0] in "vV" else []
    for i, part in enumerate(parts):
        said += [] if not i else ["dot" if len(parts) == 4 else "point"]
        said += say.digits(part) if len(parts) == 4 else say.cardinal(int(part))
    return _as(found, said)


def _minus(sign: str | None) -> list[str]:
    return ["minus"] if sign else []


def _money(found: Found) -> Said:
    amount = found["amount"] or found["amount_before"]
    unit, small = lexicon.MONEY[found["currency"] or found["currency_behind"]]
    scale = lexicon.MANY.get(found["money_scale"] or "", "")
    whole, _, cents = amount.replace(",", "").partition(".")
    many = "" if unit == "yen" else "s"
    said = _minus(found["money_sign"])
    if len(cents) == 2 and not scale and small:
        if int(whole or "0"):
            said += [*say.cardinal(int(whole)), unit + (many if int(whole) != 1 else "")]
        if int(cents) and int(whole or "0"):
            said.append("and")
        if int(cents) or not int(whole or "0"):
            several = "pence" if small == "penny" else small + "s"
            said += [*say.cardinal(int(cents)), small if int(cents) == 1 else several]
    else:
        said += [*say.decimal(amount), *scale.split(), unit + ("" if amount == "1" and not scale else many)]
    return _as(found, said)


def _decade(found: Found) -> Said:
    number = int(found["short_decade"] or found["long_decade"])
    *before, last = say.year(number) if number > 99 else say.cardinal(number)
    return _as(found, before, last[:-1] + "ies" if last.endswith("y") else last + "s")


def _fraction(found: Found) -> Said:
    if found["glyph"]:
        upper, lower = lexicon.FRACTIONS[found["glyph"]]
    else:
        upper, lower = int(found["upper"]), int(found["lower"])
    mixed = re.search(r"\d\s?$", _around(found)[0]) is not None
    return _as(found, "and" if mixed else "", say.fraction(upper, lower))


def _unit(found: Found) -> Said:
    amount, group = found["quantity"], "unit" if found["unit"] else "unit_touching"
    name = lexicon.UNITS[found[group]]
    words = _as(found, _minus(found["unit_sign"]), say.decimal(amount), group="quantity")
    return [*words, *_as(found, _named(name if amount == "1" else _plural(name)), group=group)]


def _plural(unit: str) -> str:
    first, per, rest = unit.partition(" per ")
    if first.startswith("degree"):
        return first.replace("degree", "degrees", 1)
    *before, last = first.split()
    return " ".join([*before, lexicon.PLURALS.get(last, last + "s")]) + per + rest


def _scaled(found: Found) -> Said:
    """10k, 3x."""
    scale = lexicon.MANY.get(found["scale"], "times")
    return _as(found, _minus(found["scale_sign"]), say.decimal(found["scaled"]), scale)


def _number(found: Found) -> Said:
    text, (before, behind) = found[0], _around(found)
    plain = text.isdigit()
    if plain and (len(text) > 9 or (text[0] == "0" and len(text) > 1)):
        return _as(found, say.digits(text))
    if plain and len(text) <= 2 and 1 <= int(text) <= 31:
        if re.search(rf"\b{MONTH}\s$", before) and not behind.startswith(":"):
            return _as(found, say.ordinal(int(text)))
        if re.match(rf"\s{MONTH}\b", behind):
            return _as(found, "the", say.ordinal(int(text)), "of")
    if plain and len(text) == 4 and "1100" <= text <= "2099":
        ranged = re.match(r"[-–]\d{4}\b", behind)
        if (YEAR_CUE.search(before) and not re.match(r"\s?[=+*×÷<>]", behind)) or ranged:
            return _as(found, say.year(int(text)))
    return _as(found, say.decimal(text))


def _sign(found: Found) -> Said:
    """A sign between two terms, or before a number."""
    sign, (before, behind) = found[0], _around(found)
    touching = re.search(r"\d$", before) is not None and re.match(r"\d", behind) is not None
    if sign in MINUS and touching and not re.match(rf"(?:{NUMBER})\s*=", behind):
        return _as(found, "to")
    if sign in lexicon.SIGNS and _between_terms(before, behind):
        if sign not in MINUS or touching or before[-1:].isspace():
            return _as(found, lexicon.SIGNS[sign])
    if sign in "-−" and re.match(r"[.]?\d", behind) and re.search(r"(?:^|[\s(=×*/+÷,])$", before):
        return _as(found, "minus")
    if sign == "~" and re.match(r"\s?\d", behind):
        return _as(found, "" if before.endswith("about ") else "about")
    if sign == "/" and (pair := re.search(r"(?<![A-Za-z])([a-z]+)/[a-z]$", f"{before}/{behind[:1]}")):
        return _as(found, "" if pair[1] == "and" else "or")
    return _as(found, lexicon.MARKS.get(sign, ""))


def _between_terms(before: str, behind: str) -> bool:
    """Numbers, or variables of one letter."""
    left = re.search(r"(?:(?:^|[\s(])[A-Za-z]|[\d)%²³°π½¼¾])\s*$", before)
    right = re.match(r"\s*(?:[A-Za-z](?![A-Za-z])|[-−]?[\d.]*\d|[(√π])", behind)
    return left is not None and right is not None


def _around(found: Found) -> tuple[str, str]:
    """As far as any rule looks."""
    text, (start, end) = found.string, found.span()
    return text[max(0, start - SEEN) : start], text[end : end + SEEN]


def _abbreviation(found: Found) -> Said:
    short, behind = found[0].rstrip("."), _around(found)[1]
    numbered = re.match(r"\s?\d", behind) and short in lexicon.NUMBERED
    name = lexicon.NUMBERED[short] if numbered else ABBREVIATIONS[short]
    if short == "St" and not re.match(r"\s[A-Z]", behind):
        name = "street"
    return _as(found, _named(name), pause=_stop(found) if short in lexicon.AFTER or name == "street" else "")


def _named(name: str) -> list[str]:
    return [part for word in name.split() for part in (_letters(word) if len(word) == 1 else [word])]


def _initials(found: Found) -> Said:
    return _as(found, _letters(found[0]), pause=_stop(found) if len(found[0]) > 2 else "")


def _stop(found: Found) -> str:
    """The full stop of an abbreviation ends the sentence as well."""
    ends = found[0].endswith(".") and re.match(r"\s+[A-Z]|\s*$", _around(found)[1])
    return "." if ends else ""


def _capitals(found: Found) -> Said:
    text, several = (found[0][:-1], "s") if found[0].endswith("s") else (found[0], "")
    if text in lexicon.AS_OTHER:
        return _as(found, lexicon.AS_OTHER[text] + several)
    vowels = sum(letter in "AEIOU" for letter in text)
    word = text in lexicon.AS_WORD or (len(text) > 3 and vowels and text not in lexicon.AS_LETTERS)
    if word or (len(text) == 1 and not several):
        return _as(found, text.lower() + several if len(text) > 1 else text)
    *before, last = _letters(text)
    return _as(found, before, f"{last}'s" if several else last)


def _mixed(found: Found) -> Said:
    """Letters and digits: H100, MP3, 3D."""
    said: list[str] = []
    for part in re.findall(r"\d+|[^\W\d_]+", found[0]):
        if part.isdigit():
            said += say.digits(part) if part[0] == "0" else say.cardinal(int(part))
        else:
            said += _letters(part) if part.isupper() or len(part) == 1 else [part]
    return _as(found, said)


def _word(found: Found) -> Said:
    return _as(found, found[0].replace("’", "'").replace("‑", "-"))


def _fixed(found: Found) -> Said:
    return _as(found, FIXED[found[0]])


def _coded(found: Found) -> Said:
    return _as(found, IN_CODE[found[0]])


IN_CODE = {".": "dot", "/": "slash", "--": "dash dash", "-": "dash", "*": "star", "#": "hash",
           "\\": "backslash"}  # fmt: skip
FIXED = {"C++": "C plus plus", "C#": "C sharp", "F#": "F sharp", ".NET": "dot net", "w/o": "without",
         "24/7": "twenty four seven", "w/": "with", "I/O": "I O", "Wi-Fi": "why fie"}  # fmt: skip


def _any(names: Collection[str]) -> str:
    """One of them, the longest that fits."""
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


def _compiled(rules: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in rules.items()), re.DOTALL)


ABBREVIATIONS = {
    **lexicon.SHORT_DAYS,
    **lexicon.SHORT_MONTHS,
    **lexicon.AFTER,
    **lexicon.BEFORE,
    **{short.capitalize(): name for short, name in lexicon.BEFORE.items() if short.islower()},
}
LETTER = rf"[^\W\d_²³{''.join(lexicon.FRACTIONS)}]"
FREE = lexicon.UNITS.keys() - lexicon.TOUCHING  # units that may stand apart from their number
SUFFIXES = "csv css doc exe html jpg js json md mp3 pdf png py sh svg toml ts txt wav yaml yml zip".split()
SIGNED = r"(?:(?<![\w)%\s])[-−](?<![\d)]\s[-−]))?"
ADDRESS_END = r"""[^\s<>()\].,!?;:'"*_`]"""

_HANDLED: dict[str, tuple[str, Callable[[Found], Said]]] = {
    "fence": (r"```.*?(?:```|\Z)", lambda found: _as(found, "some code")),
    "ruler": (
        r"(?m:^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-{3,}:?[ \t]*)*\|?[ \t]*$"
        r"|^[ \t]*(?:[*_][ \t]*){3,}$)",
        _silent,
    ),
    "lead": (r"(?m:^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•–][ \t]+(?:\[[ xX]\][ \t]+)?))", _silent),
    "listed": (r"(?m:^[ \t]*(?P<listed_at>\d{1,3})[.)][ \t]+(?=\S))", _listed),
    "link": (r"!?\[(?P<link_text>[^\[\]\n]*)\]\([^)\n]*\)", _inner),
    "note": (r"\[\^?\d+\]", _silent),
    "code": (r"`+(?P<code_text>[^`\n]+)`+", _inner),
    "url": (rf"<?(?:https?://|www\.)[^\s<>()\]]*{ADDRESS_END}>?", _address),
    "email": (r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    "domain": (
        rf"\b(?:[a-zA-Z][\w-]*\.)+(?:{_any(lexicon.DOMAINS)})\b(?:/\S*{ADDRESS_END})?",
        _address,
    ),
    "html": (r"</?[a-zA-Z][^<>\n]*>", _silent),
    "tex": (
        r"\\frac\{(?P<tex_upper>[^{}\n]*)\}\{(?P<tex_lower>[^{}\n]*)\}|\\(?P<tex_name>[a-zA-Z]+)",
        _tex,
    ),
    "fixed": (rf"(?<![\w/])(?:{_any(FIXED)})(?![\w+#])", _fixed),
    "date": (
        r"\b(?:(?P<iso_year>\d{4})-(?P<iso_month>\d\d)-(?P<iso_day>\d\d)"
        r"|(?P<us_month>\d{1,2})/(?P<us_day>\d{1,2})/(?P<us_year>\d{4}))\b",
        _date,
    ),
    "time": (
        r"\b(?:(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s?(?P<half>[aApP])(?:\.[mM]\.|[mM]\b))?"
        r"|(?P<hour_alone>1[0-2]|[1-9])\s?(?P<half_alone>[aApP])(?:\.[mM]\.|[mM]\b))",
        _time,
    ),
    "phone": (
        r"(?<![\w.,])(?:(?:\+?\d{1,3}[ .-])?(?:\(\d{2,4}\)[ .-]?|\d{2,4}[.-])\d{3,4}[.-]\d{3,4}"
        r"|\+\d{7,15}|\d{3}-\d{4})(?![\w-]|\s?=)",
        _phone,
    ),
    "dotted": (r"(?<![\w.])[vV]?\d+(?:\.\d+){2,}(?![\w.]\d)", _dotted),
    "money": (
        rf"(?P<money_sign>[-−])?(?P<currency>[$€£¥])\s?(?P<amount>{NUMBER})"
        rf"(?:\s?(?P<money_scale>{_any(lexicon.MANY)})\b)?"
        rf"|(?P<amount_before>{NUMBER})\s?(?P<currency_behind>[€£¥])",
        _money,
    ),
    "ordinal": (
        r"\b(?P<nth>\d{1,15})(?:st|nd|rd|th)\b",
        lambda found: _as(found, say.ordinal(int(found["nth"]))),
    ),
    "decade": (
        r"(?:(?<=the )|(?<=['’]))(?P<short_decade>[2-9]0)s\b|\b(?P<long_decade>[12]\d\d0)s\b",
        _decade,
    ),
    "fraction": (
        rf"(?P<glyph>[{''.join(lexicon.FRACTIONS)}])"
        r"|(?<![\w/.,])(?P<upper>\d{1,2})/(?P<lower>10|12|16|20|100|[2-9])(?!\w|[/.]\d)",
        _fraction,
    ),
    "measure": (
        rf"(?P<unit_sign>{SIGNED})(?<![\w.])(?P<quantity>{NUMBER})"
        rf"(?:\s?(?P<unit>{_any(FREE)})|(?P<unit_touching>{_any(lexicon.TOUCHING)}))(?![\w²³])",
        _unit,
    ),
    "scaling": (
        rf"(?P<scale_sign>{SIGNED})(?<![\w.])(?P<scaled>{NUMBER})(?P<scale>[kKMBx]|bn)\b(?!\s?\d)",
        _scaled,
    ),
    "file": (rf"(?P<file_name>[A-Za-z][\w-]*)\.(?P<file_suffix>{_any(SUFFIXES)})\b", _file),
    "power": (
        r"\^\(?[23]\)?(?![\d.])",
        lambda found: _as(found, "squared" if "2" in found[0] else "cubed"),
    ),
    "cross": (r"(?:(?<=\d)|(?<=\d\s))x(?=\s?\d)", lambda found: _as(found, "times")),
    "mixed": (r"(?<![^\W_])(?!\d+x\d+\b)(?=[^\W_]*[^\W\d_²³])(?=[^\W_]*\d)[^\W_²³]+", _mixed),
    "number": (NUMBER, _number),
    "abbreviation": (
        rf"(?<![\w.])(?:(?:{_any(ABBREVIATIONS)})\.(?!\w)|(?:{_any(lexicon.NUMBERED)})\.(?=\s?\d)"
        rf"|(?:{_any(lexicon.SHORT_MONTHS)})(?=\s\d))",
        _abbreviation,
    ),
    "initials": (r"\b(?:[A-Za-z]\.){2,}(?!\w)|\b[A-Z]\.(?=\s[A-Z])", _initials),
    "capitals": (r"\b[A-Z]+s?\b(?!['’-]\w)", _capitals),
    "word": (rf"{LETTER}+(?:['’‑-]{LETTER}+)*", _word),
    "hash": (
        r"#(?=\w)",
        lambda found: _as(found, "number" if found.string[found.end()].isdigit() else "hashtag"),
    ),
    "sign": (_any({*lexicon.SIGNS, *lexicon.MARKS}), _sign),
}
_CODED = r"(?<=[\w)\]])\.(?=\w)|--|(?<!\w)-(?=\w)|[/*#\\]"
HANDLERS = {"coded": _coded} | {name: handler for name, (_, handler) in _HANDLED.items()}
RULES = _compiled({name: pattern for name, (pattern, _) in _HANDLED.items()})
CODE = _compiled({"coded": _CODED} | {name: pattern for name, (pattern, _) in _HANDLED.items()})
