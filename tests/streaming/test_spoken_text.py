from __future__ import annotations

import random
import time

import pytest

from streaming.spoken_text import Word, heard, spoken, written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # numbers
        ("27 + 15 = 42", "twenty seven plus fifteen equals forty two"),
        ("27-15=12, 27 - 15 = 12", "twenty seven minus fifteen equals twelve, "
                                   "twenty seven minus fifteen equals twelve"),
        ("-5 + 3 = -2", "minus five plus three equals minus two"),
        ("7 3 0 5", "seven three zero five"),
        ("3.5, .5 or 1,234.50", "three point five, zero point five or "
                                "one thousand two hundred thirty four point five zero"),
        ("007 and 12345678901", "zero zero seven and one two three four five six seven eight nine zero one"),
        ("the 1st, 22nd and 100th", "the first, twenty second and one hundredth"),
        ("½ cup, 2 1/2 cups, 3/4", "one half cup, two and one half cups, three quarters"),
        ("5-10 or 5–10 people", "five to ten or five to ten people"),
        ("10k people, 2x faster, ~5", "ten thousand people, two times faster, about five"),
        ("3 x 4, 3*4, 10 / 2, 2^2, √16", "three times four, three times four, ten divided by two, "
                                         "two squared, the square root of sixteen"),
        ("x² + y = 4, 5 > 3, a < b", "x squared plus y equals four, five is greater than three, "
                                     "a is less than b"),
        ("\\frac{1}{2} \\times 3", "one over two times three"),
        ("٣ and H₂O", "three and H two O"),
        # times, dates, years
        ("at 3:05 p.m. Then", "at three oh five P M. Then"),
        ("3:00, 9am, 12:30, 15:00", "three o'clock, nine eh M, twelve thirty, fifteen hundred"),
        ("in 1969, since 1900, in 2005", "in nineteen sixty nine, since nineteen hundred, "
                                         "in two thousand five"),
        ("2000 people, 1914–1918", "two thousand people, nineteen fourteen to nineteen eighteen"),
        ("the 1990s and the '80s", "the nineteen nineties and the eighties"),
        ("November 25, 2026", "November twenty fifth, twenty twenty six"),
        ("2026-11-25", "November twenty fifth twenty twenty six"),
        ("Nov. 3rd, 25 November", "November third, the twenty fifth of November"),
        # money and measures
        ("$5.50, $1, $0.99", "five dollars and fifty cents, one dollar, ninety nine cents"),
        ("£3.01, $3.5 million, 20€", "three pounds and one penny, three point five million dollars, "
                                     "twenty euros"),
        ("50%, -7 °C, 1 km, 5 km/h", "fifty percent, minus seven degrees Celsius, one kilometer, "
                                     "five kilometers per hour"),
        ("3 kg, 16 GB, 30 s, 6 ft", "three kilograms, sixteen gigabytes, thirty seconds, six feet"),
        # digits that are read one by one
        ("Call +1 (555) 123-4567 or 555-1234.", "Call plus one, five five five, one two three, "
                                                "four five six seven or five five five, one two three four."),
        ("192.168.0.1, v1.2.3", "one nine two dot one six eight dot zero dot one, "
                                "version one point two point three"),
        # abbreviations and capitals
        ("Dr. Smith and Mr. J. Brown", "doctor Smith and mister J Brown"),
        ("e.g. on Mon. or Main St. in the U.S. He", "for example on Monday or Main street in the U S. He"),
        ("cats, dogs, etc. We", "cats, dogs, et cetera. We"),
        ("No. 5, p. 7. No. Yes", "number five, page seven. No. Yes"),
        ("NASA, the FBI, JSON, 3 CPUs", "nasa, the F B I, jason, three C P U's"),
        ("GPT-4, H100, MP3, 3D, TCP/IP", "GPT four, H one hundred, M P three, three D, T C P I P"),
        ("OK? I am A", "okay? I am A"),
        # addresses
        ("See https://www.example.com/docs/a-b?x=1.", "See example dot com slash docs slash eh dash B."),
        ("joe.smith@mail.example.org", "joe dot smith at mail dot example dot org"),
        ("soundmind.io or main.py", "soundmind dot io or main dot pie"),
        # markup
        ("**Bold**, *it*, __this__", "Bold, it, this"),
        ("# Head\n- one\n2. two", "Head. one. two, two"),
        ("[a link](http://x.org/a?b=c) ![a cat](x.png)", "a link a cat"),
        ("`print(x.y)` and <b>so</b>", "print x dot y and so"),
        ("```python\nx = 1\n```", "some code"),
        ("| a | b |\n|---|:--|\n| 1 | 2 |", "a, b. one, two,"),
        ("true [1]. > quoted", "true. quoted"),
        # the rest
        ("Hello 😀 world 👍🏽!", "Hello world!"),
        ('She said "hi" (twice) — then left…', "She said hi, twice, then left,"),
        ("don’t, mother-in-law, naïve café", "don't, mother-in-law, naïve café"),
        ("A & B, and/or, yes/no, w/o", "A and B, and or, yes or no, without"),
        ("C++, C#, #5, #tag, 24/7", "C plus plus, C sharp, number five, hashtag tag, twenty four seven"),
        ("", ""),
        ("**  ** 😀", ""),
    ],
)  # fmt: skip
def test_text_is_said_as_a_person_would(text: str, said: str) -> None:
    assert written(spoken(text)) == said


def test_words_stand_for_characters() -> None:
    text = "**Dr. Smith** owes $5, e.g. now."
    stood = [(word.text, text[word.start : word.end]) for word in spoken(text)]
    assert stood == [
        ("doctor", "Dr."),
        ("Smith", "Smith**"),
        ("owes", "owes"),
        ("five", "$5"),
        ("dollars", "$5,"),
        ("for", "e.g."),
        ("example", "e.g."),
        ("now", "now."),
    ]


def test_what_was_heard_is_told_to_the_word() -> None:
    text = "It costs $5.50, say 27."
    words = spoken(text)
    assert [text[: heard(words, count)] for count in range(len(words) + 1)] == [
        "",
        "It",
        "It costs",
        "It costs",
        "It costs",
        "It costs",
        "It costs",
        "It costs $5.50,",
        "It costs $5.50, say",
        "It costs $5.50, say",
        "It costs $5.50, say 27.",
    ]


PARTS = (
    "word A Dr. 3.5 27 0 , . [ ]( ) ` ``` 1/2 - – $ % km USA e.g. * ** _ # | --- é 😀 ² ½ ٣ ① Ⅷ \\frac{1}{2} "
    "http:// x.com @ ' ’ < > = + ~ &amp; : 12:30 p.m. s x 1990s 中文 / ^2 th ( +1 555-1234"
).split() + [*"    \n\0", "\u200d"]


@pytest.mark.parametrize("seed", range(8))
def test_any_text_is_read_in_order(seed: int) -> None:
    r = random.Random(seed)
    for _ in range(300):
        text = "".join(r.choice(PARTS) for _ in range(r.randrange(25)))
        words = spoken(text)
        assert all(word.text.strip() == word.text != "" and " " not in word.text for word in words), text
        assert all(0 <= word.start < word.end <= len(text) for word in words), text
        pairs = zip(words, words[1:], strict=False)
        assert all(a.start == b.start or a.end <= b.start for a, b in pairs), text
        reached = [heard(words, count) for count in range(len(words) + 1)]
        assert reached == sorted(reached), text


@pytest.mark.parametrize(
    "piece", ["a", "1", "-", "[", "(", "a.", "a@", "1,", "<a ", "/", "\\frac{", "`", "a-", "|-", "+1 ", "A."]
)
def test_long_text_takes_time_in_proportion(piece: str) -> None:
    began = time.process_time()
    spoken(piece * 3_000)
    assert time.process_time() - began < 2.0


def test_a_word_is_a_plain_value() -> None:
    assert spoken("Hi.") == (Word("Hi", 0, 3, "."),)
