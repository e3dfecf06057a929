"""Generates A&E attendances at 24 fictional providers, and the monthly table of 200, and publishes them.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml. One
model of providers and months gives both tables: the monthly table is drawn from its rates, and single
attendances are fitted to the same rates. Providers, coefficients and bad days are the same in every
layer; people, attendances and monthly counts are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, enforce
from civicml.datasets.identities import family_names, given_names, nhs_test_numbers, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 250_000

# Numbers begin elsewhere in the sealed layer, so that rows of two layers are never taken for one another.
FIRST_PATIENT = {False: 100_001, True: 5_000_001}
FIRST_ATTENDANCE = {False: 1, True: 500_000_001}

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# --- vocabulary ---------------------------------------------------------------------------------

REGIONS = [
    "NHS ENGLAND EAST OF ENGLAND",
    "NHS ENGLAND LONDON",
    "NHS ENGLAND MIDLANDS",
    "NHS ENGLAND NORTH EAST AND YORKSHIRE",
    "NHS ENGLAND NORTH WEST",
    "NHS ENGLAND SOUTH EAST",
    "NHS ENGLAND SOUTH WEST",
]
TYPES = ["Type 1", "Type 2", "Type 3"]
AGES = ["0-4", "5-17", "18-34", "35-49", "50-64", "65-79", "80+"]
AGE_FROM = np.array([0, 5, 18, 35, 50, 65, 80, 100])
SEXES = ["Female", "Male"]
MODES = ["Ambulance", "Walk-in", "Other transport"]
AMBULANCE = 0
GROUPS = [*TRUTH["cases"]["groups"], "Not recorded"]
BREATHING, FEVER, FALL = 2, 4, 5
NOT_RECORDED = len(GROUPS) - 1
TARGET = 240  # minutes: four hours
POSTCODE_AREAS = ["BW", "CK", "DK", "EK", "FA", "GA", "HK", "PK", "RK", "SV", "TK", "WK"]
COUNTS = [
    *(f"{what}_{kind}" for what in ("attendances", "booked", "over_4h", "booked_over_4h")
      for kind in ("type_1", "type_2", "other")),
    "waited_4_to_12h_from_decision", "waited_over_12h_from_decision",
    "admissions_type_1", "admissions_type_2", "admissions_other", "other_emergency_admissions",
]  # fmt: skip
FIRST_PARTS = """
Brenmar Caldwyn Dunscar Elmver Farrin Gorsel Hexlow Isken Jarrel Kelmar Lorven Marrick Nethol Orrin Pellow
Quenby Rostal Silvan Tarrow Ulver Venner Wexal Yarrin Zelby
"""
LAST_PARTS = "bridge combe dale field gate haven hurst mere moor shaw stead vale"


def month_starts(window: list[date]) -> pd.DatetimeIndex:
    """The first day of every month of a window."""
    return pd.date_range(window[0], window[1], freq="MS", unit="us")


WINDOWS = {False: month_starts(TRUTH["window"]["published"]), True: month_starts(TRUTH["window"]["sealed"])}
MONTHS = WINDOWS[False].union(WINDOWS[True])
DAY_ZERO = MONTHS[0]
# By month of the world: how much winter it is, from -0.5 to 1, and whether the planted flu wave is on.
WINTER = np.array(TRUTH["crowding"]["winter_of_month"])[MONTHS.month - 1]
FLU = np.isin(MONTHS.strftime("%Y-%m"), TRUTH["cases"]["flu_wave"]["months"])


def month_number(day: str | date) -> int:
    """Which of the world's months a day is in."""
    return int(MONTHS.searchsorted(pd.Timestamp(day), side="right")) - 1


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is in the data. Sites are providers before any merger.

    Attributes:
        sites: one row a site; see :func:`make_sites`.
        code: what each site reports under, by site and month: (200, 42).
        attendances: expected, after the recording change, by site, month and type: (200, 42, 3).
        admitted: the share admitted, same shape.
        late_admitted: of those admitted, the share over four hours; same shape.
        late_sent_home: of the others; same shape.
        moved: admissions a month that are no longer via A&E, (200, 42).
        recorded: the share of type 1 attendances still in A&E's records, (200, 42).
        long_wait: of those admitted after more than four hours, the share who waited over 12 hours
            from the decision: (200, 42).
        bad_day: luck of a site in the extract and a day, (24, days).
        offsets: fitted constants of the single attendances: ``admitted``, ``late_admitted``,
            ``late_sent_home``, each by site of the extract, month and type (24, 42, 3).
    """

    sites: pd.DataFrame
    code: npt.NDArray[np.object_]
    attendances: Floats
    admitted: Floats
    late_admitted: Floats
    late_sent_home: Floats
    moved: Floats
    recorded: Floats
    long_wait: Floats
    bad_day: Floats
    offsets: dict[str, Floats]

    @property
    def extract(self) -> Ints:
        """The sites that send single attendances."""
        return np.flatnonzero(self.sites["in_extract"].to_numpy())


def make_sites(streams: Streams) -> pd.DataFrame:
    """200 sites: size by type, strain, habits, and which recording change concerns them."""
    rng, truth = streams.world("sites"), TRUTH["providers"]
    acute, single, urgent = truth["acute"], truth["single_specialty"], truth["urgent"]
    number = acute + single + urgent
    kind = np.repeat([0, 1, 2], [acute, single, urgent])
    size = np.zeros((number, 3))
    size[kind == 0, 0] = np.clip(rng.lognormal(0, 0.42, acute), 0.4, 2.8)
    size[kind == 0, 1] = np.where(rng.random(acute) < 0.3, rng.lognormal(0, 0.8, acute), 0)
    size[kind == 0, 2] = np.where(rng.random(acute) < 0.8, rng.lognormal(0.25, 0.6, acute), 0)
    size[kind == 1, 1] = [5.0, 1.4]
    size[kind == 2, 2] = np.clip(rng.lognormal(-0.5, 0.8, urgent), 0.03, 4)
    size[number - truth["no_department"] :] = 0
    # The extract has providers of every size but the smallest.
    size[: truth["acute_in_extract"], 0] = np.linspace(0.65, 1.7, truth["acute_in_extract"])[
        rng.permutation(truth["acute_in_extract"])
    ]
    size[: truth["acute_in_extract"], 2] = np.maximum(size[: truth["acute_in_extract"], 2], 0.4)
    first_urgent = acute + single
    in_urgent = slice(first_urgent, first_urgent + truth["urgent_in_extract"])
    size[in_urgent, 2] = np.linspace(0.7, 1.6, truth["urgent_in_extract"])
    in_extract = np.arange(number) < truth["acute_in_extract"]
    in_extract[in_urgent] = True
    same_day = np.isin(np.arange(number), TRUTH["same_day_emergency_care"]["in_extract"])
    others = (kind == 0) & ~in_extract
    same_day[others] = rng.random(others.sum()) < TRUTH["same_day_emergency_care"]["elsewhere"]
    closing = [merger["closes"] for merger in TRUTH["mergers"]]
    return pd.DataFrame(
        {
            "code": site_codes(kind),
            "name": site_names(rng, kind),
            "region": rng.choice(len(REGIONS), number, p=[0.10, 0.14, 0.21, 0.15, 0.14, 0.16, 0.10]),
            "kind": kind,
            **{f"size_{t}": size[:, t] for t in range(3)},
            "in_extract": in_extract,
            "same_day": same_day & ~np.isin(np.arange(number), closing),
            "within": rng.normal(0, truth["within_4h_sd"], number),
            "admission": rng.normal(0, truth["admission_sd"], number),
            "strain": np.clip(rng.normal(1, truth["strain_sd"], number), 0.3, 1.9),
            "long_wait": rng.normal(0, TRUTH["monthly"]["over_12h_provider_sd"], number),
            "booked": rng.random(number) < TRUTH["monthly"]["booked_providers"],
        }
    )


def site_codes(kind: Ints) -> list[str]:
    """Codes of the source's form that none of its providers has: they begin with Z."""
    acute = (f"Z{letter}{digit}" for letter in "ABCDEFGHJKLMN" for digit in range(10))
    urgent = (f"ZT{number:03d}" for number in range(1, 1000))
    return [next(urgent if k == 2 else acute) for k in kind]


def site_names(rng: np.random.Generator, kind: Ints) -> list[str]:
    """Names of made-up places, in the forms that providers' names have."""
    places = [first + last for first in FIRST_PARTS.split() for last in LAST_PARTS.split()]
    chosen = rng.choice(len(places), len(kind), replace=False)
    forms = [
        ["Hospitals NHS Foundation Trust", "University Hospitals NHS Trust", "Teaching Hospitals NHS Trust"],
        ["Eye Hospital NHS Foundation Trust"],
        ["Urgent Treatment Centre", "Walk-in Centre", "Community NHS Trust", "Minor Injury Unit"],
    ]
    drawn = rng.random(len(kind))
    return [
        f"{places[p]} {forms[k][int(d * len(forms[k]))]}" for p, k, d in zip(chosen, kind, drawn, strict=True)
    ]


def make_world(streams: Streams) -> World:
    """Providers and their rates, month by month, fitted to the published figures; then single attendances."""
    sites, truth = make_sites(streams), TRUTH["monthly"]
    rng = streams.world("months")
    shape = (len(sites), len(MONTHS))
    attendances, admitted, late_admitted, late_sent_home = np.zeros((4, *shape, 3))
    per_month = np.array(truth["season"])[MONTHS.month - 1] * MONTHS.days_in_month.to_numpy()
    per_month *= (1 + truth["growth"]) ** (np.arange(len(MONTHS)) / 12)
    year = np.asarray((MONTHS >= "2025-04-01") & (MONTHS < "2026-04-01"))
    started = np.arange(len(MONTHS)) >= month_number(TRUTH["same_day_emergency_care"]["on"])
    changed = sites["same_day"].to_numpy()[:, None] & started
    gone, gone_admitted = moved_shares(streams)
    recorded, moved = np.where(changed, 1 - gone, 1.0), np.where(changed, gone_admitted, 0.0)
    strain, within = sites["strain"].to_numpy()[:, None], sites["within"].to_numpy()[:, None]
    reached = [
        np.array(truth["type_1_within_4h"]),
        TARGETS["within_4h_type_2"] - 0.008 * WINTER,
        TARGETS["within_4h_type_3"] - 0.006 * WINTER,
    ]
    for t in range(3):
        effect = sites["admission"].to_numpy()[:, None] + rng.normal(0, 0.04, shape)
        effect += 0.06 * WINTER + TRUTH["cases"]["flu_wave"]["admitted_more"] * FLU
        share = sigmoid(logit(truth["admission_share"][t]) + effect)
        volume = sites[f"size_{t}"].to_numpy()[:, None] * per_month * rng.lognormal(0, 0.03, shape)
        if t == 0:
            volume, share = volume * recorded, share * (1 - moved) / recorded
        scale = TARGETS["attendances"] * truth["type_share"][t] / volume[:, year].sum()
        effect = rng.normal(0, 0.10, shape) - within * (0.6 if t else 1.0) + 0.25 * (strain - 1) * WINTER
        attendances[:, :, t], admitted[:, :, t] = volume * scale, share
        late_sent_home[:, :, t], late_admitted[:, :, t] = fit_late(
            effect, truth["admitted_wait_longer"][t], share, volume, 1 - reached[t]
        )
    moved *= attendances[:, :, 0] * admitted[:, :, 0] / (1 - moved)
    stuck = (attendances * admitted * late_admitted).sum(axis=2)
    effect = (sites["long_wait"] - sites["within"]).to_numpy()[:, None] + truth["over_12h_winter"] * WINTER
    long_wait = fit_share(effect, stuck, TARGETS["waits_over_12_hours"], year)
    world = World(
        sites, reporting_codes(sites), attendances, admitted, late_admitted, late_sent_home, moved, recorded,
        long_wait, bad_days(streams, int(sites["in_extract"].sum())), {},
    )  # fmt: skip
    world.offsets.update(fit_attendances(streams, world))
    return world


def reporting_codes(sites: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The code each site reports under in each month: a successor's from the merger on."""
    code = np.repeat(sites["code"].to_numpy(dtype=object)[:, None], len(MONTHS), axis=1)
    for merger in TRUTH["mergers"]:
        code[merger["closes"], month_number(merger["on"]) :] = sites["code"].iloc[merger["into"]]
    return code


def bad_days(streams: Streams, sites: int) -> Floats:
    """Luck of each site and day, without the mean of each month, which the fitted offsets hold."""
    days = (MONTHS[-1] - DAY_ZERO).days + MONTHS[-1].days_in_month
    luck = streams.world("bad days").normal(0, TRUTH["crowding"]["day_sd"], (sites, days))
    for month in range(len(MONTHS)):
        here = slice(*month_days(month))
        luck[:, here] -= luck[:, here].mean(axis=1, keepdims=True)
    return luck


def fit_late(
    effect: Floats, longer: float, admitted: Floats, volume: Floats, late: Floats
) -> tuple[Floats, Floats]:
    """Shares over four hours of those sent home and those admitted; each month's share of all is `late`."""
    offset = logit(late)
    for _ in range(30):
        home, stay = sigmoid(effect + offset), sigmoid(effect + offset + longer)
        share = (1 - admitted) * home + admitted * stay
        offset = offset + logit(late) - logit((volume * share).sum(axis=0) / volume.sum(axis=0))
    offset = np.round(offset, 6)
    return sigmoid(effect + offset), sigmoid(effect + offset + longer)


def fit_share(effect: Floats, volume: Floats, wanted: float, year: Flags) -> Floats:
    """Shares such that those of `volume` in the months of `year` add up to `wanted`."""
    offset = 0.0
    for _ in range(30):
        found = (volume * sigmoid(effect + offset))[:, year].sum()
        offset += np.log(wanted / found)
    return sigmoid(effect + np.round(offset, 6))


# --- cases: what people come with ---------------------------------------------------------------


@dataclass(frozen=True)
class Cases:
    """What is true of each attendance when the patient arrives, seen or not; one entry each.

    ``suitable`` and ``hidden`` are in no record: whether same-day emergency care would do, and how ill
    the person is beyond what was written down.
    """

    kind: Ints
    age: Ints
    mode: Ints
    acuity: Ints
    group: Ints
    suitable: Flags
    hidden: Floats
    repeat: Flags

    def __len__(self) -> int:
        return len(self.kind)


def draw_cases(
    rng: np.random.Generator, kind: Ints, age: Ints, month: Ints, *, earlier_group: Ints | None = None
) -> Cases:
    """How they come, how urgent it is and with what, by type of department, age and month.

    Args:
        rng: for the draws.
        kind: 0 to 2, the type of department.
        age: number of the age band.
        month: the world's month.
        earlier_group: what they came with earlier in the week, or -1; most come back with the same.
    """
    truth, number = TRUTH["cases"], len(kind)
    chance = np.where(
        kind == 0, np.array(TRUTH["arrivals"]["ambulance"])[age], TRUTH["arrivals"]["ambulance_elsewhere"]
    )
    drawn = rng.random(number)
    other = drawn > 1 - TRUTH["arrivals"]["other_transport"]
    mode = np.select([drawn < chance, other], [AMBULANCE, 2], default=1)
    urgency = truth["acuity_ambulance"] * (mode == AMBULANCE) + truth["acuity_age"] * (age - 3)
    acuity = 1 + pick(rng, np.array(truth["acuity"])[kind] * np.exp(urgency[:, None] * (2 - np.arange(5))))
    group = pick(rng, group_weights(month)[month - month.min(), kind, age]) if number else kind
    repeat = np.zeros(number, dtype=bool)
    if earlier_group is not None:
        repeat = earlier_group >= 0
        same = repeat & (rng.random(number) < TRUTH["return_within_7_days"]["same_complaint"])
        group = np.where(same, earlier_group, group)
    sdec = TRUTH["same_day_emergency_care"]
    fits = (kind == 0) & np.isin(group, [GROUPS.index(g) for g in sdec["groups"]])
    fits &= np.isin(acuity, sdec["acuity"]) & np.isin(age, [AGES.index(a) for a in sdec["age"]])
    suitable = fits & (rng.random(number) < sdec["suitable"])
    return Cases(kind, age, mode, acuity, group, suitable, rng.normal(0, 1, number), repeat)


def group_weights(month: Ints) -> Floats:
    """Weights of presenting groups by month (from the first of `month`), type and age band."""
    truth = TRUTH["cases"]
    months = np.arange(month.min(), month.max() + 1) if len(month) else np.zeros(1, dtype=np.int64)
    base = np.log(np.array(truth["group"]))[:, None, :] + np.array(truth["group_age"]).T[None, :, :]
    weights = np.repeat(base[None], len(months), axis=0)
    more = truth["winter_breathing"] * WINTER[months]
    more = more + truth["flu_wave"]["more"] * FLU[months]
    weights[..., [BREATHING, FEVER]] += more[:, None, None, None]
    return np.exp(weights)


def admission_log_odds(cases: Cases, crowding: Floats) -> Floats:
    """The log-odds of admission, but for the fitted offset of provider, month and type."""
    truth, sdec = TRUTH["admission"], TRUTH["same_day_emergency_care"]
    return (
        np.array(truth["acuity"])[cases.acuity - 1]
        + np.array(truth["age"])[cases.age]
        + np.array(truth["group"])[cases.group]
        + truth["ambulance"] * (cases.mode == AMBULANCE)
        + truth["old_fall"] * ((cases.age >= 5) & (cases.group == FALL))
        + truth["child_breathing"] * ((cases.age <= 1) & (cases.group == BREATHING))
        + truth["repeat"] * cases.repeat
        + sdec["admitted_more"] * cases.suitable
        + truth["hidden_sd"] * cases.hidden
        + truth["crowding"] * crowding
    )


def late_log_odds(cases: Cases, crowding: Floats) -> Floats:
    """The log-odds of more than four hours in the department, but for the fitted offset."""
    truth = TRUTH["over_4h"]
    return (
        np.array(truth["acuity"])[cases.acuity - 1]
        + np.array(truth["age"])[cases.age]
        + np.array(truth["group"])[cases.group]
        + truth["ambulance"] * (cases.mode == AMBULANCE)
        + truth["hidden_sd"] * cases.hidden
        + truth["crowding"] * crowding
    )


def crowding_of(strain: Floats, hour: Ints, month: Ints, monday: Flags, luck: Floats) -> Floats:
    """How full the department is: hour x winter x provider, a bad day, a Monday."""
    truth = TRUTH["crowding"]
    load = np.array(truth["load"])[hour] * (1 + truth["winter"] * WINTER[month])
    return strain * load + luck + truth["monday"] * (monday - 1 / 7)


def moved_shares(streams: Streams) -> tuple[float, float]:
    """What share of type 1 attendances, and of admissions, the move of same-day emergency care takes away."""
    rng, number = streams.world("moved"), 60_000
    age = rng.choice(len(AGES), number, p=TRUTH["arrivals"]["age"][0])
    none = np.zeros(number, dtype=np.int64)
    cases = draw_cases(rng, none, age, none)
    score = admission_log_odds(cases, np.zeros(number))[None, :]
    gone = cases.suitable * TRUTH["same_day_emergency_care"]["moved"]
    offset = fit_offsets(score, np.ones_like(score), np.array([TRUTH["monthly"]["admission_share"][0]]))
    admitted = sigmoid(score + offset[:, None])[0]
    return round(float(gone.mean()), 6), round(float((gone * admitted).sum() / admitted.sum()), 6)


def fit_attendances(streams: Streams, world: World) -> dict[str, Floats]:
    """Offsets of single attendances, so that each provider's month has the rates of the monthly table.

    Found on trial cases of the world's own: the same for all layers, whatever their rows.
    """
    names = ("admitted", "late_admitted", "late_sent_home")
    sites = world.extract
    offsets = {name: np.zeros((len(sites), len(MONTHS), 3)) for name in names}
    strain = world.sites["strain"].to_numpy()[sites]
    changed = world.sites["same_day"].to_numpy()[sites]
    started = month_number(TRUTH["same_day_emergency_care"]["on"])
    for kind, trials in enumerate((1_500, 300, 600)):
        here = np.flatnonzero(world.attendances[sites, 0, kind] > 0)
        if not len(here):
            continue
        rng = streams.world("trial", kind)
        month = np.repeat(np.arange(len(MONTHS)), trials)
        age = rng.choice(len(AGES), len(month), p=TRUTH["arrivals"]["age"][kind])
        earlier = np.where(rng.random(len(month)) < 0.06, rng.integers(0, 10, len(month)), -1)
        cases = draw_cases(rng, np.full(len(month), kind), age, month, earlier_group=earlier)
        hour = rng.choice(24, len(month), p=share_of(TRUTH["arrivals"]["hour"][kind]))
        luck = rng.normal(0, TRUTH["crowding"]["day_sd"], len(month))
        monday = rng.random(len(month)) < 1 / 7
        kept = 1 - cases.suitable * TRUTH["same_day_emergency_care"]["moved"]
        for place in here:
            site = sites[place]
            crowding = crowding_of(np.full(len(month), strain[place]), hour, month, monday, luck)
            weight = np.where(changed[place] & (month >= started), kept, 1.0).reshape(len(MONTHS), trials)
            score = admission_log_odds(cases, crowding).reshape(weight.shape)
            late = late_log_odds(cases, crowding).reshape(weight.shape)
            offset = fit_offsets(score, weight, world.admitted[site, :, kind])
            chance = sigmoid(score + offset[:, None])
            offsets["admitted"][place, :, kind] = offset
            offsets["late_admitted"][place, :, kind] = fit_offsets(
                late, weight * chance, world.late_admitted[site, :, kind]
            )
            offsets["late_sent_home"][place, :, kind] = fit_offsets(
                late, weight * (1 - chance), world.late_sent_home[site, :, kind]
            )
    return offsets


def fit_offsets(score: Floats, weight: Floats, wanted: Floats) -> Floats:
    """For each row of `score`, the constant that makes the weighted mean chance the wanted one.

    Rounded, so that the last bit of a sum, which may differ between processors, cannot matter.
    """
    offset = logit(wanted)
    total = weight.sum(axis=1)
    for _ in range(6):
        chance = sigmoid(score + offset[:, None])
        mean = (weight * chance).sum(axis=1) / total
        slope = (weight * chance * (1 - chance)).sum(axis=1) / total
        offset = offset + np.clip((wanted - mean) / slope, -1.5, 1.5)
    return np.round(offset, 6)


def sigmoid(x: Floats) -> Floats:
    """From log-odds to a probability."""
    return 1 / (1 + np.exp(-x))


def logit(p: Floats | float) -> Floats:
    """From a probability, or several, to log-odds."""
    return np.log(p) - np.log1p(-np.asarray(p))


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of non-negative `weights`, the number of a column, with chances in proportion."""
    edges = weights.cumsum(axis=1)
    return (edges < rng.random((len(weights), 1)) * edges[:, -1:]).sum(axis=1)


def draw_by_kind(rng: np.random.Generator, kind: Ints, chances: list[Floats]) -> Ints:
    """A number for each entry, with the chances of its type of department."""
    drawn = np.zeros(len(kind), dtype=np.int64)
    for t, chance in enumerate(chances):
        here = kind == t
        drawn[here] = rng.choice(len(chance), here.sum(), p=chance)
    return drawn


def share_of(weights: list[float]) -> Floats:
    """Weights as shares of their sum."""
    return np.array(weights) / np.sum(weights)


# --- the monthly table --------------------------------------------------------------------------


def draw_monthly(streams: Streams, world: World) -> pd.DataFrame:
    """One row a provider and month, drawn from the world's rates; merged providers in one row."""
    rng, truth = streams.rng("monthly"), TRUTH["monthly"]
    window = WINDOWS[streams.sealed]
    first = month_number(window[0])
    months = slice(first, first + len(window))
    total = rng.poisson(world.attendances[:, months])
    admitted = rng.binomial(total, world.admitted[:, months])
    late_admitted = rng.binomial(admitted, world.late_admitted[:, months])
    late = late_admitted + rng.binomial(total - admitted, world.late_sent_home[:, months])
    stuck = late_admitted.sum(axis=2)
    over_12h = rng.binomial(stuck, world.long_wait[:, months])
    over_4h = rng.binomial(stuck - over_12h, truth["waited_4_to_12h"])
    booked_share = np.where(world.sites["booked"].to_numpy()[:, None, None], truth["booked_share"], 0.0)
    booked = rng.binomial(total, np.broadcast_to(booked_share, total.shape))
    booked_late = np.minimum(rng.binomial(booked, 0.4 * late / np.maximum(total, 1)), late)
    kept_out = np.minimum(total - booked, late - booked_late)  # nobody is late who did not attend
    by_size = world.attendances[:, months, 0] * truth["other_admissions"]
    elsewhere = rng.poisson(by_size + world.moved[:, months])
    no_department = np.flatnonzero(world.attendances[:, first].sum(axis=1) == 0)
    of_those = np.linspace(4, 260, len(no_department))[:, None]
    elsewhere[no_department] = rng.poisson(of_those, (len(no_department), len(window)))
    numbers = np.concatenate(
        [total - booked, booked, kept_out, booked_late, over_4h[..., None], over_12h[..., None], admitted,
         elsewhere[..., None]], axis=2,
    )  # fmt: skip
    sites, at = np.divmod(np.arange(numbers.shape[0] * len(window)), len(window))
    frame = pd.DataFrame(numbers.reshape(-1, numbers.shape[2]), columns=COUNTS)
    frame.insert(0, "month", window.to_numpy()[at])
    frame.insert(1, "org_code", world.code[:, months].reshape(-1))
    summed = (
        frame[sent_in(rng, world, sites, at + first)].groupby(["month", "org_code"], as_index=False).sum()
    )
    return name_providers(world, summed)


def sent_in(rng: np.random.Generator, world: World, sites: Ints, month: Ints) -> Flags:
    """Which provider-months were sent: in hard months the urgent providers under strain send nothing."""
    truth = TRUTH["monthly"]
    strained = world.sites["strain"].to_numpy()[sites] > 1
    hard = np.isin(MONTHS.month.to_numpy()[month], [12, 1]) & strained
    chance = np.where(hard, truth["not_submitted_when_hard"], truth["not_submitted"])
    outside = (world.sites["kind"].to_numpy()[sites] == 2) & ~world.sites["in_extract"].to_numpy()[sites]
    missing: Flags = outside & (rng.random(len(sites)) < chance)
    return ~missing


def name_providers(world: World, frame: pd.DataFrame) -> pd.DataFrame:
    """Region and name beside the code; a provider that has taken over another is called after both."""
    sites = world.sites.set_index("code")
    name = frame["org_code"].map(sites["name"])
    for merger in TRUTH["mergers"]:
        into = world.sites.iloc[merger["into"]]
        place = world.sites["name"].iloc[merger["closes"]].split()[0]
        both = f"{into['name'].split()[0]} and {place} {into['name'].split(maxsplit=1)[1]}"
        since = (frame["org_code"] == into["code"]) & (frame["month"] >= pd.Timestamp(merger["on"]))
        name = name.mask(since, both)
    frame.insert(2, "parent_org", frame["org_code"].map(sites["region"]).map(dict(enumerate(REGIONS))))
    frame.insert(3, "org_name", name)
    return frame.sort_values(["month", "parent_org", "org_name"], ignore_index=True)


# --- patients -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """The people near each site of the extract, in order of site and age band.

    Attributes:
        site: number in the extract, 0 to 23.
        age: number of the age band.
        quintile: deprivation, 1 the most deprived fifth.
        edges: running sum of how often each comes.
        start: for each site and age band, the first person.
    """

    site: Ints
    age: Ints
    male: Flags
    quintile: Ints
    edges: Floats
    start: Ints

    def __len__(self) -> int:
        return len(self.site)

    def draw(self, rng: np.random.Generator, site: Ints, age: Ints) -> Ints:
        """Somebody of that site and age for each entry; some come far more often than others."""
        cell = site * len(AGES) + age
        low = np.concatenate([[0.0], self.edges])[self.start[cell]]
        high = self.edges[self.start[cell + 1] - 1]
        wanted = low + rng.random(len(cell)) * (high - low)
        return np.clip(np.searchsorted(self.edges, wanted), self.start[cell], self.start[cell + 1] - 1)


def make_people(streams: Streams, world: World, number: int) -> People:
    """About `number` people, spread over sites and ages as their attendances are."""
    rng, extract = streams.rng("people"), world.extract
    by_age = world.attendances[extract].sum(axis=1) @ np.array(TRUTH["arrivals"]["age"])
    in_cell = np.maximum(np.rint(by_age / by_age.sum() * number), 1).astype(np.int64).reshape(-1)
    cell = np.repeat(np.arange(len(in_cell)), in_cell)
    site, age = np.divmod(cell, len(AGES))
    centre = streams.world("deprivation").permutation(np.linspace(1.9, 4.1, len(extract)))
    shape = TRUTH["arrivals"]["returns_shape"]
    return People(
        site=site,
        age=age,
        male=rng.random(len(cell)) > np.array(TRUTH["arrivals"]["female"])[age],
        quintile=np.clip(np.rint(rng.normal(centre[site], 1.2)), 1, 5).astype(np.int64),
        edges=np.cumsum(0.02 + rng.gamma(shape, 1 / shape, len(cell))),
        start=np.concatenate([[0], np.cumsum(in_cell)]),
    )


def identifiable_people(streams: Streams, world: World, people: People) -> Iterator[Chunk]:
    """Fictional names, birthdays, and postcodes in areas that do not exist."""
    rng, number = streams.rng("identities"), len(people)
    ids = nhs_test_numbers(rng, number)
    youngest, oldest = AGE_FROM[people.age], AGE_FROM[people.age + 1]
    days_old = (youngest + rng.random(number) * (oldest - youngest)) * 365.25
    first_day = WINDOWS[streams.sealed][0].to_datetime64().astype("datetime64[D]")
    born = first_day - np.clip(
        days_old.astype(np.int64), np.ceil(youngest * 365.25) + 1, np.floor(oldest * 365.25) - 1
    ).astype("timedelta64[D]")
    given, family = given_names(rng, people.male), family_names(rng, number)
    area = np.array(POSTCODE_AREAS, dtype=object)[people.site // 2]
    homes = postcodes(rng, area, 1 + people.site % 2 * 10 + people.quintile)
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
                    "imd_quintile": people.quintile[part],
                }
            )
        }


# --- attendances --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrivals:
    """Who arrives where and when: one entry an attendance. ``day`` counts from the world's first day."""

    site: Ints
    kind: Ints
    day: Ints
    hour: Ints
    patient: Ints
    earlier_group: Ints

    def __len__(self) -> int:
        return len(self.site)

    def take(self, rows: Flags | Ints) -> "Arrivals":
        """Some of them."""
        return Arrivals(*(values[rows] for values in vars(self).values()))

    def and_(self, others: list["Arrivals"]) -> "Arrivals":
        """These and others."""
        every = [self, *others]
        return Arrivals(*(np.concatenate([vars(one)[name] for one in every]) for name in vars(self)))


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables: the monthly table, people with names, then attendances month by month."""
    world = make_world(streams)
    yield {"monthly": draw_monthly(streams, world)}
    window = TRUTH["window"]
    wanted = min(int(rows / window["attendances_per_patient"]), window["patients_at_most"])
    people = make_people(streams, world, max(wanted, 2_000))
    yield from identifiable_people(streams, world, people)
    first = month_number(WINDOWS[streams.sealed][0])
    months = slice(first, first + len(WINDOWS[streams.sealed]))
    cells = world.attendances[world.extract, months]
    cells[:, :, 0] /= world.recorded[world.extract, months]
    # Those who come back come on top, and what moved out of the records is drawn before it is taken away.
    per_cell = streams.rng("rows per cell").multinomial(int(rows * 0.955), (cells / cells.sum()).reshape(-1))
    per_cell = per_cell.reshape(cells.shape)
    number = FIRST_ATTENDANCE[streams.sealed]
    again: list[Arrivals] = []
    late: list[pd.DataFrame] = []
    for at in range(cells.shape[1]):
        rng = streams.rng("attendances", at)
        arrivals = draw_arrivals(rng, world, people, per_cell[:, at], first + at)
        _, end = month_days(first + at)
        due = [one.take(one.day < end) for one in again]
        again = [one.take(one.day >= end) for one in again]
        frame, back = record_month(rng, world, people, arrivals.and_(due), first + at)
        frame_again, _ = record_month(rng, world, people, back.take(back.day < end), first + at)
        again.append(back.take(back.day >= end))
        frame = pd.concat([frame, frame_again]).sort_values("arrival_time", kind="stable", ignore_index=True)
        frame["attendance_number"] = number + np.arange(len(frame))
        number += len(frame)
        is_late = frame.pop("is_late").to_numpy()
        late.append(frame[is_late])
        frame = frame[~is_late]
        copies = 1 + (rng.random(len(frame)) < TRUTH["recording"]["duplicates"])
        yield {"attendances": frame.loc[np.repeat(frame.index.to_numpy(), copies)]}
    yield {"attendances": pd.concat(late)}  # what providers sent in after the deadline


def month_days(month: int) -> tuple[int, int]:
    """A month's first day and the day after its last, counted from the world's first day."""
    start = (MONTHS[month] - DAY_ZERO).days
    return start, start + MONTHS[month].days_in_month


def draw_arrivals(
    rng: np.random.Generator, world: World, people: People, per_cell: Ints, month: int
) -> Arrivals:
    """First attendances of one month: `per_cell` of them by site and type."""
    site, kind = (values.astype(np.int64) for values in np.nonzero(per_cell))
    repeats = per_cell[site, kind]
    site, kind = np.repeat(site, repeats), np.repeat(kind, repeats)
    start, end = month_days(month)
    days = np.arange(start, end)
    weekday = (DAY_ZERO + pd.to_timedelta(days, unit="D")).day_of_week
    busy = np.array(TRUTH["arrivals"]["weekday"])[weekday]
    return Arrivals(
        site=site,
        kind=kind,
        day=rng.choice(days, len(site), p=busy / busy.sum()),
        hour=draw_by_kind(rng, kind, [share_of(weights) for weights in TRUTH["arrivals"]["hour"]]),
        patient=people.draw(rng, site, draw_by_kind(rng, kind, TRUTH["arrivals"]["age"])),
        earlier_group=np.full(len(site), -1, dtype=np.int64),
    )


@dataclass(frozen=True)
class Outcomes:
    """What became of each attendance; ``decision`` counts minutes from arrival, and is -1 without one."""

    crowding: Floats
    admitted: Flags
    minutes: Ints
    decision: Ints


def record_month(
    rng: np.random.Generator, world: World, people: People, arrivals: Arrivals, month: int
) -> tuple[pd.DataFrame, Arrivals]:
    """What the providers' systems say about one month's arrivals, and who will come back within a week."""
    age = people.age[arrivals.patient]
    at = np.full(len(arrivals), month)
    cases = draw_cases(rng, arrivals.kind, age, at, earlier_group=arrivals.earlier_group)
    kept = ~moved_out(rng, world, arrivals, cases)
    arrivals, cases, at = arrivals.take(kept), Cases(*(v[kept] for v in vars(cases).values())), at[kept]
    strain = world.sites["strain"].to_numpy()[world.extract][arrivals.site]
    monday = (DAY_ZERO.day_of_week + arrivals.day) % 7 == 0
    luck = world.bad_day[arrivals.site, arrivals.day]
    crowding = crowding_of(strain, arrivals.hour, at, monday, luck)
    offsets = {name: table[arrivals.site, month, arrivals.kind] for name, table in world.offsets.items()}
    admitted = rng.random(len(cases)) < sigmoid(admission_log_odds(cases, crowding) + offsets["admitted"])
    chosen = np.where(admitted, offsets["late_admitted"], offsets["late_sent_home"])
    late = rng.random(len(cases)) < sigmoid(late_log_odds(cases, crowding) + chosen)
    long_wait = world.long_wait[world.extract, month][arrivals.site]
    minutes, decision = draw_minutes(rng, cases, admitted, late, long_wait)
    frame = record(rng, world, arrivals, cases, Outcomes(crowding, admitted, minutes, decision))
    return frame, come_back(rng, people, arrivals, cases, admitted)


def moved_out(rng: np.random.Generator, world: World, arrivals: Arrivals, cases: Cases) -> Flags:
    """Whose attendance is not in A&E's records since same-day emergency care has its own."""
    truth = TRUTH["same_day_emergency_care"]
    changed = world.sites["same_day"].to_numpy()[world.extract][arrivals.site]
    since = arrivals.day >= (pd.Timestamp(truth["on"]) - DAY_ZERO).days
    moved: Flags = changed & since & cases.suitable & (rng.random(len(cases)) < truth["moved"])
    return moved


def draw_minutes(
    rng: np.random.Generator, cases: Cases, admitted: Flags, late: Flags, long_wait: Floats
) -> tuple[Ints, Ints]:
    """Minutes in the department and until the decision to admit (-1 without one).

    The target shows: many leave in its last minutes.
    """
    truth, number = TRUTH["target"], len(cases)
    typical = np.array([150.0, 110.0, 85.0])[cases.kind] * np.where(admitted, 1.15, 1.0)
    usual = np.minimum(typical * np.exp(rng.normal(0, 0.5, number)), 8 + 230 * rng.random(number) ** 0.7)
    spike = rng.random(number) < np.where(admitted, truth["spike_admitted"], truth["spike_sent_home"])
    last_minutes = TARGET - truth["spike_minutes"] * rng.random(number) ** 1.8
    in_time = np.where(spike & (cases.kind == 0), last_minutes, np.maximum(usual, 4))
    after = TARGET + 1 + rng.lognormal(4.35, 0.9, number)

    by_age = np.array(TRUTH["monthly"]["over_12h_age"])[cases.age]
    held = admitted & late
    by_age = by_age / by_age[held].mean() if held.any() else by_age
    drawn = rng.random(number)
    over_12h = drawn < long_wait * by_age
    over_4h = (drawn - long_wait * by_age) < (1 - long_wait * by_age) * TRUTH["monthly"]["waited_4_to_12h"]
    until_decision = np.clip(rng.lognormal(np.log(175), 0.45, number), 25, 600)
    boarding = np.select(
        [over_12h, over_4h],
        [721 + rng.exponential(430, number), 241 + 479 * rng.random(number) ** 1.3],
        default=np.maximum(TARGET + 1 - until_decision, 5) + rng.exponential(80, number),
    )
    boarding = np.where(~over_12h & ~over_4h, np.minimum(boarding, TARGET), boarding)
    until_decision = np.maximum(until_decision, TARGET + 2 - boarding)
    minutes = np.where(late, np.where(admitted, until_decision + boarding, after), in_time)
    decision = np.where(late, until_decision, in_time * (0.35 + 0.5 * rng.random(number)))
    withdrawn = ~admitted & (rng.random(number) < TRUTH["recording"]["decision_withdrawn"])
    decided = admitted | withdrawn
    decision = np.where(withdrawn, minutes * 0.6, decision)
    whole = np.where(late, np.maximum(np.floor(minutes), TARGET + 1), np.clip(np.rint(minutes), 3, TARGET))
    whole = np.minimum(whole, 7_200).astype(np.int64)
    # Whole minutes keep each wait on its side of 4 and of 12 hours.
    waited = np.where(decided, np.floor(minutes - decision), 0)
    waited = np.where(held & over_12h, np.maximum(waited, 721), waited).astype(np.int64)
    return whole, np.where(decided, np.maximum(whole - waited, 1), -1)


def come_back(
    rng: np.random.Generator, people: People, arrivals: Arrivals, cases: Cases, admitted: Flags
) -> Arrivals:
    """Those sent home who are back at the same provider one to six days later."""
    truth = TRUTH["return_within_7_days"]
    score = truth["base"] + np.array(truth["group"])[cases.group]
    score = score + truth["deprivation"] * (3 - people.quintile[arrivals.patient])
    back = ~admitted & ~cases.repeat & (rng.random(len(cases)) < sigmoid(score))
    some = arrivals.take(back)
    after = rng.choice(np.arange(1, 7), len(some), p=share_of([30, 22, 16, 13, 10, 9]))
    hour = draw_by_kind(rng, some.kind, [share_of(weights) for weights in TRUTH["arrivals"]["hour"]])
    return Arrivals(some.site, some.kind, some.day + after, hour, some.patient, cases.group[back])


def record(
    rng: np.random.Generator, world: World, arrivals: Arrivals, cases: Cases, outcomes: Outcomes
) -> pd.DataFrame:
    """One month's rows as providers wrote them down."""
    admitted, minutes, decision = outcomes.admitted, outcomes.minutes, outcomes.decision
    truth, number = TRUTH["recording"], len(cases)
    moment = DAY_ZERO.to_datetime64() + (
        arrivals.day * 1440 + arrivals.hour * 60 + rng.integers(0, 60, number)
    ).astype("timedelta64[m]")
    unwritten = admitted & (rng.random(number) < truth["decision_blank"])
    over_12h = admitted & (minutes - decision > 3 * TARGET)
    rounded = np.where(arrivals.site == truth["rounding_provider"], np.maximum(minutes // 5 * 5, 5), minutes)
    is_late = rng.random(number) < truth["late_rows"]
    delay = np.where(
        is_late, rng.integers(*truth["late_days"], number), 1 + np.minimum(rng.geometric(0.45, number), 9)
    )
    site = world.extract[arrivals.site]
    month = MONTHS.searchsorted(moment, side="right") - 1
    no_group = rng.random(number) < sigmoid(
        logit(truth["group_blank"]) + truth["group_blank_crowding"] * outcomes.crowding
    )
    code_list = sorted(world.sites["code"].iloc[world.extract])
    frame = pd.DataFrame(
        {
            "patient_number": arrivals.patient,
            "arrival_time": moment.astype("datetime64[us]"),
            "org_code": pd.Categorical(world.code[site, month], categories=code_list),
            "department_type": pd.Categorical.from_codes(cases.kind, TYPES),
            "arrival_mode": pd.Categorical.from_codes(cases.mode, MODES),
            "acuity": record_acuity(rng, arrivals, cases, outcomes.crowding, moment),
            "presenting_group": pd.Categorical.from_codes(
                np.where(no_group, NOT_RECORDED, cases.group), GROUPS
            ),
            "minutes_to_initial_assessment": record_assessment(rng, cases, outcomes.crowding, minutes),
            "minutes_to_decision_to_admit": pd.array(
                np.where(unwritten | (decision < 0), np.nan, decision), dtype="Float64"
            ).astype("Int16"),
            "minutes_in_department": rounded,
            "admitted": admitted,
            "over_4_hours": minutes > TARGET,
            "over_12_hours_from_decision": over_12h,
            "received_on": (moment.astype("datetime64[D]") + delay.astype("timedelta64[D]")).astype(
                "datetime64[us]"
            ),
            "is_late": is_late,
        }
    )
    return frame


def record_acuity(
    rng: np.random.Generator,
    arrivals: Arrivals,
    cases: Cases,
    crowding: Floats,
    moment: npt.NDArray[np.datetime64],
) -> pd.api.extensions.ExtensionArray:
    """The triage category as written: recoded at some providers, and oftener left blank when it is full."""
    truth, recoded = TRUTH["recording"], TRUTH["triage_recoded"]
    drawn, number = rng.random(len(cases)), len(cases)
    new = (
        np.isin(arrivals.site, recoded["in_extract"])
        & (moment >= np.datetime64(recoded["on"]))
        & (cases.kind == 0)
    )
    share = np.select(
        [cases.acuity == 3, cases.acuity == 2],
        [recoded["share_of_3_to_4"], recoded["share_of_2_to_3"]],
        default=0.0,
    )
    acuity = cases.acuity + (new & (drawn < share))
    blank = sigmoid(logit(truth["acuity_blank"]) + truth["acuity_blank_crowding"] * crowding)
    change = truth["system_change"]
    during = (moment >= np.datetime64(change["from"])) & (moment < np.datetime64(change["until"]) + 1)
    blank = np.where((arrivals.site == change["provider"]) & during, change["acuity_blank"], blank)
    return pd.array(np.where(rng.random(number) < blank, np.nan, acuity), dtype="Float64").astype("Int8")


def record_assessment(
    rng: np.random.Generator, cases: Cases, crowding: Floats, minutes: Ints
) -> pd.api.extensions.ExtensionArray:
    """Minutes until the first assessment; blank oftener when it is full and for those who are not urgent."""
    truth, number = TRUTH["recording"], len(cases)
    typical = (
        np.where(cases.mode == AMBULANCE, 11.0, 17.0)
        * np.array([0.25, 0.7, 1.0, 1.15, 1.2])[cases.acuity - 1]
    )
    typical = typical * np.array([1.0, 0.9, 0.75])[cases.kind] * np.exp(0.45 * crowding)
    waited = np.clip(np.rint(typical * np.exp(rng.normal(0, 0.6, number))), 0, np.minimum(minutes - 1, 360))
    blank = sigmoid(
        logit(truth["assessment_blank"])
        + truth["assessment_blank_crowding"] * crowding
        + truth["assessment_blank_low_acuity"] * (cases.acuity >= 4)
    )
    return pd.array(np.where(rng.random(number) < blank, np.nan, waited), dtype="Float64").astype("Int16")


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: nobody named, ages in bands, arrival by the hour, rare quintiles blank."""
    yield {"monthly": raw.read("monthly")}
    people = raw.read("patients", ["patient_number", "date_of_birth", "sex", "imd_quintile"])
    survey, returned = look_back(raw, len(people), streams)
    first_day = WINDOWS[streams.sealed][0].to_datetime64()
    age = (first_day - people["date_of_birth"].to_numpy()).astype("timedelta64[D]").astype(int) / 365.25
    people["age_band"] = pd.Categorical.from_codes(
        np.searchsorted(AGE_FROM[1:7], age, side="right"), AGES, ordered=True
    )
    people["imd_quintile"] = people["imd_quintile"].astype("Int8")
    came = people.iloc[survey.index].assign(
        providers=survey["providers"].to_numpy(), presenting_group=survey["presenting_group"].to_numpy()
    )
    protected = enforce(came.reset_index(drop=True), rules.people)

    kept = protected.frame["patient_number"].to_numpy()
    number = np.full(len(people), -1, dtype=np.int64)
    number[kept] = FIRST_PATIENT[streams.sealed] + streams.rng("published numbers").permutation(len(kept))
    quintile = people["imd_quintile"].array.copy()
    quintile[kept] = protected.frame["imd_quintile"].array
    age_band, sex = people["age_band"].array, people["sex"].array
    done = 0
    for batch in raw.batches("attendances"):
        patient, arrival = batch["patient_number"].to_numpy(), batch["arrival_time"]
        rows = batch.assign(
            attendance_id=batch["attendance_number"],
            patient_id=number[patient],
            arrival_date=arrival.dt.floor("D"),
            arrival_hour=arrival.dt.hour,
            age_band=age_band.take(patient),
            sex=sex.take(patient),
            imd_quintile=quintile.take(patient),
            reattended_within_7_days=returned[done : done + len(batch)],
        )
        done += len(batch)
        yield {"attendances": rows[rows["patient_id"] >= 0]}


def look_back(
    raw: RawTables, number: int, streams: Streams
) -> tuple[pd.DataFrame, pd.api.extensions.ExtensionArray]:
    """What only all attendances together tell.

    Returns:
        For each patient who came (the index is the patient's number): the codes of the providers seen, and
        the presenting group of the first attendance in the table; and for each row whether the patient was
        back within seven days (blank where the extract ends before that).
    """
    columns = ["patient_number", "arrival_time", "attendance_number", "org_code", "presenting_group"]
    rows = raw.read("attendances", columns)
    patient = rows["patient_number"].to_numpy()
    minute = rows["arrival_time"].to_numpy().astype("datetime64[m]").astype(np.int64)
    order = np.lexsort((rows["attendance_number"].to_numpy(), minute, patient))
    who, when, which = patient[order], minute[order], rows["attendance_number"].to_numpy()[order]
    last = np.append(which[1:] != which[:-1], True)  # a row sent twice is one attendance
    ids, starts = who[last], when[last]
    soon = np.append((ids[1:] == ids[:-1]) & (starts[1:] - starts[:-1] <= 7 * 1440), False)
    back = np.zeros(len(rows), dtype=bool)
    back[order] = soon[np.cumsum(last) - last]
    end = WINDOWS[streams.sealed][-1] + pd.offsets.MonthBegin(1)
    unknown = minute > end.to_datetime64().astype("datetime64[m]").astype(np.int64) - 7 * 1440
    codes = rows["org_code"].cat.codes.to_numpy().astype(np.int64)
    low, high = np.full(number, 1_000, dtype=np.int64), np.full(number, -1, dtype=np.int64)
    np.minimum.at(low, patient, codes)
    np.maximum.at(high, patient, codes)
    group = np.full(number, -1, dtype=np.int64)
    group[patient[::-1]] = rows["presenting_group"].cat.codes.to_numpy()[::-1]
    came = np.flatnonzero(high >= 0)
    names = rows["org_code"].cat.categories.to_numpy(dtype=object)
    providers = names[low[came]] + np.where(low[came] == high[came], "", "+" + names[high[came]])
    survey = pd.DataFrame(
        {"providers": providers, "presenting_group": np.array(GROUPS)[group[came]]}, index=came
    )
    return survey, pd.array(np.where(unknown & ~back, np.nan, back), dtype="Float64").astype("boolean")


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures: the monthly table, April 2025 to March 2026, booked attendances included."""
    rows = tables["monthly"]
    rows = rows[(rows["month"] >= "2025-04-01") & (rows["month"] < "2026-04-01")]

    def within(part: pd.DataFrame, kinds: tuple[str, ...]) -> float:
        seen = sum(part[f"{what}_{kind}"].sum() for kind in kinds for what in ("attendances", "booked"))
        late = sum(part[f"{what}_{kind}"].sum() for kind in kinds for what in ("over_4h", "booked_over_4h"))
        return float(1 - late / seen)

    every = ("type_1", "type_2", "other")
    return {
        "attendances": float(sum(rows[f"{w}_{k}"].sum() for k in every for w in ("attendances", "booked"))),
        "within_4h": within(rows, every),
        "within_4h_type_1": within(rows, ("type_1",)),
        "within_4h_type_2": within(rows, ("type_2",)),
        "within_4h_type_3": within(rows, ("other",)),
        "within_4h_type_1_january": within(rows[rows["month"] == "2026-01-01"], ("type_1",)),
        "within_4h_type_1_march": within(rows[rows["month"] == "2026-03-01"], ("type_1",)),
        "waits_over_12_hours": float(rows["waited_over_12h_from_decision"].sum()),
    }


def exposed(tables: Tables) -> pd.DataFrame:
    """One row a patient: providers they were seen at, age, sex, quintile, and what they came with first."""
    rows = tables["attendances"]
    one = rows.drop_duplicates("patient_id").sort_values("patient_id", ignore_index=True)
    codes, patients = rows["org_code"].cat.codes, rows["patient_id"]
    names = rows["org_code"].cat.categories.to_numpy(dtype=object)
    low, high = codes.groupby(patients).min().to_numpy(), codes.groupby(patients).max().to_numpy()
    providers = names[low] + np.where(low == high, "", "+" + names[high])
    return one[["patient_id", "age_band", "sex", "imd_quintile", "presenting_group"]].assign(
        providers=pd.Categorical(providers)
    )
