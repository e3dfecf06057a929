"""Fictional people for raw layers: names, test NHS numbers, postcodes in areas that do not exist.

Nothing here belongs to anybody: NHS numbers are from the range kept for tests (999), and the
postcode areas are not in use by Royal Mail.
"""

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]

# Two letters, the right form, and no town.
FICTIONAL_POSTCODE_AREAS = ("BW", "CK", "DK", "EK", "FA", "GA", "HK", "PK", "RK", "SV", "TK", "WK")

_FEMALE = """
Abena Aisha Alice Amelia Anika Beatrice Bronwen Carys Chiara Chloe Daisy Deborah Edith Eilidh Elena Esther
Fatima Freya Grace Hannah Imogen Ines Isla Jasmine Jia Jodie Kamala Keira Latoya Leila Lucy Maeve Mariam
Megan Mei Nadia Niamh Olena Olivia Parveen Philippa Priya Rachel Rosa Ruth Saoirse Shanice Sofia Sunita
Tamsin Temi Una Valentina Wanjiru Xanthe Yasmin Zainab Zofia
"""
_MALE = """
Aaron Adebayo Ahmed Alistair Amir Andrei Arjun Bartosz Benedict Brendan Callum Cedric Chidi Connor Daniel
David Dmitri Edmund Elijah Emeka Farid Finlay Gareth George Hamza Harvinder Hugo Ibrahim Idris Jack Jamal
Joshua Kwame Leon Liam Luca Malik Marcus Mateusz Mohammed Nathan Neil Oluwaseun Omar Owen Patrick Piotr
Rahul Rhys Rohan Samuel Silas Tariq Thomas Tomasz Vikram Wei William Yusuf Zachary
"""
_FAMILY = """
Abara Achterberg Adeyemi Ainsley Akhtar Allardyce Ashdown Bains Barrowclough Bellweather Biddulph
Blackwood Bose Brockhurst Calloway Chaudhry Chen Clutterbuck Cotterill Dacosta Dalgleish Desai Drinkwater
Eastwick Ekwueme Fairweather Farouk Featherstone Ferreira Galbraith Goswami Greenhalgh Hallworth Haq
Heathcote Holloway Hosseini Iqbal Jankowski Jarrold Jolliffe Kaczmarek Kaur Kettlewell Khatun Kowalczyk
Larkspur Lethbridge Llewellyn Mahmood Marchbank Mbeki Mistry Moorcroft Nakamura Nettleship Nkosi Oduya
Okafor Ollerenshaw Osei Pargeter Patel Pemberton Popescu Quarmby Ramachandran Ravenscroft Rehman Rowbotham
Sandhu Shah Silverdale Singh Skelhorn Szabo Tattersall Thistlewood Tran Uddin Underhay Vasquez Venables
Wanyama Whitlock Winterbourne Wolstenholme Yeboah Yilmaz Zhang
"""

TEST_NUMBERS = 909_091
"""About how many valid NHS numbers the test range holds; no register may be longer."""


def given_names(rng: np.random.Generator, male: npt.NDArray[np.bool_]) -> Texts:
    """A given name for each entry of `male`."""
    women, men = (np.array(names.split(), dtype=object) for names in (_FEMALE, _MALE))
    return np.where(male, rng.choice(men, len(male)), rng.choice(women, len(male)))


def family_names(rng: np.random.Generator, number: int) -> Texts:
    """`number` family names."""
    return rng.choice(np.array(_FAMILY.split(), dtype=object), number)


def nhs_test_numbers(rng: np.random.Generator, number: int) -> Texts:
    """`number` different ten-digit numbers of the range kept for tests (999), with valid check digits.

    The tenth digit is 11 minus the remainder, modulo 11, of the first nine digits weighted 10 to 2; 11 is
    written 0, and a number that would need 10 is not used (NHS Data Dictionary, "NHS NUMBER").

    Raises:
        ValueError: the range does not hold that many.
    """
    middle = np.arange(1_000_000)
    weighted = 9 * (10 + 9 + 8) + sum(middle // 10 ** (5 - place) % 10 * (7 - place) for place in range(6))
    check = (11 - weighted % 11) % 11
    valid = middle[check < 10]
    if number > len(valid):
        raise ValueError(f"the test range holds {len(valid):,} numbers, not {number:,}")
    drawn = rng.permutation(valid)[:number]
    numbers: Texts = (9_990_000_000 + drawn * 10 + check[drawn]).astype(str).astype(object)
    return numbers


def postcodes(rng: np.random.Generator, area: Texts, district: npt.NDArray[np.int64]) -> Texts:
    """A postcode of the right form in each `area` (two letters) and `district` (1 to 99)."""
    number = len(area)
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"), dtype=object)  # C I K M O V do not end a postcode
    sector = rng.integers(0, 10, number).astype(str).astype(object)
    last, very_last = (letters[rng.integers(0, len(letters), number)] for _ in range(2))
    whole: Texts = area + district.astype(str).astype(object) + " " + sector + last + very_last
    return whole
