"""Generates a year of road collisions in a fictional country, and publishes them under disclosure control.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
The world (places, weather, coefficients) is the same for the published and the sealed layer;
collisions and people are not. ``streams.year`` says which year.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Protected, Rules, enforce
from civicml.datasets.identities import family_names, given_names, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 100_000  # in 2024; other years in proportion

# Serial numbers begin elsewhere in the sealed layer: rows of two layers are never taken for one another.
FIRST_SERIAL = {False: 1, True: 5_000_001}

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# --- the vocabulary of the source ---------------------------------------------------------------

UNKNOWN = -1
FATAL, SERIOUS, SLIGHT = 1, 2, 3
MOTORWAY, A_MOTORWAY, A_ROAD, B_ROAD, C_ROAD, UNCLASSIFIED = range(1, 7)
ROUNDABOUT, ONE_WAY, DUAL, SINGLE, SLIP_ROAD = 1, 2, 3, 6, 7
DAYLIGHT, LIT, UNLIT, NO_LIGHTING, LIGHTING_UNKNOWN = 1, 4, 5, 6, 7
DRY, WET, SNOW, FROST, FLOOD = 1, 2, 3, 4, 5
CYCLE, TAXI, CAR, MINIBUS, BUS, VAN, GOODS, HEAVY_GOODS, OTHER_VEHICLE = 1, 8, 9, 10, 11, 19, 20, 21, 90
MOTORCYCLES = (2, 3, 4, 5, 23, 97)
DRIVER, PASSENGER, PEDESTRIAN = 1, 2, 3
ROLES = ["driver", "passenger", "pedestrian"]
OLD_JUNCTIONS = [0, 1, 2, 3, 5, 6, 7, 8, 9]
# From the codes of the 2011 specification to those of 2024; roundabouts and slip roads become "no junction".
NEW_JUNCTION = {0: 0, 1: 0, 2: 0, 3: 13, 5: 0, 6: 16, 7: 17, 8: 18, 9: 19, 99: 99, UNKNOWN: UNKNOWN}
NEW_CROSSING = {0: 0, 1: 13, 4: 14, 5: 15, 7: 16, 8: 17, 9: 99, UNKNOWN: UNKNOWN}
NEW_HAZARD = {0: 0, 1: 16, 2: 17, 3: 18, 4: 20, 5: 20, 6: 19, 7: 20, 9: 99, UNKNOWN: UNKNOWN}
NEW_LANE = {0: 0, 1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6, 7: 6, 8: 6, 9: 9, 10: 10, 99: 99, UNKNOWN: UNKNOWN}
NEW_MANOEUVRE = {**{code: code for code in range(1, 16)}, 16: 19, 17: 19, 18: 19, 99: 99, UNKNOWN: UNKNOWN}
NEW_PURPOSE = {1: 1, 2: 2, 3: 7, 4: 7, 5: 9, 6: 6, 15: 6, UNKNOWN: UNKNOWN}

AGE_FROM = np.array([0, 6, 11, 16, 21, 26, 36, 46, 56, 66, 76, 97])  # lower ends of the 11 bands
AGE_MIDDLE = np.array([UNKNOWN, 3, 8, 13, 18, 23, 31, 41, 51, 61, 71, 82])  # by band, 0 is not known
TIMES = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(24 * 60)]
FORCES = pd.DataFrame(TRUTH["forces"])
K_OF_MACHINES = 5  # at least so many vehicles of a force look alike
FIRST_FORCE, FIRST_DISTRICT = 64, 760
DISTRICTS = len(FORCES) * TRUTH["places"]["districts_per_force"]
SMALL_AREAS = DISTRICTS * TRUTH["places"]["small_areas_per_district"]
POSTCODE_AREAS = ["BW", "CK", "DK", "EK", "FA", "GA", "HK", "PK", "RK", "SV", "TK", "WK"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

# Fictional makers and models; the weight falls with the rank, so that some are rare.
MODELS = {
    CAR: """ARDEN FINCH|ARDEN HERON|BELMORE 2|BELMORE 3|BELMORE CROSS|CALDER SWIFTLY|CALDER TARN|DUNMORE LYNX
    DUNMORE MARTEN|ELSTOW ONE|ELSTOW TWO|FARRIER CUB|FARRIER STAG|GANNET S|GANNET X|HOLLIN DRIFT|HOLLIN RIDGE
    ILKESTON E|JUNIPER MINI|JUNIPER MAX|KESTREL 100|KESTREL 300|LARK CITY|LARK ESTATE|MERIDEN Q|MERIDEN R
    NORLAND FELL|NORLAND MOOR|OSPREY GT|PADLEY 5|PADLEY 7|QUILL EV|REDSTART EV|SANDPIPER|TERN|UPTON GRAND""",
    VAN: "ARDEN CARRIER|BELMORE LOADER|CALDER CARGO|FARRIER DRAY|HOLLIN WORKS",
    HEAVY_GOODS: "MASSINGER 18|MASSINGER 44|OXLEY TRACTOR|OXLEY RIGID",
    5: "CORVID 650|CORVID 900|MERLIN 750|MERLIN 1000|SHRIKE 800",
    3: "CORVID 125|PIPIT 110|PIPIT 125|WREN SCOOTER",
    BUS: "TRAVERSE DOUBLE|TRAVERSE SINGLE|WAYFARER COACH",
}
MODEL_NAMES = [
    "-1",
    *sorted(name.strip() for text in MODELS.values() for name in text.replace("\n", "|").split("|")),
]


# --- small tools --------------------------------------------------------------------------------


def draw(rng: np.random.Generator, number: int, weights: dict[int, float]) -> Ints:
    """`number` codes, with chances in proportion to `weights`."""
    edges = np.cumsum(list(weights.values()))
    return np.array(list(weights))[np.searchsorted(edges, rng.random(number) * edges[-1], side="right")]


def draw_by(rng: np.random.Generator, group: Ints, weights: list[dict[int, float]]) -> Ints:
    """A code for each entry of `group`, with chances in proportion to that group's weights."""
    out = np.zeros(len(group), dtype=np.int64)
    for number, choices in enumerate(weights):
        here = np.flatnonzero(group == number)
        out[here] = draw(rng, len(here), choices)
    return out


def coded(values: npt.NDArray[Any], mapping: dict[int, int]) -> Ints:
    """`values` through `mapping`, which knows all of them; codes are from -1 to 126."""
    table = np.full(128, UNKNOWN)
    for old, new in mapping.items():
        table[old] = new
    return table[values]  # -1 is the last entry


def sigmoid(x: Floats) -> Floats:
    """From log-odds to a probability."""
    return 1 / (1 + np.exp(-x))


def logit(p: float) -> float:
    """From a probability to log-odds."""
    return float(np.log(p) - np.log1p(-p))


def solve(rate: Callable[[float], float], target: float, low: float = -12.0, high: float = 12.0) -> float:
    """Where the increasing function `rate` reaches `target`; rounded, so that a last bit cannot matter."""
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) < target else (low, middle)
    return round((low + high) / 2, 6)


def age_band(age: npt.NDArray[Any]) -> Ints:
    """The source's age band, 1 to 11; -1 stays -1."""
    band = np.searchsorted(AGE_FROM[1:11], age, side="right") + 1
    return np.where(age < 0, UNKNOWN, band)


def small(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Codes in as little memory as they need."""
    return values.astype(np.int16)


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is in the data.

    Attributes:
        year: the year.
        sites: one row a point on the map: where it is, the road, its junction, its character.
        district_decile: mean decile of deprivation of each district.
        days: one row a day of the year: date, weekday (0 is Monday), month, share of the year's collisions.
        wet: log-odds of a wet road, by day and force.
        injury_based: for each day and force, whether severity comes from a list of injuries.
        clock: for each weekday, the share of collisions in each minute, added up.
        daylight: for each day, whether each minute has daylight.
        offsets: fitted constants on the log or log-odds scale.
    """

    year: int
    sites: pd.DataFrame
    district_decile: Floats
    days: pd.DataFrame
    wet: Floats
    injury_based: Flags
    clock: Floats
    daylight: Flags
    offsets: dict[str, Any]


def make_sites(streams: Streams) -> tuple[pd.DataFrame, Floats]:
    """6,000 points in 120 districts of 20 forces, and the districts' deprivation.

    How often something happens at a site is raked so that the published shares of A roads, single
    carriageways and places away from junctions come out, with each force's share.
    """
    rng, places, severity = streams.world("sites"), TRUTH["places"], TRUTH["severity"]["places"]
    district_force = np.repeat(np.arange(len(FORCES)), places["districts_per_force"])
    urban = np.clip(FORCES["urban"].to_numpy()[district_force] + rng.normal(0, 0.10, DISTRICTS), 0.05, 0.99)
    decile = FORCES["decile"].to_numpy()[district_force] + rng.normal(0, 0.8, DISTRICTS)
    district = np.repeat(np.arange(DISTRICTS), places["sites_per_district"])
    number = len(district)
    rural = rng.random(number) > urban[district]
    road_class = draw_by(
        rng,
        rural.astype(int),
        [
            {MOTORWAY: 0.6, A_MOTORWAY: 0.2, A_ROAD: 42, B_ROAD: 13, C_ROAD: 10, UNCLASSIFIED: 34},
            {MOTORWAY: 9, A_MOTORWAY: 1, A_ROAD: 45, B_ROAD: 14, C_ROAD: 12, UNCLASSIFIED: 19},
        ],
    )
    road, road_number = make_roads(rng, district, district_force[district], road_class)
    road_type = make_road_types(rng, rural, road_class)
    junction = make_junctions(rng, rural, road_type)
    speed = make_speeds(rng, rural, road_class, road_type)
    easting, northing, area = make_positions(rng, district, road)
    longitude, latitude = to_longitude_latitude(easting, northing)
    lit = rng.random(number) < np.select(
        [~rural, road_class <= A_MOTORWAY, speed <= 40], [0.985, 0.55, 0.75], default=0.22
    )
    crosses, control = junction > 0, draw(rng, number, {4: 76, 2: 20, 3: 2, 1: 0.4})
    sites = pd.DataFrame(
        {
            "force": district_force[district],
            "district": district,
            "road": road,
            "road_class": road_class,
            "road_number": road_number,
            "road_type": road_type,
            "speed": speed,
            "rural": rural,
            "junction": junction,
            "control": np.where(crosses, control, 0),
            "second_class": np.where(crosses, draw(rng, number, {3: 18, 4: 8, 5: 12, 6: 60, 1: 1}), 0),
            "second_number": rng.integers(1, 999, number),
            "crossing": np.where(
                rural, draw(rng, number, {0: 96, 8: 2, 4: 2}),
                draw(rng, number, {0: 74, 1: 3.5, 4: 8, 5: 8, 7: 0.3, 8: 5}),
            ),
            "lit": lit,
            "trunk": (road_class <= A_MOTORWAY) | ((road_class == A_ROAD) & rural & (road % 5 == 0)),
            "area": area,
            "easting": easting,
            "northing": northing,
            "longitude": longitude,
            "latitude": latitude,
        }
    )  # fmt: skip
    can_turn = ~rural & (speed == 30) & (rng.random(number) < places["twenty_share"])
    sites["twenty_from"] = np.where(can_turn, rng.integers(*places["twenty_years"], number), 9999)
    sites["effect"] = (
        rng.normal(0, severity["district_sd"], DISTRICTS)[district]
        + rng.normal(0, severity["road_sd"], road.max() + 1)[road]
        + rng.normal(0, severity["site_sd"], number)
    )
    sites["weight"] = rake(rng.gamma(places["weight_shape"], 1.0, number) + 0.02, sites)
    return sites, decile


def make_roads(rng: np.random.Generator, district: Ints, force: Ints, road_class: Ints) -> tuple[Ints, Ints]:
    """Which road each site is on, and its number; smaller roads have none and are a road each."""
    one_of_four = rng.integers(0, 4, len(district))
    motorway, numbered = road_class <= A_MOTORWAY, road_class <= B_ROAD
    road = np.select(
        [motorway, road_class == A_ROAD, road_class == B_ROAD],
        [force, 100 + district * 4 + one_of_four, 1_000 + district * 4 + one_of_four],
        default=2_000 + np.arange(len(district)),
    )
    number = np.select(
        [motorway, road_class == A_ROAD], [70 + force, 1_000 + district * 4 + one_of_four],
        default=5_000 + district * 4 + one_of_four,
    )  # fmt: skip
    return road, np.where(numbered, number, 0)


def make_road_types(rng: np.random.Generator, rural: Flags, road_class: Ints) -> Ints:
    """Carriageways, by class and setting."""
    group = np.select(
        [road_class <= A_MOTORWAY, (road_class == A_ROAD) & rural, road_class == A_ROAD], [0, 1, 2], default=3
    )
    return draw_by(
        rng,
        group,
        [
            {DUAL: 93, SLIP_ROAD: 7},
            {SINGLE: 64, DUAL: 27, ROUNDABOUT: 7, SLIP_ROAD: 2},
            {SINGLE: 70, DUAL: 17, ROUNDABOUT: 8, ONE_WAY: 4, SLIP_ROAD: 1},
            {SINGLE: 89, DUAL: 2, ROUNDABOUT: 4, ONE_WAY: 5},
        ],
    )


def make_junctions(rng: np.random.Generator, rural: Flags, road_type: Ints) -> Ints:
    """Junctions, in the codes of the 2011 specification."""
    group = np.select([road_type == ROUNDABOUT, road_type == SLIP_ROAD, rural], [0, 1, 2], default=3)
    return draw_by(
        rng,
        group,
        [
            {1: 88, 2: 12},
            {5: 80, 0: 20},
            {0: 66, 3: 21, 6: 6, 8: 4, 9: 3},
            {0: 40, 3: 36, 6: 12, 8: 4, 9: 4, 7: 1.5, 2: 2.5},
        ],
    )


def make_speeds(rng: np.random.Generator, rural: Flags, road_class: Ints, road_type: Ints) -> Ints:
    """Speed limits, before 20 mph zones grew."""
    dual = road_type == DUAL
    group = np.select([road_class <= A_MOTORWAY, rural & dual, rural, dual], [0, 1, 2, 3], default=4)
    return draw_by(
        rng,
        group,
        [
            {70: 84, 60: 8, 50: 8},
            {70: 70, 60: 6, 50: 14, 40: 10},
            {60: 62, 50: 12, 40: 10, 30: 16},
            {30: 48, 40: 34, 50: 12, 70: 6},
            {30: 90, 40: 8, 20: 2},
        ],
    )


def make_positions(rng: np.random.Generator, district: Ints, road: Ints) -> tuple[Ints, Ints, Ints]:
    """Grid references and small areas: districts side by side in the North Sea, sites of a road in a line."""
    column, row = np.arange(DISTRICTS) // 12, np.arange(DISTRICTS) % 12
    row = np.where(column % 2 == 1, 11 - row, row)  # there and back, so that a force's districts touch
    wide, high = 12_000, 16_500
    angle = rng.uniform(0, np.pi, road.max() + 1)[road]
    along = rng.uniform(-1, 1, len(district))
    aside = rng.normal(0, 0.06, (2, len(district)))
    own = rng.uniform(-0.95, 0.95, (2, len(district)))
    numbered = road < 2_000
    x = np.clip(np.where(numbered, along * np.cos(angle) + aside[0], own[0]), -0.98, 0.98)
    y = np.clip(np.where(numbered, along * np.sin(angle) + aside[1], own[1]), -0.98, 0.98)
    easting = 521_000 + column[district] * wide + (1 + x) * wide / 2
    northing = 560_000 + row[district] * high + (1 + y) * high / 2
    cell = np.minimum((1 + x) * 1.5, 2).astype(int) * 3 + np.minimum((1 + y) * 1.5, 2).astype(int)
    area = district * TRUTH["places"]["small_areas_per_district"] + cell
    return ((easting // 100) * 100).astype(np.int64), ((northing // 100) * 100).astype(np.int64), area


def to_longitude_latitude(easting: Ints, northing: Ints) -> tuple[Floats, Floats]:
    """WGS84 degrees of OSGB36 grid references, to about 5 metres.

    Transverse Mercator on Airy 1830 backwards, then the seven-parameter shift (Ordnance Survey, *A guide
    to coordinate systems in Great Britain*, annexes B and C).
    """
    a, b, scale, e0, n0 = 6_377_563.396, 6_356_256.909, 0.9996012717, 400_000.0, -100_000.0
    lat0, lon0 = np.radians(49.0), np.radians(-2.0)
    e2, n = 1 - (b / a) ** 2, (a - b) / (a + b)

    def meridian(lat: Floats) -> Floats:
        less, more = lat - lat0, lat + lat0
        return b * scale * (
            (1 + n + 1.25 * n**2 + 1.25 * n**3) * less
            - (3 * n + 3 * n**2 + 2.625 * n**3) * np.sin(less) * np.cos(more)
            + 1.875 * (n**2 + n**3) * np.sin(2 * less) * np.cos(2 * more)
            - 35 / 24 * n**3 * np.sin(3 * less) * np.cos(3 * more)
        )  # fmt: skip

    lat = (northing - n0) / (a * scale) + lat0
    for _ in range(8):
        lat = lat + (northing - n0 - meridian(lat)) / (a * scale)
    sin2 = np.sin(lat) ** 2
    nu, rho = a * scale / np.sqrt(1 - e2 * sin2), a * scale * (1 - e2) / (1 - e2 * sin2) ** 1.5
    eta2, tan, sec, de = nu / rho - 1, np.tan(lat), 1 / np.cos(lat), easting - e0
    vii = tan / (2 * rho * nu)
    viii = tan / (24 * rho * nu**3) * (5 + 3 * tan**2 + eta2 - 9 * tan**2 * eta2)
    x = sec / nu
    xi = sec / (6 * nu**3) * (nu / rho + 2 * tan**2)
    latitude = lat - vii * de**2 + viii * de**4
    longitude = lon0 + x * de - xi * de**3
    # To WGS84: through Cartesian coordinates.
    nu = a / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    cx = nu * np.cos(latitude) * np.cos(longitude)
    cy = nu * np.cos(latitude) * np.sin(longitude)
    cz = (1 - e2) * nu * np.sin(latitude)
    s, (rx, ry, rz) = -20.4894e-6, np.radians(np.array([0.1502, 0.2470, 0.8421]) / 3600)
    x2 = 446.448 + (1 + s) * cx - rz * cy + ry * cz
    y2 = -125.157 + rz * cx + (1 + s) * cy - rx * cz
    z2 = 542.060 - ry * cx + rx * cy + (1 + s) * cz
    a, b = 6_378_137.0, 6_356_752.3142
    e2, p = 1 - (b / a) ** 2, np.hypot(x2, y2)
    lat = np.arctan2(z2, p * (1 - e2))
    for _ in range(6):
        nu = a / np.sqrt(1 - e2 * np.sin(lat) ** 2)
        lat = np.arctan2(z2 + e2 * nu * np.sin(lat), p)
    return np.round(np.degrees(np.arctan2(y2, x2)), 6), np.round(np.degrees(lat), 6)


UNLIT_SHARE = 0.21  # of all collisions, at sites without street lighting


def rake(weight: Floats, sites: pd.DataFrame) -> Floats:
    """Weights scaled in turn until every share of sites comes out (iterative proportional fitting)."""
    places, shares = TRUTH["places"], FORCES["share"].to_numpy()
    force = sites["force"].to_numpy()
    no_junction = coded(sites["junction"].to_numpy(), NEW_JUNCTION) == 0
    margins = [
        (sites["road_class"].to_numpy() == A_ROAD, TARGETS["a_road"]),
        (
            sites["road_type"].to_numpy() == SINGLE,
            TARGETS["single_carriageway"] / (1 - places["road_type_unknown"]),
        ),
        (no_junction, TARGETS["not_at_junction"] / (1 - places["junction_unknown"])),
        (~sites["lit"].to_numpy(), UNLIT_SHARE),
    ]
    for _ in range(60):
        for inside, share in margins:
            now = weight[inside].sum() / weight.sum()
            weight = weight * np.where(inside, share / now, (1 - share) / (1 - now))
        weight = weight / weight.sum() * (shares / np.bincount(force, weight / weight.sum()))[force]
    return np.round(weight / weight.sum(), 12)


def make_days(streams: Streams, year: int) -> pd.DataFrame:
    """The days of the year with their shares: by weekday as published, by month, and by luck."""
    window = TRUTH["window"]
    dates = pd.date_range(f"{year}-01-01", f"{year}-12-31", unit="us")
    rng = streams.world("days", year)
    share = np.array(window["month"])[dates.month - 1] * np.exp(rng.normal(0, window["day_sd"], len(dates)))
    stayed = pd.Series(dates.strftime("%Y-%m")).map(window["lockdown"]).fillna(1.0).to_numpy()
    holiday = pd.Series(dates.strftime("%m-%d")).map({"12-25": 0.5, "12-26": 0.65, "01-01": 0.85}).fillna(1.0)
    share *= stayed * holiday.to_numpy()
    weekday = dates.day_of_week.to_numpy()
    wanted = np.array([window["weekday"][day] for day in WEEKDAYS])
    share *= (wanted / np.bincount(weekday, share))[weekday]
    return pd.DataFrame(
        {"date": dates, "weekday": weekday, "month": dates.month.to_numpy(), "share": share / share.sum()}
    )


def make_weather(streams: Streams, year: int, days: pd.DataFrame) -> Floats:
    """Log-odds of a wet road by day and force: a season, spells that last, and local showers."""
    truth, rng = TRUTH["weather"], streams.world("weather", year)
    memory, spell, now = truth["day_memory"], [], 0.0
    for shock in rng.normal(0, truth["day_sd"], len(days)):
        now = memory * now + shock
        spell.append(now)
    local = rng.normal(0, truth["force_sd"], (len(days), len(FORCES)))
    shape = (
        np.array(truth["season"])[days["month"].to_numpy() - 1][:, None] + np.array(spell)[:, None] + local
    )
    weight = days["share"].to_numpy()[:, None] * FORCES["share"].to_numpy()
    others = truth["snow_or_frost"] + truth["flood"] + surface_unknown()
    offset = solve(lambda b: (weight * sigmoid(b + shape)).sum(), TARGETS["wet"] / (1 - others))
    return shape + offset


def surface_unknown() -> float:
    """The share of roads of unknown surface: what the published shares leave."""
    truth = TRUTH["weather"]
    return float(1 - TARGETS["dry"] - TARGETS["wet"] - truth["snow_or_frost"] - truth["flood"])


_HOURS = np.array(
    [  # relative numbers of collisions from 00:00 on: Monday to Thursday, Friday, Saturday, Sunday
        [10, 7, 5, 5, 6, 12, 24, 52, 76, 50, 44, 47, 51, 53, 56, 72, 81, 88, 68, 48, 37, 30, 24, 16],
        [12, 8, 6, 6, 7, 12, 23, 48, 68, 49, 48, 53, 58, 62, 66, 80, 86, 88, 70, 54, 43, 36, 32, 26],
        [28, 22, 17, 15, 12, 12, 15, 20, 30, 40, 50, 58, 62, 62, 60, 60, 60, 58, 54, 48, 40, 36, 34, 31],
        [33, 27, 22, 19, 16, 13, 13, 15, 22, 33, 45, 54, 58, 58, 57, 56, 55, 54, 49, 43, 36, 29, 23, 17],
    ],
    dtype=float,
)


def make_clock(days: pd.DataFrame, daylight: Flags) -> Floats:
    """Shares of the minutes by weekday, added up: rush hours, round times, daylight as published."""
    rounding = TRUTH["recording"]["round_minutes"]
    minute = np.arange(60)
    habit = np.where(minute % 5 == 0, rounding["5"], rounding["other"])
    for name in ("00", "15", "30", "45"):
        habit[int(name)] = rounding[name]
    profile = _HOURS[[0, 0, 0, 0, 1, 2, 3]]
    between = np.repeat(profile, 60, axis=1)
    night = np.repeat(np.isin(np.arange(24), [20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6]), 60)
    weight, weekday = days["share"].to_numpy(), days["weekday"].to_numpy()

    def shares(tilt: float) -> Floats:
        rows = between * np.tile(habit, 24) * np.where(night, np.exp(-tilt), 1.0)
        return rows / rows.sum(axis=1, keepdims=True)

    by_weekday = np.array([weight[weekday == day] @ daylight[weekday == day] for day in range(7)])
    tilt = solve(lambda t: float((shares(t) * by_weekday).sum()), TARGETS["daylight"])
    return shares(tilt).cumsum(axis=1)


def make_daylight(days: pd.DataFrame) -> Flags:
    """For each day and minute of local time: is the sun up, or down for less than half an hour or so?"""
    day = days["date"].dt.day_of_year.to_numpy()[:, None]
    year = int(days["date"].dt.year.iloc[0])
    last_sunday = [
        max(d for d in range(25, 32) if pd.Timestamp(year, month, d).weekday() == 6) for month in (3, 10)
    ]
    first, last = (
        pd.Timestamp(year, month, d).day_of_year for month, d in zip((3, 10), last_sunday, strict=True)
    )
    summer = (day >= first) & (day < last)
    hour = np.arange(24 * 60)[None, :] / 60 - summer + 0.9 / 15  # universal time, at 0.9 degrees east
    turn = 2 * np.pi * (day - 81) / 364
    hour = hour + (9.87 * np.sin(2 * turn) - 7.53 * np.cos(turn) - 1.5 * np.sin(turn)) / 60
    tilt = np.radians(-23.44) * np.cos(2 * np.pi * (day + 10) / 365.25)
    latitude = np.radians(55.8)
    height = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(
        (hour - 12) * np.pi / 12
    )
    return np.degrees(np.arcsin(height)) > -3.8


def make_world(streams: Streams) -> World:
    """Places, days and coefficients of ``streams.year``, with constants fitted on a trial population."""
    year = streams.year
    if year is None:
        raise ValueError("road_collisions is made year by year; the streams have no year")
    sites, decile = make_sites(streams)
    days = make_days(streams, year)
    daylight = make_daylight(days)
    begins = pd.to_datetime(FORCES["injury_based_from"]).to_numpy()
    injury_based = days["date"].to_numpy()[:, None] >= begins  # never, where there is no date
    wet, clock = make_weather(streams, year, days), make_clock(days, daylight)
    offsets: dict[str, Any] = {}
    world = World(year, sites, decile, days, wet, injury_based, clock, daylight, offsets)
    fit(streams, world)
    return world


# --- where and when -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenes:
    """Where and when, as codes: one entry a collision."""

    site: Ints
    day: Ints
    minute: Ints
    light: Ints
    surface: Ints
    weather: Ints
    speed: Ints
    force: Ints
    district: Ints
    rural: Flags
    injury_based: Flags

    def __len__(self) -> int:
        return len(self.site)

    @property
    def dark(self) -> Flags:
        """Whether there was no daylight."""
        return self.light >= LIT

    @property
    def fast(self) -> Flags:
        """Whether the limit was 60 or 70 mph."""
        return self.speed >= 60


def make_scenes(rng: np.random.Generator, world: World, day: Ints) -> Scenes:
    """Draw place, time and weather for each entry of `day` (row numbers of ``world.days``)."""
    sites, number = world.sites, len(day)
    edges = np.cumsum(sites["weight"].to_numpy())
    site = np.minimum(np.searchsorted(edges, rng.random(number) * edges[-1], side="right"), len(sites) - 1)
    weekday, minute = world.days["weekday"].to_numpy()[day], np.zeros(number, dtype=np.int64)
    chance = rng.random(number)
    for number_of_day in range(7):
        here = weekday == number_of_day
        minute[here] = np.searchsorted(world.clock[number_of_day], chance[here], side="right")
    minute = np.minimum(minute, 24 * 60 - 1)
    force = sites["force"].to_numpy()[site]
    surface, weather = draw_weather(rng, world, day, force)
    twenty = sites["twenty_from"].to_numpy()[site] <= world.year
    return Scenes(
        site=site,
        day=day,
        minute=minute,
        light=draw_light(rng, world.daylight[day, minute], sites["lit"].to_numpy()[site]),
        surface=surface,
        weather=weather,
        speed=np.where(twenty, 20, sites["speed"].to_numpy()[site]),
        force=force,
        district=sites["district"].to_numpy()[site],
        rural=sites["rural"].to_numpy()[site],
        injury_based=world.injury_based[day, force],
    )


def draw_light(rng: np.random.Generator, daylight: Flags, lit: Flags) -> Ints:
    """Light conditions: in darkness, so that the published shares come out."""
    dark = 1 - TARGETS["daylight"]
    as_lit = TARGETS["dark_lit"] / dark / (1 - UNLIT_SHARE)
    as_unlit = TARGETS["dark_no_lighting"] / dark / UNLIT_SHARE
    group = np.select([daylight, lit], [0, 1], default=2)
    left = (1 - as_lit) * 0.3, 1 - as_unlit
    return draw_by(
        rng,
        group,
        [
            {DAYLIGHT: 1.0},
            {LIT: as_lit, UNLIT: left[0], LIGHTING_UNKNOWN: 1 - as_lit - left[0]},
            {NO_LIGHTING: as_unlit, LIGHTING_UNKNOWN: left[1] * 0.97, UNKNOWN: left[1] * 0.03},
        ],
    )


def draw_weather(rng: np.random.Generator, world: World, day: Ints, force: Ints) -> tuple[Ints, Ints]:
    """Surface and weather: rain goes with wet roads, but wet roads dry slowly."""
    truth, month = TRUTH["weather"], world.days["month"].to_numpy()
    cold = np.array([3.6, 3.0, 1.4, 0.2, 0, 0, 0, 0, 0, 0, 0.9, 2.9])[month - 1]
    cold = cold / (cold @ world.days["share"].to_numpy())
    chance = rng.random(len(day))
    wet = rng.random(len(day)) < sigmoid(world.wet[day, force])
    frozen = chance < truth["snow_or_frost"] * cold[day]
    flood = (chance > 1 - truth["flood"]) & ~frozen
    unknown = ~frozen & ~flood & (rng.random(len(day)) < surface_unknown() / (1 - truth["snow_or_frost"]))
    kind = np.select([unknown, frozen, flood, wet], [3, 2, 4, 1], default=0)
    surface = draw_by(
        rng, kind, [{DRY: 1}, {WET: 1}, {SNOW: 0.3, FROST: 0.7}, {9: 0.55, UNKNOWN: 0.45}, {FLOOD: 1}]
    )
    weather = draw_by(
        rng,
        kind,
        [
            {1: 93, 4: 1.2, 2: 0.5, 7: 0.3, 8: 1.4, 9: 3.6},
            {2: 47, 5: 5.5, 1: 35, 8: 6, 7: 1.2, 4: 1, 9: 4.3},
            {1: 52, 3: 20, 6: 2.5, 7: 6, 8: 10, 2: 4, 9: 5.5},
            {9: 68, 1: 22, 2: 5, 8: 3, UNKNOWN: 2},
            {2: 60, 5: 25, 8: 8, 1: 5, 9: 2},
        ],
    )
    return surface, weather


# --- who was there ------------------------------------------------------------------------------

KINDS = list(TRUTH["kinds"]["share"])
PEDESTRIAN_KIND, CYCLE_KIND, MOTORCYCLE_KIND, MOTORCYCLE_ALONE = (
    KINDS.index(name) for name in ("pedestrian", "cycle", "motorcycle", "motorcycle_alone")
)
CAR_ALONE, TWO_CARS, MANY_CARS, GOODS_KIND, BUS_KIND, OTHER_KIND = (
    KINDS.index(name) for name in ("car_alone", "two_cars", "many_cars", "goods", "bus", "other")
)
# Groups of vehicles whose drivers are alike.
IN_CAR, RIDER, CYCLIST, AT_WORK, SOMETHING_ELSE = range(5)
_DRIVER_AGES = [  # weights of the 11 age bands
    [0, 0, 0.02, 7.5, 11, 24, 19, 15, 12, 7, 4.5],
    [0, 0, 0.2, 17, 18, 25, 15, 13, 9, 2.3, 0.5],
    [0.3, 1.5, 8, 8, 9, 24, 19, 16, 10, 3.4, 0.8],
    [0, 0, 0, 2, 8, 28, 25, 22, 13, 2, 0.2],
    [0.3, 1, 9, 21, 14, 18, 12, 9, 6, 5, 4.7],
]
_PASSENGERS = PASSENGER, 0.43, [5, 6, 8, 17, 13, 16, 10, 8, 6, 5, 6]  # role, share of men, ages
_PEDESTRIANS = PEDESTRIAN, 0.56, [4, 7, 13, 11, 8.5, 14, 11, 10, 9, 7, 8]


@dataclass(frozen=True)
class Vehicles:
    """One entry a vehicle, in order of collision and number."""

    collision: Ints
    reference: Ints
    type: Ints
    group: Ints
    age: Ints
    male: Flags
    hurt: Flags

    def __len__(self) -> int:
        return len(self.collision)


@dataclass(frozen=True)
class Casualties:
    """One entry a person hurt. `vehicle` is a row of Vehicles; `role` is driver, passenger or pedestrian."""

    collision: Ints
    vehicle: Ints
    role: Ints
    age: Ints
    male: Flags

    def __len__(self) -> int:
        return len(self.collision)


@dataclass(frozen=True)
class Parties:
    """Everybody involved in some scenes."""

    kind: Ints
    vehicles: Vehicles
    casualties: Casualties


def make_parties(rng: np.random.Generator, world: World, scenes: Scenes) -> Parties:
    """Draw what kind of collision each scene saw, the vehicles, their drivers, and who was hurt."""
    kind = draw_kinds(rng, world, scenes)
    collision, reference = draw_numbers(rng, kind)
    vehicle_type = draw_types(rng, world, kind[collision], reference)
    group = group_of(vehicle_type)
    age = draw_ages(rng, group, _DRIVER_AGES)
    age = np.where((group == IN_CAR) & (age < 17), 17, age)
    tilt = world.offsets["male"]
    by_group = np.array([0.60, 0.935, 0.82, 0.93, 0.66])
    log_odds = np.log(by_group / (1 - by_group)) + np.array([tilt, 0, 0, 0, 0])
    male = rng.random(len(group)) < sigmoid(log_odds)[group]
    hurt = draw_hurt(rng, world, kind[collision], reference, group)
    vehicles = Vehicles(collision, reference, vehicle_type, group, age, male, hurt)
    passengers = draw_passengers(rng, world, kind, vehicles)
    walkers = draw_pedestrians(rng, world, kind, vehicles)
    vehicles = somebody_hurt(rng, len(scenes), vehicles, [passengers, walkers])
    drivers = np.flatnonzero(vehicles.hurt)
    parts = [
        Casualties(
            vehicles.collision[drivers], drivers, np.full(len(drivers), DRIVER),
            vehicles.age[drivers], vehicles.male[drivers],
        ),
        passengers,
        walkers,
    ]  # fmt: skip
    whole = [np.concatenate([getattr(part, name) for part in parts]) for name in Casualties.__annotations__]
    order = np.lexsort((whole[2], whole[1]))
    return Parties(kind, vehicles, Casualties(*(values[order] for values in whole)))


def draw_kinds(rng: np.random.Generator, world: World, scenes: Scenes) -> Ints:
    """The kind of each collision; who is out depends on place, light, weather and season."""
    truth = TRUTH["kinds"]
    month = world.days["month"].to_numpy()[scenes.day]
    situations = {
        "rural": scenes.rural,
        "fast": scenes.fast,
        "dark": scenes.dark,
        "wet": scenes.surface == WET,
        "summer": (month >= 5) & (month <= 9),
        "twenty": scenes.speed == 20,
    }
    # 64 situations at most: the weights are worked out once for each.
    situation = sum(flag.astype(np.int64) << bit for bit, flag in enumerate(situations.values()))
    bits = (np.arange(2 ** len(situations))[:, None] >> np.arange(len(situations))) & 1
    effects = np.array([[truth[name].get(kind, 0.0) for kind in KINDS] for name in situations])
    edges = np.exp(world.offsets["kinds"] + bits @ effects).cumsum(axis=1)
    chance = rng.random(len(scenes)) * edges[situation, -1]
    return (edges[situation] < chance[:, None]).sum(axis=1)


def draw_numbers(rng: np.random.Generator, kind: Ints) -> tuple[Ints, Ints]:
    """How many vehicles: for each, the collision it belongs to and its number there, from 1."""
    choices: list[dict[int, float]] = [{1: 1.0}] * len(KINDS)
    choices[TWO_CARS] = {2: 1}
    choices[MANY_CARS] = {3: 72, 4: 20, 5: 5.5, 6: 1.7, 7: 0.8}
    choices[PEDESTRIAN_KIND] = {1: 97, 2: 2.6, 3: 0.4}
    choices[CYCLE_KIND] = {1: 5, 2: 93, 3: 2}
    choices[MOTORCYCLE_KIND] = {2: 93, 3: 7}
    choices[GOODS_KIND] = {1: 14, 2: 68, 3: 13, 4: 5}
    choices[BUS_KIND] = {1: 70, 2: 28, 3: 2}
    choices[OTHER_KIND] = {1: 24, 2: 74, 3: 2}
    count = draw_by(rng, kind, choices)
    collision = np.repeat(np.arange(len(kind)), count)
    return collision, np.arange(len(collision)) - np.repeat(np.cumsum(count) - count, count) + 1


def draw_types(rng: np.random.Generator, world: World, kind: Ints, reference: Ints) -> Ints:
    """Types of vehicle: the first one makes the kind, the others are what is on the road."""
    cars = {CAR: 92.5, TAXI: 3.0, VAN: 4.5}
    motorcycles = {3: 46, 4: 12, 5: 33, 2: 5, 97: 2.5, 23: 1.5}
    traffic = {
        CAR: 82,
        VAN: 8.5,
        TAXI: 3,
        HEAVY_GOODS: 2.4,
        GOODS: 0.8,
        BUS: 1.6,
        3: 0.5,
        5: 0.5,
        99: 0.4,
        98: 0.3,
    }
    others = {90: 62 if world.year >= 2020 else 40, 22: 14, 17: 12, 16: 6, 18: 4, MINIBUS: 8}
    first = draw_by(
        rng,
        kind,
        [
            {
                CAR_ALONE: cars, TWO_CARS: cars, MANY_CARS: cars, PEDESTRIAN_KIND: {**traffic, CYCLE: 3.0},
                CYCLE_KIND: {CYCLE: 1}, MOTORCYCLE_KIND: motorcycles, MOTORCYCLE_ALONE: motorcycles,
                GOODS_KIND: {VAN: 46, HEAVY_GOODS: 38, GOODS: 11, 98: 5}, BUS_KIND: {BUS: 93, MINIBUS: 7},
                OTHER_KIND: others,
            }[number]
            for number in range(len(KINDS))
        ],
    )  # fmt: skip
    another = draw(rng, len(kind), traffic)
    car_again = np.isin(kind, [TWO_CARS, MANY_CARS]) & (rng.random(len(kind)) < 0.8)
    return np.where(reference == 1, first, np.where(car_again, CAR, another))


def group_of(vehicle_type: Ints) -> Ints:
    """Which kind of driver goes with each type of vehicle."""
    return np.select(
        [
            np.isin(vehicle_type, (CAR, TAXI)),
            np.isin(vehicle_type, MOTORCYCLES),
            vehicle_type == CYCLE,
            np.isin(vehicle_type, (VAN, GOODS, HEAVY_GOODS, BUS, MINIBUS, 98, 99)),
        ],
        [IN_CAR, RIDER, CYCLIST, AT_WORK],
        default=SOMETHING_ELSE,
    )


def draw_ages(rng: np.random.Generator, group: Ints, weights: list[list[float]]) -> Ints:
    """Ages in years: a band by group, then evenly within the band."""
    band = draw_by(rng, group, [dict(enumerate(row)) for row in weights])
    low, high = AGE_FROM[band], AGE_FROM[band + 1]
    share = rng.random(len(group))
    return low + (np.where(band == 10, share**2, share) * (high - low)).astype(np.int64)


def draw_hurt(rng: np.random.Generator, world: World, kind: Ints, reference: Ints, group: Ints) -> Flags:
    """Whether each driver or rider was hurt."""
    chance = np.array([0.0, 0.46, 0.40, 0.012, 0.010, 0.05, 0.0, 0.50, 0.16, 0.03])[kind]  # by KINDS
    chance = np.where(kind == CAR_ALONE, 0.84, chance)
    tilted = np.isin(kind, (TWO_CARS, MANY_CARS))
    odds = np.log(np.maximum(chance, 1e-9) / (1 - chance)) + np.where(tilted, world.offsets["hurt"], 0.0)
    chance = sigmoid(odds)
    two_wheels = np.isin(group, (RIDER, CYCLIST))
    chance = np.where(two_wheels, np.where(kind == PEDESTRIAN_KIND, 0.35, 0.97), chance)
    chance = np.where((kind == GOODS_KIND) & (reference == 1), 0.22, chance)
    chance = np.where((kind == OTHER_KIND) & (reference == 1), 0.90, chance)
    return rng.random(len(kind)) < chance


def draw_passengers(rng: np.random.Generator, world: World, kind: Ints, vehicles: Vehicles) -> Casualties:
    """Passengers who were hurt; the others are not in the source."""
    mean = np.array([0.33, 0.22, 0.21, 0.006, 0.004, 0.02, 0.0, 0.14, 0.10, 0.05])[kind][vehicles.collision]
    mean = mean * np.where(vehicles.group == IN_CAR, 1.0, 0.35)
    pillion = (vehicles.group == RIDER) * 0.045
    in_bus = (kind[vehicles.collision] == BUS_KIND) & (vehicles.reference == 1)
    mean = np.where(
        in_bus, 0.45, np.where(vehicles.group == CYCLIST, 0.002, mean * world.offsets["passengers"] + pillion)
    )
    count = np.minimum(rng.poisson(mean), 12) + in_bus
    vehicle = np.repeat(np.arange(len(vehicles)), count)
    return make_casualties(rng, world, vehicles, vehicle, _PASSENGERS)


def draw_pedestrians(rng: np.random.Generator, world: World, kind: Ints, vehicles: Vehicles) -> Casualties:
    """Pedestrians who were hurt, by the first vehicle."""
    first = np.flatnonzero((kind[vehicles.collision] == PEDESTRIAN_KIND) & (vehicles.reference == 1))
    vehicle = np.repeat(first, 1 + (rng.random(len(first)) < 0.035))
    return make_casualties(rng, world, vehicles, vehicle, _PEDESTRIANS)


def make_casualties(
    rng: np.random.Generator,
    world: World,
    vehicles: Vehicles,
    vehicle: Ints,
    people: tuple[int, float, list[float]],
) -> Casualties:
    """People for each entry of `vehicle`, of one role."""
    role, male, ages = people
    number = len(vehicle)
    return Casualties(
        vehicles.collision[vehicle],
        vehicle,
        np.full(number, role),
        draw_ages(rng, np.zeros(number, dtype=np.int64), [ages]),
        rng.random(number) < sigmoid(np.array(logit(male) + world.offsets["male"])),
    )


def somebody_hurt(
    rng: np.random.Generator, number: int, vehicles: Vehicles, others: list[Casualties]
) -> Vehicles:
    """A collision is in the source only if somebody was hurt: where nobody was, one of the drivers was."""
    hurt = np.bincount(vehicles.collision[vehicles.hurt], minlength=number)
    for people in others:
        hurt += np.bincount(people.collision, minlength=number)
    count = np.bincount(vehicles.collision, minlength=number)
    chosen = np.cumsum(count) - count + (rng.random(number) * count).astype(np.int64)
    again = vehicles.hurt.copy()
    again[chosen[hurt == 0]] = True
    return Vehicles(
        vehicles.collision,
        vehicles.reference,
        vehicles.type,
        vehicles.group,
        vehicles.age,
        vehicles.male,
        again,
    )


# --- how bad it was -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Injuries:
    """Severity: one entry a collision, one entry a casualty, and the chances they were drawn with."""

    collision: Ints
    casualty: Ints
    fatal: Floats
    serious: Floats
    serious_if_injury_based: Floats


def worst_casualty(rng: np.random.Generator, world: World, scenes: Scenes, parties: Parties) -> Flags:
    """For each casualty, whether they were the one worst hurt in their collision."""
    truth, people = TRUTH["severity"]["worst"], parties.casualties
    rider = np.isin(parties.vehicles.group[people.vehicle], (RIDER, CYCLIST)) & (people.role != PEDESTRIAN)
    score = (
        truth["pedestrian"] * (people.role == PEDESTRIAN)
        + truth["rider"] * rider
        + truth["driver"] * (people.role == DRIVER)
        + truth["over_75"] * (people.age > 75)
        + truth["66_to_75"] * ((people.age > 65) & (people.age <= 75))
        + rng.gumbel(size=len(people))
    )
    order = np.lexsort((-score, people.collision))
    first = np.ones(len(people), dtype=bool)
    first[1:] = people.collision[order][1:] != people.collision[order][:-1]
    worst = np.zeros(len(people), dtype=bool)
    worst[order[first]] = True
    return worst


def log_odds(truth: dict[str, Any], world: World, scenes: Scenes, parties: Parties) -> Floats:
    """The log-odds that ``truth`` gives each collision, but for the fitted constant."""
    number, vehicles, people = len(scenes), parties.vehicles, parties.casualties
    sites = world.sites
    road_type, junction = (sites[name].to_numpy()[scenes.site] for name in ("road_type", "junction"))

    def involved(rows: Ints) -> Flags:
        return np.bincount(rows, minlength=number) > 0

    count = np.bincount(vehicles.collision, minlength=number)
    oldest = np.zeros(number, dtype=np.int64)
    np.maximum.at(oldest, people.collision, people.age)
    age_effect = np.array(list(truth["oldest_casualty"].values()))[
        np.searchsorted([15, 25, 55, 65, 75], oldest)
    ]
    speeds = truth["speed"]
    speed_effect = np.zeros(128)
    for limit, effect in speeds.items():
        speed_effect[int(limit)] = effect
    weekday, hour = world.days["weekday"].to_numpy()[scenes.day], scenes.minute // 60
    motorcycle = involved(vehicles.collision[vehicles.group == RIDER])
    pedestrian = parties.kind == PEDESTRIAN_KIND
    heavy = involved(vehicles.collision[np.isin(vehicles.type, (GOODS, HEAVY_GOODS, 98))])
    total = (
        speed_effect[scenes.speed]
        + truth["dark_lit"] * np.isin(scenes.light, (LIT, LIGHTING_UNKNOWN))
        + truth["dark_unlit"] * (scenes.light == UNLIT)
        + truth["dark_no_lighting"] * (scenes.light == NO_LIGHTING)
        + truth["rural"] * scenes.rural
        + truth["single_carriageway"] * (road_type == SINGLE)
        + truth["roundabout"] * (road_type == ROUNDABOUT)
        + truth["at_junction"] * ((junction > 0) & (road_type != ROUNDABOUT))
        + truth["wet"] * (scenes.surface == WET)
        + truth["one_vehicle"] * ((count == 1) & ~pedestrian)
        + truth["three_or_more"] * (count >= 3)
        + truth["each_more_casualty"] * np.minimum(np.bincount(people.collision, minlength=number) - 1, 3)
        + truth["motorcycle"] * motorcycle
        + truth["cycle"] * involved(vehicles.collision[vehicles.group == CYCLIST])
        + truth["pedestrian"] * pedestrian
        + truth["goods"] * heavy
        + truth["bus"] * (parties.kind == BUS_KIND)
        + age_effect
        + truth["night_weekend"] * ((weekday >= 4) & ((hour >= 22) | (hour < 5)))
    )
    together = truth.get("together")
    if together:
        total += (
            together["motorcycle_fast"] * (motorcycle & scenes.fast)
            + together["dark_no_lighting_fast"] * ((scenes.light == NO_LIGHTING) & scenes.fast)
            + together["pedestrian_over_65"] * (pedestrian & (oldest > 65))
            + together["twenty_or_thirty_urban_daylight"]
            * ((scenes.speed <= 30) & ~scenes.rural & (scenes.light == DAYLIGHT))
        )
    return total


def draw_injuries(rng: np.random.Generator, world: World, scenes: Scenes, parties: Parties) -> Injuries:
    """Draw severity: fatal or not, serious or slight as the recording system sees it, then by person."""
    truth, offsets, people = TRUTH["severity"], world.offsets, parties.casualties
    worst = worst_casualty(rng, world, scenes, parties)
    place = world.sites["effect"].to_numpy()[scenes.site]
    male = np.zeros(len(scenes))
    male[people.collision[worst]] = people.male[worst]
    fatal = sigmoid(
        offsets["fatal"]
        + offsets["fatal_male"] * male
        + truth["places"]["share_in_fatal"] * place
        + log_odds(truth["fatal"], world, scenes, parties)
    )
    bad = place + log_odds(truth["serious"], world, scenes, parties)
    serious = sigmoid(offsets["serious"][scenes.injury_based.astype(int)] + bad)
    is_fatal, is_serious = rng.random(len(scenes)) < fatal, rng.random(len(scenes)) < serious
    severity = np.select([is_fatal, is_serious], [FATAL, SERIOUS], default=SLIGHT)
    extra = truth["others"]
    chance, at = rng.random(len(people)), severity[people.collision]
    also_fatal = (at == FATAL) & (chance < extra["fatal_beside_fatal"])
    also_serious = (
        (at == FATAL) & (chance < extra["fatal_beside_fatal"] + extra["serious_beside_fatal"])
    ) | ((at == SERIOUS) & (chance < extra["serious_beside_serious"]))
    casualty = np.select([worst, also_fatal, also_serious], [at, FATAL, SERIOUS], default=SLIGHT)
    return Injuries(severity, casualty, fatal, serious, sigmoid(offsets["serious"][1] + bad))


# --- constants that make the published figures come out -----------------------------------------

_TRIAL = 60_000


def fit(streams: Streams, world: World) -> None:
    """Fill ``world.offsets``: constants found on a trial population of the world's own.

    Rounded, so that the last bit of a sum, which may differ between processors, cannot matter.
    """
    days = world.days
    day = np.sort(
        streams.world("trial days", world.year).choice(len(days), _TRIAL, p=days["share"].to_numpy())
    )
    scenes = make_scenes(streams.world("trial scenes", world.year), world, day)
    fit_kinds(streams, world, scenes)
    parties = make_parties(streams.world("trial parties", world.year), world, scenes)
    fit_severity(streams, world, scenes, parties)


def fit_kinds(streams: Streams, world: World, scenes: Scenes) -> None:
    """Constants for the mix of casualties, casualties and vehicles per collision, and men's share."""
    offsets = world.offsets
    kinds = np.log(np.array(list(TRUTH["kinds"]["share"].values())))
    offsets |= {"kinds": kinds, "male": 0.0, "hurt": 0.0, "passengers": 1.0}
    per_collision = TARGETS["casualties_per_collision"]
    shares = {name: TARGETS[f"casualties_{name}"] for name in ("pedestrian", "motorcycle", "cycle", "car")}
    shares["other"] = 1 - sum(shares.values())
    members = {
        "pedestrian": [PEDESTRIAN_KIND],
        "motorcycle": [MOTORCYCLE_KIND, MOTORCYCLE_ALONE],
        "cycle": [CYCLE_KIND],
        "other": [GOODS_KIND, BUS_KIND, OTHER_KIND],
    }
    cars = [CAR_ALONE, TWO_CARS, MANY_CARS]
    for _ in range(6):
        parties = make_parties(streams.world("trial parties", world.year), world, scenes)
        people, vehicles, number = parties.casualties, parties.vehicles, len(scenes)
        found = (
            np.bincount(mode_of(people.role, vehicles.type[people.vehicle]), minlength=len(MODES)) / number
        )
        gaps = {mode: np.log(shares[mode] * per_collision / found[place]) for place, mode in enumerate(MODES)}
        share = np.bincount(parties.kind, minlength=len(KINDS)) / number
        wanted = share.copy()
        for mode, rows in members.items():
            wanted[rows] *= np.exp(gaps[mode])
        wanted[cars] = share[cars] * np.exp(
            np.array([0.0, 1.0, 2.0]) * 3.2 * (TARGETS["vehicles_per_collision"] - len(vehicles) / number)
        )
        wanted[cars] *= (1 - np.delete(wanted, cars).sum()) / wanted[cars].sum()
        kinds = kinds + np.log(wanted / share)
        offsets["hurt"] += 1.3 * gaps["car"]
        offsets["passengers"] *= np.exp(0.6 * gaps["car"])
        offsets["male"] += 6.0 * (TARGETS["casualties_male"] - people.male.mean())
        offsets["kinds"] = kinds
    offsets["kinds"] = np.round(kinds - kinds[TWO_CARS], 6)
    for name in ("hurt", "passengers", "male"):
        offsets[name] = round(float(offsets[name]), 6)


MODES = ["pedestrian", "motorcycle", "cycle", "car", "other"]


def mode_of(role: npt.NDArray[Any], vehicle_type: npt.NDArray[Any]) -> Ints:
    """How a casualty travelled: a number in MODES. Taxis count as cars."""
    return np.select(
        [
            role == PEDESTRIAN,
            np.isin(vehicle_type, MOTORCYCLES),
            vehicle_type == CYCLE,
            np.isin(vehicle_type, (CAR, TAXI)),
        ],
        [0, 1, 2, 3],
        default=4,
    )  # fmt: skip


def serious_targets(year: int) -> Floats:
    """Shares of collisions recorded as serious: where an officer judged, and where injuries were listed."""
    last = np.array([logit(TARGETS["serious_judged_2024"]), logit(TARGETS["serious_injury_based_2024"])])
    share = TARGETS["injury_based_2018"]
    mix = np.array([1 - share, share])
    first = last + solve(lambda b: float(mix @ sigmoid(last + b)), TARGETS["serious_2018"], -3, 3)
    steps = (
        (year - 2018) / 6 if year <= 2024 else 1 + (year - 2024) / 6 * TRUTH["severity"]["step_after_2024"]
    )
    return sigmoid(first + (last - first) * steps)


def fatal_target(year: int) -> float:
    """The share of collisions that were fatal: published, or assumed."""
    assumed: dict[str, float] = TRUTH["severity"]["fatal_share"]
    return TARGETS[f"fatal_{year}"] if f"fatal_{year}" in TARGETS else assumed[str(year)]


def fit_severity(streams: Streams, world: World, scenes: Scenes, parties: Parties) -> None:
    """Constants for fatal and serious, by recording system, and men's share of deaths."""
    truth, offsets, people = TRUTH["severity"], world.offsets, parties.casualties
    worst = worst_casualty(streams.world("trial worst", world.year), world, scenes, parties)
    male = np.zeros(len(scenes))
    male[people.collision[worst]] = people.male[worst]
    place = world.sites["effect"].to_numpy()[scenes.site]
    shape = truth["places"]["share_in_fatal"] * place + log_odds(truth["fatal"], world, scenes, parties)
    target, both = fatal_target(world.year), {"fatal": 0.0}

    beside = np.flatnonzero(~worst)  # the others in a collision, who may die too
    share = truth["others"]["fatal_beside_fatal"]

    def men(slope: float) -> float:
        both["fatal"] = solve(lambda b: float(sigmoid(b + slope * male + shape).mean()), target)
        chance = sigmoid(both["fatal"] + slope * male + shape)
        with_them = chance[people.collision[beside]]
        men_killed = chance @ male + share * (with_them @ people.male[beside])
        return float(men_killed / (chance.sum() + share * with_them.sum()))

    offsets["fatal_male"] = solve(men, TARGETS["killed_male"], -2, 4)
    men(offsets["fatal_male"])
    offsets["fatal"] = both["fatal"]
    fatal = sigmoid(offsets["fatal"] + offsets["fatal_male"] * male + shape)
    bad = place + log_odds(truth["serious"], world, scenes, parties)
    constants = []
    for system, share in enumerate(serious_targets(world.year)):
        here = scenes.injury_based == bool(system)
        left, hardness = 1 - fatal[here], bad[here]
        constants.append(solve(lambda b: float((left * sigmoid(b + hardness)).mean()), share))  # noqa: B023
    offsets["serious"] = np.array(constants)


# --- the raw layer ------------------------------------------------------------------------------

_BLOCK = 100_000


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables of ``streams.year`` in blocks of days: collisions, vehicles, casualties, people.

    `rows` is the number of collisions in 2024; other years have more or fewer.
    """
    world = make_world(streams)
    volume = TRUTH["window"]["volume"]
    number = max(1, round(rows * volume[str(world.year)] / volume["2024"]))
    per_day = streams.rng("rows per day").multinomial(number, world.days["share"].to_numpy())
    late: list[pd.DataFrame] = []
    first_serial, first_person = FIRST_SERIAL[streams.sealed], 0
    for block, days in enumerate(blocks(per_day, _BLOCK)):
        rng = streams.rng("collisions", block)
        tables = report(rng, world, np.repeat(days, per_day[days]), first_serial, first_person)
        first_serial += len(tables["collision"])
        first_person += len(tables["person"])
        is_late = rng.random(len(tables["collision"])) < TRUTH["recording"]["late_rows"]
        late.append(tables["collision"][is_late])
        tables["collision"] = tables["collision"][~is_late]
        yield tables
    yield {"collision": pd.concat(late)}  # what forces sent in after the deadline


def blocks(per_day: Ints, size: int) -> Iterator[Ints]:
    """Runs of days that hold about `size` collisions each."""
    number = np.maximum(np.cumsum(per_day) - 1, 0) // size
    for block in np.unique(number):
        yield np.flatnonzero(number == block)


@dataclass(frozen=True)
class Cases:
    """What happened, before anybody writes it down.

    Attributes:
        scenes: where and when.
        parties: who was there.
        injuries: how bad it was.
        new_form: for each collision, whether it is reported in the specification of 2024.
        chances: for each collision, the chance that one judged slight would be serious by its injuries.
    """

    scenes: Scenes
    parties: Parties
    injuries: Injuries
    new_form: Flags
    chances: Floats


def report(rng: np.random.Generator, world: World, day: Ints, first_serial: int, first_person: int) -> Chunk:
    """What the police wrote about one collision for each entry of `day`: the four raw tables."""
    scenes = make_scenes(rng, world, day)
    parties = make_parties(rng, world, scenes)
    injuries = draw_injuries(rng, world, scenes, parties)
    new_form = (world.year >= 2024) & scenes.injury_based
    new_form &= rng.random(len(scenes)) < TRUTH["recording"]["new_specification"]
    cases = Cases(scenes, parties, injuries, new_form, adjusted_chances(scenes, injuries))
    collisions = record_collisions(rng, world, cases, first_serial)
    people = record_people(rng, world, cases, first_person)
    vehicles = record_vehicles(rng, world, cases, people)
    casualties = record_casualties(rng, world, cases, people)
    for column in ("age_band", "sex"):  # not known is blank in the raw layer, a code in the published one
        people[column] = people[column].astype("Int16").mask(people[column] < 0)
    index = collisions["collision_index"].to_numpy()
    for frame in (people, vehicles, casualties):
        frame.insert(0, "collision_index", index[frame["collision"].to_numpy()])
    tables = {"collision": collisions, "vehicle": vehicles, "casualty": casualties, "person": people}
    return with_second_reports(rng, world, tables)


def record_collisions(
    rng: np.random.Generator, world: World, cases: Cases, first_serial: int
) -> pd.DataFrame:
    """The collision table, with the true spot and the number of the site it will be snapped to."""
    scenes, parties, severity, sites = cases.scenes, cases.parties, cases.injuries.collision, world.sites
    number = len(scenes)
    date = world.days["date"].to_numpy()[scenes.day]
    reference = make_references(rng, world, cases, first_serial)
    minute = np.where(rng.random(number) < TRUTH["recording"]["time_missing"], UNKNOWN, scenes.minute)
    nowhere = rng.random(number) < TRUTH["recording"]["place_missing"]
    spot = rng.normal(0, 180, (2, number)).astype(np.int64)
    easting, northing = (
        np.where(nowhere, np.nan, sites[name].to_numpy()[scenes.site] + off)
        for name, off in zip(("easting", "northing"), spot, strict=True)
    )
    highway, today = highway_authorities(scenes.force, date)
    frame: dict[str, Any] = {
        "collision_index": world.year * 10**13 + reference,
        "collision_year": np.full(number, world.year, dtype=np.int16),
        "collision_reference": reference,
        "site": np.where(nowhere, UNKNOWN, scenes.site).astype(np.int32),
        "exact_easting": easting,
        "exact_northing": northing,
        "police_force": small(FIRST_FORCE + scenes.force),
        "collision_severity": small(severity),
        "number_of_vehicles": small(np.bincount(parties.vehicles.collision, minlength=number)),
        "number_of_casualties": small(np.bincount(parties.casualties.collision, minlength=number)),
        "date": date,
        "day_of_week": small((world.days["weekday"].to_numpy()[scenes.day] + 1) % 7 + 1),
        "time": pd.Categorical.from_codes(minute, TIMES),
        "local_authority_district": small(FIRST_DISTRICT + scenes.district),
        "local_authority_ons_district": pd.Categorical.from_codes(
            scenes.district, [f"E07999{district + 1:03d}" for district in range(DISTRICTS)]
        ),
        "local_authority_highway": highway,
        "local_authority_highway_current": today,
        **record_road(rng, world, scenes, cases.new_form),
        "did_police_officer_attend_scene_of_accident": small(draw_attendance(rng, world, scenes, severity)),
        "trunk_road_flag": small(np.where(sites["trunk"].to_numpy()[scenes.site], 1, 2)),
        "lsoa_of_accident_location": pd.Categorical.from_codes(
            np.where(nowhere, UNKNOWN, sites["area"].to_numpy()[scenes.site]), area_codes()
        ),
        "enhanced_severity_collision": small(enhanced(rng, world, severity, scenes.injury_based)),
        "collision_injury_based": small(scenes.injury_based),
        "collision_adjusted_severity_serious": adjusted_serious(severity, scenes.injury_based, cases.chances),
    }
    frame["collision_adjusted_severity_slight"] = np.where(
        severity == FATAL, 0.0, np.round(1 - frame["collision_adjusted_severity_serious"], 6)
    )
    return pd.DataFrame(frame)


def area_codes() -> list[str]:
    """Codes of the small areas, in the source's form and not in use."""
    return [f"E01999{area // 10:03d}{'ABCDEFGHIJ'[area % 10]}" for area in range(SMALL_AREAS)]


def make_references(rng: np.random.Generator, world: World, cases: Cases, first_serial: int) -> Ints:
    """References: force, the day the file was closed (counted from 1 January), a serial number. A leak."""
    truth, scenes = TRUTH["leaks"]["reference"], cases.scenes
    typical = np.array([0, *(truth["days_to_close"][name] for name in ("fatal", "serious", "slight"))])
    open_for = typical[cases.injuries.collision] * np.exp(rng.normal(0, truth["spread"], len(scenes)))
    day = world.days["date"].dt.day_of_year.to_numpy()[scenes.day]
    closed = np.minimum(day + open_for.astype(np.int64), 9_999)
    serial = first_serial + np.arange(len(scenes))
    return (FIRST_FORCE + scenes.force) * 10**11 + closed * 10**7 + serial % 10**7


def highway_authorities(force: Ints, date: npt.NDArray[Any]) -> tuple[pd.Categorical, pd.Categorical]:
    """Highway authorities, one a force: then, and on today's boundaries."""
    merger = TRUTH["places"]["highway_merger"]
    merged = list(FORCES["name"]).index(merger["force"])
    codes = [*(f"E10999{force + 1:03d}" for force in range(len(FORCES))), "E06999901"]
    today = np.where(force == merged, len(FORCES), force)
    then = np.where(date < np.datetime64(merger["from"]), force, today)
    return pd.Categorical.from_codes(then, codes), pd.Categorical.from_codes(today, codes)


def record_road(rng: np.random.Generator, world: World, scenes: Scenes, new_form: Flags) -> dict[str, Any]:
    """The columns about road, junction, crossing, light, weather and hazards, as the form in use has them."""
    truth, number, places = TRUTH["recording"], len(scenes), TRUTH["places"]
    site = {name: world.sites[name].to_numpy()[scenes.site] for name in _SITE_COLUMNS}

    def lost(values: Ints, share: float, code: int) -> Ints:
        """`values`, a few of them not known: half missing, half reported by a driver as unknown."""
        chance = rng.random(number)
        return np.select([chance < share / 2, chance < share], [UNKNOWN, code], default=values)

    some = truth["fields_unknown"]
    junction = lost(site["junction"], places["junction_unknown"], 99)
    crossing = lost(site["crossing"], some, 9)
    human = lost(draw(rng, number, {0: 98.9, 1: 0.4, 2: 0.7}), some, 9)
    hazard = lost(draw(rng, number, {0: 97.6, 2: 0.7, 1: 0.15, 3: 0.45, 6: 0.35, 7: 0.75}), some, 9)
    hazard_now = coded(hazard, NEW_HAZARD)
    also_new = draw(rng, number, {0: 97.4, 13: 1.1, 21: 0.6, 14: 0.25, 15: 0.2, 11: 0.3, 12: 0.15})
    hazard_now = np.where(new_form & (hazard_now == 0), also_new, hazard_now)
    crossing_now = np.select([human == 1, human == 2], [11, 12], default=coded(crossing, NEW_CROSSING))
    at_junction = np.isin(junction, (*OLD_JUNCTIONS[1:], 99))
    control = np.where(at_junction, lost(site["control"], some, 9), junction_habits(rng, world, scenes))
    columns = {
        "first_road_class": site["road_class"],
        "first_road_number": site["road_number"],
        "road_type": lost(site["road_type"], places["road_type_unknown"], 9),
        "speed_limit": lost(scenes.speed, 0.0008, 99),
        "junction_detail_historic": np.where(new_form, UNKNOWN, junction),
        "junction_detail": coded(junction, NEW_JUNCTION),
        "junction_control": control,
        "second_road_class": np.where(at_junction, lost(site["second_class"], 0.02, 9), 0),
        "second_road_number": np.where(
            at_junction & np.isin(site["second_class"], (1, 3, 4)), site["second_number"], 0
        ),
        "pedestrian_crossing_human_control_historic": np.where(new_form, UNKNOWN, human),
        "pedestrian_crossing_physical_facilities_historic": np.where(new_form, UNKNOWN, crossing),
        "pedestrian_crossing": crossing_now,
        "light_conditions": scenes.light,
        "weather_conditions": scenes.weather,
        "road_surface_conditions": scenes.surface,
        "special_conditions_at_site": draw_special(rng, world, number, new_form),
        "carriageway_hazards_historic": np.where(new_form, UNKNOWN, hazard),
        "carriageway_hazards": hazard_now,
        "urban_or_rural_area": np.where(scenes.rural, 2, 1),
    }
    return {name: small(values) for name, values in columns.items()}


_SITE_COLUMNS = (
    "road_class", "road_number", "road_type", "junction", "control", "second_class", "second_number",
    "crossing",
)  # fmt: skip


def junction_habits(rng: np.random.Generator, world: World, scenes: Scenes) -> Ints:
    """junction_control where there is no junction: most forces leave it out, some write 0."""
    truth, shares = TRUTH["recording"], FORCES["share"].to_numpy()
    away = np.bincount(
        world.sites["force"].to_numpy(),
        world.sites["weight"].to_numpy() * (world.sites["junction"].to_numpy() == 0),
    )
    habits = truth["control_habits"]
    # The last forces of the list write 0, as many as make the published share.
    missing = np.full(len(FORCES), habits["always"])
    wanted = TARGETS["junction_control_missing"] - truth["fields_unknown"] / 2 * (1 - away.sum())
    for force in range(len(FORCES) - 1, -1, -1):
        over = float(missing @ away) - wanted
        if over <= 0:
            break
        missing[force] = max(habits["never"], habits["always"] - over / away[force])
    assert np.isclose(shares.sum(), 1)  # noqa: S101 (a slip of the pen in truth.toml)
    return np.where(rng.random(len(scenes)) < missing[scenes.force], UNKNOWN, 0)


def draw_special(rng: np.random.Generator, world: World, number: int, new_form: Flags) -> Ints:
    """special_conditions_at_site: the 2024 specification has no such field."""
    truth = TRUTH["recording"]
    special = draw(rng, number, {0: 97.3, 4: 1.4, 5: 0.45, 6: 0.2, 7: 0.2, 1: 0.2, 2: 0.1, 3: 0.15})
    share = TARGETS["special_missing_2023"] if world.year == 2023 else truth["special_missing"]
    chance = rng.random(number)
    return np.select([new_form | (chance < share), chance > 0.995], [UNKNOWN, 9], default=special)


def draw_attendance(rng: np.random.Generator, world: World, scenes: Scenes, severity: Ints) -> Ints:
    """Whether an officer came: more often the worse it was. A leak."""
    truth = TRUTH["leaks"]["police_attendance"]
    base = np.array([0.0, *(logit(truth[name]) for name in ("fatal", "serious", "slight"))])
    # Forces differ in how often they come, by less than the worst collisions allow.
    habit = (
        np.linspace(-1.6, 1.6, len(FORCES))[(np.arange(len(FORCES)) * 7) % len(FORCES)] * truth["force_sd"]
    )
    came = rng.random(len(scenes)) < sigmoid(base[severity] + habit[scenes.force])
    return np.where(
        came, 1, draw(rng, len(scenes), {3: truth["self_completed"], 2: 1 - truth["self_completed"]})
    )


def enhanced(rng: np.random.Generator, world: World, severity: Ints, injury_based: Flags) -> Ints:
    """Severity in five grades, where it is collected. A leak."""
    truth = TRUTH["recording"]
    if world.year < truth["enhanced_from"]:
        return np.full(len(severity), UNKNOWN)
    shares = truth["enhanced_shares"]
    grade = draw(rng, len(severity), {5: shares["very"], 6: shares["moderately"], 7: shares["less"]})
    return np.where(injury_based, np.where(severity == SERIOUS, grade, severity), UNKNOWN)


def adjusted_chances(scenes: Scenes, injuries: Injuries) -> Floats:
    """For each collision, the chance that one judged slight would be serious by its injuries."""
    kept = TRUTH["leaks"]["adjusted_severity"]["serious_kept"]
    judged = injuries.serious
    chance = (injuries.serious_if_injury_based - kept * judged) / (1 - judged)
    return np.where(scenes.injury_based, 0.0, np.clip(chance, 0.0, 1.0))


def adjusted_serious(severity: Ints, injury_based: Flags, chance: Floats) -> Floats:
    """The source's "adjusted severity": as recorded where injuries were listed, else a chance. A leak."""
    kept = TRUTH["leaks"]["adjusted_severity"]["serious_kept"]
    judged = np.select([severity == FATAL, severity == SERIOUS], [0.0, kept], default=np.round(chance, 6))
    return np.where(injury_based, (severity == SERIOUS).astype(float), judged)


def record_people(rng: np.random.Generator, world: World, cases: Cases, first: int) -> pd.DataFrame:
    """Everybody a report names: drivers, hurt or not, then passengers and pedestrians who were hurt."""
    scenes, injuries, vehicles = cases.scenes, cases.injuries, cases.parties.vehicles
    people = cases.parties.casualties
    others = np.flatnonzero(people.role != DRIVER)
    collision = np.concatenate([vehicles.collision, people.collision[others]])
    role = np.concatenate([np.full(len(vehicles), DRIVER), people.role[others]])
    age = np.concatenate([vehicles.age, people.age[others]])
    male = np.concatenate([vehicles.male, people.male[others]])
    severity = np.zeros(len(collision), dtype=np.int64)
    drivers = people.role == DRIVER
    severity[people.vehicle[drivers]] = injuries.casualty[drivers]
    severity[len(vehicles) :] = injuries.casualty[others]
    known = ~draw_unknown(rng, cases, collision, role, severity)
    number, district = len(collision), scenes.district[collision]
    homes = world.district_decile[district] + TRUTH["people"]["imd_shift"]
    decile = np.clip(np.rint(rng.normal(homes, TRUTH["people"]["imd_spread"])), 1, 10)
    decile = np.where(known & (rng.random(number) >= TRUTH["people"]["imd_missing"]), decile, np.nan)
    born = world.days["date"].to_numpy()[scenes.day[collision]].astype("datetime64[D]")
    born = born - (age * 365.25 + rng.uniform(1, 365, number)).astype(np.int64).astype("timedelta64[D]")
    area = np.array(POSTCODE_AREAS, dtype=object)[district % len(POSTCODE_AREAS)]
    return pd.DataFrame(
        {
            "collision": collision,
            "person_number": first + np.arange(number),
            "role": pd.Categorical.from_codes(role - 1, ROLES),
            "police_force": small(FIRST_FORCE + scenes.force[collision]),
            "given_name": pd.Categorical(np.where(known, given_names(rng, male), None)),
            "family_name": pd.Categorical(np.where(known, family_names(rng, number), None)),
            "date_of_birth": np.where(known, born, np.datetime64("NaT")).astype("datetime64[us]"),
            "postcode": np.where(known, postcodes(rng, area, district // 12 + 1), None),
            "registration_mark": registration_marks(rng, vehicles, number),
            "age": small(np.where(known, age, UNKNOWN)),
            "age_band": small(age_band(np.where(known, age, UNKNOWN))),
            "sex": small(np.where(known | (rng.random(number) < 0.4), np.where(male, 1, 2), UNKNOWN)),
            "imd_decile": pd.array(decile, dtype="Int16"),
            "severity": small(severity),
        }
    )


def draw_unknown(
    rng: np.random.Generator, cases: Cases, collision: Ints, role: Ints, severity: Ints
) -> Flags:
    """Whose age nobody wrote down: drivers who drove away, more at night, fewer where it was bad."""
    scenes, injuries = cases.scenes, cases.injuries
    truth = TRUTH["people"]
    log_odds_unknown = (
        logit(truth["driver_unknown"])
        + truth["driver_unknown_at_night"] * scenes.dark[collision]
        + truth["driver_unknown_if_severe"] * (injuries.collision[collision] < SLIGHT)
    )
    gone = (role == DRIVER) & (severity == 0)
    return rng.random(len(collision)) < np.where(gone, sigmoid(log_odds_unknown), 0.012)


def registration_marks(rng: np.random.Generator, vehicles: Vehicles, number: int) -> npt.NDArray[np.object_]:
    """Number plates in the form AB12 CDE that begin with QQ, which is not issued."""
    letters = np.array(list("ABCDEFGHJKLMNPRSTUVWXY"), dtype=object)
    count = len(vehicles)
    tail = letters[rng.integers(0, len(letters), (3, count))]
    year = np.array([f"QQ{code:02d} " for code in range(100)], dtype=object)[rng.integers(2, 75, count)]
    has_plate = ~np.isin(vehicles.group, (CYCLIST, SOMETHING_ELSE))
    marks = np.full(number, None, dtype=object)
    marks[:count] = np.where(has_plate, year + tail[0] + tail[1] + tail[2], None)
    return marks


def record_vehicles(
    rng: np.random.Generator, world: World, cases: Cases, people: pd.DataFrame
) -> pd.DataFrame:
    """The vehicle table; who drove is in the person table, by number."""
    scenes, parties = cases.scenes, cases.parties
    vehicles = parties.vehicles
    at, kind, number = vehicles.collision, parties.kind[vehicles.collision], len(vehicles)
    form, alone = cases.new_form[at], np.isin(kind, (CAR_ALONE, MOTORCYCLE_ALONE))
    frame: dict[str, Any] = {
        "collision": at,
        "person_number": people["person_number"].to_numpy()[:number],
        "vehicle_reference": vehicles.reference,
        "vehicle_type": vehicles.type,
        "towing_and_articulation": np.where(
            vehicles.type == HEAVY_GOODS,
            draw(rng, number, {1: 55, 0: 42, 4: 3}),
            draw(rng, number, {0: 97.2, 4: 0.9, 9: 1.2, UNKNOWN: 0.5, 3: 0.2}),
        ),
        **record_movement(rng, world, scenes, parties, form),
        **record_impact(rng, scenes, vehicles, kind, alone),
        "vehicle_left_hand_drive": draw(rng, number, {1: 95.6, 2: 0.6, 9: 2.2, UNKNOWN: 1.6}),
        **record_purpose(rng, vehicles, form),
        **record_machine(rng, world, vehicles),
        "escooter_flag": (vehicles.type == OTHER_VEHICLE)
        & (world.year >= 2020)
        & (rng.random(number) < 0.85),
        "driver_distance_banding": draw_distance(
            rng, world, scenes, at, people["age_band"].to_numpy()[:number]
        ),
    }
    return pd.DataFrame(
        {
            name: values
            if name in ("collision", "person_number", "generic_make_model")
            else small(np.asarray(values))
            for name, values in frame.items()
        }
    )


def record_movement(
    rng: np.random.Generator, world: World, scenes: Scenes, parties: Parties, form: Flags
) -> dict[str, Ints]:
    """Manoeuvre, direction, lane and place at the junction, in both specifications."""
    vehicles = parties.vehicles
    number, at = len(vehicles), vehicles.collision
    junction = world.sites["junction"].to_numpy()[scenes.site[at]]
    rare = {99: 1.0, UNKNOWN: 0.6, 1: 1.4, 6: 0.9, 11: 1.0, 12: 1.2, 13: 3.0, 14: 1.3, 15: 0.8}
    ahead = {18: 60, 16: 4.2, 17: 4.0, 4: 6, 3: 6, 5: 3.5, 2: 2.5, **rare}
    turning = {18: 45, 9: 17, 7: 7, 4: 6, 3: 7, 5: 4, 8: 0.6, 10: 2.0, 16: 1, 17: 1, 2: 1, **rare}
    manoeuvre = draw_by(rng, (junction > 0).astype(int), [ahead, turning])
    manoeuvre = np.where((vehicles.reference == 1) & (manoeuvre == 2), 18, manoeuvre)
    lane = draw_by(
        rng,
        (vehicles.group == CYCLIST).astype(int),
        [
            {0: 96.2, 2: 0.9, 6: 0.7, 9: 0.5, 3: 0.1, 7: 0.2, 8: 0.2, 10: 0.2, 99: 0.7, UNKNOWN: 0.3},
            {0: 83, 4: 7, 5: 3.2, 9: 3, 2: 1.2, 99: 1.8, UNKNOWN: 0.8},
        ],
    )
    where = draw(rng, number, {1: 36, 8: 33, 6: 9, 5: 6, 2: 8, 9: 4, UNKNOWN: 4})
    where = np.where(np.isin(junction, (1, 2)), draw(rng, number, {4: 24, 8: 46, 3: 8, 1: 18, 2: 4}), where)
    parked, heading = manoeuvre == 2, rng.integers(1, 9, number)
    turn = np.select([manoeuvre == 9, manoeuvre == 7, manoeuvre == 6], [2, -2, 0], default=4)
    wobble = draw(rng, number, {0: 88, 1: 6, -1: 6})
    lost = rng.random(number) < 0.02
    now = np.where(
        form & (rng.random(number) < 0.012) & (manoeuvre == 18), 20, coded(manoeuvre, NEW_MANOEUVRE)
    )
    return {
        "vehicle_manoeuvre_historic": np.where(form, UNKNOWN, manoeuvre),
        "vehicle_manoeuvre": now,
        "vehicle_direction_from": np.select([parked, lost], [0, 9], default=heading),
        "vehicle_direction_to": np.select(
            [parked, lost], [0, 9], default=(heading - 1 + turn + wobble) % 8 + 1
        ),
        "vehicle_location_restricted_lane_historic": np.where(form, UNKNOWN, lane),
        "vehicle_location_restricted_lane": coded(lane, NEW_LANE),
        "junction_location": np.where(junction > 0, where, 0),
    }


def record_impact(
    rng: np.random.Generator, scenes: Scenes, vehicles: Vehicles, kind: Ints, alone: Flags
) -> dict[str, Ints]:
    """Skidding, leaving the road, what was hit: with speed, water and nobody else about."""
    number, at = len(vehicles), vehicles.collision
    fast, wet, rider = scenes.fast[at], scenes.surface[at] == WET, vehicles.group == RIDER
    skid = sigmoid(-3.3 + 1.1 * fast + 0.7 * wet + 1.0 * alone + 1.1 * rider)
    over = sigmoid(-4.6 + 1.4 * fast + 1.7 * alone)
    chance = rng.random(number)
    skidding = np.select([chance < over * 0.5, chance < over, chance < over + skid], [2, 5, 1], default=0)
    skidding = np.where(
        (vehicles.type == HEAVY_GOODS) & (skidding == 1) & (chance < over + skid * 0.1), 3, skidding
    )
    left = rng.random(number) < sigmoid(-3.4 + 0.5 * fast + 3.1 * alone)
    leaving = np.where(left, draw(rng, number, {1: 52, 2: 6, 3: 6, 4: 3, 5: 4, 6: 1.5, 7: 23, 8: 4.5}), 0)
    beside = draw(
        rng, number, {0: 30, 1: 7, 2: 8, 3: 3, 4: 13, 5: 0.6, 6: 7, 7: 7, 8: 0.3, 9: 8, 10: 9, 11: 11}
    )
    on_road = draw(
        rng, number, {0: 93.4, 4: 2.2, 10: 2.2, 11: 0.9, 7: 0.5, 9: 0.15, 12: 0.35, 8: 0.15, 1: 0.15}
    )
    impact = draw(rng, number, {1: 49, 2: 17, 3: 13.5, 4: 13.5, 0: 5, 9: 1.5, UNKNOWN: 0.5})
    impact = np.where((kind == PEDESTRIAN_KIND) & (impact == 2), 1, impact)
    return {
        "skidding_and_overturning": with_unknown(rng, skidding, 9),
        "hit_object_in_carriageway": with_unknown(rng, on_road, 99),
        "vehicle_leaving_carriageway": with_unknown(rng, leaving, 9),
        "hit_object_off_carriageway": with_unknown(rng, np.where(left, beside, 0), 99),
        "first_point_of_impact": impact,
    }


def with_unknown(rng: np.random.Generator, values: Ints, code: int) -> Ints:
    """`values`, of which a few were reported by a driver as unknown or left out."""
    chance = rng.random(len(values))
    return np.select([chance < 0.006, chance < 0.016], [UNKNOWN, code], default=values)


def record_purpose(rng: np.random.Generator, vehicles: Vehicles, form: Flags) -> dict[str, Ints]:
    """Purpose of the journey: asked for, seldom known."""
    number, work = len(vehicles), (vehicles.group == AT_WORK) | (vehicles.type == TAXI)
    unknown = TRUTH["people"]["purpose_unknown"]
    purpose = np.where(
        work,
        draw(rng, number, {1: 84, 5: 3, 6: 13}),
        draw(rng, number, {1: 3.5, 2: 9.5, 3: 0.9, 4: 0.4, 5: 16, 6: 100 * unknown, UNKNOWN: 1.5}),
    )
    now = coded(purpose, NEW_PURPOSE)
    now = np.where(form & (purpose == 1) & (rng.random(number) < 0.03), 8, now)
    return {
        "journey_purpose_of_driver_historic": np.where(form, UNKNOWN, purpose),
        "journey_purpose_of_driver": now,
    }


def record_machine(rng: np.random.Generator, world: World, vehicles: Vehicles) -> dict[str, Any]:
    """Engine, fuel, age, make and model: none for what has no plate."""
    number, kind = len(vehicles), vehicles.type
    no_plate = np.isin(vehicles.group, (CYCLIST, SOMETHING_ELSE))
    two = np.isin(kind, MOTORCYCLES)
    heavy = np.isin(kind, (GOODS, HEAVY_GOODS, BUS, 98))
    late = max(0, world.year - 2018)
    fuel = draw_by(
        rng,
        np.select([two, heavy | (kind == VAN)], [1, 2], default=0),
        [
            {1: 56, 2: 40 - 2.2 * late, 8: 2.5 + 1.0 * late, 3: 0.4 + 0.9 * late, 7: 0.2},
            {1: 97 - 0.4 * late, 3: 1 + 0.4 * late},
            {2: 96 - 0.5 * late, 1: 1.5, 3: 0.5 + 0.5 * late},
        ],
    )
    size = np.select(
        [kind == 3, kind == 4, kind == 5, kind == 2, heavy], [120, 300, 800, 49, 8_200], default=1_580
    )
    size = (size * np.exp(rng.normal(0, np.where(np.isin(kind, (2, 3)), 0.04, 0.24)))).astype(np.int64)
    age = np.minimum(rng.gamma(2.0, 4.1, number), 30).astype(np.int64)
    lost = no_plate | (rng.random(number) < TRUTH["recording"]["model_missing"])
    return {
        "engine_capacity_cc": np.where(lost | (fuel == 3), UNKNOWN, size),
        "propulsion_code": np.where(lost, UNKNOWN, fuel),
        "age_of_vehicle": np.where(lost, UNKNOWN, age),
        "generic_make_model": draw_models(rng, world, kind, lost),
    }


def draw_models(rng: np.random.Generator, world: World, kind: Ints, lost: Flags) -> pd.Categorical:
    """Makes and models by type of vehicle: a few common ones, a long tail."""
    place = {name: code for code, name in enumerate(MODEL_NAMES)}
    model = np.zeros(len(kind), dtype=np.int64)
    alike = {TAXI: CAR, 2: 3, 97: 3, 23: 3, 4: 5, GOODS: HEAVY_GOODS, MINIBUS: BUS}
    for vehicle_type, text in MODELS.items():
        names = [place[name.strip()] for name in text.replace("\n", "|").split("|")]
        here = np.flatnonzero(
            np.isin(kind, [vehicle_type, *(code for code, as_ in alike.items() if as_ == vehicle_type)])
        )
        model[here] = draw(rng, len(here), {name: 1 / (rank + 2) for rank, name in enumerate(names)})
    if world.year < TRUTH["recording"]["model_from"]:
        model[:] = 0
    return pd.Categorical.from_codes(np.where(lost, 0, model), MODEL_NAMES)


def draw_distance(
    rng: np.random.Generator, world: World, scenes: Scenes, at: Ints, band: npt.NDArray[Any]
) -> Ints:
    """How far from home, in bands: farther on fast roads, nearer for children."""
    if world.year < TRUTH["recording"]["distance_from"]:
        return np.full(len(at), UNKNOWN)
    group = np.select([(band > 0) & (band <= 3), scenes.fast[at]], [0, 2], default=1)
    distance = draw_by(
        rng,
        group,
        [
            {1: 80, 2: 10, 3: 5, 4: 4, 5: 1},
            {1: 52, 2: 20, 3: 14, 4: 12, 5: 2},
            {1: 24, 2: 20, 3: 24, 4: 26, 5: 6},
        ],
    )
    return np.where((band < 0) | (rng.random(len(at)) < 0.10), UNKNOWN, distance)


def record_casualties(
    rng: np.random.Generator, world: World, cases: Cases, people: pd.DataFrame
) -> pd.DataFrame:
    """The casualty table; who they are is in the person table, by number."""
    scenes, hurt, vehicles = cases.scenes, cases.parties.casualties, cases.parties.vehicles
    severity = cases.injuries.casualty
    number, at = len(hurt), hurt.collision
    row = np.where(hurt.role == DRIVER, hurt.vehicle, len(vehicles) + np.cumsum(hurt.role != DRIVER) - 1)
    band = people["age_band"].to_numpy()[row]
    kind, walking = vehicles.type[hurt.vehicle], hurt.role == PEDESTRIAN
    riding = hurt.role == PASSENGER
    start = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
    reference = np.arange(number) - np.repeat(start, np.diff(np.r_[start, number])) + 1
    injury_based = scenes.injury_based[at]
    chance = cases.chances[at] * np.where(reference == 1, 0.9, 0.4)
    serious = adjusted_serious(severity, injury_based, chance)
    location = draw(rng, number, {1: 17, 2: 1, 3: 1, 4: 8, 5: 42, 6: 8, 7: 1, 8: 3, 9: 9, 10: 10})
    movement = draw(rng, number, {1: 35, 2: 7, 3: 19, 4: 4, 5: 6, 6: 1, 7: 3, 8: 4, 9: 21})
    seat = draw_by(
        rng,
        (band <= 3).astype(int),
        [{1: 64, 2: 33, 9: 1.5, UNKNOWN: 1.5}, {1: 26, 2: 71, 9: 1.5, UNKNOWN: 1.5}],
    )
    frame: dict[str, Any] = {
        "collision": at,
        "person_number": people["person_number"].to_numpy()[row],
        "vehicle_reference": vehicles.reference[hurt.vehicle],
        "casualty_reference": reference,
        "casualty_class": hurt.role,
        "casualty_severity": severity,
        "pedestrian_location": np.where(walking, location, 0),
        "pedestrian_movement": np.where(walking, movement, 0),
        "car_passenger": np.where(riding & np.isin(kind, (CAR, TAXI)), seat, 0),
        "bus_or_coach_passenger": np.where(
            riding & np.isin(kind, (BUS, MINIBUS)), draw(rng, number, {4: 56, 3: 26, 2: 9, 1: 7, 9: 2}), 0
        ),
        "pedestrian_road_maintenance_worker": np.where(
            walking, draw(rng, number, {0: 92, 1: 0.6, 2: 7.4}), 0
        ),
        "casualty_type": np.where(walking, 0, kind),
        "enhanced_casualty_severity": enhanced(rng, world, severity, injury_based),
        "casualty_injury_based": injury_based,
        "casualty_adjusted_severity_serious": np.round(serious, 6),
        "casualty_adjusted_severity_slight": np.where(severity == FATAL, 0.0, np.round(1 - serious, 6)),
        "casualty_distance_banding": draw_distance(rng, world, scenes, at, band),
    }
    as_they_are = ("collision", "person_number", *(name for name in frame if "adjusted" in name))
    return pd.DataFrame(
        {name: values if name in as_they_are else small(np.asarray(values)) for name, values in frame.items()}
    )


def with_second_reports(rng: np.random.Generator, world: World, tables: Chunk) -> Chunk:
    """Add the collisions near a border that two forces reported, each under a reference of its own.

    The two reports agree in everything but force, reference and whether an officer came.
    """
    first = tables["collision"]
    chosen = np.flatnonzero(rng.random(len(first)) < TRUTH["recording"]["reported_twice"])
    again = first.iloc[chosen].copy()
    neighbour = (again["police_force"].to_numpy() - FIRST_FORCE + 1) % len(FORCES) + FIRST_FORCE
    reference = again["collision_reference"].to_numpy()
    reference = neighbour.astype(np.int64) * 10**11 + reference % 10**11  # closed on the same day
    index = world.year * 10**13 + reference
    again["police_force"], again["collision_reference"] = small(neighbour), reference
    again["collision_index"] = index
    came = again["did_police_officer_attend_scene_of_accident"].to_numpy()
    again["did_police_officer_attend_scene_of_accident"] = small(
        np.where(rng.random(len(again)) < 0.3, 2, came)
    )
    new_index = pd.Series(index, index=first["collision_index"].to_numpy()[chosen])
    new_force = pd.Series(small(neighbour), index=first["collision_index"].to_numpy()[chosen])
    copies = {}
    for name in ("vehicle", "casualty", "person"):
        frame = tables[name].drop(columns="collision")
        copy = frame[frame["collision_index"].isin(new_index.index)].copy()
        if name == "person":
            copy["police_force"] = copy["collision_index"].map(new_force).astype(np.int16)
        copy["collision_index"] = copy["collision_index"].map(new_index).astype(np.int64)
        copies[name] = frame, copy
    people, twins = copies["person"]
    start = int(people["person_number"].iloc[0]) + len(people)
    number = pd.Series(np.arange(start, start + len(twins)), index=twins["person_number"].to_numpy())
    for _, copy in copies.values():
        copy["person_number"] = copy["person_number"].map(number).astype(np.int64)
    together = {name: pd.concat(pair, ignore_index=True) for name, pair in copies.items()}
    collisions = pd.concat([first, again], ignore_index=True).sort_values("date", kind="stable")
    return {"collision": collisions.reset_index(drop=True), **together}


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables.

    No names, plates or homes; places snapped to sites; ages in bands; rare combinations of people and of
    machines blanked.
    """
    world_sites, _ = make_sites(streams)
    people = protect_people(raw, rules)
    gone = without_protection(raw, people["kept"])
    machines = protect_machines(raw, people["police_force"], K_OF_MACHINES)
    for batch in raw.batches("collision"):
        yield {"collision": publish_collisions(batch[~np.isin(batch["collision_index"], gone)], world_sites)}
    done = 0
    for batch in raw.batches("vehicle"):
        hidden = {name: flags[done : done + len(batch)] for name, flags in machines.items()}
        done += len(batch)
        batch["age_of_vehicle"] = np.where(hidden["age"], UNKNOWN, batch["age_of_vehicle"])
        batch["engine_capacity_cc"] = np.where(
            hidden["engine"] | (batch["engine_capacity_cc"] < 0),
            UNKNOWN,
            (batch["engine_capacity_cc"] + 50) // 100 * 100,
        )
        model = batch["generic_make_model"].cat.set_categories(MODEL_NAMES).cat.codes.to_numpy()
        batch["generic_make_model"] = pd.Categorical.from_codes(
            np.where(hidden["model"], 0, model), MODEL_NAMES
        )
        frame = with_person(batch, people, "driver")
        yield {"vehicle": frame[~np.isin(frame["collision_index"], gone)]}
    for batch in raw.batches("casualty"):
        frame = with_person(batch, people, "casualty")
        yield {"casualty": frame[~np.isin(frame["collision_index"], gone)]}


def publish_collisions(batch: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Collisions at their sites."""
    site = batch["site"].to_numpy()
    known = site >= 0
    place = {
        name: np.where(known, sites[column].to_numpy()[site], np.nan)
        for name, column in (
            ("location_easting_osgr", "easting"),
            ("location_northing_osgr", "northing"),
            ("longitude", "longitude"),
            ("latitude", "latitude"),
        )
    }
    return batch.assign(**place)


def with_person(batch: pd.DataFrame, people: dict[str, npt.NDArray[Any]], who: str) -> pd.DataFrame:
    """Vehicles with their drivers, or casualties with who they are, as the person may be published."""
    row = batch["person_number"].to_numpy()
    band, sex = people["age_band"][row], people["sex"][row]
    not_known = 3 if who == "driver" else 9
    columns: dict[str, Any] = {
        f"sex_of_{who}": np.where(sex < 0, not_known, sex),
        f"age_of_{who}": AGE_MIDDLE[np.maximum(band, 0)],
        f"age_band_of_{who}": band,
        f"{who}_imd_decile": people["imd_decile"][row],
        f"lsoa_of_{who}": pd.Categorical.from_codes(np.zeros(len(batch), dtype=np.int8), ["-1"]),
    }
    index = batch["collision_index"].to_numpy()
    columns["collision_year"], columns["collision_reference"] = index // 10**13, index % 10**13
    return batch.assign(**columns)


_PEOPLE_AT_ONCE = 1_500_000


def protect_people(raw: RawTables, rules: Rules) -> dict[str, npt.NDArray[Any]]:
    """For every person, what may be published of them, and whether their collision can be.

    Works through a few forces at a time, which is exact: the force is a quasi-identifier, so no class crosses
    forces.
    """
    if rules.people is None:
        raise ValueError("disclosure.toml has no rule for people")
    people = read_small(raw, "person", ["police_force", "role", "age_band", "sex", "imd_decile", "severity"])
    number = len(people["role"])
    out: dict[str, npt.NDArray[Any]] = {
        "police_force": people["police_force"],
        "kept": np.ones(number, dtype=bool),
        **{name: np.full(number, UNKNOWN, dtype=np.int8) for name in rules.people.suppress},
    }
    per_force = np.bincount(people["police_force"], minlength=FIRST_FORCE + len(FORCES))
    group = (np.cumsum(per_force) // _PEOPLE_AT_ONCE).astype(np.int8)[people["police_force"]]
    for some in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == some)
        frame = pd.DataFrame({name: values[rows] for name, values in people.items()})
        for name in rules.people.suppress:
            frame[name] = frame[name].where(frame[name] >= 0)
        protected: Protected = enforce(frame, rules.people)
        out["kept"][rows] = protected.kept
        for name in rules.people.suppress:
            out[name][rows[protected.kept]] = protected.frame[name].fillna(UNKNOWN).to_numpy().astype(np.int8)
    return out


def read_small(raw: RawTables, table: str, columns: list[str]) -> dict[str, npt.NDArray[np.int8]]:
    """Whole columns of codes between -1 and 127, a byte each; a blank is -1, a category its number."""
    parts: dict[str, list[npt.NDArray[np.int8]]] = {name: [] for name in columns}
    for batch in raw.batches(table, columns):
        for name in columns:
            values = (
                batch[name].cat.codes if isinstance(batch[name].dtype, pd.CategoricalDtype) else batch[name]
            )
            parts[name].append(values.fillna(UNKNOWN).to_numpy().astype(np.int8))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def without_protection(raw: RawTables, kept: Flags) -> Ints:
    """The collisions of people who could not be hidden; none at any size that is taught."""
    if kept.all():
        return np.zeros(0, dtype=np.int64)
    index = [batch["collision_index"].to_numpy() for batch in raw.batches("person", ["collision_index"])]
    return np.unique(np.concatenate(index)[~kept])


def protect_machines(raw: RawTables, force: npt.NDArray[np.int8], k: int) -> dict[str, Flags]:
    """For each vehicle, what to blank so that at least `k` of its force look like it.

    Age first, then make and model, then the engine; the type of vehicle stays.
    """
    columns = ["person_number", "vehicle_type", "age_of_vehicle", "engine_capacity_cc", "propulsion_code"]
    kinds, models, ages, engines = [], [], [], []
    for batch in raw.batches("vehicle", [*columns, "generic_make_model"]):
        model = batch["generic_make_model"].cat.set_categories(MODEL_NAMES).cat.codes.to_numpy()
        place = force[batch["person_number"].to_numpy()].astype(np.int32) - FIRST_FORCE
        kind = batch["vehicle_type"].to_numpy().astype(np.int32)
        kinds.append(place * 128 + kind)
        models.append(model.astype(np.int32))
        ages.append(batch["age_of_vehicle"].to_numpy().astype(np.int32) + 1)
        engine = np.minimum((batch["engine_capacity_cc"].to_numpy().astype(np.int32) + 50) // 100, 999)
        engines.append((engine * 14 + batch["propulsion_code"].to_numpy() + 1) * 128 + kind)
    looks = np.concatenate(kinds) * len(MODEL_NAMES) + np.concatenate(models)
    model, age = np.concatenate(models), np.concatenate(ages)
    hidden_age = is_rare(looks * 64 + age, k)
    age[hidden_age] = 0
    hidden_model = is_rare(looks * 64 + age, k)
    looks[hidden_model] -= model[hidden_model]  # "-1" is model number 0
    hidden_age |= is_rare(looks * 64 + age, k)
    return {"age": hidden_age, "model": hidden_model, "engine": is_rare(np.concatenate(engines), k)}


def is_rare(codes: npt.NDArray[np.int32], k: int) -> Flags:
    """For each entry, whether fewer than `k` are like it."""
    rare: Flags = (np.bincount(codes) < k)[codes]
    return rare


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1.

    Figures of a year are blank where the tables do not hold that year.
    """
    collision, casualty = tables["collision"], tables["casualty"]
    year = collision["collision_year"]

    def share(column: str, code: int, rows: pd.Series | None = None) -> float:
        values = collision[column] if rows is None else collision.loc[rows, column]
        return float((values == code).mean())

    in_2018, in_2023, in_2024 = (year == wanted for wanted in (2018, 2023, 2024))
    by_injury = collision["collision_injury_based"] == 1
    hurt = casualty[casualty["collision_year"] == 2024]
    killed, male = hurt["casualty_severity"] == FATAL, hurt["sex_of_casualty"] == 1
    known_sex = hurt["sex_of_casualty"].isin((1, 2))
    on_foot = np.where(hurt["casualty_class"] == PEDESTRIAN, PEDESTRIAN, DRIVER)
    mode = np.bincount(mode_of(on_foot, hurt["casualty_type"].to_numpy()), minlength=len(MODES)) / max(
        len(hurt), 1
    )
    vehicles = int((tables["vehicle"]["collision_year"] == 2024).sum())
    figures = {
        **{f"{name}_2024": share("collision_severity", code, in_2024) for name, code in _SEVERITIES},
        **{f"{name}_2018": share("collision_severity", code, in_2018) for name, code in _SEVERITIES},
        "serious_injury_based_2024": share("collision_severity", SERIOUS, in_2024 & by_injury),
        "serious_judged_2024": share("collision_severity", SERIOUS, in_2024 & ~by_injury),
        "injury_based_2018": share("collision_injury_based", 1, in_2018),
        "injury_based_2024": share("collision_injury_based", 1, in_2024),
        "daylight": share("light_conditions", DAYLIGHT),
        "dark_lit": share("light_conditions", LIT),
        "dark_no_lighting": share("light_conditions", NO_LIGHTING),
        "dry": share("road_surface_conditions", DRY),
        "wet": share("road_surface_conditions", WET),
        "single_carriageway": share("road_type", SINGLE),
        "a_road": share("first_road_class", A_ROAD),
        "not_at_junction": share("junction_detail", 0),
        "friday": share("day_of_week", 6),
        "sunday": share("day_of_week", 1),
        "special_missing_2023": share("special_conditions_at_site", UNKNOWN, in_2023),
        "special_missing_2024": share("special_conditions_at_site", UNKNOWN, in_2024),
        "junction_control_missing": share("junction_control", UNKNOWN),
        "casualties_per_collision": len(hurt) / max(int(in_2024.sum()), 1),
        "vehicles_per_collision": vehicles / max(int(in_2024.sum()), 1),
        "killed": float(killed.mean()),
        "killed_or_serious": float((hurt["casualty_severity"] <= SERIOUS).mean()),
        "killed_male": float(male[killed & known_sex].mean()),
        "casualties_male": float(male[known_sex].mean()),
    }
    return figures | {
        f"casualties_{name}": float(mode[MODES.index(name)]) for name in MODES if name != "other"
    }


_SEVERITIES = (("fatal", FATAL), ("serious", SERIOUS), ("slight", SLIGHT))


def exposed(tables: Tables) -> pd.DataFrame:
    """One row for each person in a report, as an intruder sees them who puts the three tables together.

    Drivers come from the vehicle table, with their machine and (0: not hurt) their injury; passengers and
    pedestrians from the casualty table. What is published as not known is blank.
    """
    collision, vehicle, casualty = tables["collision"], tables["vehicle"], tables["casualty"]
    force = pd.Series(collision["police_force"].to_numpy(), index=collision["collision_index"].to_numpy())
    hurt = casualty[casualty["casualty_class"] == DRIVER].set_index(["collision_index", "vehicle_reference"])
    drivers = pd.DataFrame(
        {
            "collision_index": vehicle["collision_index"],
            "vehicle_reference": vehicle["vehicle_reference"],
            "role": "driver",
            "age_band": vehicle["age_band_of_driver"],
            "sex": vehicle["sex_of_driver"],
            "imd_decile": vehicle["driver_imd_decile"],
            "vehicle_type": vehicle["vehicle_type"],
            "generic_make_model": vehicle["generic_make_model"].astype("str"),
            "age_of_vehicle": vehicle["age_of_vehicle"],
        }
    ).join(hurt["casualty_severity"].rename("severity"), on=["collision_index", "vehicle_reference"])
    others = casualty[casualty["casualty_class"] != DRIVER]
    rest = pd.DataFrame(
        {
            "collision_index": others["collision_index"],
            "vehicle_reference": others["vehicle_reference"],
            "casualty_reference": others["casualty_reference"],
            "role": np.where(others["casualty_class"] == PASSENGER, "passenger", "pedestrian"),
            "age_band": others["age_band_of_casualty"],
            "sex": others["sex_of_casualty"],
            "imd_decile": others["casualty_imd_decile"],
            "severity": others["casualty_severity"],
        }
    )
    people = pd.concat([drivers, rest], ignore_index=True)
    people["police_force"] = people["collision_index"].map(force)
    people["severity"] = people["severity"].fillna(0).astype(np.int16)
    for column, known in (("age_band", range(1, 12)), ("sex", (1, 2)), ("imd_decile", range(1, 11))):
        people[column] = people[column].where(people[column].isin(known)).astype("Int16")
    return people
