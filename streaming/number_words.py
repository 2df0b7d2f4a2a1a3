"""Numbers as a person says them, in English: 42 is "forty two", 1905 may be "nineteen oh five".

Of the libraries that do this, num2words is LGPL and needs a package that has no wheel, inflect brings four
more and is slow to import; what is needed of either is this page. Words come one by one, without hyphens,
since each of them takes up time of its own. Knows no text around the number.
"""

from __future__ import annotations

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
MOST = 1000 ** len(SCALES)
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
SLOTS = {2: "half", 4: "quarter"}  # of a fraction, where it is not the ordinal

Words = tuple[str, ...]


def cardinal(number: int) -> Words:
    """Of a number that is not negative; one too large to have a name is read digit by digit."""
    if number >= MOST:
        return digits(str(number))
    if number < 20:
        return (ONES[number],)
    if number < 100:
        return (TENS[number // 10 - 2], *_rest(number % 10))
    if number < 1000:
        return (ONES[number // 100], "hundred", *_rest(number % 100))
    scale = (len(str(number)) - 1) // 3
    return (*cardinal(number // 1000**scale), SCALES[scale], *_rest(number % 1000**scale))


def _rest(number: int) -> Words:
    return cardinal(number) if number else ()


def ordinal(number: int) -> Words:
    *before, last = cardinal(number)
    if last in IRREGULAR:
        last = IRREGULAR[last]
    else:
        last = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return (*before, last)


def digits(text: str) -> Words:
    """One by one; what is no digit is left out."""
    return tuple(ONES[int(digit)] for digit in text if digit in "0123456789")


def decimal(text: str) -> Words:
    """ "3.14", "1,250", ".5" or "7"."""
    whole, point, fraction = text.replace(",", "").partition(".")
    said = cardinal(int(whole or "0"))
    return (*said, "point", *digits(fraction)) if point else said


def year(number: int) -> Words:
    """Of four digits."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return (*cardinal(century), "hundred")
    return (*cardinal(century), *(("oh", ONES[rest]) if rest < 10 else cardinal(rest)))


def fraction(upper: int, lower: int) -> Words:
    """3/4 is "three quarters"."""
    *before, last = (SLOTS[lower],) if lower in SLOTS else ordinal(lower)
    if upper != 1:
        last = "halves" if last == "half" else last + "s"
    return (*cardinal(upper), *before, last)
