"""The text of a field: numbers of every kind, sometimes letters, or nothing.

A text consists of characters of `ALPHABET`, of letters, * and #; a space is a wide gap, ^ begins
what is written small and raised, and OTHER is any letter or sign that looks like no digit.
"""

import numpy as np

from cnn_mnist.inference.recognition.line import OTHER

Random = np.random.Generator


def field(rng: Random) -> str:
    """The text of one field or line, up to some twelve characters."""
    kinds = list(KINDS)
    return kinds[rng.choice(len(kinds), p=SHARES)](rng)


def number(rng: Random, most: int) -> str:
    """One to `most` digits."""
    return _digits(rng, int(rng.integers(1, most + 1)))


def plain(rng: Random) -> str:
    """One to eight digits, sometimes in groups."""
    text = number(rng, 8)
    if len(text) > 3 and rng.random() < 0.1:
        cut = int(rng.integers(1, len(text)))
        text = f"{text[:cut]} {text[cut:]}"
    return text


def amount(rng: Random) -> str:
    """An amount of money: separators, a currency sign before it, a closing stroke after it."""
    text = str(int(rng.integers(1, 10 ** int(rng.integers(1, 4)))))
    if rng.random() < 0.5:
        text += "0" * int(rng.integers(1, 5))
    else:
        text += _digits(rng, int(rng.integers(0, 4)))
    if len(text) > 3 and rng.random() < 0.6:
        text = f"{text[:-3]}{rng.choice(['.', ',', ' '], p=[0.55, 0.3, 0.15])}{text[-3:]}"
    if rng.random() < 0.2:
        text += f"{rng.choice(['.', ','])}{rng.choice(['00', _digits(rng, 2)])}"
    if text[-1].isdigit() and rng.random() < 0.12:
        hundredths = rng.choice(["", "/100"], p=[0.6, 0.4])
        text += f"^{_digits(rng, 2)}{hundredths}"
    if rng.random() < 0.3:
        text = f"{rng.choice(CURRENCIES, p=CURRENCY_SHARES)}{text}"
    if rng.random() < 0.35:
        text += str(rng.choice([".", ",", "-", "=", ".-", ",-", "/-", " -", " =", OTHER]))
    if rng.random() < 0.05:
        filler = rng.choice(["*", "**", "#", "##"])
        text = f"{filler}{text}{filler}"
    return text


def decimal(rng: Random) -> str:
    """A number with a fraction, a sign, or both."""
    sign = "-" if rng.random() < 0.4 else "+" if rng.random() < 0.1 else ""
    whole = number(rng, 3)
    point = f"{rng.choice(['.', ','])}{number(rng, 3)}"
    return f"{sign}{whole}{point if rng.random() < 0.7 else ''}"


def date(rng: Random) -> str:
    """A date or a time of day."""
    day, month = int(rng.integers(1, 32)), int(rng.integers(1, 13))
    if rng.random() < 0.2:
        return f"{rng.integers(0, 24)}:{rng.integers(0, 60):02}"
    year = int(rng.integers(1950, 2031))
    shown = str(year) if rng.random() < 0.6 else f"{year % 100:02}"
    padded = (f"{day:02}", f"{month:02}") if rng.random() < 0.6 else (str(day), str(month))
    return str(rng.choice(["/", "-", "."], p=[0.55, 0.25, 0.2])).join([*padded, shown])


def calculation(rng: Random) -> str:
    """A sum, with or without its result."""
    left, right = int(rng.integers(0, 100)), int(rng.integers(0, 100))
    operator = rng.choice(["+", "-", "x", "/", ":"], p=[0.4, 0.25, 0.15, 0.1, 0.1])
    return f"{left}{operator}{right}" + (f"={left + right}" if rng.random() < 0.7 else "")


def repeated(rng: Random) -> str:
    """One digit repeated, where readers lose count; mostly 0s and 1s."""
    digit = str(rng.choice(10, p=[0.3, 0.35, *[0.35 / 8] * 8]))
    before, after = (_digits(rng, int(rng.integers(0, 3))) for _ in range(2))
    return before + digit * int(rng.integers(2, 5)) + after


def single(rng: Random) -> str:
    """One digit."""
    return _digits(rng, 1)


def nothing(_: Random) -> str:
    """A blank field."""
    return ""


def letters(rng: Random) -> str:
    """One or more letters that look like no digit."""
    return OTHER * int(rng.choice([1, 1, 1, 2, 3, 4]))


def words(rng: Random) -> str:
    """One to three words of any letters."""
    return " ".join(_word(rng) for _ in range(int(rng.integers(1, 4))))


def labelled(rng: Random) -> str:
    """Letters and digits together: a unit, a house number, a word before or after a number."""
    digits = number(rng, 4)
    word, gap = OTHER * int(rng.integers(1, 3)), " " if rng.random() < 0.5 else ""
    if rng.random() < 0.6:
        word, gap = _word(rng), " "
        if rng.random() < 0.4:
            return f"{word} {digits} {_word(rng)}"
    return f"{word}{gap}{digits}" if rng.random() < 0.5 else f"{digits}{gap}{word}"


def fraction(rng: Random) -> str:
    """A fraction, or a score."""
    most = 10 ** int(rng.integers(1, 3))
    return f"{rng.integers(1, most)}/{rng.integers(1, 10 * most if rng.random() < 0.3 else most)}"


def measure(rng: Random) -> str:
    """A number with its unit, sometimes with a word behind it."""
    value = decimal(rng) if rng.random() < 0.5 else number(rng, 3)
    unit = rng.choice(UNITS, p=UNIT_SHARES)
    gap = " " if rng.random() < 0.3 or unit in LIKE_DIGITS else ""
    return f"{value}{gap}{unit}" + f" {_word(rng)}" * (rng.random() < 0.2)


def bracketed(rng: Random) -> str:
    """The number of an item or a note, or a dialling code before its number."""
    item = number(rng, 4)
    text = f"{item})" if rng.random() < 0.4 else f"({item})"
    return text + f" {number(rng, 5)}" * (rng.random() < 0.5)


LIKE_DIGITS = ("g", "L", "lb", "dl")  # never close to a number
UNITS = (
    *("%", "°", "°C", "kg", "km", "cm", "mm", "mg", "ml", "min", "h", "m", "x", "pcs", "oz"),
    *LIKE_DIGITS,
)
UNIT_SHARES = (0.2, 0.07, 0.08, *[0.4 / 12] * 12, *[0.25 / 4] * 4)

CURRENCIES = ("$", "€", "£", "R$", "Rs.", "USD ", "EUR ", "CHF ", "kr ")
CURRENCY_SHARES = (0.5, 0.13, 0.13, *[0.24 / 6] * 6)
LETTERS = "etaoinshrdlucmfwgypbvkjxqz"
LETTER_SHARES = 1 / np.arange(4, 4 + len(LETTERS))  # about those of English
LETTER_SHARES /= LETTER_SHARES.sum()

KINDS = {
    plain: 0.22,
    amount: 0.21,
    decimal: 0.07,
    date: 0.04,
    calculation: 0.04,
    repeated: 0.04,
    single: 0.12,
    nothing: 0.03,
    letters: 0.04,
    words: 0.05,
    labelled: 0.05,
    fraction: 0.01,
    measure: 0.05,
    bracketed: 0.03,
}
SHARES = list(KINDS.values())


def _word(rng: Random) -> str:
    word = "".join(rng.choice(list(LETTERS), int(rng.integers(3, 8)), p=LETTER_SHARES))
    return word.capitalize() if rng.random() < 0.4 else word


def _digits(rng: Random, count: int) -> str:
    return "".join(map(str, rng.choice(10, count, p=[0.12, 0.16, *[0.09] * 8])))
