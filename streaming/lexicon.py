"""What written English leaves out, as tables: abbreviations, units, signs, and capitals read as a word.

Knows no rules: `streaming.spoken_text` applies them, `streaming.clauses` needs to know which full stops
belong to a word.
"""

from __future__ import annotations

# Written with a full stop. Those that only come before something don't end a sentence.
BEFORE = {
    "Adm": "admiral", "Capt": "captain", "Col": "colonel", "Dr": "doctor", "Gen": "general",
    "Gov": "governor", "Hon": "honorable", "Lt": "lieutenant", "Maj": "major", "Mr": "mister",
    "Mrs": "missus", "Ms": "miz", "Mt": "mount", "Pres": "president", "Prof": "professor",
    "Rep": "representative", "Rev": "reverend", "Sen": "senator", "Sgt": "sergeant", "St": "saint",
    "approx": "approximately", "ca": "circa", "cf": "compare", "e.g": "for example", "eg": "for example",
    "esp": "especially", "i.e": "that is", "ie": "that is", "incl": "including", "viz": "namely",
    "vs": "versus",
}  # fmt: skip
AFTER = {
    "Ave": "avenue", "Blvd": "boulevard", "Co": "company", "Corp": "corporation", "Inc": "incorporated",
    "Jr": "junior", "Ltd": "limited", "Rd": "road", "Sr": "senior", "a.m": "A M", "al": "al",
    "dept": "department", "est": "established", "etc": "et cetera", "govt": "government", "max": "maximum",
    "min": "minimum", "p.m": "P M", "Ph.D": "P H D",
}  # fmt: skip
NUMBERED = {
    "Fig": "figure", "No": "number", "Nos": "numbers", "Nr": "number", "Vol": "volume", "ch": "chapter",
    "eq": "equation", "fig": "figure", "no": "number", "nos": "numbers", "p": "page", "pp": "pages",
    "sec": "section", "vol": "volume",
}  # fmt: skip
MONTHS = "January February March April May June July August September October November December".split()
SHORT_MONTHS = {month[:3]: month for month in MONTHS if month != "May"} | {"Sept": "September"}
SHORT_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip

# Behind a number: one of them, several.
UNITS = {
    "%": "percent", "‰": "per mille", "°C": "degree Celsius", "°F": "degree Fahrenheit", "°": "degree",
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "µm": "micrometer",
    "μm": "micrometer", "nm": "nanometer", "ft": "foot", "mi": "mile", "yd": "yard", "m²": "square meter",
    "m2": "square meter", "km²": "square kilometer", "km2": "square kilometer", "cm²": "square centimeter",
    "m³": "cubic meter", "m3": "cubic meter", "cm³": "cubic centimeter", "mg": "milligram", "g": "gram",
    "kg": "kilogram", "lb": "pound", "lbs": "pound", "oz": "ounce", "t": "ton", "ml": "milliliter",
    "mL": "milliliter", "cl": "centiliter", "l": "liter", "L": "liter", "gal": "gallon", "ns": "nanosecond",
    "µs": "microsecond", "ms": "millisecond", "s": "second", "sec": "second", "secs": "second",
    "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "Hz": "hertz",
    "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "W": "watt", "kW": "kilowatt",
    "MW": "megawatt", "kWh": "kilowatt hour", "V": "volt", "mV": "millivolt", "A": "amp", "mA": "milliamp",
    "J": "joule", "kJ": "kilojoule", "cal": "calorie", "kcal": "kilocalorie", "Pa": "pascal",
    "hPa": "hectopascal", "dB": "decibel", "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte",
    "kbps": "kilobit per second", "Mbps": "megabit per second", "Gbps": "gigabit per second",
    "km/h": "kilometer per hour", "kph": "kilometer per hour", "mph": "mile per hour",
    "m/s": "meter per second", "px": "pixel", "USD": "U S dollar", "EUR": "euro", "GBP": "pound",
}  # fmt: skip
PLURALS = {"foot": "feet", "hertz": "hertz", "kilohertz": "kilohertz", "megahertz": "megahertz",
           "gigahertz": "gigahertz", "percent": "percent", "mille": "mille"}  # fmt: skip
# Only where they touch their number: by themselves they are words or names.
TOUCHING = {"A", "J", "t"}

MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", "")}
MANY = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "bn": "billion", "B": "billion",
        "thousand": "thousand", "million": "million", "billion": "billion",
        "trillion": "trillion"}  # fmt: skip

# Read as they stand between two terms.
SIGNS = {
    "+": "plus", "−": "minus", "-": "minus", "–": "minus", "×": "times", "*": "times", "·": "times",
    "⋅": "times", "x": "times", "÷": "divided by", "/": "divided by", "^": "to the power of", "=": "equals",
    "==": "equals", "≠": "is not equal to", "!=": "is not equal to", "≈": "is about", "~": "is about",
    "<": "is less than", ">": "is greater than", "≤": "is at most", "<=": "is at most", "≥": "is at least",
    ">=": "is at least", "±": "plus or minus",
}  # fmt: skip
# Read wherever they stand.
MARKS = {
    "&": "and", "&amp;": "and", "@": "at", "√": "the square root of", "π": "pi", "∞": "infinity",
    "²": "squared",
    "³": "cubed", "%": "percent", "°": "degrees", "→": "to", "⇒": "so", "=>": "gives", "->": "to",
    "§": "section", "×": "times", "÷": "divided by", "≈": "about", "±": "plus or minus", "=": "equals",
    "+": "plus", "≤": "at most", "≥": "at least", "≠": "is not",
}  # fmt: skip
TEX = {"times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus", "approx": "is about",
       "neq": "is not equal to", "leq": "is at most", "geq": "is at least", "sqrt": "the square root of",
       "pi": "pi", "infty": "infinity"}  # fmt: skip
FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅛": (1, 8)}

# Capitals: read as a word, as something else, or (all others without a vowel, or short) by their letters.
AS_WORD = set(
    "AIDS ASCII BASIC CAD CAPTCHA CERN COVID CUDA FIFA GIF LAN LIDAR NASA NATO OPEC PIN RADAR RAM RGBA ROM "
    "SARS SIM SOHO SWAT UEFA UNESCO UNICEF WAN YOLO ZIP "
    "A AM AN AND ARE AS AT BE BUT BY CAN DO FOR GO HAS HE HER HIM HIS HOW I IF IN IS IT ME MY NEW NO NOT NOW "
    "OF OFF ON ONE OR OUR OUT SEE SHE SO THE TO TOO TWO UP WAS WE WHO WHY YES YOU".split()
)
AS_LETTERS = {"ASAP", "IEEE", "ISBN", "UUID", "AAAA", "BIOS", "CEO", "OECD", "ISO", "EU", "UK", "AI", "USA"}
AS_OTHER = {"JSON": "jason", "YAML": "yammel", "OK": "okay", "JPEG": "jay peg", "SQL": "sequel", "NaN": "nan",
            "GUI": "gooey"}  # fmt: skip

DOMAINS = "com org net io dev ai edu gov co uk de fr us app info eu ca tv me ch nl".split()
