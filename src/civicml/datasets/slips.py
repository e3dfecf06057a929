"""The slips people make when they type names, postcodes and birthdays: for raw layers that are to be linked.

Each takes what was meant and a number that decides how it goes wrong, so that the same slip can be
made again on other names. Must not know any dataset by name.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

RIGHT, SWAPPED, TYPO, MISSING = range(4)
"""What is wrong with a birthday: day and month exchanged, one part off, or blank."""

_BESIDE = dict(
    zip("abcdefghijklmnopqrstuvwxyz", "svxswdfgujkojbipqeadycqzts", strict=True)
)  # on the keyboard
_SOUNDS = """
ph:f ck:k ie:ei ee:ea ay:ai ow:ou mm:m nn:n ll:l tt:t rr:r th:t ey:y wh:w y:i s:z c:k k:c oo:u ar:er e:a l:ll
n:nn i:y a:e o:u
"""
_NICKNAMES = """
Alice:Ali Alistair:Al Amelia:Millie Andrew:Andy Anthony:Tony Beatrice:Bea Benedict:Ben Charles:Charlie
Christine:Chris Christopher:Chris Daniel:Dan David:Dave Deborah:Debbie Edmund:Ed Edward:Ted Elena:Ellie
Elizabeth:Liz Harvinder:Harry Imogen:Immy James:Jim Jasmine:Jas Jennifer:Jenny Jonathan:Jon Joseph:Joe
Joshua:Josh Katherine:Kate Margaret:Maggie Mateusz:Matt Matthew:Matt Megan:Meg Michael:Mike Mohammed:Mo
Nathan:Nate Olivia:Liv Oluwaseun:Seun Patricia:Pat Patrick:Paddy Philippa:Pippa Rachel:Rach Rebecca:Becky
Richard:Rick Robert:Bob Samantha:Sam Samuel:Sam Stephen:Steve Susan:Sue Tamsin:Tam Thomas:Tom Valentina:Val
Victoria:Vicky Vikram:Vik William:Bill Yasmin:Yas Zachary:Zac Zainab:Zee
"""
NICKNAMES = dict(pair.split(":") for pair in _NICKNAMES.split())
"""What some people are called instead of their given name."""

_HEARD = [(old, new) for old, new in (pair.split(":") for pair in _SOUNDS.split())]


def misspell(name: str, draw: int, *, phonetic: float, transposed: float, dropped: float) -> str:
    """`name` with one slip; its first letter stays.

    Args:
        name: what was meant.
        draw: decides which slip, and where; any number from 0.
        phonetic: the share of slips that sound alike.
        transposed: two letters the wrong way round.
        dropped: a letter left out. The rest are keys beside the right one.

    A hyphen or an apostrophe is what goes wrong most often where there is one.
    """
    if not name.isalpha() and draw % 3:
        return name.replace("'", "").replace("-", " " if draw % 2 else "")
    at, share = 1 + draw // 1_009 % max(len(name) - 1, 1), draw % 1_009 / 1_009
    if share < phonetic:
        heard = [(old, new) for old, new in _HEARD if old in name[1:]]
        if heard:
            old, new = heard[draw // 1_009 % min(len(heard), 3)]
            return name[0] + name[1:].replace(old, new, 1)
    elif share < phonetic + transposed:
        for place in [*range(at, len(name) - 1), *range(1, at)]:
            if name[place : place + 1] != name[place + 1 : place + 2]:
                return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    elif share < phonetic + transposed + dropped and len(name) > 3:
        return name[:at] + name[at + 1 :]
    return name[:at] + _BESIDE.get(name[at : at + 1], "e") + name[at + 1 :]


def mistype_postcode(postcode: str, draw: int) -> str:
    """`postcode` with its last two letters exchanged, or with another digit before them."""
    if draw % 2 and postcode[-1] != postcode[-2]:
        return postcode[:-2] + postcode[-1] + postcode[-2]
    return postcode[:-3] + str((int(postcode[-3]) + 1 + draw % 9) % 10) + postcode[-2:]


def mistype_birthdays(born: Ints, error: Ints, draw: Ints) -> npt.NDArray[np.datetime64]:
    """Birthdays as typed.

    Args:
        born: days since 1 January 1970.
        error: what is wrong with each. Where day and month cannot be exchanged, one part is off instead.
        draw: decides which part, and by how much.
    """
    day = born.astype("datetime64[D]")
    month, year = day.astype("datetime64[M]"), day.astype("datetime64[Y]")
    of_month, of_year = (day - month).astype(int), (month - year).astype(int)
    exchanged = (year.astype("datetime64[M]") + of_month).astype("datetime64[D]") + of_year
    can = (error == SWAPPED) & (of_month < 12) & (of_month != of_year)
    off = np.array([1, -1, 10, -10, 2, -2])[draw % 6]
    other_day = month.astype("datetime64[D]") + (of_month + off) % 28
    years_off = np.sign(off) * np.where(draw % 5 < 3, 1, 10)
    other_year = (month - 12 * years_off).astype("datetime64[D]") + np.minimum(of_month, 27)
    slip = np.where(draw % 3 == 0, other_year, other_day)
    wrong = (error == TYPO) | ((error == SWAPPED) & ~can)
    typed = np.where(can, exchanged, np.where(wrong, slip, day))
    return np.where(error == MISSING, np.datetime64("NaT"), typed).astype("datetime64[us]")
