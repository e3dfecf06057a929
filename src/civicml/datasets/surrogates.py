"""People as numbers: who a number is follows from a secret, so that nobody's name is ever stored.

The raw layer takes one secret and the published layer another: the same person then has other names,
another birthday and another home, everywhere and in every row alike. Must not know any dataset by name.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civicml.datasets.identities import FICTIONAL_POSTCODE_AREAS, Texts, family_names, given_names

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Pool = tuple[Texts, Floats]
"""Names, and where the share of each ends, from 0 to 1."""

# More names than `identities` has, so that few people share one; family names are made of two parts.
_WOMEN = """
Katherine Elizabeth Margaret Susan Victoria Rebecca Jennifer Patricia Samantha Christine Sarah Laura Emma
Louise Natalie Stacey Kelly Lisa Karen Nicola
"""
_MEN = """
James Robert Michael Christopher Anthony Richard Stephen Andrew Matthew Joseph Edward Charles Jonathan Kevin
Darren Lee Craig Jason Shane Ryan
"""
_BEGINNINGS = """
Ald Ash Bar Beck Bram Brock Cald Carr Chad Clay Cot Crom Dal Den Dray Eld Elm Fair Far Fen Gar Glen Gold Green
Hart Hasel Hathers Hay Holm Hurst Kel King Lang Lin Mar Mel Mor Nor Oak Pem Pick Rad Rother Rush Sand Sel Shel
Stan Stock Thorn Wal Wether Whit Win Wood Wy
"""
_ENDINGS = "bury by combe cott dale den field ford gate ham hurst land ley man more rick shaw stead ton well"
_MARKED = "O'Hara O'Rourke D'Souza Smith-Jones Hughes-Price Obi-Carter McKay MacLeod"

_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # C I K M O V do not end a postcode
_DISTRICTS = 24


@dataclass(frozen=True)
class Names:
    """The names there are, a few of them common and many rare."""

    women: Pool
    men: Pool
    family: Pool


def common_and_rare_names(rng: np.random.Generator) -> Names:
    """Some 80 given names of each sex and 1,300 family names, whose shares fall off slowly."""
    many = np.zeros(6_000, dtype=bool)
    women = sorted({*given_names(rng, many), *_WOMEN.split()})
    men = sorted({*given_names(rng, ~many), *_MEN.split()})
    made_up = (start + end for start in _BEGINNINGS.split() for end in _ENDINGS.split())
    family = sorted({*family_names(rng, 6_000), *_MARKED.split(), *made_up})
    return Names(_pool(women, rng, 0.55), _pool(men, rng, 0.55), _pool(family, rng, 0.62))


class Surrogates:
    """Who each number is, given a secret.

    Args:
        names: the names there are.
        rng: a stream that gives the secret.
        moved: whether birthdays and other dates are moved too, as they are for publication.
        middle_share: the share of people who have a middle name.
        weeks: dates of a person are moved by 1 to this many weeks.
    """

    def __init__(
        self, names: Names, rng: np.random.Generator, *, moved: bool, middle_share: float, weeks: int
    ) -> None:
        self._names, self._moved = names, moved
        self._middle_share, self._weeks = middle_share, weeks
        self._keys = [int(key) for key in rng.integers(0, 2**62, 12)]

    def given(self, name: Ints, male: Flags) -> Texts:
        """Given names: the same for everybody with the same number."""
        return self._given(_share(self._keys[0], name), male)

    def middle(self, person: Ints, male: Flags) -> Texts:
        """Middle names, ``None`` for people without one."""
        has = _share(self._keys[1], person) < self._middle_share
        names = self._given(_share(self._keys[2], person), male)
        names[~has] = None
        return names

    def family(self, family: Ints) -> Texts:
        """Family names."""
        return _drawn(self._names.family, _share(self._keys[3], family))

    def postcode(self, home: Ints, area: Ints) -> Texts:
        """Postcodes of the right form, in areas that do not exist; `area` is a number from 0."""
        z = _mixed(self._keys[4], home)
        areas, letters = (
            np.array(list(names), dtype=object) for names in (FICTIONAL_POSTCODE_AREAS, _LETTERS)
        )
        district, z = (z % _DISTRICTS + 1).astype(str).astype(object), z // _DISTRICTS
        sector, z = (z % 10).astype(str).astype(object), z // 10
        one, other = letters[(z % 20).astype(int)], letters[(z // 20 % 20).astype(int)]
        whole: Texts = areas[area % len(areas)] + district + " " + sector + one + other
        return whole

    def born(self, family: Ints, birthday: Ints) -> Ints:
        """Birthdays in days since 1970: as they are, or moved by up to three years, a family's alike."""
        if not self._moved:
            return birthday
        far = (_mixed(self._keys[5], family) % np.uint64(2_100)).astype(np.int64) - 1_050
        return birthday + np.where(far >= 0, far + 1, far)

    def shift(self, person: Ints) -> Ints:
        """How many days the dates of each person are moved: whole weeks, never none."""
        if not self._moved:
            return np.zeros(len(person), dtype=np.int64)
        z = _mixed(self._keys[6], person)
        weeks = (z % np.uint64(self._weeks)).astype(np.int64) + 1
        return 7 * np.where((z >> np.uint64(40)) % np.uint64(2) == 0, weeks, -weeks)

    def _given(self, share: Floats, male: Flags) -> Texts:
        return np.where(male, _drawn(self._names.men, share), _drawn(self._names.women, share))


def _pool(names: list[str], rng: np.random.Generator, steepness: float) -> Pool:
    shares = 1.0 / (np.arange(len(names)) + 3.0) ** steepness
    return rng.permutation(np.array(names, dtype=object)), np.cumsum(shares / shares.sum())


def _drawn(pool: Pool, share: Floats) -> Texts:
    names, ends = pool
    return names[np.minimum(np.searchsorted(ends, share), len(names) - 1)]


def _mixed(key: int, numbers: Ints) -> npt.NDArray[np.uint64]:
    """For each of `numbers`, one that looks like chance without `key` (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
        return mixed


def _share(key: int, numbers: Ints) -> Floats:
    """The same, between 0 and 1."""
    return (_mixed(key, numbers) >> np.uint64(11)).astype(np.float64) / 2.0**53
