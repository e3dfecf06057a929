"""Generates appointments at 24 fictional practices, and publishes them under disclosure control.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
The world (practices, coefficients, bad days) is the same for the published and the sealed layer;
people and appointments are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, enforce, protect_counts
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 252_000

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# --- the vocabulary of the source ---------------------------------------------------------------

STATUSES = ["Attended", "DNA", "Cancelled", "Unknown"]
ATTENDED, DNA, CANCELLED, UNKNOWN_STATUS = range(4)
MODES = ["Face-to-Face", "Telephone", "Home Visit", "Video Conference/Online", "Unknown"]
UNKNOWN_MODE = 4
STAFF = ["GP", "Other Practice staff", "Unknown"]
BANDS = [
    "Same Day",
    "1 Day",
    "2 to 7 Days",
    "8  to 14 Days",
    "15  to 21 Days",
    "22  to 28 Days",
    "More than 28 Days",
    "Unknown / Data Quality",
]
UNKNOWN_BAND = 7
LONGEST = [0, 1, 7, 14, 21, 28, 70]  # days, the upper end of each band
AGES = ["0-17", "18-34", "35-49", "50-64", "65-79", "80+"]
AGE_FROM = np.array([0, 18, 35, 50, 65, 80, 100])
YOUNG = 1
SEXES = ["Female", "Male"]
TIMES = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(8 * 60, 18 * 60 + 31, 10)]

# Codes have the source's form and are not in use; the regions are the real ones.
LOCATIONS = pd.DataFrame(
    [
        ("81Z", "E38999981", "NHS Thamesbrook ICB - 81Z", "E54999901", "E40000003", "BW"),
        ("82Z", "E38999982", "NHS Thamesbrook ICB - 82Z", "E54999901", "E40000003", "CK"),
        ("83Z", "E38999983", "NHS Fenmarsh and Wold ICB - 83Z", "E54999902", "E40000007", "DK"),
        ("84Z", "E38999984", "NHS Chalkdown ICB - 84Z", "E54999903", "E40000005", "EK"),
        ("85Z", "E38999985", "NHS Moorcombe ICB - 85Z", "E54999904", "E40000006", "FA"),
        ("86Z", "E38999986", "NHS Hearthshire ICB - 86Z", "E54999905", "E40000011", "GA"),
        ("87Z", "E38999987", "NHS Irondale ICB - 87Z", "E54999906", "E40000010", "HK"),
        ("88Z", "E38999988", "NHS Northbeck and Tarn ICB - 88Z", "E54999907", "E40000012", "PK"),
    ],
    columns=["code", "ons", "name", "icb", "region", "postcode_area"],
)
LONDON, EAST = "E40000003", "E40000007"
BANK_HOLIDAYS = [
    "2024-12-25", "2024-12-26", "2025-01-01", "2025-04-18", "2025-04-21", "2025-05-05", "2025-05-26", "2025-08-25",
    "2025-12-25", "2025-12-26", "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31",
]  # fmt: skip

GIVEN_NAMES = {
    "Female": "Abena Aisha Alice Amelia Anika Beatrice Bronwen Carys Chiara Chloe Daisy Deborah Edith Eilidh Elena Esther "
    "Fatima Freya Grace Hannah Imogen Ines Isla Jasmine Jia Jodie Kamala Keira Latoya Leila Lucy Maeve Mariam Megan Mei "
    "Nadia Niamh Olena Olivia Parveen Philippa Priya Rachel Rosa Ruth Saoirse Shanice Sofia Sunita Tamsin Temi Una "
    "Valentina Wanjiru Xanthe Yasmin Zainab Zofia".split(),
    "Male": "Aaron Adebayo Ahmed Alistair Amir Andrei Arjun Bartosz Benedict Brendan Callum Cedric Chidi Connor Daniel "
    "David Dmitri Edmund Elijah Emeka Farid Finlay Gareth George Hamza Harvinder Hugo Ibrahim Idris Jack Jamal Joshua "
    "Kwame Leon Liam Luca Malik Marcus Mateusz Mohammed Nathan Neil Oluwaseun Omar Owen Patrick Piotr Rahul Rhys Rohan "
    "Samuel Silas Tariq Thomas Tomasz Vikram Wei William Yusuf Zachary".split(),
}
FAMILY_NAMES = (
    "Abara Achterberg Adeyemi Ainsley Akhtar Allardyce Ashdown Bains Barrowclough Bellweather Biddulph Blackwood Bose "
    "Brockhurst Calloway Chaudhry Chen Clutterbuck Cotterill Dacosta Dalgleish Desai Drinkwater Eastwick Ekwueme "
    "Fairweather Farouk Featherstone Ferreira Galbraith Goswami Greenhalgh Hallworth Haq Heathcote Holloway Hosseini "
    "Iqbal Jankowski Jarrold Jolliffe Kaczmarek Kaur Kettlewell Khatun Kowalczyk Larkspur Lethbridge Llewellyn Mahmood "
    "Marchbank Mbeki Mistry Moorcroft Nakamura Nettleship Nkosi Oduya Okafor Ollerenshaw Osei Pargeter Patel Pemberton "
    "Popescu Quarmby Ramachandran Ravenscroft Rehman Rowbotham Sandhu Shah Silverdale Singh Skelhorn Szabo Tattersall "
    "Thistlewood Tran Uddin Underhay Vasquez Venables Wanyama Whitlock Winterbourne Wolstenholme Yeboah Yilmaz Zhang"
).split()


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is in the data.

    Attributes:
        practices: one row a practice: location (0 to 7), register share, mean decile, tilts, reminder policy.
        days: one row a working day: date, weekday, month, relative volume, effect on the log-odds.
        offsets: fitted constants: ``same_day``, ``mode`` (5), ``band`` (8), ``region`` (8, by location).
    """

    practices: pd.DataFrame
    days: pd.DataFrame
    offsets: dict[str, Any]


def make_practices(streams: Streams) -> pd.DataFrame:
    rng = streams.world("practices")
    location = np.repeat(np.arange(8), 3)
    centre = np.array([4.3, 5.0, 6.4, 7.0, 6.0, 4.8, 3.6, 4.4])[location]
    policies = TRUTH["reminder"]["policies"]
    size = rng.gamma(14.0, 1.0, 24)
    return pd.DataFrame(
        {
            "location": location,
            "share": size / size.sum(),
            "decile": np.clip(
                centre + rng.permutation(np.tile([-1.7, 0.0, 1.7], 8)) + rng.normal(0, 0.3, 24), 1.8, 9.2
            ),
            "same_day": rng.normal(0, 0.35, 24),
            "longer": rng.normal(0, 0.20, 24),
            "telephone": rng.normal(0, 0.30, 24),
            "policy": rng.permutation(np.repeat(list(policies), list(policies.values()))),
            "missed": rng.normal(0, TRUTH["missed"]["practice_sd"], 24),
        }
    )


def make_days(streams: Streams) -> pd.DataFrame:
    """Working days of the layer's window and a few Saturdays, with each day's volume and its luck.

    Days of both windows are drawn once, so that a storm is a storm in every layer.
    """
    window = TRUTH["window"]
    everything = pd.date_range(window["published"][0], window["sealed"][1], unit="us")
    rng = streams.world("days")
    missed = rng.normal(0, TRUTH["missed"]["day_sd"], len(everything))
    working = (everything.weekday < 5) & ~everything.isin(pd.to_datetime(BANK_HOLIDAYS))
    winter = working & everything.month.isin([11, 12, 1, 2, 3])
    missed[rng.choice(np.flatnonzero(winter), TRUTH["missed"]["storm_days"], replace=False)] += TRUTH[
        "missed"
    ]["storm"]
    saturdays = rng.choice(
        np.flatnonzero(everything.weekday == 5), TRUTH["window"]["saturdays"] * 4 // 3, replace=False
    )
    volume = np.where(working, np.array([*TRUTH["attendance"]["weekday"], 0, 0])[everything.weekday], 0.0)
    volume[saturdays] = 0.15
    volume *= np.array(TRUTH["attendance"]["month"])[everything.month - 1] * rng.normal(
        1, 0.03, len(everything)
    )
    first, last = window["sealed" if streams.sealed else "published"]
    inside = (volume > 0) & (everything >= pd.Timestamp(first)) & (everything <= pd.Timestamp(last))
    return pd.DataFrame(
        {
            "date": everything,
            "weekday": everything.weekday,
            "month": everything.month - 1,
            "volume": volume,
            "missed": missed,
        }
    )[inside].reset_index(drop=True)


# --- people -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """One entry a person: what decides how often they come, and whether they do."""

    practice: Ints
    age: Ints
    male: Flags
    decile: Ints
    tendency: Floats
    visits: Floats

    def __len__(self) -> int:
        return len(self.practice)


def make_people(rng: np.random.Generator, practices: pd.DataFrame, number: int) -> People:
    population, attendance = TRUTH["population"], TRUTH["attendance"]
    practice = np.sort(rng.choice(24, number, p=practices["share"].to_numpy()))
    age = rng.choice(6, number, p=[population["age_share"][a] for a in AGES])
    male = rng.random(number) > population["female_share"]
    spread = rng.normal(practices["decile"].to_numpy()[practice], population["imd_spread"])
    rate = np.array([attendance["age_rate"][a] for a in AGES])[age]
    rate *= np.where(~male & (age > 0), attendance["female_rate"], 1.0)
    shape = attendance["shape"]
    return People(
        practice=practice,
        age=age,
        male=male,
        decile=np.clip(np.rint(spread), 1, 10).astype(np.int64),
        tendency=rng.normal(0, TRUTH["missed"]["patient_sd"], number),
        visits=rng.gamma(shape, 1 / shape, number) * rate,
    )


# --- appointments -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bookings:
    """Appointments as columns of codes; ``chance`` is the log-odds of being missed but for fitted offsets."""

    day: Ints
    patient: Ints
    time: Ints
    cancelled: Flags
    band: Ints
    lead: Ints
    staff: Ints
    mode: Ints
    reminder: Flags
    chance: Floats


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of non-negative `weights`, the number of a column, with chances in proportion."""
    edges = weights.cumsum(axis=1)
    return (edges < rng.random((len(weights), 1)) * edges[:, -1:]).sum(axis=1)


def make_bookings(rng: np.random.Generator, world: World, people: People, day: Ints) -> Bookings:
    """Draw one appointment for each entry of `day` (row numbers of ``world.days``)."""
    number = len(day)
    edges = np.cumsum(people.visits)
    patient = np.minimum(np.searchsorted(edges, rng.random(number) * edges[-1]), len(people) - 1)
    cancelled = rng.random(number) < TRUTH["cancelled"]["share"]
    band = draw_bands(rng, world, people, patient, day, cancelled)
    staff = rng.choice(3, number, p=[TRUTH["mode"]["hcp_share"][s] for s in STAFF])
    mode = draw_modes(rng, world, people, patient, band, staff)
    time = draw_times(rng, band)
    lead = draw_leads(rng, world.days["weekday"].to_numpy()[day], band)
    reminder = draw_reminders(rng, world, people, patient, day, lead, mode)
    chance = log_odds(world, people, patient, day, band, staff, mode, time, reminder)
    return Bookings(day, patient, time, cancelled, band, lead, staff, mode, reminder, chance)


def draw_bands(
    rng: np.random.Generator, world: World, people: People, patient: Ints, day: Ints, cancelled: Flags
) -> Ints:
    """The lead-time band, 0 to 6: same day or not, and if not, how long."""
    truth = TRUTH["lead_time"]
    practice, age = people.practice[patient], people.age[patient]
    deprived = 5.5 - people.decile[patient]
    longer_if_cancelled = np.where(cancelled, TRUTH["cancelled"]["longer_by_band"], 0.0)
    same_day = (
        world.offsets["same_day"]
        + world.practices["same_day"].to_numpy()[practice]
        + np.array([*truth["same_day_by_weekday"], 0.3])[world.days["weekday"].to_numpy()[day]]
        + np.array([truth["same_day_by_age"][a] for a in AGES])[age]
        - 4 * longer_if_cancelled
    )
    tilt = (
        world.practices["longer"].to_numpy()[practice]
        + truth["longer_by_deprivation"] * deprived
        + longer_if_cancelled
    )
    base = np.log(np.array([truth["bands"][b] for b in BANDS[1:7]]))
    weights = np.exp(base + tilt[:, None] * (np.arange(6) - 2))
    return np.where(rng.random(len(day)) < sigmoid(same_day), 0, 1 + pick(rng, weights))


def draw_leads(rng: np.random.Generator, weekday: Ints, band: Ints) -> Ints:
    """Days between booking and appointment within the band; seldom booked at a weekend, often whole weeks ahead."""
    shortest = np.array([0, 1, *(np.array(LONGEST[1:6]) + 1)])[band]
    width = np.array(LONGEST)[band] - shortest + 1
    share = rng.random(len(band))
    share = np.where(band == 6, share**2.5, share)  # a long tail
    lead = shortest + (share * width).astype(np.int64)
    for _ in range(2):
        weekend = ((weekday - lead) % 7 >= 5) & (band >= 2) & (rng.random(len(band)) < 0.8)
        lead = np.where(
            weekend, shortest + (rng.random(len(band)) * np.minimum(width, 14)).astype(np.int64), lead
        )
    return lead


def draw_modes(
    rng: np.random.Generator, world: World, people: People, patient: Ints, band: Ints, staff: Ints
) -> Ints:
    truth = TRUTH["mode"]
    weights = np.tile(world.offsets["mode"], (len(band), 1)).astype(float)
    for number, name in enumerate(MODES[1:4], start=1):
        weights[:, number] += truth["same_day"][name] * (band == 0) + truth["gp"][name] * (staff == 0)
    weights[:, 1] += world.practices["telephone"].to_numpy()[people.practice[patient]]
    weights[:, 2] += truth["oldest_home_visit"] * (people.age[patient] == 5)
    return pick(rng, np.exp(weights))


def draw_times(rng: np.random.Generator, band: Ints) -> Ints:
    """Ten-minute slots from 08:00 to 18:30: two busy stretches around lunch, calls for the same day early."""
    slot = np.arange(len(TIMES))
    curve = np.exp(-(((slot - 15) / 11) ** 2)) + 0.8 * np.exp(-(((slot - 44) / 9) ** 2)) + 0.03
    early = curve * np.where(slot < 18, 1.4, 0.9)
    return np.where(
        band == 0,
        rng.choice(len(TIMES), len(band), p=early / early.sum()),
        rng.choice(len(TIMES), len(band), p=curve / curve.sum()),
    )


def draw_reminders(
    rng: np.random.Generator, world: World, people: People, patient: Ints, day: Ints, lead: Ints, mode: Ints
) -> Flags:
    """Each practice has a policy about how far ahead an appointment must be booked for a reminder."""
    truth = TRUTH["reminder"]
    policy = world.practices["policy"].to_numpy()[people.practice[patient]]
    started = world.days["date"].to_numpy()[day] >= np.datetime64(truth["later_starts"])
    least = np.select(
        [policy == "two_days", policy == "week", (policy == "later") & started], [2, 8, 2], default=10_000
    )
    sent = rng.random(len(day)) < truth["sent_where_policy_says"]
    return (lead >= least) & sent & (mode != 2)  # nobody is reminded of a home visit


def log_odds(
    world: World,
    people: People,
    patient: Ints,
    day: Ints,
    band: Ints,
    staff: Ints,
    mode: Ints,
    time: Ints,
    reminder: Flags,
) -> Floats:
    """The log-odds of being missed, without the fitted offsets for lead time and region."""
    truth, days = TRUTH["missed"], world.days
    age, weekday = people.age[patient], days["weekday"].to_numpy()[day]
    deprived = 5.5 - people.decile[patient]
    long_wait, young, early = band >= 3, age == YOUNG, time < 6
    between = truth["interactions"]
    return (
        people.tendency[patient]
        + np.array([truth["age"][a] for a in AGES])[age]
        + truth["male"] * people.male[patient]
        + truth["deprivation"] * deprived
        + np.array([truth["mode"][m] for m in MODES])[mode]
        + truth["other_staff"] * (staff == 1)
        + np.array(truth["weekday"])[weekday]
        + np.array(truth["month"])[days["month"].to_numpy()[day]]
        + truth["early"] * early
        + truth["late"] * (time >= 51)
        + world.practices["missed"].to_numpy()[people.practice[patient]]
        + days["missed"].to_numpy()[day]
        + between["young_long_wait"] * (young & long_wait)
        + between["deprived_long_wait"] * deprived * long_wait
        + between["early_monday"] * (early & (weekday == 0))
        + reminder * (TRUTH["reminder"]["effect"] + TRUTH["reminder"]["young"] * young)
    )


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


# --- calibration: constants that make the published figures come out ----------------------------


def make_world(streams: Streams) -> World:
    """Practices, days and coefficients, with the offsets fitted on a trial population of the world's own."""
    practices = make_practices(streams)
    days = make_days(Streams(streams.dataset, b""))  # offsets must not depend on the layer
    mode = np.log([0.659, 0.257, 0.009, 0.050, 0.025])
    offsets: dict[str, Any] = {"same_day": -0.25, "mode": mode, "band": np.zeros(8), "region": np.zeros(8)}
    world = World(practices, days, offsets)
    people = make_people(streams.world("trial people"), practices, TRUTH["window"]["patients"])
    day = streams.world("trial days").choice(len(days), ROWS, p=days["volume"] / days["volume"].sum())
    target = {"Face-to-Face": TARGETS["share_face_to_face"], "Telephone": TARGETS["share_telephone"]}
    for _ in range(4):
        trial = make_bookings(streams.world("trial"), world, people, day)
        held = ~trial.cancelled
        counted = TARGETS["share_same_day"] / (1 - TRUTH["lead_time"]["unknown_share"])
        offsets["same_day"] += logit(counted) - logit((trial.band[held] == 0).mean())
        share = np.bincount(trial.mode[held], minlength=5) / held.sum()
        wanted = np.array([target.get(m, 0.0) for m in MODES])
        wanted[2:] = np.array([0.009, 0.050, 0.025]) * (1 - wanted.sum()) / 0.084
        offsets["mode"] = offsets["mode"] + np.log(wanted / share)
    trial = make_bookings(streams.world("trial"), world, people, day)
    offsets |= fit_missed(world, people, trial)
    offsets = {name: np.round(value, 6) for name, value in offsets.items()}
    return World(practices, make_days(streams), offsets)


def fit_missed(world: World, people: People, trial: Bookings) -> dict[str, Floats]:
    """Offsets for lead-time bands and for two regions, so that expected rates among recorded outcomes are the published."""
    recording = TRUTH["recording"]
    held = ~trial.cancelled
    band, location = (
        trial.band[held],
        world.practices["location"].to_numpy()[people.practice[trial.patient[held]]],
    )
    region = LOCATIONS["region"].to_numpy()[location]
    over_a_week = [TARGETS[f"missed_{name}"] for name in ("8_to_14", "15_to_21", "22_to_28", "over_28")]
    by_band = np.array(
        [TARGETS["missed_same_day"], TARGETS["missed_1_day"], TARGETS["missed_2_to_7"], *over_a_week]
    )
    by_region = {LONDON: TARGETS["missed_london"], EAST: TARGETS["missed_east"]}
    bands, regions = logit(by_band) - 0.7, np.zeros(8)
    for _ in range(40):
        missed = sigmoid(trial.chance[held] + bands[band] + regions[location])
        seen_missed = missed * (1 - recording["unknown_if_missed"])
        seen = seen_missed + (1 - missed) * (1 - recording["unknown_if_attended"])
        rate = np.bincount(band, seen_missed, 7) / np.bincount(band, seen, 7)
        bands += logit(by_band) - logit(rate)
        for code, wanted in by_region.items():
            here = region == code
            regions[LOCATIONS["region"].to_numpy() == code] += logit(wanted) - logit(
                seen_missed[here].sum() / seen[here].sum()
            )
    return {"band": np.append(bands, bands[2]), "region": regions}


def logit(p: Any) -> Any:
    return np.log(p) - np.log1p(-np.asarray(p))


# --- the raw layer ------------------------------------------------------------------------------


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables: people with names, then appointments in blocks of days."""
    world = make_world(streams)
    people = make_people(streams.rng("people"), world.practices, register_size(rows))
    yield from identifiable_people(streams, people)
    volume = world.days["volume"].to_numpy()
    per_day = streams.rng("rows per day").multinomial(rows, volume / volume.sum())
    late: list[pd.DataFrame] = []
    first_id = 1
    for block, days in enumerate(blocks(per_day, 400_000)):
        rng = streams.rng("appointments", block)
        bookings = make_bookings(rng, world, people, np.repeat(days, per_day[days]))
        frame = record(rng, world, people, bookings)
        frame["appointment_number"] = first_id + np.arange(len(frame))
        first_id += len(frame)
        is_late = rng.random(len(frame)) < TRUTH["recording"]["late_rows"]
        late.append(frame[is_late])
        frame = frame[~is_late]
        copies = 1 + (rng.random(len(frame)) < TRUTH["recording"]["duplicates"])
        yield {"appointments": frame.loc[np.repeat(frame.index.to_numpy(), copies)]}
    yield {"appointments": pd.concat(late)}  # what practices sent in after the deadline


def register_size(rows: int) -> int:
    """People on the registers: never fewer than the world has, never more than there are test numbers for."""
    window = TRUTH["window"]
    wanted = int(rows / window["appointments_per_patient"])
    return min(max(wanted, window["patients"]), window["patients_at_most"])


def blocks(per_day: Ints, size: int) -> Iterator[Ints]:
    """Runs of days that hold about `size` appointments each."""
    number = (np.cumsum(per_day) - 1) // size
    for block in np.unique(number):
        yield np.flatnonzero(number == block)


def identifiable_people(streams: Streams, people: People) -> Iterator[Chunk]:
    """The practices' registers: fictional names, dates of birth, postcodes in areas that do not exist, test numbers."""
    rng = streams.rng("identities")
    number = len(people)
    ids = test_numbers(rng, number)
    first_day = np.datetime64(TRUTH["window"]["sealed" if streams.sealed else "published"][0])
    youngest, oldest = AGE_FROM[people.age], AGE_FROM[people.age + 1]
    # Younger within the oldest band, evenly within the others.
    share = np.where(people.age == 5, rng.random(number) ** 1.7, rng.random(number))
    days_old = (youngest + share * (oldest - youngest)) * 365.25
    born = first_day.astype("datetime64[D]") - np.clip(
        days_old.astype(np.int64), np.ceil(youngest * 365.25) + 1, np.floor(oldest * 365.25) - 1
    ).astype("timedelta64[D]")
    names = [np.array(GIVEN_NAMES[sex]) for sex in SEXES]
    given = np.where(people.male, rng.choice(names[1], number), rng.choice(names[0], number))
    family = rng.choice(np.array(FAMILY_NAMES), number)
    postcodes = make_postcodes(rng, people)
    for start in range(0, number, 200_000):
        part = slice(start, start + 200_000)
        yield {
            "patients": pd.DataFrame(
                {
                    "patient_number": np.arange(number)[part],
                    "nhs_number": ids[part],
                    "given_name": pd.Categorical(given[part]),
                    "family_name": pd.Categorical(family[part]),
                    "date_of_birth": born[part].astype("datetime64[us]"),
                    "sex": pd.Categorical.from_codes(people.male[part].astype(int), SEXES),
                    "postcode": postcodes[part],
                    "practice_id": pd.Categorical.from_codes(people.practice[part], PRACTICE_IDS),
                    "imd_decile": people.decile[part],
                }
            )
        }


PRACTICE_IDS = [f"P{number:02d}" for number in range(1, 25)]


def test_numbers(rng: np.random.Generator, number: int) -> npt.NDArray[np.object_]:
    """Ten-digit numbers in the range reserved for tests (999 …), all different, with valid check digits.

    The tenth digit is 11 minus the sum of the first nine weighted 10 to 2, modulo 11; 11 is written 0,
    and numbers that would need 10 are not used.
    """
    middle = np.arange(1_000_000)
    digits = middle[:, None] // 10 ** np.arange(5, -1, -1) % 10
    check = (11 - (9 * (10 + 9 + 8) + digits @ np.arange(7, 1, -1)) % 11) % 11
    valid = middle[check < 10]
    drawn = rng.permutation(valid)[:number]
    return (9_990_000_000 + drawn * 10 + check[drawn]).astype(str).astype(object)


def make_postcodes(rng: np.random.Generator, people: People) -> npt.NDArray[np.object_]:
    """Postcodes of the right form in areas that do not exist: a handful of districts a practice, a few homes each."""
    number = len(people)
    area = LOCATIONS["postcode_area"].to_numpy()[people.practice // 3]
    district = 1 + (people.practice % 3) * 4 + rng.integers(0, 4, number)
    sector = rng.integers(0, 10, number)
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))  # C I K M O V are never used in the last two places
    unit = letters[rng.integers(0, 20, number)].astype(object) + letters[rng.integers(0, 20, number)].astype(
        object
    )
    return (
        area.astype(object)
        + district.astype(str).astype(object)
        + " "
        + sector.astype(str).astype(object)
        + unit
    )


def record(rng: np.random.Generator, world: World, people: People, bookings: Bookings) -> pd.DataFrame:
    """What the practices' systems say about the appointments, in order of day and time."""
    order = np.lexsort((bookings.time, bookings.day))
    day, patient, band, mode = (
        a[order] for a in (bookings.day, bookings.patient, bookings.band, bookings.mode)
    )
    practice = people.practice[patient]
    location = world.practices["location"].to_numpy()[practice]
    dates = world.days["date"].to_numpy()[day]
    chance = bookings.chance[order] + world.offsets["band"][band] + world.offsets["region"][location]
    missed = rng.random(len(day)) < sigmoid(chance)
    status = np.where(bookings.cancelled[order], CANCELLED, np.where(missed, DNA, ATTENDED))
    truth = TRUTH["recording"]
    switched = (practice == PRACTICE_IDS.index(truth["switching_practice"])) & (
        dates >= np.datetime64(truth["switching_on"])
    )
    forgotten = np.where(missed, truth["unknown_if_missed"], truth["unknown_if_attended"])
    forgotten = forgotten + switched * truth["switching_unknown_status"]
    seen = np.where((status != CANCELLED) & (rng.random(len(day)) < forgotten), UNKNOWN_STATUS, status)
    mode = np.where(switched & (rng.random(len(day)) < truth["switching_unknown_mode"]), UNKNOWN_MODE, mode)
    band, booked = record_booking(rng, band, bookings.lead[order], dates)
    return pd.DataFrame(
        {
            "patient_number": patient,
            "practice_id": pd.Categorical.from_codes(practice, PRACTICE_IDS),
            "sub_icb_location_code": pd.Categorical.from_codes(location, LOCATIONS["code"]),
            "booking_date": booked,
            "appointment_date": dates,
            "start_time": pd.Categorical.from_codes(bookings.time[order], TIMES),
            "appt_mode": pd.Categorical.from_codes(mode, MODES),
            "hcp_type": pd.Categorical.from_codes(bookings.staff[order], STAFF),
            "time_between_book_and_appt": pd.Categorical.from_codes(band, BANDS),
            "reminder_sent": bookings.reminder[order],
            "appt_status": record_status(rng, practice, dates, seen),
            "duration_minutes": record_duration(rng, seen, missed, mode, bookings.staff[order]),
        }
    )


def record_booking(
    rng: np.random.Generator, band: Ints, lead: Ints, dates: npt.NDArray[np.datetime64]
) -> tuple[Ints, npt.NDArray[np.datetime64]]:
    """Bands and booking dates as recorded: a few bookings were typed in afterwards, or not at all."""
    booked = dates - lead.astype("timedelta64[D]")
    lost = rng.random(len(band)) < TRUTH["lead_time"]["unknown_share"]
    afterwards = rng.random(len(band)) < 0.5
    booked = np.where(
        lost & afterwards, dates + rng.integers(1, 4, len(band)).astype("timedelta64[D]"), booked
    )
    booked = np.where(lost & ~afterwards, np.datetime64("NaT"), booked)
    return np.where(lost, UNKNOWN_BAND, band), booked.astype("datetime64[us]")


ODD_SPELLINGS = {
    ATTENDED: ["attended", "ATTENDED", "Attended "],
    DNA: ["dna", "DNA ", "Dna"],
    CANCELLED: ["cancelled", "Cancelled ", "cancelled"],
    UNKNOWN_STATUS: ["unknown", "unknown", "unknown"],
}
SPELLINGS = sorted({*STATUSES, *(word for words in ODD_SPELLINGS.values() for word in words)})


def record_status(
    rng: np.random.Generator, practice: Ints, dates: npt.NDArray[np.datetime64], status: Ints
) -> pd.Categorical:
    """Status as text; one practice's old system did not keep to the code list."""
    truth = TRUTH["recording"]
    old = (practice == PRACTICE_IDS.index(truth["old_system_practice"])) & (
        dates <= np.datetime64(truth["old_system_until"])
    )
    odd = old & (rng.random(len(status)) < truth["old_system_odd_status"])
    plain = np.array([SPELLINGS.index(s) for s in STATUSES])
    strange = np.array([[SPELLINGS.index(word) for word in ODD_SPELLINGS[code]] for code in range(4)])
    code = np.where(odd, strange[status, rng.integers(0, 3, len(status))], plain[status])
    return pd.Categorical.from_codes(code, SPELLINGS)


def record_duration(
    rng: np.random.Generator, seen: Ints, missed: Flags, mode: Ints, staff: Ints
) -> pd.Series:
    """Minutes, known afterwards; 0 or blank where nobody came: a column that gives the answer away."""
    typical = np.array([11.5, 7.0, 24.0, 10.0, 10.0])[mode] * np.where(staff == 1, 1.15, 1.0)
    minutes = np.clip(np.rint(typical * np.exp(rng.normal(0, 0.45, len(seen)))), 1, 90)
    zero = missed & (rng.random(len(seen)) < TRUTH["recording"]["duration_zero_if_missed"])
    minutes = np.where(missed, np.where(zero, 0.0, np.nan), minutes)
    blank = (seen == CANCELLED) | ((seen == UNKNOWN_STATUS) & (rng.random(len(seen)) < 0.7))
    minutes = np.where(blank | (rng.random(len(seen)) < 0.015), np.nan, minutes)
    return pd.Series(minutes).astype("Int16")


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: no direct identifiers, ages in bands, new numbers, rare deciles blanked, counts protected."""
    people = raw.read("patients", ["patient_number", "date_of_birth", "sex", "practice_id", "imd_decile"])
    missed_any, counts, first_day = survey(raw, len(people), streams)
    window_start = np.datetime64(TRUTH["window"]["sealed" if streams.sealed else "published"][0])
    age = (window_start - people["date_of_birth"].to_numpy()).astype("timedelta64[D]").astype(int) / 365.25
    people["age_band"] = pd.Categorical.from_codes(
        np.searchsorted(AGE_FROM[1:6], age, side="right"), AGES, ordered=True
    )
    people["imd_decile"] = people["imd_decile"].astype("Int16")
    people["missed_any"] = missed_any
    protected = enforce(people, rules.people)

    new_number = np.full(len(people), -1, dtype=np.int64)
    kept = protected.frame["patient_number"].to_numpy()
    new_number[kept] = 100_001 + streams.rng("published numbers").permutation(len(kept))
    patients = protected.frame.assign(patient_id=new_number[kept])
    yield {"patients": patients.sort_values("patient_id", ignore_index=True)}
    for batch in raw.batches("appointments"):
        batch["patient_id"] = new_number[batch["patient_number"].to_numpy()]
        batch["appointment_id"] = batch["appointment_number"]
        yield {"appointments": batch[batch["patient_id"] >= 0]}
    yield {"daily_counts": daily_counts(streams, counts, first_day, rules)}


def survey(raw: RawTables, number: int, streams: Streams) -> tuple[Flags, Ints, np.datetime64]:
    """One pass over the appointments: who missed one, and how many there are in each cell of the official file.

    Returns:
        For each patient whether a missed appointment is recorded; counts of shape
        (days, locations, statuses, staff, modes, bands); the date of day 0.
    """
    first, last = (np.datetime64(d) for d in TRUTH["window"]["sealed" if streams.sealed else "published"])
    shape = (int((last - first).astype(int)) + 1, len(LOCATIONS), 3, len(STAFF), len(MODES), len(BANDS))
    missed = np.zeros(number, dtype=bool)
    counts = np.zeros(np.prod(shape), dtype=np.int64)
    official = np.array([0, 1, -1, 2])  # the official file has no cancelled appointments
    seen_before: set[int] = set()
    columns = [
        "appointment_number",
        "patient_number",
        "sub_icb_location_code",
        "appointment_date",
        "appt_status",
    ]
    columns += ["hcp_type", "appt_mode", "time_between_book_and_appt"]
    for batch in raw.batches("appointments", columns):
        status = clean_status(batch["appt_status"]).cat.codes.to_numpy()
        missed[batch["patient_number"].to_numpy()[status == DNA]] = True
        once = ~batch["appointment_number"].duplicated().to_numpy() & (status != CANCELLED)
        cells = np.ravel_multi_index(
            (
                (batch["appointment_date"].to_numpy() - first).astype("timedelta64[D]").astype(int)[once],
                codes(batch["sub_icb_location_code"], list(LOCATIONS["code"]))[once],
                official[status[once]],
                codes(batch["hcp_type"], STAFF)[once],
                codes(batch["appt_mode"], MODES)[once],
                codes(batch["time_between_book_and_appt"], BANDS)[once],
            ),
            shape,
        )
        counts += np.bincount(cells, minlength=len(counts))
    del seen_before
    return missed, counts.reshape(shape), first


def codes(column: pd.Series, values: list[str]) -> Ints:
    return column.cat.set_categories(values).cat.codes.to_numpy().astype(np.int64)


def clean_status(status: pd.Series) -> pd.Series:
    """Statuses as one of the four codes, whatever their case and spaces."""
    tidy = {s.lower(): s for s in STATUSES}
    found = status.astype("category")
    mapping = {word: tidy[str(word).strip().lower()] for word in found.cat.categories}
    return found.map(mapping).astype(pd.CategoricalDtype(STATUSES))


def daily_counts(streams: Streams, counts: Ints, first_day: np.datetime64, rules: Rules) -> pd.DataFrame:
    """The official file: every practice of a location, of which the extract holds one in six, with small counts protected."""
    day, location, status, staff, mode, band = np.nonzero(counts)
    drawn = streams.rng("daily counts").poisson(
        counts[day, location, status, staff, mode, band]
        * TRUTH["daily_counts"]["practices_per_extract_practice"]
    )
    frame = pd.DataFrame(
        {
            "SUB_ICB_LOCATION_CODE": pd.Categorical.from_codes(location, LOCATIONS["code"]),
            "SUB_ICB_LOCATION_ONS_CODE": LOCATIONS["ons"].astype("category").take(location).to_numpy(),
            "SUB_ICB_LOCATION_NAME": LOCATIONS["name"].astype("category").take(location).to_numpy(),
            "ICB_ONS_CODE": LOCATIONS["icb"].astype("category").take(location).to_numpy(),
            "REGION_ONS_CODE": LOCATIONS["region"].astype("category").take(location).to_numpy(),
            "Appointment_Date": (first_day + day.astype("timedelta64[D]")).astype("datetime64[us]"),
            "APPT_STATUS": pd.Categorical.from_codes(status, ["Attended", "DNA", "Unknown"]),
            "HCP_TYPE": pd.Categorical.from_codes(staff, STAFF),
            "APPT_MODE": pd.Categorical.from_codes(mode, MODES),
            "TIME_BETWEEN_BOOK_AND_APPT": pd.Categorical.from_codes(band, BANDS),
            "COUNT_OF_APPOINTMENTS": protect_counts(pd.Series(drawn), rules.counts),
        }
    )
    return frame[drawn > 0].reset_index(drop=True)


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1.

    A rate of non-attendance is DNA / (Attended + DNA). Repeated rows count once, cancelled appointments not at all.
    """
    rows = tables["appointments"].drop_duplicates("appointment_id")
    rows = rows.assign(status=clean_status(rows["appt_status"]))
    rows = rows[rows["status"] != "Cancelled"]
    known = rows[rows["status"].isin(["Attended", "DNA"])]
    missed = known["status"] == "DNA"
    band = known["time_between_book_and_appt"]
    region = known["sub_icb_location_code"].astype(str).map(LOCATIONS.set_index("code")["region"])
    names = ["same_day", "1_day", "2_to_7", "8_to_14", "15_to_21", "22_to_28", "over_28"]
    return {
        "missed_overall": missed.mean(),
        **{f"missed_{name}": missed[band == value].mean() for name, value in zip(names, BANDS, strict=False)},
        "missed_london": missed[region == LONDON].mean(),
        "missed_east": missed[region == EAST].mean(),
        "share_same_day": (rows["time_between_book_and_appt"] == "Same Day").mean(),
        "share_face_to_face": (rows["appt_mode"] == "Face-to-Face").mean(),
        "share_telephone": (rows["appt_mode"] == "Telephone").mean(),
    }


def exposed(tables: Tables) -> pd.DataFrame:
    """One row a patient, with what an intruder who found them would learn: did they miss an appointment?"""
    rows = tables["appointments"]
    missed = rows.loc[clean_status(rows["appt_status"]) == "DNA", "patient_id"].unique()
    return tables["patients"].assign(missed_any=tables["patients"]["patient_id"].isin(missed))
