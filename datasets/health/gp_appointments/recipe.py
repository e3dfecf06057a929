"""Generates appointments at 24 fictional practices, and publishes them under disclosure control.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
The world (practices, coefficients, bad days) is the same for the published and the sealed layer;
people and appointments are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, enforce, protect_counts
from civicml.datasets.identities import family_names, given_names, nhs_test_numbers, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 252_000

# Numbers begin elsewhere in the sealed layer, so that rows of two layers are never taken for one another.
FIRST_PATIENT = {False: 100_001, True: 5_000_001}
FIRST_APPOINTMENT = {False: 1, True: 500_000_001}

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

# --- the vocabulary of the source ---------------------------------------------------------------

STATUSES = ["Attended", "DNA", "Cancelled", "Unknown"]
ATTENDED, DNA, CANCELLED, UNKNOWN_STATUS = range(4)
MODES = ["Face-to-Face", "Telephone", "Home Visit", "Video Conference/Online", "Unknown"]
HOME_VISIT, UNKNOWN_MODE = 2, 4
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
BAND_NAMES = [
    "same_day",
    "1_day",
    "2_to_7",
    "8_to_14",
    "15_to_21",
    "22_to_28",
    "over_28",
]  # in calibration.toml
UNKNOWN_BAND = 7
LONGEST = [0, 1, 7, 14, 21, 28, 70]  # days, the upper end of each band
AGES = ["0-17", "18-34", "35-49", "50-64", "65-79", "80+"]
AGE_FROM = np.array([0, 18, 35, 50, 65, 80, 100])
YOUNG, OLDEST = 1, 5
SEXES = ["Female", "Male"]
PRACTICE_IDS = [f"P{number:02d}" for number in range(1, 25)]
TIMES = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(8 * 60, 18 * 60 + 31, 10)]
NINE, HALF_PAST_FOUR = TIMES.index("09:00"), TIMES.index("16:30")

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
BANK_HOLIDAYS = """
2024-12-25 2024-12-26 2025-01-01 2025-04-18 2025-04-21 2025-05-05 2025-05-26 2025-08-25
2025-12-25 2025-12-26 2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31
"""


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is in the data.

    Attributes:
        practices: one row a practice: location (0 to 7), register share, mean decile, tilts, reminder policy.
        days: one row a working day: date, weekday, month, relative volume, effect on the log-odds.
        offsets: fitted constants on the log-odds scale: ``same_day``, ``mode`` (5), ``band`` (8), ``region``
            (8, by location).
    """

    practices: pd.DataFrame
    days: pd.DataFrame
    offsets: dict[str, Any]


def make_practices(streams: Streams) -> pd.DataFrame:
    """24 practices, three in each location, that differ in size, deprivation, habits and reminder policy."""
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


def make_days(streams: Streams, *, sealed: bool) -> pd.DataFrame:
    """Working days of a layer's window and a few Saturdays, with each day's volume and its luck.

    Days of both windows are drawn once, so that a storm is a storm in every layer.
    """
    window = TRUTH["window"]
    everything = pd.date_range(window["published"][0], window["sealed"][1], unit="us")
    rng = streams.world("days")
    missed = rng.normal(0, TRUTH["missed"]["day_sd"], len(everything))
    working = (everything.day_of_week < 5) & ~everything.isin(pd.to_datetime(BANK_HOLIDAYS.split()))
    winter = working & everything.month.isin([11, 12, 1, 2, 3])
    missed[rng.choice(np.flatnonzero(winter), TRUTH["missed"]["storm_days"], replace=False)] += TRUTH[
        "missed"
    ]["storm"]
    saturdays = rng.choice(
        np.flatnonzero(everything.day_of_week == 5), TRUTH["window"]["saturdays"] * 4 // 3, replace=False
    )
    volume = np.where(working, np.array([*TRUTH["attendance"]["weekday"], 0, 0])[everything.day_of_week], 0.0)
    volume[saturdays] = 0.15
    volume *= np.array(TRUTH["attendance"]["month"])[everything.month - 1] * rng.normal(
        1, 0.03, len(everything)
    )
    first, last = window["sealed" if sealed else "published"]
    inside = (volume > 0) & (everything >= pd.Timestamp(first)) & (everything <= pd.Timestamp(last))
    return pd.DataFrame(
        {
            "date": everything,
            "weekday": everything.day_of_week,
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
    """The people on the registers, in order of practice."""
    population, attendance = TRUTH["population"], TRUTH["attendance"]
    practice = np.sort(rng.choice(24, number, p=practices["share"].to_numpy()))
    age = rng.choice(6, number, p=in_order(population["age_share"], AGES))
    male = rng.random(number) > population["female_share"]
    spread = rng.normal(practices["decile"].to_numpy()[practice], population["imd_spread"])
    rate = in_order(attendance["age_rate"], AGES)[age]
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
class Visits:
    """Who comes when: one entry an appointment, with what is known of day, person and practice."""

    day: Ints
    date: Days
    weekday: Ints
    month: Ints
    luck: Floats
    patient: Ints
    practice: Ints
    location: Ints
    age: Ints
    male: Flags
    deprived: Floats
    tendency: Floats

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True)
class Bookings:
    """What was booked, as codes: one entry a visit."""

    visits: Visits
    cancelled: Flags
    band: Ints
    lead: Ints
    staff: Ints
    mode: Ints
    time: Ints
    reminder: Flags


def make_visits(rng: np.random.Generator, world: World, people: People, day: Ints) -> Visits:
    """Draw somebody for each entry of `day` (row numbers of ``world.days``); some come far more often."""
    edges = np.cumsum(people.visits)
    patient = np.minimum(np.searchsorted(edges, rng.random(len(day)) * edges[-1]), len(people) - 1)
    practice = people.practice[patient]
    return Visits(
        day=day,
        date=world.days["date"].to_numpy()[day],
        weekday=world.days["weekday"].to_numpy()[day],
        month=world.days["month"].to_numpy()[day],
        luck=world.days["missed"].to_numpy()[day],
        patient=patient,
        practice=practice,
        location=world.practices["location"].to_numpy()[practice],
        age=people.age[patient],
        male=people.male[patient],
        deprived=5.5 - people.decile[patient],
        tendency=people.tendency[patient],
    )


def make_bookings(rng: np.random.Generator, world: World, people: People, day: Ints) -> Bookings:
    """Draw one appointment for each entry of `day`, in the order in which it comes about."""
    visits = make_visits(rng, world, people, day)
    cancelled = rng.random(len(visits)) < TRUTH["cancelled"]["share"]
    band = draw_bands(rng, world, visits, cancelled)
    lead = draw_leads(rng, visits, band)
    staff = rng.choice(3, len(visits), p=in_order(TRUTH["mode"]["hcp_share"], STAFF))
    mode = draw_modes(rng, world, visits, band, staff)
    time = draw_times(rng, band)
    reminder = draw_reminders(rng, world, visits, lead, mode)
    return Bookings(visits, cancelled, band, lead, staff, mode, time, reminder)


def draw_bands(rng: np.random.Generator, world: World, visits: Visits, cancelled: Flags) -> Ints:
    """The lead-time band, 0 to 6: same day or not, and if not, how long."""
    truth = TRUTH["lead_time"]
    longer_if_cancelled = np.where(cancelled, TRUTH["cancelled"]["longer_by_band"], 0.0)
    same_day = (
        world.offsets["same_day"]
        + world.practices["same_day"].to_numpy()[visits.practice]
        + np.array([*truth["same_day_by_weekday"], truth["same_day_by_weekday"][0]])[visits.weekday]
        + in_order(truth["same_day_by_age"], AGES)[visits.age]
        - 4 * longer_if_cancelled
    )
    tilt = (
        world.practices["longer"].to_numpy()[visits.practice]
        + truth["longer_by_deprivation"] * visits.deprived
        + longer_if_cancelled
    )
    weights = np.exp(np.log(in_order(truth["bands"], BANDS[1:7])) + tilt[:, None] * (np.arange(6) - 2))
    return np.where(rng.random(len(visits)) < sigmoid(same_day), 0, 1 + pick(rng, weights))


def draw_leads(rng: np.random.Generator, visits: Visits, band: Ints) -> Ints:
    """Days between booking and appointment, within the band; seldom booked at a weekend."""
    shortest = np.array([0, 1, *(np.array(LONGEST[1:6]) + 1)])[band]
    width = np.array(LONGEST)[band] - shortest + 1
    share = rng.random(len(band))
    lead = shortest + (np.where(band == 6, share**2.5, share) * width).astype(np.int64)  # a long tail
    for _ in range(2):
        weekend = ((visits.weekday - lead) % 7 >= 5) & (band >= 2) & (rng.random(len(band)) < 0.8)
        again = shortest + (rng.random(len(band)) * np.minimum(width, 14)).astype(np.int64)
        lead = np.where(weekend, again, lead)
    return lead


def draw_modes(rng: np.random.Generator, world: World, visits: Visits, band: Ints, staff: Ints) -> Ints:
    """How the appointment is held: more by telephone for the same day, home visits for the oldest."""
    truth = TRUTH["mode"]
    weights = np.tile(world.offsets["mode"], (len(visits), 1))
    for number, name in enumerate(MODES[1:4], start=1):
        weights[:, number] += truth["same_day"][name] * (band == 0) + truth["gp"][name] * (staff == 0)
    weights[:, 1] += world.practices["telephone"].to_numpy()[visits.practice]
    weights[:, 2] += truth["oldest_home_visit"] * (visits.age == OLDEST)
    return pick(rng, np.exp(weights))


def draw_times(rng: np.random.Generator, band: Ints) -> Ints:
    """Ten-minute slots from 08:00 to 18:30: two busy stretches around lunch, same-day ones earlier."""
    slot = np.arange(len(TIMES))
    booked = np.exp(-(((slot - 15) / 11) ** 2)) + 0.8 * np.exp(-(((slot - 44) / 9) ** 2)) + 0.03
    same_day = booked * np.where(slot < 18, 1.4, 0.9)
    return np.where(
        band == 0,
        rng.choice(len(TIMES), len(band), p=same_day / same_day.sum()),
        rng.choice(len(TIMES), len(band), p=booked / booked.sum()),
    )


def draw_reminders(rng: np.random.Generator, world: World, visits: Visits, lead: Ints, mode: Ints) -> Flags:
    """Each practice has a policy about how far ahead an appointment must be booked for a reminder."""
    truth = TRUTH["reminder"]
    policy = world.practices["policy"].to_numpy()[visits.practice]
    started = visits.date >= np.datetime64(truth["later_starts"])
    policies = [policy == "two_days", policy == "week", (policy == "later") & started]
    least = np.select(policies, [2, 8, 2], default=10_000)
    sent = rng.random(len(visits)) < truth["sent_where_policy_says"]
    return (lead >= least) & sent & (mode != HOME_VISIT)


def log_odds(world: World, bookings: Bookings) -> Floats:
    """The log-odds of being missed, but for the fitted offsets of lead time and region."""
    truth, visits = TRUTH["missed"], bookings.visits
    together = truth["interactions"]
    long_wait, young, early = bookings.band >= 3, visits.age == YOUNG, bookings.time < NINE
    return (
        visits.tendency
        + visits.luck
        + world.practices["missed"].to_numpy()[visits.practice]
        + in_order(truth["age"], AGES)[visits.age]
        + truth["male"] * visits.male
        + truth["deprivation"] * visits.deprived
        + in_order(truth["mode"], MODES)[bookings.mode]
        + truth["other_staff"] * (bookings.staff == 1)
        + np.array(truth["weekday"])[visits.weekday]
        + np.array(truth["month"])[visits.month]
        + truth["early"] * early
        + truth["late"] * (bookings.time >= HALF_PAST_FOUR)
        + together["young_long_wait"] * (young & long_wait)
        + together["deprived_long_wait"] * visits.deprived * long_wait
        + together["early_monday"] * (early & (visits.weekday == 0))
        + bookings.reminder * (TRUTH["reminder"]["effect"] + TRUTH["reminder"]["young"] * young)
    )


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of non-negative `weights`, the number of a column, with chances in proportion."""
    edges = weights.cumsum(axis=1)
    return (edges < rng.random((len(weights), 1)) * edges[:, -1:]).sum(axis=1)


def in_order(table: dict[str, float], names: list[str]) -> Floats:
    """The values of `table` for `names`, as an array that codes can index."""
    return np.array([table[name] for name in names])


# --- calibration: constants that make the published figures come out ----------------------------


def make_world(streams: Streams) -> World:
    """Practices, days and coefficients, with the offsets fitted on a trial population of the world's own."""
    practices = make_practices(streams)
    days = make_days(streams, sealed=False)  # the offsets must not depend on the layer
    assumed = np.array([0.0, 0.0, 0.009, 0.050, 0.025])  # the modes without a published figure
    offsets: dict[str, Any] = {"same_day": 0.0, "mode": np.zeros(5)}
    world = World(practices, days, offsets)
    people = make_people(streams.world("trial people"), practices, TRUTH["window"]["patients"])
    day = streams.world("trial days").choice(len(days), ROWS, p=days["volume"] / days["volume"].sum())
    for _ in range(4):
        trial = make_bookings(streams.world("trial"), world, people, day)
        held = ~trial.cancelled
        same_day = TARGETS["share_same_day"] / (1 - TRUTH["lead_time"]["unknown_share"])
        offsets["same_day"] += logit(same_day) - logit((trial.band[held] == 0).mean())
        lost = is_switched(trial.visits).mean() * TRUTH["recording"]["switching_unknown_mode"]
        wanted = assumed.copy()
        wanted[:2] = np.array([TARGETS["share_face_to_face"], TARGETS["share_telephone"]]) / (1 - lost)
        wanted[2:] *= (1 - wanted[:2].sum()) / assumed.sum()
        offsets["mode"] = offsets["mode"] + np.log(
            wanted * held.sum() / np.bincount(trial.mode[held], minlength=5)
        )
    trial = make_bookings(streams.world("trial"), world, people, day)
    offsets |= fit_missed(world, trial)
    # Rounded, so that the last bit of a sum, which may differ between processors, cannot matter.
    rounded = {name: np.round(value, 6) for name, value in offsets.items()}
    return World(practices, make_days(streams, sealed=streams.sealed), rounded)


def fit_missed(world: World, trial: Bookings) -> dict[str, Floats]:
    """Offsets for lead-time bands and for two regions.

    Found by steps on the log-odds scale until the expected rates among recorded outcomes are the published.
    """
    recording, held = TRUTH["recording"], ~trial.cancelled
    chance, band, location = log_odds(world, trial)[held], trial.band[held], trial.visits.location[held]
    by_band = np.array([TARGETS[f"missed_{name}"] for name in BAND_NAMES])
    by_region = {LONDON: TARGETS["missed_london"], EAST: TARGETS["missed_east"]}
    region = LOCATIONS["region"].to_numpy()
    bands, regions = logit(by_band), np.zeros(len(LOCATIONS))
    places = {code: np.flatnonzero(region[location] == code) for code in by_region}
    step = 1.0
    while step > 1e-9:
        missed = sigmoid(chance + bands[band] + regions[location])
        seen_missed = missed * (1 - recording["unknown_if_missed"])
        seen = seen_missed + (1 - missed) * (1 - recording["unknown_if_attended"])
        change = logit(by_band) - logit(np.bincount(band, seen_missed, 7) / np.bincount(band, seen, 7))
        bands += change
        step = np.abs(change).max()
        for code, here in places.items():
            change = logit(by_region[code]) - logit(seen_missed[here].sum() / seen[here].sum())
            regions[region == code] += change
            step = max(step, abs(change))
    return {"band": np.append(bands, bands[2]), "region": regions}


def is_switched(visits: Visits) -> Flags:
    """Whether the appointment was recorded by the new system of the practice that changes its system."""
    truth = TRUTH["recording"]
    practice = PRACTICE_IDS.index(truth["switching_practice"])
    return (visits.practice == practice) & (visits.date >= np.datetime64(truth["switching_on"]))


def sigmoid(x: Floats) -> Floats:
    """From log-odds to a probability."""
    return 1 / (1 + np.exp(-x))


def logit(p: Floats | float) -> Floats:
    """From a probability, or several, to log-odds."""
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
    first_id = FIRST_APPOINTMENT[streams.sealed]
    for block, days in enumerate(blocks(per_day, 400_000)):
        rng = streams.rng("appointments", block)
        bookings = make_bookings(rng, world, people, np.repeat(days, per_day[days]))
        frame = record(rng, world, bookings)
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
    """The practices' registers: fictional names, birthdays, postcodes in areas that do not exist."""
    rng = streams.rng("identities")
    number = len(people)
    ids = nhs_test_numbers(rng, number)
    first_day = np.datetime64(TRUTH["window"]["sealed" if streams.sealed else "published"][0])
    youngest, oldest = AGE_FROM[people.age], AGE_FROM[people.age + 1]
    # Younger within the oldest band, evenly within the others.
    share = np.where(people.age == OLDEST, rng.random(number) ** 1.7, rng.random(number))
    days_old = (youngest + share * (oldest - youngest)) * 365.25
    born = first_day.astype("datetime64[D]") - np.clip(
        days_old.astype(np.int64), np.ceil(youngest * 365.25) + 1, np.floor(oldest * 365.25) - 1
    ).astype("timedelta64[D]")
    given, family = given_names(rng, people.male), family_names(rng, number)
    area = LOCATIONS["postcode_area"].to_numpy(dtype=object)[people.practice // 3]
    homes = postcodes(rng, area, 1 + people.practice % 3 * 4 + rng.integers(0, 4, number))
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
                    "postcode": homes[part],
                    "practice_id": pd.Categorical.from_codes(people.practice[part], PRACTICE_IDS),
                    "imd_decile": people.decile[part],
                }
            )
        }


def record(rng: np.random.Generator, world: World, bookings: Bookings) -> pd.DataFrame:
    """What the practices' systems say about the appointments, in order of day and time."""
    visits, truth = bookings.visits, TRUTH["recording"]
    offsets = world.offsets["band"][bookings.band] + world.offsets["region"][visits.location]
    missed = (rng.random(len(visits)) < sigmoid(log_odds(world, bookings) + offsets)) & ~bookings.cancelled
    status = np.select([bookings.cancelled, missed], [CANCELLED, DNA], default=ATTENDED)
    switched = is_switched(visits)
    forgotten = np.where(missed, truth["unknown_if_missed"], truth["unknown_if_attended"])
    forgotten = forgotten + switched * truth["switching_unknown_status"]
    unknown = (rng.random(len(visits)) < forgotten) & ~bookings.cancelled
    status = np.where(unknown, UNKNOWN_STATUS, status)
    no_mode = switched & (rng.random(len(visits)) < truth["switching_unknown_mode"])
    mode = np.where(no_mode, UNKNOWN_MODE, bookings.mode)
    band, booked = record_booking(rng, bookings)
    frame = pd.DataFrame(
        {
            "patient_number": visits.patient,
            "practice_id": pd.Categorical.from_codes(visits.practice, PRACTICE_IDS),
            "sub_icb_location_code": pd.Categorical.from_codes(visits.location, LOCATIONS["code"]),
            "booking_date": booked,
            "appointment_date": visits.date,
            "start_time": pd.Categorical.from_codes(bookings.time, TIMES),
            "appt_mode": pd.Categorical.from_codes(mode, MODES),
            "hcp_type": pd.Categorical.from_codes(bookings.staff, STAFF),
            "time_between_book_and_appt": pd.Categorical.from_codes(band, BANDS),
            "reminder_sent": bookings.reminder,
            "appt_status": record_status(rng, visits, status),
            "duration_minutes": record_duration(rng, bookings, status, missed),
        }
    )
    return frame.iloc[np.lexsort((bookings.time, visits.day))].reset_index(drop=True)


def record_booking(rng: np.random.Generator, bookings: Bookings) -> tuple[Ints, Days]:
    """Bands and booking dates as recorded: a few bookings were typed in afterwards, or not at all."""
    day, number = bookings.visits.date, len(bookings.visits)
    lost = rng.random(number) < TRUTH["lead_time"]["unknown_share"]
    afterwards = rng.random(number) < 0.5
    typed = day + rng.integers(1, 4, number).astype("timedelta64[D]")
    booked = np.where(lost & afterwards, typed, day - bookings.lead.astype("timedelta64[D]"))
    booked = np.where(lost & ~afterwards, np.datetime64("NaT"), booked)
    return np.where(lost, UNKNOWN_BAND, bookings.band), booked.astype("datetime64[us]")


ODD_SPELLINGS = {
    ATTENDED: ["attended", "ATTENDED", "Attended "],
    DNA: ["dna", "DNA ", "Dna"],
    CANCELLED: ["cancelled", "Cancelled ", "cancelled"],
    UNKNOWN_STATUS: ["unknown", "unknown", "unknown"],
}
SPELLINGS = sorted({*STATUSES, *(word for words in ODD_SPELLINGS.values() for word in words)})


def record_status(rng: np.random.Generator, visits: Visits, status: Ints) -> pd.Categorical:
    """Status as text; one practice's old system did not keep to the code list."""
    truth = TRUTH["recording"]
    old = visits.practice == PRACTICE_IDS.index(truth["old_system_practice"])
    old &= visits.date <= np.datetime64(truth["old_system_until"])
    odd = old & (rng.random(len(visits)) < truth["old_system_odd_status"])
    plain = np.array([SPELLINGS.index(name) for name in STATUSES])
    strange = np.array([[SPELLINGS.index(word) for word in ODD_SPELLINGS[code]] for code in range(4)])
    code = np.where(odd, strange[status, rng.integers(0, 3, len(visits))], plain[status])
    return pd.Categorical.from_codes(code, SPELLINGS)


def record_duration(rng: np.random.Generator, bookings: Bookings, status: Ints, missed: Flags) -> pd.Series:
    """Minutes, known afterwards; 0 or blank where nobody came: a column that gives the answer away."""
    number = len(bookings.visits)
    typical = np.array([11.5, 7.0, 24.0, 10.0, 10.0])[bookings.mode] * np.where(
        bookings.staff == 1, 1.15, 1.0
    )
    minutes = np.clip(np.rint(typical * np.exp(rng.normal(0, 0.45, number))), 1, 90)
    zero = rng.random(number) < TRUTH["recording"]["duration_zero_if_missed"]
    minutes = np.where(missed, np.where(zero, 0.0, np.nan), minutes)
    blank = (status == UNKNOWN_STATUS) & (rng.random(number) < 0.7)
    blank |= (status == CANCELLED) | (rng.random(number) < 0.015)
    return pd.Series(np.where(blank, np.nan, minutes)).astype("Int16")


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: nobody named, ages in bands, rare deciles and small counts blanked."""
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
    new_number[kept] = FIRST_PATIENT[streams.sealed] + streams.rng("published numbers").permutation(len(kept))
    patients = protected.frame.assign(patient_id=new_number[kept])
    yield {"patients": patients.sort_values("patient_id", ignore_index=True)}
    for batch in raw.batches("appointments"):
        batch["patient_id"] = new_number[batch["patient_number"].to_numpy()]
        batch["appointment_id"] = batch["appointment_number"]
        yield {"appointments": batch[batch["patient_id"] >= 0]}
    yield {"daily_counts": daily_counts(streams, counts, first_day, rules)}


def survey(raw: RawTables, number: int, streams: Streams) -> tuple[Flags, Ints, np.datetime64]:
    """One pass over the appointments: who missed one, and how many fall in each cell of the official file.

    Returns:
        For each patient whether a missed appointment is recorded; counts of shape
        (days, locations, statuses, staff, modes, bands); the date of day 0.
    """
    first, last = (np.datetime64(d) for d in TRUTH["window"]["sealed" if streams.sealed else "published"])
    shape = (int((last - first).astype(int)) + 1, len(LOCATIONS), 3, len(STAFF), len(MODES), len(BANDS))
    missed = np.zeros(number, dtype=bool)
    counts = np.zeros(np.prod(shape), dtype=np.int64)
    official = np.array([0, 1, -1, 2])  # the official file has no cancelled appointments
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
    return missed, counts.reshape(shape), first


def codes(column: pd.Series, values: list[str]) -> Ints:
    """A categorical column as places in `values`."""
    return column.cat.set_categories(values).cat.codes.to_numpy().astype(np.int64)


def clean_status(status: pd.Series) -> pd.Series:
    """Statuses as one of the four codes, whatever their case and spaces."""
    tidy = {s.lower(): s for s in STATUSES}
    found = status.astype("category")
    mapping = {word: tidy[str(word).strip().lower()] for word in found.cat.categories}
    return found.map(mapping).astype(pd.CategoricalDtype(STATUSES))


def daily_counts(streams: Streams, counts: Ints, first_day: np.datetime64, rules: Rules) -> pd.DataFrame:
    """The official file, protected: all practices of a location, of which the extract holds one in six."""
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
            "COUNT_OF_APPOINTMENTS": protect_counts(pd.Series(drawn), rules.counts_of("daily_counts")),
        }
    )
    return frame[drawn > 0].reset_index(drop=True)


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1.

    A rate of non-attendance is DNA / (Attended + DNA). Repeated rows count once, cancelled ones not at all.
    """
    rows = tables["appointments"].drop_duplicates("appointment_id")
    rows = rows.assign(status=clean_status(rows["appt_status"]))
    rows = rows[rows["status"] != "Cancelled"]
    known = rows[rows["status"].isin(["Attended", "DNA"])]
    missed = known["status"] == "DNA"
    band = known["time_between_book_and_appt"]
    region = known["sub_icb_location_code"].astype(str).map(LOCATIONS.set_index("code")["region"])
    return {
        "missed_overall": missed.mean(),
        **{
            f"missed_{name}": missed[band == value].mean()
            for name, value in zip(BAND_NAMES, BANDS, strict=False)
        },
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
