"""Generates stays in four fictional hospitals, publishes them protected, and sets week 2's tables apart.

Every number that was planted is in truth.toml; what may be published is in disclosure.toml. The world
(places, calendar, coefficients) is the same for the published and the sealed layer; people and stays are not.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.anonymity import class_sizes, k_anonymity
from civicml.datasets.disclosure import PeopleRule, Rules, enforce, protect_counts
from civicml.datasets.identities import family_names, given_names, nhs_test_numbers
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.suppression import protect_table
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 80_000
ROWS_AT_ONCE = 400_000
TRUTH = read_truth(__file__)

# Numbers begin elsewhere in the sealed layer, so that rows of two layers are never taken for one another.
FIRST_PATIENT = {False: 100_001, True: 5_000_001}
FIRST_EPISODE = {False: 1, True: 500_000_001}
FIRST_ROW = {False: 1, True: 50_001}  # of extract, raw_sample and newspaper

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]
Texts = npt.NDArray[np.object_]

# --- vocabulary ---------------------------------------------------------------------------------

METHODS = ["Emergency", "Elective", "Day case", "Maternity"]
EMERGENCY, ELECTIVE, DAY_CASE, MATERNITY = range(4)
SEXES = ["Female", "Male"]
AGES = ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80+"]
GROUPS = list(TRUTH["groups"])
GROUP = {name: number for number, name in enumerate(GROUPS)}
CODES = sorted({c for g in TRUTH["groups"].values() for c in [*g["codes"], *g.get("planned_codes", [])]})
SPECIALTIES = sorted({group["specialty"] for group in TRUTH["groups"].values()})
SENSITIVE = ["Mental and behavioural", "Code withheld"]
HOME, CARE_HOME, OTHER_HOSPITAL, DIED = range(4)
DESTINATIONS = ["Usual residence", "Care home", "Other hospital", "Died"]
# The NHS data dictionary's list: 16 categories of the 2001 census, not stated, not known.
ETHNIC = ["A", "B", "C", "D", "E", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S", "Z", "99"]
ETHNIC_GROUPS = {"White": "ABC", "Mixed": "DEFG", "Asian": "HJKL", "Black": "MNP", "Other": "RS"}
NOT_KNOWN = "Not known"
TOTAL = "Total"

AREAS, LETTERS, HOSPITALS = (TRUTH["places"][name] for name in ("areas", "letters", "hospitals"))
PRIORY = TRUTH["places"]["priory"]
FIRST_DAY, LAST_DAY = (np.datetime64(TRUTH["window"][end]) for end in ("first", "last"))
DAYS = pd.date_range(FIRST_DAY, LAST_DAY, unit="us")
END = len(DAYS) * 1440  # minutes
A_DAY, A_YEAR = 1440, 365 * 1440


# --- the world: the same for every layer --------------------------------------------------------


def make_places(streams: Streams) -> pd.DataFrame:
    """One row a ward, which is one postcode sector: town, area, residents, mean deprivation decile."""
    truth, rng = TRUTH["places"], streams.world("places")
    rows = []
    for area, towns in enumerate(truth["towns"]):
        for district, town in enumerate(towns, start=1):
            wards = 1 if town == PRIORY else (6 if district == 1 and area < 3 else 3)
            town_decile = np.clip(rng.normal(truth["decile"][area], 1.2), 2.0, 9.0)
            town_size = 2.2 if district == 1 else 1.0
            names = rng.choice(truth["wards"].split(), wards, replace=False)
            for ward, sector in zip(names, sorted(rng.choice(10, wards, replace=False)), strict=True):
                size = town_size * rng.gamma(12.0, 1 / 12) / wards
                decile = np.clip(town_decile + rng.normal(0, 1.1), 1.3, 9.7)
                code = f"{LETTERS[area]}{district} {sector}"
                rows.append((code, town if wards == 1 else f"{ward}", town, area, size, decile))
    places = pd.DataFrame(rows, columns=["postcode_sector", "ward", "town", "area", "size", "decile"])
    places["share"] = places["size"] / places.groupby("area")["size"].transform("sum")
    places["share"] *= np.array(truth["share"])[places["area"]]
    priory = (places["town"] == PRIORY).to_numpy()
    places.loc[~priory, "share"] *= (1 - TRUTH["week2"]["priory_share"]) / places.loc[~priory, "share"].sum()
    places.loc[priory, "share"] = TRUTH["week2"]["priory_share"]
    places.loc[priory, "decile"] = 4.0
    places["residents"] = (np.round(places["share"] * 5_200) * 100).astype(int)
    places.loc[priory, "residents"] = 60
    return places.drop(columns="size")


def day_weights(method: int, winter: float) -> Floats:
    """How likely each day of the window is, for one way of admission and one strength of winter."""
    truth, month = TRUTH["calendar"], DAYS.month.to_numpy()
    kind = {EMERGENCY: "emergency", MATERNITY: "maternity"}.get(method, "planned")
    weights = np.array(truth[kind])[DAYS.day_of_week.to_numpy()]
    weights = weights * np.exp(winter * np.cos((month - 1) * np.pi / 6))
    if kind == "planned":
        closed = DAYS.isin(pd.to_datetime(truth["bank_holidays"].split()))
        weights = np.where(closed, truth["planned_on_bank_holiday"], 1.0) * weights
        weights *= np.where(month == 12, truth["planned_in_december"], 1.0)
    weights = weights * (1 + truth["growth"] * np.arange(len(DAYS)) / 365)
    return weights / weights.sum()


# --- people -------------------------------------------------------------------------------------


def make_people(rng: np.random.Generator, places: pd.DataFrame, number: int) -> pd.DataFrame:
    """Who is admitted at least once: one row a person, nobody named yet."""
    truth = TRUTH["people"]
    place = rng.choice(len(places), number, p=places["share"].to_numpy())
    priory = (places["town"] == PRIORY).to_numpy()[place]
    band = rng.choice(7, number, p=truth["age_share"])
    youngest, oldest = np.array(truth["age_from"])[band], np.array(truth["age_from"])[band + 1]
    share = np.where(band == 6, rng.random(number) ** 2.0, rng.random(number))
    age = np.where(priory, 29 + 20 * rng.random(number), youngest + share * (oldest - youngest))
    band = np.where(priory, 3, band)
    male = (rng.random(number) > truth["female"]) | priory
    decile = np.clip(np.rint(rng.normal(places["decile"].to_numpy()[place], truth["decile_spread"])), 1, 10)
    deprived = 5.5 - decile
    mean = np.array(truth["conditions_by_age"])[band] * np.exp(truth["conditions_by_decile"] * deprived)
    conditions = np.minimum(rng.poisson(mean), 6)
    area = places["area"].to_numpy()[place]
    comes_back = np.array(truth["extra_by_age"])[band] * (1 + truth["extra_by_condition"] * conditions)
    shape = truth["extra_shape"]
    comes_back *= rng.gamma(shape, 1 / shape, number) * np.where(priory, 1.6, 1.0)
    return pd.DataFrame(
        {
            "place": place,
            "area": area,
            "priory": priory,
            "band": band,
            "born": FIRST_DAY - np.ceil(age * 365.25 + 1).astype("timedelta64[D]"),
            "male": male,
            "decile": decile.astype(np.int64),
            "conditions": conditions,
            "ethnic": draw_ethnic(rng, area, male & np.isin(band, [2, 3])),
            "comes_back": comes_back,
        }
    )


def draw_ethnic(rng: np.random.Generator, area: Ints, young_man: Flags) -> Ints:
    """Ethnic category as recorded (a place in ETHNIC): who is not stated is not a random sample."""
    truth = TRUTH["ethnic"]
    weights = np.array([truth[name.lower()] for name in ETHNIC_GROUPS]).T[area]
    group = pick(rng, weights)
    code = np.zeros(len(area), dtype=np.int64)
    for number, letters in enumerate(ETHNIC_GROUPS.values()):
        here = group == number
        within = truth["within_white"] if number == 0 else None  # the others are equally common
        code[here] = ETHNIC.index(letters[0]) + rng.choice(len(letters), here.sum(), p=within)
    missing = truth["missing"]
    chance = missing["base"] + missing["not_white"] * (group > 0) + missing["young_man"] * young_man
    lost = rng.random(len(area)) < chance + missing["ridlow"] * (area == AREAS.index("Ridlow"))
    default = np.where(rng.random(len(area)) < truth["not_known"], ETHNIC.index("99"), ETHNIC.index("Z"))
    return np.where(lost, default, code)


def name_people(
    rng: np.random.Generator, places: pd.DataFrame, people: pd.DataFrame, numbers: Texts
) -> pd.DataFrame:
    """Names, postcodes, practices, and NHS numbers as they were typed: some wrongly."""
    total = len(people)
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"), dtype=object)
    unit = letters[rng.integers(0, 20, total)] + letters[rng.integers(0, 20, total)]
    typed, fault = mistype(rng, numbers)
    return pd.DataFrame(
        {
            "nhs_number": typed,
            "nhs_number_fault": pd.Categorical(fault, FAULTS),
            "given_name": pd.Categorical(given_names(rng, people["male"].to_numpy())),
            "family_name": pd.Categorical(family_names(rng, total)),
            "postcode": places["postcode_sector"].to_numpy(dtype=object)[people["place"]] + unit,
            "gp_practice": practice_names(places)[people["place"], rng.integers(0, 2, total)],
        }
    )


FAULTS = ["none", *TRUTH["recording"]["faults"]]
PLACEHOLDER = "9999999999"  # its check digit is right: a check alone does not find it


def mistype(rng: np.random.Generator, numbers: Texts) -> tuple[Texts, Texts]:
    """NHS numbers as recorded, and what is wrong with each. Every one stays in the test range 999."""
    shares = TRUTH["recording"]["faults"]
    typed, fault = numbers.copy(), np.full(len(numbers), "none", dtype=object)
    wrong = np.flatnonzero(rng.random(len(numbers)) < TRUTH["recording"]["nhs_number_fault"])
    fault[wrong] = rng.choice(np.array(list(shares), dtype=object), len(wrong), p=list(shares.values()))
    place, digit = rng.integers(3, 9, len(numbers)), rng.integers(1, 10, len(numbers))
    for at in wrong:
        text, here = numbers[at], int(place[at])
        if fault[at] == "swapped" and text[here] == text[here + 1]:
            fault[at] = "digit"
        match fault[at]:
            case "digit":
                text = f"{text[:here]}{(int(text[here]) + int(digit[at])) % 10}{text[here + 1 :]}"
            case "swapped":
                text = text[:here] + text[here + 1] + text[here] + text[here + 2 :]
            case "short":
                text = text[:here] + text[here + 1 :]
            case "placeholder":
                text = PLACEHOLDER
            case "blank":
                text = None
            case "spaced":
                text = f"{text[:3]} {text[3:6]} {text[6:]}"
        typed[at] = text
    return typed, fault


def practice_names(places: pd.DataFrame) -> Texts:
    """Two practices for each ward, of those in its town: an array of shape (wards, 2)."""
    names = [f"{town} {kind}" for town in places["town"] for kind in ("Surgery", "Health Centre")]
    return np.array(names, dtype=object).reshape(len(places), 2)


# --- stays --------------------------------------------------------------------------------------


def make_stays(
    rng: np.random.Generator, places: pd.DataFrame, people: pd.DataFrame, wanted: int
) -> pd.DataFrame:
    """About `wanted` stays of `people`, by person and time; times are minutes from the first day."""
    more = people["comes_back"].to_numpy()
    extra = max(int(wanted * 0.952) - len(people), 0)  # the rest are readmissions
    who = np.concatenate([np.arange(len(people)), rng.choice(len(people), extra, p=more / more.sum())])
    method, group = draw_methods_and_groups(rng, people, who)
    start = draw_starts(rng, method, group)
    begun = pd.DataFrame({"who": who, "method": method, "group": group, "start": start})
    stays = without_overlaps(complete(rng, people, begun))
    stays = without_overlaps(pd.concat([stays, draw_returns(rng, people, stays)], ignore_index=True))
    return describe(rng, people, stays)


def draw_methods_and_groups(rng: np.random.Generator, people: pd.DataFrame, who: Ints) -> tuple[Ints, Ints]:
    """How somebody is admitted, and why: maternity, emergency or planned; then the group of diagnoses."""
    truth, of = TRUTH["emergency"], people.take(who)
    band, number = of["band"].to_numpy(), len(who)
    odds = np.array(truth["age"])[band] + truth["decile"] * (5.5 - of["decile"].to_numpy())
    odds = odds + truth["base"] + truth["condition"] * of["conditions"].to_numpy()
    emergency = rng.random(number) < sigmoid(odds)
    fertile = ~of["male"].to_numpy() & np.isin(band, [2, 3])
    chance = truth["maternity_share"] * np.where(band == 2, 1.0, 0.55)
    maternity = fertile & (rng.random(number) < chance)
    group = np.where(emergency, draw_groups(rng, band, "emergency"), draw_groups(rng, band, "planned"))
    group = np.where(maternity, GROUP["Pregnancy and birth"], group)
    group = np.where(of["priory"], GROUP["Mental and behavioural"], group)
    day_case = rng.random(number) < of_group("day_case")[group]
    method = np.select([maternity, emergency, day_case], [MATERNITY, EMERGENCY, DAY_CASE], default=ELECTIVE)
    return method, group


def draw_groups(rng: np.random.Generator, band: Ints, kind: str) -> Ints:
    """A group of diagnoses for each age band, by the weights of emergencies or of planned admissions."""
    weights = np.array([group[kind] for group in TRUTH["groups"].values()], dtype=float).T
    group = np.zeros(len(band), dtype=np.int64)
    for number in range(7):
        here = band == number
        group[here] = rng.choice(len(GROUPS), here.sum(), p=weights[number] / weights[number].sum())
    return group


def draw_starts(rng: np.random.Generator, method: Ints, group: Ints) -> Ints:
    """When each stay begins: season by diagnosis, weekday and hour by method."""
    day = np.zeros(len(method), dtype=np.int64)
    winter = of_group("winter")
    for one in range(len(METHODS)):
        for strength in np.unique(winter):
            here = (method == one) & (winter[group] == strength)
            day[here] = rng.choice(len(DAYS), here.sum(), p=day_weights(one, strength))
    return day * A_DAY + draw_minutes(rng, method)


def draw_minutes(rng: np.random.Generator, method: Ints) -> Ints:
    """Minute of the day: planned admissions in the morning, the others at any hour, most in the afternoon."""
    hours = np.arange(24)
    any_hour = 0.25 + np.exp(-(((hours - 15) / 5.5) ** 2))
    hour = rng.choice(24, len(method), p=any_hour / any_hour.sum())
    planned = np.isin(method, [ELECTIVE, DAY_CASE])
    hour = np.where(planned, 7 + rng.choice(6, len(method), p=[0.42, 0.22, 0.08, 0.06, 0.12, 0.10]), hour)
    return hour * 60 + rng.integers(0, 60, len(method))


def complete(rng: np.random.Generator, people: pd.DataFrame, begun: pd.DataFrame) -> pd.DataFrame:
    """Stays with where people go afterwards, how many nights they stay, and when they leave."""
    of, start, number = people.take(begun["who"]), begun["start"].to_numpy(), len(begun)
    old = (FIRST_DAY - of["born"].to_numpy()).astype("timedelta64[D]").astype(np.int64) / 365.25
    stays = begun.assign(exact_age=old + start / 525_960)
    stays["destination"] = draw_destinations(rng, stays)
    nights = draw_nights(rng, of, stays)
    leaves = (start // A_DAY + nights) * A_DAY + (10 + 8 * rng.random(number)) * 60
    hours = start + (2 + 6 * rng.random(number)) * 60
    end = np.where(nights == 0, np.minimum(hours, start // A_DAY * A_DAY + 1439), leaves).astype(np.int64)
    age = age_on(DAYS.to_numpy()[start // A_DAY], of["born"].to_numpy())
    return stays.assign(nights=nights, end=end, age=age)


def draw_destinations(rng: np.random.Generator, stays: pd.DataFrame) -> Ints:
    """Where people go afterwards; deaths come later, when it is known which stay was the last."""
    truth, age = TRUTH["discharge"], stays["exact_age"].to_numpy()
    injury = (stays["group"] == GROUP["Injury"]).to_numpy()
    odds = truth["care_home"] + truth["care_home_year"] * (age - 60) + truth["care_home_injury"] * injury
    care_home = (rng.random(len(age)) < sigmoid(odds)) & (stays["method"] == EMERGENCY).to_numpy()
    other = (rng.random(len(age)) < truth["other_hospital"]) & (stays["method"] != DAY_CASE).to_numpy()
    return np.select([care_home, other], [CARE_HOME, OTHER_HOSPITAL], default=HOME)


def draw_nights(rng: np.random.Generator, of: pd.DataFrame, stays: pd.DataFrame) -> Ints:
    """Nights in hospital: longer with age, emergency and long-term conditions, with two interactions."""
    truth, age, number = TRUTH["stay"], stays["exact_age"].to_numpy(), len(stays)
    group, method = stays["group"].to_numpy(), stays["method"].to_numpy()
    winter = np.isin(DAYS.month.to_numpy()[stays["start"] // A_DAY], [12, 1, 2])
    log_nights = (
        np.log(of_group("stay"))[group]
        + truth["age"] * np.maximum(age - 50, 0)
        + truth["emergency"] * (method == EMERGENCY)
        + truth["condition"] * of["conditions"].to_numpy()
        + truth["decile"] * (5.5 - of["decile"].to_numpy())
        + truth["oldest_injury"] * ((age >= 80) & (group == GROUP["Injury"]))
        + truth["winter_oldest"] * ((age >= 80) & winter)
        + truth["to_care_home"] * (stays["destination"] == CARE_HOME).to_numpy()
        + truth["sd"] * rng.standard_normal(number)
    )
    nights = np.clip(np.rint(np.exp(log_nights)), 1, truth["longest"]).astype(np.int64)
    zero = np.array([truth["zero_nights"].get(name, 1.0) for name in METHODS])[method]
    less_if_old = np.where(method == DAY_CASE, 1, 1.3 - 0.01 * age)
    by_evening = (stays["start"] % A_DAY).to_numpy() < 21 * 60  # who comes later stays the night
    return np.where(by_evening & (rng.random(number) < zero * less_if_old), 0, nights)


def age_on(day: Days, born: Days) -> Ints:
    """Age in whole years, as people count it."""
    on, birth = pd.DatetimeIndex(day), pd.DatetimeIndex(born)
    to_come = (on.month * 100 + on.day) < (birth.month * 100 + birth.day)
    return (on.year - birth.year - to_come).to_numpy().astype(np.int64)


def without_overlaps(stays: pd.DataFrame) -> pd.DataFrame:
    """Stays in order of person and time, without those that begin before an earlier one has ended."""
    stays = stays.sort_values(["who", "start"], kind="stable", ignore_index=True)
    while True:
        same = stays["who"].to_numpy()[1:] == stays["who"].to_numpy()[:-1]
        bad = np.append(False, same & (stays["start"].to_numpy()[1:] <= stays["end"].to_numpy()[:-1] + 60))
        if not bad.any():
            return stays
        stays = stays[~bad].reset_index(drop=True)


def draw_returns(rng: np.random.Generator, people: pd.DataFrame, stays: pd.DataFrame) -> pd.DataFrame:
    """Emergency stays that follow another within 30 days; more for those with emergencies behind them."""
    truth, of = TRUTH["readmission"], people.take(stays["who"])
    emergency = (stays["method"] == EMERGENCY).to_numpy()
    odds = (
        truth["base"]
        + truth["emergency_before"] * np.minimum(emergencies_before(stays), 4)
        + truth["decile"] * (5.5 - of["decile"].to_numpy())
        + truth["condition"] * of["conditions"].to_numpy()
        + truth["emergency"] * emergency
        + truth["oldest"] * (stays["age"].to_numpy() >= 80)
    )
    back = stays[rng.random(len(stays)) < sigmoid(odds)]
    number = len(back)
    days = 1 + np.minimum(rng.exponential(9.0, number), 28).astype(np.int64)
    method = np.full(number, EMERGENCY)
    start = (back["end"].to_numpy() // A_DAY + days) * A_DAY + draw_minutes(rng, method)
    who = back["who"].to_numpy()
    same = rng.random(number) < truth["same_diagnosis"]
    other = draw_groups(rng, people["band"].to_numpy()[who], "emergency")
    keep = same | people["priory"].to_numpy()[who]
    group, inside = np.where(keep, back["group"].to_numpy(), other), start < END
    begun = pd.DataFrame({"who": who, "method": method, "group": group, "start": start})[inside]
    return complete(rng, people, begun.reset_index(drop=True))


def emergencies_before(stays: pd.DataFrame) -> Ints:
    """For each stay (by person and time), that person's emergency admissions in the 365 days before."""
    key = stays["who"].to_numpy() * (END + 2 * A_YEAR) + stays["start"].to_numpy() + A_YEAR
    until = np.append(0, np.cumsum(stays["method"].to_numpy() == EMERGENCY))
    return until[np.arange(len(stays))] - until[np.searchsorted(key, key - A_YEAR)]


def days_to_emergency(stays: pd.DataFrame) -> Floats:
    """For each stay, days from its end to that person's next emergency admission; infinity if none."""
    base = stays["who"].to_numpy() * (END + 2 * A_YEAR)
    key = base + stays["start"].to_numpy()
    urgent = np.append(key[stays["method"].to_numpy() == EMERGENCY], np.iinfo(np.int64).max)
    after = urgent[np.searchsorted(urgent, key, side="right")] - base
    return np.where(after < END, (after - stays["end"].to_numpy()) / A_DAY, np.inf)


def describe(rng: np.random.Generator, people: pd.DataFrame, stays: pd.DataFrame) -> pd.DataFrame:
    """Deaths (on a last stay only), codes, procedures, hospital, what followed; finished stays only."""
    age, group, number = stays["age"].to_numpy(), stays["group"].to_numpy(), len(stays)
    last = ~stays["who"].duplicated(keep="last").to_numpy()
    truth = TRUTH["discharge"]
    urgent = (stays["method"] == EMERGENCY).to_numpy()
    odds = truth["died"] + truth["died_year"] * (age - 60) + truth["died_emergency"] * urgent
    died = last & (rng.random(number) < sigmoid(odds)) & (stays["method"] != DAY_CASE).to_numpy()
    area = people["area"].to_numpy()[stays["who"]]
    often = np.where(area == AREAS.index("Skerrow"), 3.5, 1.0)  # a small hospital sends people away
    elsewhere = rng.random(number) < TRUTH["recording"]["elsewhere"] * often
    stays = stays.assign(
        destination=np.where(died, DIED, stays["destination"]),
        code=draw_codes(rng, age, people["male"].to_numpy()[stays["who"]], group, stays["method"].to_numpy()),
        procedure=rng.random(number) < of_group("procedure")[group],
        hospital=np.where(elsewhere, np.where(area == 0, 1, 0), area),
        before=emergencies_before(stays),
        days_to_next=days_to_emergency(stays),
    )
    return stays[stays["end"] < END].reset_index(drop=True)


def draw_codes(rng: np.random.Generator, age: Ints, male: Flags, group: Ints, method: Ints) -> Ints:
    """A three-character code (a place in CODES) of the group; later ones in its list are for older people."""
    code = np.zeros(len(group), dtype=np.int64)
    for number, settings in enumerate(TRUTH["groups"].values()):
        for planned in (False, True):
            names = settings.get("planned_codes", settings["codes"]) if planned else settings["codes"]
            here = np.flatnonzero((group == number) & (np.isin(method, [ELECTIVE, DAY_CASE]) == planned))
            position = np.arange(len(names)) - (len(names) - 1) / 2
            weights = np.exp(0.45 * position * (age[here, None] - 50) / 25)
            code[here] = np.array([CODES.index(name) for name in names])[pick(rng, weights)]
    prostate, breast = CODES.index("C61"), CODES.index("C50")
    code = np.where((code == prostate) & ~male, breast, code)
    return np.where((code == breast) & male, prostate, code)


# --- what the record says -----------------------------------------------------------------------


def record(
    rng: np.random.Generator,
    places: pd.DataFrame,
    people: pd.DataFrame,
    stays: pd.DataFrame,
) -> pd.DataFrame:
    """The hospitals' records, in order of admission: coding rules, late coding, values as words."""
    truth = TRUTH["recording"]
    of, number = people.take(stays["who"]).reset_index(drop=True), len(stays)
    admitted = DAYS.to_numpy()[stays["start"] // A_DAY]
    changed = admitted >= np.datetime64(TRUTH["window"]["coding_changes"])
    infection = stays["code"].isin([CODES.index(c) for c in ("J18", "J22", "N39")]).to_numpy()
    sepsis = changed & infection & (stays["method"] == EMERGENCY).to_numpy()
    sepsis &= rng.random(number) < truth["sepsis_share"]
    code = np.where(sepsis, CODES.index("A41"), stays["code"])
    group = np.where(sepsis, GROUP["Infectious"], stays["group"])
    late = np.full(number, truth["never_coded"])
    left = (np.datetime64(FIRST_DAY, "D") + stays["end"].to_numpy() // A_DAY).astype("datetime64[M]")
    for month, share in truth["late_coded"].items():
        late[left == np.datetime64(month)] = share
    late = late * np.where(stays["nights"] >= 7, truth["late_coded_long_stay"], 1.0)
    uncoded = rng.random(number) < late
    specialty = np.array([SPECIALTIES.index(g["specialty"]) for g in TRUTH["groups"].values()])
    back = np.where(stays["days_to_next"] <= 30, 1.0, 0.0)
    unknown = (stays["end"].to_numpy() > END - 30 * A_DAY) | (stays["destination"] == DIED).to_numpy()
    start = np.datetime64(FIRST_DAY, "us")
    frame = pd.DataFrame(
        {
            "patient_number": of["number"].to_numpy(),
            "patient_id": of["patient_id"].to_numpy(),
            "sex": pd.Categorical.from_codes(of["male"].astype(int), SEXES),
            "date_of_birth": of["born"].to_numpy().astype("datetime64[us]"),
            "age": stays["age"].to_numpy(),
            "area": pd.Categorical.from_codes(of["area"], AREAS),
            "town": pd.Categorical(places["town"].to_numpy()[of["place"]], sorted(places["town"].unique())),
            "ward": pd.Categorical(places["ward"].to_numpy()[of["place"]], sorted(places["ward"].unique())),
            "postcode_sector": pd.Categorical(
                places["postcode_sector"].to_numpy()[of["place"]], sorted(places["postcode_sector"])
            ),
            "age_band": pd.Categorical.from_codes(age_bands(of["born"].to_numpy()), AGES),
            "provider": pd.Categorical.from_codes(stays["hospital"], HOSPITALS),
            "admitted": start + stays["start"].to_numpy() * np.timedelta64(1, "m"),
            "admission_date": admitted.astype("datetime64[us]"),
            "discharged": start + stays["end"].to_numpy() * np.timedelta64(1, "m"),
            "admission_method": pd.Categorical.from_codes(stays["method"], METHODS),
            "specialty": pd.Categorical.from_codes(specialty[stays["group"]], SPECIALTIES),
            "diagnosis_code": pd.Categorical.from_codes(np.where(uncoded, -1, code), CODES),
            "diagnosis_group": pd.Categorical.from_codes(np.where(uncoded, -1, group), GROUPS),
            "procedure": stays["procedure"].to_numpy(),
            "length_of_stay": stays["nights"].to_numpy(),
            "emergencies_before": stays["before"].to_numpy(),
            "readmitted_30": pd.array(np.where(unknown, np.nan, back), dtype="boolean"),
            "discharge_destination": pd.Categorical.from_codes(stays["destination"], DESTINATIONS),
            "conditions": of["conditions"].to_numpy(),
            "imd_decile": of["decile"].to_numpy(),
            "ethnic_category": pd.Categorical.from_codes(of["ethnic"], ETHNIC),
        }
    )
    return frame.sort_values("admitted", kind="stable", ignore_index=True)


def age_bands(born: Days) -> Ints:
    """Ten-year bands of the age on the first day of the window, as places in AGES."""
    age = (FIRST_DAY - born).astype("timedelta64[D]").astype(np.int64) / 365.25
    return np.minimum(age // 10, 8).astype(np.int64)


# --- the raw layer ------------------------------------------------------------------------------


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables, a block of people with all their stays at a time; week 2's with the first."""
    places = make_places(streams)
    total = min(max(round(rows * TRUTH["people"]["share_of_rows"]), 1), TRUTH["people"]["at_most"])
    numbers = nhs_test_numbers(streams.rng("NHS numbers"), total + 1)
    numbers = numbers[numbers != PLACEHOLDER][:total]
    patient_ids = FIRST_PATIENT[streams.sealed] + streams.rng("published numbers").permutation(total)
    first_episode = FIRST_EPISODE[streams.sealed]
    at_once = max(total * ROWS_AT_ONCE // max(rows, ROWS_AT_ONCE), 1)
    for block, begin in enumerate(range(0, total, at_once)):
        some = slice(begin, min(begin + at_once, total))
        rng = streams.rng("people", block)
        people = make_people(rng, places, some.stop - begin)
        people = people.assign(number=np.arange(begin, some.stop), patient_id=patient_ids[some])
        named = name_people(rng, places, people, numbers[some])
        stays = make_stays(rng, places, people, round(rows * len(people) / total))
        frame = record(rng, places, people, stays)
        frame["episode_id"] = first_episode + np.arange(len(frame))
        first_episode += len(frame)
        register = identifiable(people, named)
        twice = first_two(frame["patient_number"], frame["admission_date"])
        yield {"patients": register.assign(two_days=register["patient_number"].map(twice))}
        copies = 1 + (rng.random(len(frame)) < TRUTH["recording"]["duplicates"])
        yield {"episodes": frame.loc[np.repeat(frame.index.to_numpy(), copies)]}
        if block == 0:
            yield from set_apart(streams, places, frame, named)


def identifiable(people: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """The register: fictional people with names, birthdays and postcodes in areas that do not exist."""
    groups = np.array([ethnic_group(category) for category in ETHNIC])
    return pd.DataFrame(
        {
            "patient_number": people["number"],
            "patient_id": people["patient_id"],  # drawn at random: never published beside a name
            **{column: named[column] for column in named},
            "date_of_birth": people["born"].to_numpy().astype("datetime64[us]"),
            "sex": pd.Categorical.from_codes(people["male"].astype(int), SEXES),
            "area": pd.Categorical.from_codes(people["area"], AREAS),
            "imd_decile": people["decile"],
            "imd_quintile": (people["decile"] + 1) // 2,
            "ethnic_category": pd.Categorical.from_codes(people["ethnic"], ETHNIC),
            "ethnic_group": pd.Categorical(groups[people["ethnic"]], [*ETHNIC_GROUPS, NOT_KNOWN]),
            "conditions": people["conditions"],
        }
    )


def ethnic_group(category: str) -> str:
    """The broad group of an ethnic category; not stated and not known are one."""
    return next((name for name, letters in ETHNIC_GROUPS.items() if category in letters), NOT_KNOWN)


# --- week 2's tables: an extract that only looks safe, a newspaper, a sample of raw rows -----------


def set_apart(
    streams: Streams, places: pd.DataFrame, frame: pd.DataFrame, named: pd.DataFrame
) -> Iterator[Chunk]:
    """Choose who is in extract, sample and newspaper; nobody is in both of the first two."""
    rng = streams.rng("week 2")
    sampled = choose_sample(rng, frame, named)
    extract = choose_extract(rng, frame[~frame["patient_number"].isin(sampled)])
    rows = frame[frame["patient_number"].isin(sampled)].merge(
        named.assign(patient_number=np.arange(len(named))), on="patient_number"
    )
    rows = rows.sample(frac=1, random_state=rng, ignore_index=True)
    rows["sample_row"] = FIRST_ROW[streams.sealed] + np.arange(len(rows))
    extract["extract_row"] = FIRST_ROW[streams.sealed] + np.arange(len(extract))
    aside = set(sampled) | set(extract["patient_number"])
    notices = make_notices(rng, places, extract, frame[~frame["patient_number"].isin(aside)], named)
    notices["notice_id"] = FIRST_ROW[streams.sealed] + np.arange(len(notices))
    yield {"extract": extract, "raw_sample": rows, "notices": notices}


def choose_sample(rng: np.random.Generator, frame: pd.DataFrame, named: pd.DataFrame) -> Ints:
    """Whose identifiable rows are shown; more than their share have a mistyped number."""
    there = np.unique(frame.loc[frame["town"] != PRIORY, "patient_number"])
    faulty = (named["nhs_number_fault"] != "none").to_numpy()[there]
    truth = TRUTH["week2"]
    chosen = [
        rng.permutation(there[flag])[:size]
        for flag, size in ((faulty, truth["sample_faulty"]), (~faulty, truth["sample_people"]))
    ]
    return np.concatenate(chosen)


def choose_extract(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """One year's stays of some patients, in no order: all of the priory, and some with two stories."""
    window = TRUTH["window"]
    year = frame[frame["admission_date"].between(str(window["extract_from"]), str(window["extract_to"]))]
    forced = np.unique(year.loc[year["town"] == PRIORY, "patient_number"])
    two_stories = np.intersect1d(hurt(year)["patient_number"], sensitive(year)["patient_number"])
    forced = np.concatenate([forced, rng.permutation(two_stories)[: 2 * TRUTH["week2"]["with_other_stay"]]])
    others = rng.permutation(np.setdiff1d(year["patient_number"], forced))
    stays = year["patient_number"].value_counts()
    order = np.concatenate([forced, others]).astype(np.int64)
    chosen = order[stays.reindex(order).cumsum().to_numpy() <= TRUTH["week2"]["extract_rows"]]
    return year[year["patient_number"].isin(chosen)].sample(frac=1, random_state=rng, ignore_index=True)


def hurt(frame: pd.DataFrame) -> pd.DataFrame:
    """Emergencies that a local newspaper would write about."""
    newsworthy = frame["diagnosis_code"].isin(list(TRUTH["happened"])) & (
        frame["admission_method"] == "Emergency"
    )
    return frame[newsworthy & (frame["town"] != PRIORY)]


def sensitive(frame: pd.DataFrame) -> pd.DataFrame:
    """Stays that their patients would least like to see beside their names."""
    return frame[frame["diagnosis_group"].isin(SENSITIVE)]


BIRTHS = ["O70", "O80", "O82"]
BORN = ("a daughter", "a son", "twins")


def make_notices(
    rng: np.random.Generator,
    places: pd.DataFrame,
    extract: pd.DataFrame,
    rest: pd.DataFrame,
    named: pd.DataFrame,
) -> pd.DataFrame:
    """What the newspaper wrote, what it got wrong, and whom it wrote about (only sealed tables say)."""
    truth = TRUTH["week2"]
    counts = truth["notices"]
    right = counts["exact"] + counts["day"] + counts["year"]
    news = hurt(extract).sample(frac=1, random_state=rng).drop_duplicates("patient_number")
    two_stories = news["patient_number"].isin(sensitive(extract)["patient_number"])
    mothers = extract[extract["diagnosis_code"].isin(BIRTHS)].drop_duplicates("patient_number")
    first = [news[two_stories].head(truth["with_other_stay"]), mothers.head(truth["births"])]
    about = pd.concat([*first, news[~two_stories]]).drop_duplicates("patient_number").head(right)
    lookalikes = news[~news["patient_number"].isin(about["patient_number"])].head(counts["lookalike"])
    window = TRUTH["window"]
    year = rest["admission_date"].between(str(window["extract_from"]), str(window["extract_to"]))
    elsewhere = hurt(rest[year]).drop_duplicates("patient_number")
    elsewhere = elsewhere.sample(min(counts["elsewhere"], len(elsewhere)), random_state=rng)
    errors = ["exact", "day", "year"]
    kinds = rng.permutation(np.repeat(errors, [counts[kind] for kind in errors]))
    rows = pd.concat(
        [
            about.assign(error=kinds[: len(about)]),
            lookalikes.assign(error="somebody else", extract_row=pd.NA),
            elsewhere.assign(error="not in the extract", extract_row=pd.NA),
        ]
    )
    return write_notices(rng, places, rows.sample(frac=1, random_state=rng).reset_index(drop=True), named)


def write_notices(
    rng: np.random.Generator, places: pd.DataFrame, rows: pd.DataFrame, named: pd.DataFrame
) -> pd.DataFrame:
    """Turn stays into notices: name, age, place and day as the newspaper has them."""
    number, male = len(rows), (rows["sex"] == "Male").to_numpy()
    stranger = (rows["error"] == "somebody else").to_numpy()
    given = np.where(
        stranger, given_names(rng, male), named["given_name"].astype(object)[rows["patient_number"]]
    )
    family = np.where(
        stranger, family_names(rng, number), named["family_name"].astype(object)[rows["patient_number"]]
    )
    # Most wrong days are accidents before midnight; some are the newspaper's mistake.
    shift = np.where(rows["error"] == "day", np.where(rng.random(number) < 0.7, -1, 1), 0)
    day = rows["admission_date"] + pd.to_timedelta(shift, unit="D")
    age = rows["age"] + np.where(rows["error"] == "year", rng.choice([-1, 1], number), 0)
    of_town = places.groupby("town")["ward"].agg(list)
    other_ward = [
        rng.choice([w for w in of_town[t] if w != o] or [o]) for t, o in rows[["town", "ward"]].to_numpy()
    ]
    ward = np.where(stranger, other_ward, rows["ward"].astype(object))
    ward = pd.Series(ward).where(rng.random(number) < TRUTH["week2"]["ward_named"])
    birth = rows["diagnosis_code"].isin(BIRTHS).to_numpy()
    stage = np.digitize(rows["age"], [17, 65])
    child = rng.choice(3, number, p=[0.48, 0.48, 0.04])
    what = [
        f"gave birth to {BORN[child[at]]}" if birth[at] else TRUTH["happened"][code][stage[at]]
        for at, code in enumerate(rows["diagnosis_code"].astype(str))
    ]
    names = [f"{g} {f}" for g, f in zip(given, family, strict=True)]
    where = [t if pd.isna(w) or w == t else f"{w} ward, {t}" for t, w in zip(rows["town"], ward, strict=True)]
    told = zip(names, age, where, what, day, strict=True)
    return pd.DataFrame(
        {
            "published_on": day + pd.to_timedelta((3 - day.dt.day_of_week - 1) % 7 + 1, unit="D"),
            "name": names,
            "age": age.to_numpy(),
            "town": rows["town"].astype(str),
            "ward": ward,
            "event_date": day,
            "kind": np.where(
                birth, "birth", np.where(rows["diagnosis_code"].isin(["R55", "I21"]), "illness", "accident")
            ),
            "text": [f"{n}, {a}, of {w}, {h} on {d.day} {d:%B %Y}." for n, a, w, h, d in told],
            # What a reader would look for in the published tables.
            "area": rows["area"].astype(str),
            "age_band": [
                AGES[min(a // 10, 8)] for a in age - ((day - FIRST_DAY).dt.days / 365.25).astype(int)
            ],
            "month": day.dt.to_period("M").dt.to_timestamp(),
            "sex": rows["sex"].astype(str),
            "error": rows["error"],
            "extract_row": rows["extract_row"].astype("Int64"),
            "patient_id": rows["patient_id"].astype("Int64").mask(stranger),
        }
    )


# --- the published layer ------------------------------------------------------------------------

# Episodes are held to the same idea as people: no month of admission singles anybody out. k counts one row a
# person and month, so that five different people are left where some came in several months that are blank.
EPISODE_RULE = PeopleRule(
    table="episodes",
    quasi_identifiers=["area", "age_band", "sex", "admission_quarter", "admission_month"],
    sensitive=["diagnosis_group"],
    k=7,
    l=2,
    suppress=["admission_month", "admission_quarter"],
)
QUARTERS = [str(quarter) for quarter in pd.period_range(FIRST_DAY, LAST_DAY, freq="Q")]
CELL = ["financial_year", "area", "diagnosis_group"]
YEARS = ["2023/24", "2024/25", "2025/26"]
LONGEST_SHOWN = 60
QUASI_IDENTIFIERS = ["area", "age_band", "sex", "imd_quintile", "ethnic_group"]  # as in disclosure.toml


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: pseudonyms, bands, months; then counts, and what week 2 takes apart."""
    places = make_places(streams)
    yield {"places": places.assign(area=np.array(AREAS)[places["area"]])}
    people = publish_people(raw, rules)
    yield {"patients": people.sort_values("patient_id", ignore_index=True)}
    shown = set(people["patient_id"])
    cells: list[pd.Series] = []
    days: list[pd.Series] = []
    for batch in raw.batches("episodes"):
        batch["financial_year"] = financial_years(batch["admission_date"])
        once = batch.drop_duplicates("episode_id")
        cells.append(once.groupby(CELL, observed=False).size())
        days.append(once.groupby(["admission_date", "admission_method"], observed=False).size())
        yield {"episodes": publish_episodes(batch[batch["patient_id"].isin(shown)])}
    counts = with_totals(pd.concat(cells).groupby(level=CELL, observed=False).sum())
    protected = protect_table(counts, rules.counts_of("diagnosis_counts"))
    yield {"diagnosis_counts": protected, "national_counts": national_counts(counts, protected)}
    yield {"daily_admissions": daily_admissions(pd.concat(days), rules)}
    yield from publish_week_2(raw, streams, shown)


def publish_people(raw: RawTables, rules: Rules) -> pd.DataFrame:
    """People without names: age in bands, ethnic categories in groups, rare combinations blanked."""
    columns = [
        "patient_number",
        "patient_id",
        "date_of_birth",
        "sex",
        "area",
        "imd_quintile",
        "ethnic_group",
        "conditions",
    ]
    people = raw.read("patients", columns)
    people["age_band"] = pd.Categorical.from_codes(
        age_bands(people["date_of_birth"].to_numpy()), AGES, ordered=True
    )
    people["imd_quintile"] = people["imd_quintile"].astype("Int16")
    people["long_term_conditions"] = np.minimum(people["conditions"], 3)
    main, there = np.full(len(people), -1), np.zeros(len(people), dtype=bool)
    for batch in raw.batches("episodes", ["patient_number", "diagnosis_group"]):
        there[batch["patient_number"]] = True
        first = batch.dropna().drop_duplicates("patient_number")
        main[first["patient_number"]] = first["diagnosis_group"].cat.set_categories(GROUPS).cat.codes
    people["main_diagnosis"] = pd.Categorical.from_codes(main, GROUPS)
    people = people[there].reset_index(drop=True)  # the others' only stay has not finished
    return enforce(people, rules.people).frame


def publish_episodes(batch: pd.DataFrame) -> pd.DataFrame:
    """Episodes without dates, towns and codes; month and quarter blank where too few share them."""
    frame = batch.assign(
        admission_quarter=pd.Categorical(batch["admission_date"].dt.to_period("Q").astype(str), QUARTERS),
        admission_month=batch["admission_date"].dt.to_period("M").dt.to_timestamp(),
        length_of_stay=np.minimum(batch["length_of_stay"], LONGEST_SHOWN),
        emergencies_before=np.minimum(batch["emergencies_before"], 4),
    ).reset_index(drop=True)
    frame["month"] = frame["admission_month"]
    once = frame[["patient_id", "month", *EPISODE_RULE.quasi_identifiers, "diagnosis_group"]]
    held = enforce(once.drop_duplicates(["patient_id", "month"], ignore_index=True), EPISODE_RULE).frame
    held = held[["patient_id", "month", *EPISODE_RULE.suppress]]
    return frame.drop(columns=EPISODE_RULE.suppress).merge(held, on=["patient_id", "month"])


def financial_years(day: pd.Series) -> pd.Categorical:
    """April to March."""
    number = day.dt.year - (day.dt.month < 4) - int(str(FIRST_DAY)[:4])
    return pd.Categorical.from_codes(number, YEARS)


def with_totals(counts: pd.Series) -> pd.DataFrame:
    """A row for each of the `counts`, and each year's sums over areas and over diagnoses (there: TOTAL)."""
    cells = counts.rename("episodes").reset_index().astype(dict.fromkeys(CELL, str))
    for name in CELL[1:]:
        others = [other for other in CELL if other != name]
        sums = cells.groupby(others, sort=False, as_index=False)["episodes"].sum().assign(**{name: TOTAL})
        cells = pd.concat([cells, sums[cells.columns]], ignore_index=True)
    return cells


def national_counts(counts: pd.DataFrame, protected: pd.DataFrame) -> pd.DataFrame:
    """The sums over all areas, exact; without any that the protected table had to blank."""
    whole = (counts["area"] == TOTAL) & protected["episodes"].notna()
    return counts[whole].drop(columns="area")


def daily_admissions(counts: pd.Series, rules: Rules) -> pd.DataFrame:
    """Admissions a day in all four hospitals together, by method."""
    frame = counts.groupby(level=[0, 1], observed=False).sum().rename("admissions").reset_index()
    return frame.assign(admissions=protect_counts(frame["admissions"], rules.counts_of("daily_admissions")))


def publish_week_2(raw: RawTables, streams: Streams, shown: set[int]) -> Iterator[Chunk]:
    """The tables that week 2 takes apart, as they are; who is who in the sealed layer only."""
    extract, sample, notices = (raw.read(table) for table in ("extract", "raw_sample", "notices"))
    yield {"extract": extract.rename(columns={"date_of_birth": "birth_date"})}
    yield {"raw_sample": sample}
    yield {"newspaper": notices}
    if streams.sealed:
        published = {"patient_id": lambda frame: frame["patient_id"].where(frame["patient_id"].isin(shown))}
        yield {"extract_truth": extract.assign(**published)}
        yield {"raw_sample_truth": sample.assign(**published)}
        yield {"newspaper_truth": notices.assign(**published)}


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The figures of calibration.toml: what the published rules ask for, then the design's own targets."""
    rows, extract = tables["episodes"].drop_duplicates("episode_id"), tables["extract"]
    counts = tables["diagnosis_counts"]["episodes"].dropna()
    emergency = rows["admission_method"] == "Emergency"
    month, group = rows["admission_month"].dt.month, rows["diagnosis_group"]
    changed = rows["admission_quarter"] >= QUARTERS[QUARTERS.index("2024Q4")]
    sepsis = (group == "Infectious") & emergency
    stay, known = rows["length_of_stay"], rows["readmitted_30"].astype("Float64")
    claims = newspaper_claims(extract, tables["newspaper"], tables["places"])
    return {
        "smallest_count_shown": float(counts[counts > 0].min()),
        "counts_not_rounded": float((counts % 5 != 0).mean()),
        "smallest_class": float(k_anonymity(exposed(tables), QUASI_IDENTIFIERS)),
        "share_emergency": emergency.mean(),
        "share_day_case": (rows["admission_method"] == "Day case").mean(),
        "stay_emergency": stay[emergency].mean(),
        "stay_oldest": stay[rows["age_band"] == "80+"].mean() / stay[rows["age_band"] == "40-49"].mean(),
        "readmitted": float(known.mean()),
        "readmitted_after_three": float(
            known[rows["emergencies_before"] == 3].mean() / known[rows["emergencies_before"] == 0].mean()
        ),
        "winter_respiratory": ((group == "Respiratory") & (month == 1)).sum()
        / ((group == "Respiratory") & (month == 7)).sum(),
        "infections_after_change": sepsis[changed].mean() / sepsis[~changed].mean(),
        "uncoded_last_month": group[rows["admission_month"] == "2026-03-01"].isna().mean(),
        "ethnicity_not_known": (tables["patients"]["ethnic_group"] == NOT_KNOWN).mean(),
        "alone_in_extract": (
            class_sizes(extract, ["birth_date", "sex", "postcode_sector", "admission_date"]) == 1
        ).mean(),
        "notices_claimed": (claims == 1).mean(),
    }


def newspaper_claims(extract: pd.DataFrame, newspaper: pd.DataFrame, places: pd.DataFrame) -> pd.Series:
    """For each notice, how many rows of the extract have its age, its town and its day."""
    born, admitted = extract["birth_date"].dt, extract["admission_date"].dt
    birthday_to_come = (admitted.month * 100 + admitted.day) < (born.month * 100 + born.day)
    rows = pd.DataFrame(
        {
            "age": admitted.year - born.year - birthday_to_come,
            "town": extract["postcode_sector"].map(places.set_index("postcode_sector")["town"]),
            "event_date": extract["admission_date"],
        }
    )
    fits = newspaper[["age", "town", "event_date"]].reset_index().merge(rows)["index"].value_counts()
    return fits.reindex(newspaper.index, fill_value=0)


def exposed(tables: Tables) -> pd.DataFrame:
    """One row a patient, with what the episodes tell: why they were first admitted, and when twice."""
    episodes, patients = tables["episodes"], tables["patients"]
    first = episodes.dropna(subset="diagnosis_group").drop_duplicates("patient_id")
    main = first.set_index("patient_id")["diagnosis_group"]
    months = first_two(episodes["patient_id"], episodes["admission_month"])
    return patients.assign(
        main_diagnosis=patients["patient_id"].map(main), two_months=patients["patient_id"].map(months)
    )


def first_two(who: pd.Series, when: pd.Series) -> pd.Series:
    """The first two different moments of each person who has as many, as text."""
    pairs = pd.DataFrame({"who": who, "when": when}).dropna().drop_duplicates().sort_values(["who", "when"])
    number = pairs.groupby("who").cumcount()
    one, other = (pairs[number == place].set_index("who")["when"].astype(str) for place in (0, 1))
    return one.reindex(other.index) + " " + other


# --- arithmetic ---------------------------------------------------------------------------------


def of_group(setting: str) -> Floats:
    """A number of each group of diagnoses, in the order of GROUPS."""
    return np.array([group[setting] for group in TRUTH["groups"].values()], dtype=float)


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of non-negative `weights`, the number of a column, with chances in proportion."""
    edges = weights.cumsum(axis=1)
    return (edges < rng.random((len(weights), 1)) * edges[:, -1:]).sum(axis=1)


def sigmoid(x: Floats) -> Floats:
    """From log-odds to a probability."""
    return 1 / (1 + np.exp(-x))
