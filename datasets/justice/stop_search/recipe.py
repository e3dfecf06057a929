"""Generates stop and searches by six fictional police forces, and publishes them under disclosure control.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
Places, residents, points on the map and coefficients are the same for the published and the sealed
layer; people and searches are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, enforce, protect_counts
from civicml.datasets.identities import FICTIONAL_POSTCODE_AREAS, family_names, given_names, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 120_000

# Numbers begin elsewhere in the sealed layer, so that rows of two layers are never taken for one another.
FIRST_SEARCH = {False: 1, True: 500_000_001}
TRIAL = 150_000  # searches that constants are fitted on
LARGEST_PART = 200_000  # searches of a month that are drawn and protected together

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.datetime64]

# --- the vocabulary of the source ---------------------------------------------------------------

TYPES = ["Person search", "Person and Vehicle search", "Vehicle search"]
VEHICLE = 2
GENDERS = ["Female", "Male"]
AGES = ["under 10", "10-17", "18-24", "25-34", "over 34"]
BOYS, OLDEST = 1, 4
AGE_FROM = np.array([6, 10, 18, 25, 35, 80])
GROUPS = ["White", "Black", "Asian", "Mixed", "Other"]
BLACK, ASIAN = 1, 2
# Each long category: its group, how it is written now, and the words of the census before.
VOCABULARY = """
White | White - English/Welsh/Scottish/Northern Irish/British | White - White British (W1)
White | White - Irish | White - White Irish (W2)
White | White - Gypsy or Irish Traveller | White - Any other White ethnic background (W9)
White | White - Any other White background | White - Any other White ethnic background (W9)
Black | Black/African/Caribbean/Black British - African | Black or Black British - African (B2)
Black | Black/African/Caribbean/Black British - Caribbean | Black or Black British - Caribbean (B1)
Black | Black/African/Caribbean/Black British - Any other Black/African/Caribbean background \
      | Black or Black British - Any other Black ethnic background (B9)
Asian | Asian/Asian British - Indian | Asian or Asian British - Indian (A1)
Asian | Asian/Asian British - Pakistani | Asian or Asian British - Pakistani (A2)
Asian | Asian/Asian British - Bangladeshi | Asian or Asian British - Bangladeshi (A3)
Asian | Asian/Asian British - Chinese | Chinese or other ethnic group - Chinese (O1)
Asian | Asian/Asian British - Any other Asian background \
      | Asian or Asian British - Any other Asian ethnic background (A9)
Mixed | Mixed/Multiple ethnic groups - White and Black Caribbean | Mixed - White and Black Caribbean (M1)
Mixed | Mixed/Multiple ethnic groups - White and Black African | Mixed - White and Black African (M2)
Mixed | Mixed/Multiple ethnic groups - White and Asian | Mixed - White and Asian (M3)
Mixed | Mixed/Multiple ethnic groups - Any other Mixed/Multiple ethnic background \
      | Mixed - Any other Mixed ethnic background (M9)
Other | Other ethnic group - Arab | Chinese or other ethnic group - Any other ethnic group (O9)
Other | Other ethnic group - Any other ethnic group \
      | Chinese or other ethnic group - Any other ethnic group (O9)
None | Other ethnic group - Not stated | Not Stated (NS)
"""
SELF_GROUP, NOW, BEFORE = zip(
    *([part.strip() for part in line.split("|")] for line in VOCABULARY.strip().splitlines()), strict=True
)
SELF_VALUES = sorted({*NOW, *BEFORE})
OBJECTS = list(TRUTH["search"]["object"])
DRUGS, WEAPONS, THEFT, THREAT = (
    OBJECTS.index(name)
    for name in (
        "Controlled drugs",
        "Offensive weapons",
        "Article for use in theft",
        "Anything to threaten or harm anyone",
    )
)
PACE = "Police and Criminal Evidence Act 1984 (section 1)"
SECTION_60 = "Criminal Justice and Public Order Act 1994 (section 60)"
LAWS = {
    "Controlled drugs": "Misuse of Drugs Act 1971 (section 23)",
    "Firearms": "Firearms Act 1968 (section 47)",
    "Psychoactive substances": "Psychoactive Substances Act 2016 (s36(2))",
    "Game or poaching equipment": "Poaching Prevention Act 1862 (section 2)",
}
LEGISLATION = [PACE, SECTION_60, *LAWS.values()]
NOTHING, ARREST = 0, 1
OUTCOMES = ["A no further action disposal", "Arrest", *TRUTH["outcome"]["drugs"]]
OLD_OUTCOMES = [
    "Nothing found - no further action",
    "Suspect arrested",
    "Local resolution",
    "Offender given drugs possession warning",
    "Suspect summonsed to court",
    "Offender given penalty notice",
    "Offender cautioned",
]
FORCES = [force["name"] for force in TRUTH["forces"]]


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is searched.

    Attributes:
        force: for each neighbourhood, the number of its force.
        policing: for each neighbourhood, how heavily it is policed (mean 0, sd 1 within its force).
        residents: people, by (neighbourhood, age, female or male, ethnic group).
        latitude, longitude, popularity, point_found: for each (neighbourhood, point): where, how often
            searches are put there, and its effect on the log-odds that something is found.
        operation_days: for each month, three days of each force on which officers are brought in.
        chances: the share of all searches that each cell of `residents` has.
        offsets: fitted constants: ``object`` (11), ``found`` (by year), ``hearthshire``, ``arrest``.
    """

    force: Ints
    policing: Floats
    residents: Floats
    latitude: Floats
    longitude: Floats
    popularity: Floats
    point_found: Floats
    operation_days: dict[np.datetime64, Ints]
    chances: Floats
    offsets: dict[str, Any]


def make_world(streams: Streams) -> World:
    """The neighbourhoods, their residents and points, and the constants that published figures fix."""
    world = who_is_searched(make_places(streams))
    world = replace(world, offsets={"object": np.log(list(TRUTH["search"]["object"].values()))})
    fit_objects(streams, world)
    fit_outcomes(streams, world)
    # Rounded, so that the last bit of a sum, which may differ between processors, cannot matter.
    return replace(world, offsets={name: np.round(value, 6) for name, value in world.offsets.items()})


def make_places(streams: Streams) -> World:
    """Neighbourhoods of different size, make-up and policing, with points on a map of the North Sea."""
    rng, truth, number = streams.world("places"), TRUTH["areas"], TRUTH["areas"]["number"]
    force = np.repeat(np.arange(len(FORCES)), number)
    size = np.exp(rng.normal(0, truth["size_sd"], len(force)))
    size /= np.bincount(force, size)[force]
    spread = rng.normal(0, 1, (len(FORCES), number))
    spread = ((spread - spread.mean(1, keepdims=True)) / spread.std(1, keepdims=True)).ravel()
    other = rng.normal(0, 1, (len(FORCES), number))
    other = ((other - other.mean(1, keepdims=True)) / other.std(1, keepdims=True)).ravel()
    policing = truth["core"] * spread + np.sqrt(1 - truth["core"] ** 2) * other
    ethnic = np.array([f["ethnic"] for f in TRUTH["forces"]])[force]
    ethnic[:, 1:] *= np.exp(truth["ethnic_spread"] * spread - truth["ethnic_spread"] ** 2 / 2)[:, None]
    ethnic[:, 0] = np.maximum(1 - ethnic[:, 1:].sum(1), 0.10)
    ethnic /= ethnic.sum(1, keepdims=True)
    age = in_order(TRUTH["residents"]["age"], AGES)[:, None] * np.exp(
        in_order(TRUTH["residents"]["younger"], AGES)[:, None] * (np.arange(5) > 0)
    )
    age /= age.sum(0)
    people = np.array([f["residents"] for f in TRUTH["forces"]])[force] * 1000 * size
    residents = np.rint(people[:, None, None, None] * (age[:, None, :] * ethnic[:, None, None, :]) / 2)
    points = truth["points"]
    north, east = np.divmod(force, 3)
    middle_north = 54.2 + 0.9 * north + 0.12 * (np.arange(len(force)) % 4)
    middle_east = 1.2 + 0.7 * east + 0.16 * (np.arange(len(force)) // 4 % 2)
    latitude = middle_north[:, None] + rng.normal(0, 0.018, (len(force), points))
    longitude = middle_east[:, None] + rng.normal(0, 0.026, (len(force), points))
    popularity = 1 / np.arange(1, points + 1) ** 0.7
    return World(
        force=force,
        policing=policing,
        residents=np.repeat(residents, 2, axis=2),
        latitude=np.round(latitude, 6),
        longitude=np.round(longitude, 6),
        popularity=popularity / popularity.sum(),
        point_found=rng.normal(0, truth["point_found_sd"], (len(force), points)),
        operation_days=draw_operation_days(streams),
        chances=np.zeros(0),
        offsets={},
    )


def draw_operation_days(streams: Streams) -> dict[np.datetime64, Ints]:
    """For every month of every layer, the days (0 is the first) of each force's operations."""
    months = np.arange(TRUTH["window"]["published"][0], TRUTH["window"]["sealed"][1], dtype="datetime64[M]")
    rng, number = streams.world("operation days"), TRUTH["window"]["operation_days"]
    return {
        month: np.array([rng.choice(28, number, replace=False) for _ in FORCES])
        for month in np.append(months, months[-1] + 1)
    }


def who_is_searched(world: World) -> World:
    """The share of searches in each cell of residents.

    Two constants are fitted, in turn: how much policing follows the neighbourhood's score, from the published
    ratio of crude rates, and a factor for males of 10 to 34, from their published share of searches.
    """
    truth, ethnicity = TRUTH["searched"], TRUTH["ethnicity"]
    rate = np.array([f["rate"] for f in TRUTH["forces"]])[world.force]
    each = in_order(truth["age"], AGES)[:, None, None] * np.array([truth["female"], 1.0])[:, None]
    each = each * in_order(truth["ethnic"], GROUPS)
    each[BOYS : BOYS + 2, 1, BLACK] *= truth["young_black_men"]
    weight = world.residents * rate[:, None, None, None] * each
    stated = 1 - in_order(ethnicity["not_stated"], GROUPS)
    everybody = world.residents.sum((0, 1, 2))
    deployment, young_men = 0.0, 1.0
    people = world.residents.sum((1, 2, 3))
    for _ in range(60):
        sent = np.exp(deployment * world.policing)
        # Officers are moved within a force; how many it has stays as it is.
        sent *= (np.bincount(world.force, people) / np.bincount(world.force, people * sent))[world.force]
        here = weight * sent[:, None, None, None]
        here[:, 1:4, 1, :] *= young_men
        rates = here.sum((0, 1, 2)) * stated / everybody
        deployment += 0.5 * (np.log(TARGETS["rate_ratio_2019_20"]) - np.log(rates[BLACK] / rates[0]))
        share = here[:, 1:4, 1, :].sum() / here.sum()
        young_men *= np.exp(logit(TARGETS["young_men_searched"]) - logit(share))
    chances = np.round(here / here.sum(), 12).ravel()
    return replace(world, chances=chances / chances.sum())


def fit_objects(streams: Streams, world: World) -> None:
    """Constants of drugs and weapons, from their published shares; others keep their proportions."""
    events = make_events(streams.world("trial"), world, np.datetime64("2019-04"), TRIAL)
    offsets, wanted = world.offsets["object"], (TARGETS["drugs"], TARGETS["weapons"])
    for _ in range(30):
        weights = np.exp(object_log_weights(world, events))
        weights[events.section_60] = section_60_objects()
        share = (weights / weights.sum(1, keepdims=True)).mean(0)
        rest = 1 - sum(wanted)
        change = np.full(len(OBJECTS), np.log(rest / (1 - share[DRUGS] - share[WEAPONS])))
        change[[DRUGS, WEAPONS]] = np.log(wanted / share[[DRUGS, WEAPONS]])
        offsets += change


def fit_outcomes(streams: Streams, world: World) -> None:
    """Constants for whether anything is found in each year and in hearthshire, and for arrests."""
    events = make_events(streams.world("trial"), world, np.datetime64("2019-04"), TRIAL)
    # The trial is of April; four months of twelve are winter.
    chance = found_log_odds(world, events) + TRUTH["found"]["winter"] / 3
    arrest = arrest_log_odds(events)
    there = world.force[events.area] == FORCES.index("hearthshire")
    white = there & (events.seen_as == 0)
    years = np.zeros(2)
    theirs = 0.0
    published = np.array([1 - TARGETS["nothing_2018_19"], 1 - TARGETS["nothing_2019_20"]])
    for _ in range(40):
        found = [sigmoid(chance + constant + theirs * there) for constant in years]
        years += logit(published) - logit(np.array([f.mean() for f in found]))
        seen = sum(f[white].mean() for f in found) / 2
        theirs += float(logit(1 - TARGETS["nothing_white"]) - logit(seen))
    found = sigmoid(chance + years.mean() + theirs * there)
    arrested = 0.0
    for _ in range(30):
        share = (found * sigmoid(arrest + arrested)).mean()
        arrested += float(logit(TARGETS["arrest"]) - logit(share))
    world.offsets.update(found=years, hearthshire=theirs, arrest=arrested)


def in_order(values: dict[str, float], keys: list[str]) -> Floats:
    """The values of a table of truth.toml in the order of `keys`."""
    return np.array([values[key] for key in keys], dtype=np.float64)


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of `weights`, a column drawn in proportion."""
    edges = np.cumsum(weights, axis=1)
    drawn = rng.random(len(weights)) * edges[:, -1]
    return (drawn[:, None] > edges).sum(axis=1).astype(np.int64)


def sigmoid(x: Floats | float) -> Floats:
    """From log-odds to a probability."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, dtype=np.float64))))


def logit(p: Floats | float) -> Floats:
    """From a probability, or several, to log-odds."""
    return np.log(p) - np.log1p(-np.asarray(p))


# --- searches: who, when, where, why ------------------------------------------------------------


@dataclass(frozen=True)
class Events:
    """What really happened: one entry a search, of one month."""

    month: np.datetime64
    area: Ints
    age: Ints
    male: Flags
    group: Ints
    seen_as: Ints
    time: Moments  # local
    night: Flags
    early: Flags
    kind: Ints
    operation: Flags
    section_60: Flags
    object: Ints
    point: Ints

    def __len__(self) -> int:
        return len(self.area)

    @property
    def young_black_men(self) -> Flags:
        """Whom officers see as Black, of 10 to 24, and male."""
        return (self.seen_as == BLACK) & np.isin(self.age, [1, 2]) & self.male


def make_events(rng: np.random.Generator, world: World, month: np.datetime64, number: int) -> Events:
    """Draw `number` searches of one month, in the order in which each thing comes about."""
    truth = TRUTH["search"]
    cell = np.sort(np.searchsorted(np.cumsum(world.chances), rng.random(number) * (1 - 1e-12)))
    area, age, male, group = np.unravel_index(cell, world.residents.shape)
    # People are in no order within their neighbourhood, so that those searched together are not alike.
    order = np.lexsort((rng.random(number), area))
    area, age, male, group = area[order], age[order], male[order] == 1, group[order]
    seen_as = pick(rng, np.array([TRUTH["ethnicity"]["officer"][g] for g in GROUPS])[group])
    policing = world.policing[area]
    day, busy = draw_days(rng, world, month, area)
    weekend = (day.astype("datetime64[D]").astype(int) + 3) % 7 >= 4  # Friday to Sunday
    at_night = rng.random(number) < sigmoid(
        truth["night"]["base"] + truth["night"]["area"] * policing + truth["night"]["weekend"] * weekend
    )
    time = day + draw_minutes(rng, at_night).astype("timedelta64[m]")
    operation = rng.random(number) < sigmoid(
        truth["operation"]["base"]
        + truth["operation"]["area"] * policing
        + truth["operation"]["operation_day"] * busy
    )
    section_60 = rng.random(number) < sigmoid(
        truth["section_60"]["base"]
        + truth["section_60"]["area"] * policing
        + truth["section_60"]["operation"] * operation
    )
    hour = (time - day).astype("timedelta64[h]").astype(int)
    kind = draw_kinds(rng, world, area, (hour >= 20) | (hour < 4))
    point = rng.choice(len(world.popularity), number, p=world.popularity)
    # Those searched in company share time, place and kind with the one before them in the neighbourhood.
    alone = (rng.random(number) >= truth["in_company"]) | np.append(True, area[1:] != area[:-1])
    lead = np.maximum.accumulate(np.where(alone, np.arange(number), 0))
    time, operation, section_60, kind, point, hour = (
        values[lead] for values in (time, operation, section_60, kind, point, hour)
    )
    events = Events(
        month=month,
        area=area,
        age=age,
        male=male,
        group=group,
        seen_as=seen_as,
        time=time,
        night=(hour >= 20) | (hour < 4),
        early=(hour >= 5) & (hour < 10),
        kind=kind,
        operation=operation,
        section_60=section_60,
        object=np.zeros(number, dtype=np.int64),
        point=point,
    )
    weights = np.exp(object_log_weights(world, events))
    weights[section_60] = section_60_objects()
    return replace(events, object=pick(rng, weights)[lead])


def draw_days(
    rng: np.random.Generator, world: World, month: np.datetime64, area: Ints
) -> tuple[Moments, Flags]:
    """A day of the month for each search, and whether officers were brought in on it."""
    first = month.astype("datetime64[D]")
    days = np.arange(first, (month + 1).astype("datetime64[D]"))
    weekday = (days.astype(int) + 3) % 7
    day, busy = np.zeros(len(area), dtype=np.int64), np.zeros(len(area), dtype=bool)
    for force in range(len(FORCES)):
        special = world.operation_days[month][force]
        weight = np.array(TRUTH["window"]["weekday"])[weekday]
        weight[special] *= TRUTH["window"]["operation_day"]
        here = np.flatnonzero(world.force[area] == force)
        day[here] = rng.choice(len(days), len(here), p=weight / weight.sum())
        busy[here] = np.isin(day[here], special)
    return days[day].astype("datetime64[m]"), busy


# Shares of searches by local hour, by day and by night: from 00:00.
BY_DAY = [1, 0, 0, 0, 0, 0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 11, 10, 8, 6, 4, 2, 1, 0, 0]
BY_NIGHT = [9, 6, 4, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 6, 8, 10, 12, 13, 12, 11]


def draw_minutes(rng: np.random.Generator, at_night: Flags) -> Ints:
    """Minutes after midnight, most of them written to the nearest five."""
    number = len(at_night)
    hour = np.where(
        at_night,
        rng.choice(24, number, p=np.array(BY_NIGHT) / sum(BY_NIGHT)),
        rng.choice(24, number, p=np.array(BY_DAY) / sum(BY_DAY)),
    )
    minute = rng.integers(0, 60, number)
    rounded = rng.random(number) < TRUTH["search"]["off_street_minutes"]
    return hour * 60 + np.where(rounded, minute // 5 * 5, minute)


def draw_kinds(rng: np.random.Generator, world: World, area: Ints, night: Flags) -> Ints:
    """Person, person and vehicle, or vehicle only."""
    truth = TRUTH["search"]
    odds = np.exp(truth["vehicle_at_night"] * night)
    only = np.array([f["vehicle"] for f in TRUTH["forces"]])[world.force[area]]
    weights = np.stack(
        [1 - only - truth["vehicle_and_person"], truth["vehicle_and_person"] * odds, only * odds], axis=1
    )
    return pick(rng, weights)


def object_log_weights(world: World, events: Events) -> Floats:
    """For each search and each object, the log of its weight where suspicion is needed."""
    truth = TRUTH["search"]
    weights = np.tile(world.offsets["object"], (len(events), 1))
    weights[:, WEAPONS] += truth["young_weapons"] * (events.age < 3) + truth["black_weapons"] * (
        events.seen_as == BLACK
    )
    weights[:, THEFT] += truth["night_theft"] * events.night
    weights[:, DRUGS] += truth["day_drugs"] * ~events.night
    return weights


def section_60_objects() -> Floats:
    """Shares of objects where no suspicion is needed: weapons, and anything to threaten or harm."""
    weights = np.zeros(len(OBJECTS))
    weights[[WEAPONS, THREAT]] = 0.75, 0.25
    return weights


# --- searches: what came of them ----------------------------------------------------------------


def found_log_odds(world: World, events: Events) -> Floats:
    """The log-odds that anything comes of a search, but for the fitted constants."""
    truth, force = TRUTH["found"], world.force[events.area]
    month = int(events.month.astype("datetime64[M]").astype(int)) % 12 + 1
    black = events.seen_as == BLACK
    return (
        np.array([f["found"] for f in TRUTH["forces"]])[force]
        + in_order(truth["ethnic"], GROUPS)[events.seen_as]
        + np.where(
            events.young_black_men, truth["young_black_men"], truth["young"] * np.isin(events.age, [1, 2])
        )
        + truth["moorcombe_black"] * (black & (force == FORCES.index("moorcombe")))
        + truth["hearthshire_asian"] * ((events.seen_as == ASIAN) & (force == FORCES.index("hearthshire")))
        + truth["area"] * world.policing[events.area]
        + world.point_found[events.area, events.point]
        + truth["operation"] * events.operation
        + truth["section_60"] * events.section_60
        + in_order(truth["object"], OBJECTS)[events.object]
        + np.array([0.0, truth["vehicle_and_person"], truth["vehicle"]])[events.kind]
        + truth["night"] * events.night
        + truth["early"] * events.early
        + truth["female"] * ~events.male
        + truth["older_drugs"] * ((events.age == OLDEST) & (events.object == DRUGS))
        + truth["night_vehicle"] * (events.night & (events.kind > 0))
        + truth["winter"] * (month in (11, 12, 1, 2))
    )


def arrest_log_odds(events: Events) -> Floats:
    """The log-odds of an arrest where something was found, but for the fitted constant."""
    truth = TRUTH["outcome"]
    by_object = np.full(len(OBJECTS), truth["arrest"]["other"])
    for name in ("Controlled drugs", "Offensive weapons"):
        by_object[OBJECTS.index(name)] = truth["arrest"][name]
    return (
        by_object[events.object]
        + truth["arrest_black"] * (events.seen_as == BLACK)
        + truth["arrest_boys"] * (events.age == BOYS)
    )


def chance_of_finding(world: World, events: Events) -> Floats:
    """The probability that anything comes of each search."""
    year = int(events.month >= np.datetime64("2019-04"))
    there = world.force[events.area] == FORCES.index("hearthshire")
    constant = world.offsets["found"][year] + world.offsets["hearthshire"] * there
    return sigmoid(found_log_odds(world, events) + constant)


def draw_outcomes(rng: np.random.Generator, world: World, events: Events, chance: Floats) -> Ints:
    """What came of each search, as a place in ``OUTCOMES``."""
    truth = TRUTH["outcome"]
    found = rng.random(len(events)) < chance
    arrested = rng.random(len(events)) < sigmoid(arrest_log_odds(events) + world.offsets["arrest"])
    shares = np.array([in_order(truth[kind], OUTCOMES[2:]) for kind in ("other", "drugs")])
    lesser = 2 + pick(rng, shares[(events.object == DRUGS).astype(int)])
    return np.select([~found, arrested], [NOTHING, ARREST], default=lesser)


# --- the raw layer ------------------------------------------------------------------------------


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables: neighbourhoods first, then searches with names, month by month."""
    world = make_world(streams)
    yield places_and_residents(world)
    first, last = (np.datetime64(m) for m in TRUTH["window"]["sealed" if streams.sealed else "published"])
    months = np.arange(first, last + 1)
    growth = TRUTH["window"]["growth"] ** (np.arange(len(months)) / 12)
    volume = np.array(TRUTH["window"]["month"])[months.astype(int) % 12] * growth
    per_month = streams.rng("searches per month").multinomial(rows, volume / volume.sum())
    part = 0
    for month, number in zip(months, per_month, strict=True):
        for size in np.diff(np.linspace(0, number, 2 + (number - 1) // LARGEST_PART).astype(int)):
            rng = streams.rng("searches", part)
            events = make_events(rng, world, month, int(size))
            frame = record(
                rng, world, events, share_reviewed=TRUTH["recording"]["reviewed"] / max(rows, ROWS)
            )
            yield {"searches": frame.assign(part=part, half_year=half_year(frame["month"]))}
            part += 1


def places_and_residents(world: World) -> Chunk:
    """The points of the map, and who lives in each neighbourhood."""
    areas, points = world.latitude.shape
    area = np.repeat(np.arange(areas), points)
    cells = np.indices(world.residents.shape).reshape(4, -1)
    return {
        "map_points": pd.DataFrame(
            {
                "Latitude": world.latitude.ravel(),
                "Longitude": world.longitude.ravel(),
                "force": pd.Categorical.from_codes(world.force[area], FORCES),
                "neighbourhood": neighbourhoods(area),
            }
        ),
        "population": pd.DataFrame(
            {
                "force": pd.Categorical.from_codes(world.force[cells[0]], FORCES),
                "neighbourhood": neighbourhoods(cells[0]),
                "age_range": pd.Categorical.from_codes(cells[1], AGES),
                "gender": pd.Categorical.from_codes(cells[2], GENDERS),
                "ethnic_group": pd.Categorical.from_codes(cells[3], GROUPS),
                "residents": world.residents.ravel().astype(np.int64),
            }
        ),
    }


def neighbourhoods(area: Ints) -> "pd.Categorical[str]":
    """Codes of neighbourhoods: N01 to N48."""
    number = len(FORCES) * TRUTH["areas"]["number"]
    return pd.Categorical.from_codes(area, [f"N{place:02d}" for place in range(1, number + 1)])


def record(rng: np.random.Generator, world: World, events: Events, *, share_reviewed: float) -> pd.DataFrame:
    """What the forces' systems say about a month's searches, and what only they know."""
    truth, number = TRUTH["recording"], len(events)
    chance = chance_of_finding(world, events)
    outcome = draw_outcomes(rng, world, events, chance)
    force = world.force[events.area]
    old = (force == FORCES.index(truth["old_words_force"])) & (
        events.month <= np.datetime64(truth["old_words_until"])
    )
    time = record_time(rng, events, force)
    place = rng.random(number) >= truth["no_place"] + truth["no_place_rural"] * (
        world.policing[events.area] < -0.8
    )
    words = [*OUTCOMES, *OLD_OUTCOMES]
    linked = TRUTH["outcome"]["linked"]
    linked_if = np.array([0, linked["Arrest"], *[linked["other"]] * (len(OUTCOMES) - 2)])
    removal = np.where(
        outcome == ARREST, TRUTH["outcome"]["removal"]["arrest"], TRUTH["outcome"]["removal"]["other"]
    )
    no_removal = (force == FORCES.index(truth["no_removal_force"])) & (
        events.month <= np.datetime64(truth["no_removal_until"])
    )
    watched = rng.random(number) < share_reviewed
    gender, age = record_person(rng, events, force, outcome == NOTHING)
    sex = pd.Categorical.from_codes(events.male.astype(int), GENDERS)
    range_of_age = pd.Categorical.from_codes(events.age, AGES)
    frame = {
        "Type": pd.Categorical.from_codes(events.kind, TYPES),
        "Date": to_utc(time).astype("datetime64[us]"),
        "Part of a policing operation": some_blank(
            events.operation, force == FORCES.index(truth["no_operation_force"])
        ),
        "Policing operation": pd.Series([None] * number, dtype="string"),
        "Latitude": np.where(place, world.latitude[events.area, events.point], np.nan),
        "Longitude": np.where(place, world.longitude[events.area, events.point], np.nan),
        # With what the review of video adds: both tables are published, so both are protected together.
        "Gender": pd.Series(gender).where(~watched, sex),
        "Gender by review": watched & pd.isna(gender),
        "Age range": pd.Series(age).where(~watched, range_of_age),
        "Age range by review": watched & pd.isna(age),
        "Self-defined ethnicity": record_self_defined(rng, events, old),
        "Officer-defined ethnicity": record_officer_defined(rng, events, force),
        "Legislation": record_legislation(rng, events, force),
        "Object of search": pd.Categorical.from_codes(events.object, OBJECTS),
        "Outcome": pd.Categorical.from_codes(outcome + len(OUTCOMES) * old, words),
        "Outcome linked to object of search": some_blank(
            rng.random(number) < linked_if[outcome], outcome == NOTHING
        ),
        "Removal of more than just outer clothing": some_blank(rng.random(number) < removal, no_removal),
        "force": pd.Categorical.from_codes(force, FORCES),
        "month": pd.Series([str(events.month)] * number, dtype="category"),
        "chance": np.round(chance, 6),
        "sent_late": rng.random(number) < truth["sent_late"],
        "reviewed": watched,
        "sex": sex,
        "age": range_of_age,
        **identifiable(rng, world, events, time),
    }
    return pd.DataFrame(frame)


def identifiable(rng: np.random.Generator, world: World, events: Events, time: Moments) -> dict[str, Any]:
    """What is known of the person and the officer and never published; all of it fictional."""
    number = len(events)
    youngest, oldest = AGE_FROM[events.age], AGE_FROM[events.age + 1]
    share = np.where(events.age == OLDEST, rng.random(number) ** 2.2, rng.random(number))
    share = np.where(events.age == BOYS, np.sqrt(share), share)
    age = youngest + np.minimum(share, 0.999) * (oldest - youngest)
    born = events.time.astype("datetime64[D]") - np.ceil(age * 365.25).astype(int).astype("timedelta64[D]")
    home = np.array(FICTIONAL_POSTCODE_AREAS, dtype=object)[world.force[events.area]]
    return {
        "given_name": pd.Categorical(given_names(rng, events.male)),
        "family_name": pd.Categorical(family_names(rng, number)),
        "date_of_birth": born.astype("datetime64[us]"),
        "home_postcode": postcodes(rng, home, 1 + events.area % TRUTH["areas"]["number"]),
        "officer_number": 1000 + events.area * 40 + rng.integers(0, 40, number),
        "exact_time": time.astype("datetime64[us]"),
        "exact_latitude": np.round(
            world.latitude[events.area, events.point] + rng.normal(0, 0.0012, number), 5
        ),
        "exact_longitude": np.round(
            world.longitude[events.area, events.point] + rng.normal(0, 0.002, number), 5
        ),
        "ethnic_group": pd.Categorical.from_codes(events.group, GROUPS),
        "looked": pd.Categorical.from_codes(events.seen_as, GROUPS),
        "neighbourhood": neighbourhoods(events.area),
    }


def some_blank(values: Flags, blank: Flags) -> "pd.Series[bool]":
    """Yes or no, or nothing where `blank`."""
    return pd.Series(values).astype("boolean").mask(blank)


def record_time(rng: np.random.Generator, events: Events, force: Ints) -> Moments:
    """The local time as written down; one force writes many of its times as midnight for a while."""
    truth = TRUTH["recording"]
    lazy = force == FORCES.index(truth["dates_only_force"])
    lazy &= events.month <= np.datetime64(truth["dates_only_until"])
    lazy &= rng.random(len(events)) < truth["dates_only"]
    return np.where(lazy, events.time.astype("datetime64[D]").astype("datetime64[m]"), events.time)


def to_utc(local: Moments) -> Moments:
    """Universal time: in summer, from the last Sunday of March to that of October, an hour earlier."""
    summer = np.zeros(len(local), dtype=bool)
    for year in np.unique(local.astype("datetime64[Y]")):
        ends = [(year.astype("datetime64[M]") + month).astype("datetime64[D]") - 1 for month in (3, 10)]
        begin, end = ((day - (day.astype(int) + 4) % 7).astype("datetime64[m]") for day in ends)
        summer |= (local >= begin + np.timedelta64(60, "m")) & (local < end + np.timedelta64(120, "m"))
    return local - np.where(summer, 60, 0).astype("timedelta64[m]")


def record_person(
    rng: np.random.Generator, events: Events, force: Ints, nothing: Flags
) -> tuple["pd.Categorical[str]", "pd.Categorical[str]"]:
    """Gender and age range as written down: what is left blank depends on the person and on the outcome."""
    truth, number = TRUTH["recording"], len(events)
    careless = (force == FORCES.index(truth["careless_force"])) & (
        events.month >= np.datetime64(truth["careless_from"])
    )
    vehicle = events.kind == VEHICLE
    chances = {}
    for habit in ("careless", "usual"):
        gender, age = truth[f"{habit}_gender"], truth[f"{habit}_age"]
        people = gender["base"] + gender["female"] * ~events.male + gender["nothing_found"] * nothing
        chances[habit, "gender"] = np.where(vehicle, truth[f"{habit}_vehicle_gender"], sigmoid(people))
        chances[habit, "age"] = sigmoid(
            age["base"]
            + age["vehicle"] * vehicle
            + age["boys"] * (events.age == BOYS)
            + age["nothing_found"] * nothing
        )
    columns = []
    for what, codes, values in (("gender", events.male.astype(int), GENDERS), ("age", events.age, AGES)):
        blank = rng.random(number) < np.where(careless, chances["careless", what], chances["usual", what])
        columns.append(pd.Categorical.from_codes(np.where(blank, -1, codes), values))
    return columns[0], columns[1]


def record_self_defined(rng: np.random.Generator, events: Events, old: Flags) -> "pd.Categorical[str]":
    """How people describe themselves, in long categories; many prefer not to."""
    truth, number = TRUTH["ethnicity"], len(events)
    sizes = [SELF_GROUP.count(group) for group in GROUPS]
    shares = np.zeros((len(GROUPS), max(sizes)))
    for place, group in enumerate(GROUPS):
        shares[place, : sizes[place]] = truth["within"][group]
    code = np.cumsum([0, *sizes[:-1]])[events.group] + pick(rng, shares[events.group])
    silent = rng.random(number) < in_order(truth["not_stated"], GROUPS)[events.group]
    code = np.where(silent, len(NOW) - 1, code)
    now, before = (np.array([SELF_VALUES.index(v) for v in values]) for values in (NOW, BEFORE))
    blank = rng.random(number) < truth["blank"]
    return pd.Categorical.from_codes(np.where(blank, -1, np.where(old, before[code], now[code])), SELF_VALUES)


def record_officer_defined(rng: np.random.Generator, events: Events, force: Ints) -> "pd.Categorical[str]":
    """How the officer describes people, in one word; one force often leaves it out."""
    truth = TRUTH["recording"]
    there = force == FORCES.index(truth["officer_blank_force"])
    blank = rng.random(len(events)) < np.where(there, truth["officer_blank_there"], truth["officer_blank"])
    return pd.Categorical.from_codes(np.where(blank, -1, events.seen_as), GROUPS)


def record_legislation(rng: np.random.Generator, events: Events, force: Ints) -> "pd.Categorical[str]":
    """The power used, which follows from the object; one force stops writing it down."""
    truth = TRUTH["recording"]
    by_object = np.array([LEGISLATION.index(LAWS.get(name, PACE)) for name in OBJECTS])
    code = np.where(events.section_60, LEGISLATION.index(SECTION_60), by_object[events.object])
    blank = (force == FORCES.index(truth["no_legislation_force"])) & (
        events.month >= np.datetime64(truth["no_legislation_from"])
    )
    blank &= rng.random(len(events)) < truth["no_legislation"]
    return pd.Categorical.from_codes(np.where(blank, -1, code), LEGISLATION)


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: nobody named, no homes, and those who would stand out less described."""
    yield {"map_points": raw.read("map_points")}
    population = raw.read("population")
    (rule,) = rules.counts
    yield {"population": population.assign(residents=protect_counts(population["residents"], rule))}
    kept, blank = survey(raw, rules)
    number, first = FIRST_SEARCH[streams.sealed], 0
    for part, whole in enumerate(runs(raw.batches("searches"), "part")):
        here = slice(first, first + len(whole))
        first += len(whole)
        frame, seen = protect(whole, kept[here], {column: b[here] for column, b in blank.items()})
        rng = streams.rng("sent twice", part)
        twice = np.flatnonzero(rng.random(len(frame)) < TRUTH["recording"]["sent_twice"])
        rows = np.append(np.arange(len(frame)), twice)
        again = np.arange(len(rows)) >= len(frame)
        # Within a force's file by time, then what came in late or again.
        force, late = frame["force"].cat.codes.to_numpy(), frame["sent_late"].to_numpy()
        order = np.lexsort((frame["Date"].to_numpy()[rows], late[rows] | again, force[rows]))
        rows, again = rows[order], again[order]
        out = frame.iloc[rows].assign(search_id=number + np.arange(len(rows)))
        number += len(rows)
        watched = out["reviewed"].to_numpy() & ~again
        yield {"searches": out, "reviewed": reviewed(out[watched], seen.iloc[rows[watched]])}
        if streams.sealed:
            yield {"answers": answers(out, again)}


def runs(batches: Iterator[pd.DataFrame], column: str) -> Iterator[pd.DataFrame]:
    """The rows that follow one another with the same value in `column`, a frame each."""
    waiting: list[pd.DataFrame] = []
    for batch in batches:
        edges = np.flatnonzero(batch[column].to_numpy()[1:] != batch[column].to_numpy()[:-1]) + 1
        for start, end in zip([0, *edges], [*edges, len(batch)], strict=True):
            piece = batch.iloc[start:end]
            if waiting and waiting[0][column].iloc[0] != piece[column].iloc[0]:
                yield pd.concat(waiting, ignore_index=True)
                waiting = []
            waiting.append(piece)
    yield pd.concat(waiting, ignore_index=True)


def survey(raw: RawTables, rules: Rules) -> tuple[Flags, dict[str, Flags]]:
    """One pass over the searches, half a year at a time: who may be published, and what has to be blanked."""
    rule = rules.people
    assert rule is not None  # noqa: S101 (disclosure.toml has one)
    columns = [*rule.quasi_identifiers, *rule.sensitive]
    kept, blank = [], {column: [] for column in rule.suppress}
    for frame in runs(raw.batches("searches", columns), "half_year"):
        done = enforce(frame, rule)
        kept.append(done.kept)
        for column in rule.suppress:
            gone = np.zeros(len(frame), dtype=bool)
            gone[done.kept] = (done.frame[column].isna() & frame[column][done.kept].notna().array).to_numpy()
            blank[column].append(gone)
    return np.concatenate(kept), {column: np.concatenate(pieces) for column, pieces in blank.items()}


def protect(frame: pd.DataFrame, kept: Flags, blank: dict[str, Flags]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A month's searches as they may be published, and what the review of video may say of them."""
    for column, gone in blank.items():
        frame[column] = frame[column].mask(gone)
    seen = frame.loc[kept, ["Gender", "Age range"]].reset_index(drop=True)
    for column in seen:
        frame[column] = frame[column].mask(frame[f"{column} by review"])
    return frame[kept].reset_index(drop=True), seen


def reviewed(searches: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """What the reviewers of body-worn video saw."""
    return pd.DataFrame(
        {
            "search_id": searches["search_id"].to_numpy(),
            "gender_seen": seen["Gender"].array,
            "age_range_seen": seen["Age range"].array,
        }
    )


def answers(searches: pd.DataFrame, again: Flags) -> pd.DataFrame:
    """For hidden tests: who was searched, how likely it was to lead anywhere, which rows came twice."""
    return pd.DataFrame(
        {
            "search_id": searches["search_id"],
            "gender": searches["sex"],
            "age_range": searches["age"],
            "ethnic_group": searches["ethnic_group"],
            "neighbourhood": searches["neighbourhood"],
            "chance": searches["chance"],
            "sent_twice": again,
        }
    )


# --- what the engine measures -------------------------------------------------------------------

NO_FURTHER_ACTION = {"A no further action disposal", "Nothing found - no further action"}
ARRESTS = {"Arrest", "Suspect arrested"}


def broad_group(self_defined: pd.Series) -> pd.Series:
    """White, Black, Asian, Mixed or Other from a long category of either wording; blank if not stated."""
    known = {text: group for texts in (NOW, BEFORE) for text, group in zip(texts, SELF_GROUP, strict=True)}
    known = {text: group for text, group in known.items() if group in GROUPS}
    return self_defined.astype("object").map(known)


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1 and one ratio.

    Blanks count in no share of the column that is blank.
    """
    rows = tables["searches"]
    later = rows["month"].astype(str) >= "2019-04"
    nothing = rows["Outcome"].isin(NO_FURTHER_ACTION)
    young = rows["Age range"].isin(["10-17", "18-24", "25-34"]) & (rows["Gender"] == "Male")
    known = rows["Age range"].notna() & rows["Gender"].notna()
    residents = tables["population"].groupby("ethnic_group", observed=True)["residents"].sum()
    rates = broad_group(rows.loc[later, "Self-defined ethnicity"]).value_counts() / residents
    people = tables["population"]
    men = people[people["gender"] == "Male"].groupby("age_range", observed=True)["residents"].sum()
    there = rows["force"] == TRUTH["recording"]["careless_force"]
    seen_as = rows["Officer-defined ethnicity"]
    careless = rows[there & (rows["month"].astype(str) >= TRUTH["recording"]["careless_from"])]
    vehicles = careless[careless["Type"] == "Vehicle search"]
    return {
        "nothing_2018_19": nothing[~later].mean(),
        "nothing_2019_20": nothing[later].mean(),
        "arrest": rows["Outcome"].isin(ARRESTS).mean(),
        "drugs": (rows["Object of search"] == "Controlled drugs").mean(),
        "weapons": (rows["Object of search"] == "Offensive weapons").mean(),
        "young_men_searched": young[known].mean(),
        "young_men_living": (3 / 8 * men["10-17"] + men["18-24"] + men["25-34"]) / people["residents"].sum(),
        "rate_ratio_2019_20": rates["Black"] / rates["White"],
        **{
            f"nothing_{group.lower()}": nothing[there & (seen_as == group)].mean()
            for group in ("White", "Black", "Asian")
        },
        "gender_blank": careless["Gender"].isna().mean(),
        "gender_blank_vehicle": vehicles["Gender"].isna().mean(),
        "age_blank": careless["Age range"].isna().mean(),
    }


def half_year(month: pd.Series) -> pd.Series:
    """The half of the financial year of a month such as 2018-04: 2018 H1 from April, H2 from October."""
    year, number = month.astype(str).str[:4].astype(int), month.astype(str).str[5:].astype(int)
    half = np.where((number >= 4) & (number <= 9), " H1", " H2")
    return (year - (number < 4)).astype(str) + half


def exposed(tables: Tables) -> pd.DataFrame:
    """One row a search, with the blanks filled that the review of body-worn video fills."""
    rows = tables["searches"]
    seen = tables["reviewed"].set_index("search_id").reindex(rows["search_id"])
    filled = rows.assign(half_year=half_year(rows["month"]))
    for column, by_video in (("Gender", "gender_seen"), ("Age range", "age_range_seen")):
        known = pd.Series(seen[by_video].array, index=rows.index).astype("object")
        filled[column] = rows[column].astype("object").where(rows[column].notna(), known)
    return filled
