"""Generates the buses of a fictional town, hour by hour, and publishes them as protected counts.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
The town, its events and the published window's weather are the world; journeys, delays and faults are rows.
The sealed layer is the same town afterwards: the six months that a forecast is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import lfilter

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, protect_counts
from civicml.datasets.identities import FICTIONAL_POSTCODE_AREAS, family_names, given_names, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}
RECORDING = TRUTH["recording"]

ROWS = 566_000  # of the boardings of one town in the published window; more rows are more towns like it
ROUTES, STOPS, HUB = 40, 420, 8  # of a town; HUB: stops in the centre where routes end

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]

ZONE = "Europe/London"
ORIGIN = np.datetime64("2024-04-01")  # a Monday; weeks of levels and habits are counted from it
DAYS_A_CHUNK = 92
FIRST_ROW = {False: 1, True: 500_000_001}  # rows of two layers are never taken for one another

KINDS = list(TRUTH["kinds"])
TRUNK, LOCAL, SCHOOL, NIGHT, PARK_AND_RIDE = range(5)
PURPOSES = ["work", "school", "leisure", "night"]
SERVICES = ["weekday", "saturday", "sunday", "none"]
WEEKDAY, SATURDAY, SUNDAY, NO_SERVICE = range(4)

BANK_HOLIDAYS = TRUTH["calendar"]["bank_holidays"]
STREETS, ENDINGS = (TRUTH["names"][part].split() for part in ("streets", "endings"))


# --- the calendar and the weather -----------------------------------------------------------------


@dataclass(frozen=True)
class Hours:
    """A stretch of time, one entry an hour from local midnight to local midnight.

    Attributes:
        utc, local: when the hour begins; local is the clock in Europe/London, so it skips an hour in March
            and repeats one in October.
        day: number of the local day, from 0; days: one row a day, as the calendar table has them.
        hour, weekday, service, school: of the local clock and day; ``service`` is a place in SERVICES.
        night: weekday of the night that the hour belongs to: until five, that of the day before.
        week: weeks since ORIGIN.
        weather: one row an hour, as the weather table has them.
    """

    utc: Times
    local: Times
    day: Ints
    days: pd.DataFrame
    hour: Ints
    weekday: Ints
    night: Ints
    month: Ints
    service: Ints
    school: Flags
    week: Ints
    weather: pd.DataFrame

    def __len__(self) -> int:
        return len(self.utc)


def window_of(*, sealed: bool) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day of a layer."""
    first, last = TRUTH["window"]["sealed" if sealed else "published"]
    return pd.Timestamp(first), pd.Timestamp(last)


def make_calendar(first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """One row a day: bank holidays, the town's school holidays, the timetable, hours by the clock."""
    dates = pd.date_range(first, last, unit="us")
    bank = dates.strftime("%Y-%m-%d").map(BANK_HOLIDAYS).to_numpy(dtype=object)
    holiday = np.full(len(dates), None, dtype=object)
    for name, begins, ends in TRUTH["calendar"]["school_holidays"]:
        holiday[(dates >= begins) & (dates <= ends)] = name
    is_bank = pd.notna(bank)
    service = np.select([bank == "Christmas Day", is_bank | (dates.day_of_week == 6)], [3, 2], default=0)
    service[(service == WEEKDAY) & (dates.day_of_week == 5)] = SATURDAY
    midnights = (
        pd.date_range(first, last + pd.Timedelta(days=1), unit="us").tz_localize(ZONE).tz_convert(None)
    )
    return pd.DataFrame(
        {
            "date": dates,
            "weekday": dates.day_name(),
            "service": np.array(SERVICES)[service],
            "bank_holiday": bank,
            "school_holiday": holiday,
            "school_day": (service == WEEKDAY) & pd.isna(holiday),
            "clock_hours": np.diff(midnights).astype("timedelta64[h]").astype(int),
        }
    )


def make_hours(streams: Streams, *, sealed: bool) -> Hours:
    """The hours of a layer, with their weather."""
    first, last = window_of(sealed=sealed)
    days = make_calendar(first, last)
    local = pd.date_range(first, last + pd.Timedelta(hours=23), freq="h", tz=ZONE, unit="us")
    clock = local.tz_localize(None)
    day = (clock.normalize() - first).days.to_numpy().astype(np.int64)
    # The weather that everybody lived through is the world's; the weather to come is nobody's to know.
    rng = streams.rng("weather") if sealed else streams.world("weather")
    return Hours(
        utc=local.tz_convert(None).to_numpy(),
        local=clock.to_numpy(),
        day=day,
        days=days,
        hour=clock.hour.to_numpy().astype(np.int64),
        weekday=clock.day_of_week.to_numpy().astype(np.int64),
        night=(clock - pd.Timedelta(hours=5)).day_of_week.to_numpy().astype(np.int64),
        month=clock.month.to_numpy().astype(np.int64),
        service=codes(days["service"], SERVICES)[day],
        school=days["school_day"].to_numpy()[day],
        week=((clock.normalize() - pd.Timestamp(ORIGIN)).days.to_numpy() // 7).astype(np.int64),
        weather=make_weather(rng, clock),
    )


def make_weather(rng: np.random.Generator, clock: pd.DatetimeIndex) -> pd.DataFrame:
    """What was measured each hour, and what was forecast at six the evening before."""
    truth, number = TRUTH["weather"], len(clock)
    season = np.cos(2 * np.pi * (clock.day_of_year.to_numpy() - 200) / 365.25)
    daily = -np.cos(2 * np.pi * (clock.hour.to_numpy() - 3) / 24)
    temperature = 10.3 + 6.6 * season + (2.0 + 1.4 * season) * daily + wander(rng, number, 0.985) * 2.8
    front = 0.75 * wander(rng, number, 0.96) + 0.66 * wander(rng, number, 0.6)
    rain = np.where(front > 1.12, (np.maximum(front - 1.0, 0) ** 1.5) * rng.gamma(1.3, 1.3, number), 0.0)
    wind = np.exp(2.75 - 0.12 * season + 0.48 * wander(rng, number, 0.95) + 0.12 * np.maximum(front, 0))
    snow = clock.strftime("%Y-%m-%d").map(truth["snow_days"]).fillna(0).to_numpy(dtype=float)
    temperature = np.where(snow > 0, np.minimum(temperature - 4, 0.6 + 0.5 * daily), temperature)
    guess = rng.random(number)
    forecast_rain = rain * np.exp(0.45 * wander(rng, number, 0.8))
    forecast_rain = np.where((rain > 0) & (guess < 0.15), 0.0, forecast_rain)
    forecast_rain = np.where((rain == 0) & (guess < 0.03), rng.gamma(1.2, 0.6, number), forecast_rain)
    frame = pd.DataFrame(
        {
            "temperature_c": temperature.round(1),
            "rain_mm": rain.round(1),
            "snow_cm": snow,
            "wind_kmh": wind.round(0),
            "forecast_temperature_c": (temperature + 1.2 * wander(rng, number, 0.9)).round(1),
            "forecast_rain_mm": forecast_rain.round(1),
        }
    )
    return frame + 0.0  # and -0.0 becomes 0.0


def wander(rng: np.random.Generator, number: int, stays: float) -> Floats:
    """A series of standard normal values, each of which keeps the share `stays` of the one before."""
    shocks = rng.standard_normal(number)
    shocks[1:] *= np.sqrt(1 - stays**2)
    series: Floats = lfilter([1.0], [1.0, -stays], shocks)
    return series


# --- the town: the same for every layer -----------------------------------------------------------


@dataclass(frozen=True)
class Town:
    """What does not depend on who travels: routes, stops, events, and what hits each route on each day.

    Attributes:
        number: towns are counted from 0; the default build has one.
        routes: one row a route.
        stops: one row a stop.
        path: stops of each route in order, shape (ROUTES, most stops of any), -1 after the last.
        events: one row an event (and route), of both windows.
        vehicles: seconds that each vehicle adds, shape (vehicles,).
        fleet: the vehicles of each route, shape (ROUTES, 6).
        route_names, stop_names, vehicle_names: of all towns of the build.
    """

    number: int
    routes: pd.DataFrame
    stops: pd.DataFrame
    path: Ints
    events: pd.DataFrame
    vehicles: Floats
    fleet: Ints
    route_names: list[str]
    stop_names: list[str]
    vehicle_names: list[str]

    def route_column(self, route: Ints) -> "pd.Categorical[str]":
        """Routes of this town, numbered from 0, by name."""
        return pd.Categorical.from_codes(self.number * ROUTES + route, self.route_names)

    def stop_column(self, stop: Ints) -> "pd.Categorical[str]":
        """Stops of this town, numbered from 0, by name."""
        return pd.Categorical.from_codes(self.number * STOPS + stop, self.stop_names)


def make_town(streams: Streams, number: int, towns: int) -> Town:
    """Draw a town; the events are those of truth.toml."""
    rng = streams.world("town", number)
    kind = np.repeat(np.arange(5), [TRUTH["kinds"][k]["routes"] for k in KINDS])
    facts = [TRUTH["kinds"][KINDS[k]] for k in kind]
    routes = pd.DataFrame(
        {
            "route_id": [name_of("R", number * ROUTES + place + 1, 2) for place in range(ROUTES)],
            "kind": kind,
            "base": [f["base"] * np.exp(rng.normal(0, f["spread"])) for f in facts],
            "buses": [int(rng.integers(f["buses"][0] // 2, f["buses"][1] // 2 + 1)) * 2 for f in facts],
            "km": [round(float(rng.uniform(*f["km"])), 1) for f in facts],
            "stops": [int(rng.integers(f["stops"][0], f["stops"][1] + 1)) for f in facts],
            "growth": [f["growth"] for f in facts],
            "card_share": [f["card_share"] for f in facts],
        }
    )
    far = np.sort(np.round(rng.gamma(2.2, 1.5, STOPS), 1))
    names = [f"{street.replace('_', ' ')} {ending}" for ending in ENDINGS for street in STREETS]
    stops = pd.DataFrame(
        {
            "stop_id": [name_of("S", number * STOPS + place + 1, 3) for place in range(STOPS)],
            "name": rng.permutation(np.array(names, dtype=object))[:STOPS],
            "km_from_centre": far,
            "shelter": rng.random(STOPS) < np.where(far < 2, 0.85, 0.4),
            "signal": True,
        }
    )
    truth = TRUTH["punctuality"]
    stops.loc[rng.choice(np.arange(200, STOPS), truth["dead_stops"], replace=False), "signal"] = False
    path = np.full((ROUTES, int(routes["stops"].max())), -1)
    for place, length in enumerate(routes["stops"]):
        outside = HUB + rng.choice(STOPS - HUB, length - 1, replace=False)
        path[place, :length] = [*np.sort(outside)[::-1], rng.integers(0, HUB)]  # into the centre
    ends = [f"{stops['name'][path[place, 0]]} to the centre" for place in range(ROUTES)]
    vehicles = rng.normal(0, truth["vehicle"], truth["vehicles"])
    fleet = rng.integers(0, truth["vehicles"], (ROUTES, 6))
    return Town(
        number=number,
        routes=routes.assign(name=ends),
        stops=stops,
        path=path,
        events=make_events(streams, routes),
        vehicles=vehicles,
        fleet=fleet,
        route_names=names_to("R", towns * ROUTES, 2),
        stop_names=names_to("S", towns * STOPS, 3),
        vehicle_names=names_to("V", towns * truth["vehicles"], 3),
    )


def make_events(streams: Streams, routes: pd.DataFrame) -> pd.DataFrame:
    """What happened in the town, by the time it began; ``route`` is -1 where it hit all of them."""
    truth, rows = TRUTH["events"], []
    for works in truth["roadworks"]:
        announced = pd.Timestamp(works["first"]) - pd.Timedelta(days=works["announced"])
        rows += [
            ("roadworks", route - 1, f"{works['first']} 07:00", f"{works['last']} 20:00", announced,
             f"{works['place']}: buses are diverted")
            for route in works["routes"]
        ]  # fmt: skip
    for change in truth["timetables"]:
        rows += [
            ("timetable", int(route) - 1, f"{change['from']} 00:00", None, change["announced"],
             "New timetable: " + ("more buses" if times > 1 else "fewer buses"))
            for route, times in change["buses"].items()
        ]  # fmt: skip
    strike, cap = truth["strike"], truth["fare_cap"]
    rows.append(("strike", -1, f"{strike['first']} 00:00", f"{strike['last']} 23:59", strike["announced"],
                 "Drivers on strike: a reduced service"))  # fmt: skip
    rows.append(("fare cap", -1, f"{cap['from']} 00:00", None, cap["announced"],
                 "The most a single journey costs goes up from 2.00 to 2.50 pounds"))  # fmt: skip
    for kick_off in kick_offs(streams.world("football")):
        announced = kick_off.normalize() - pd.Timedelta(days=35)
        rows.append(("football", -1, kick_off, kick_off + pd.Timedelta(minutes=110), announced,
                     "Pellbridge Town at home"))  # fmt: skip
    events = pd.DataFrame(rows, columns=["kind", "route", "starts", "ends", "announced_on", "description"])
    for column in ("starts", "ends", "announced_on"):
        events[column] = pd.to_datetime(events[column]).astype("datetime64[us]")
    events["route_id"] = [routes["route_id"][route] if route >= 0 else None for route in events["route"]]
    return events.sort_values(["starts", "kind", "route"], ignore_index=True)


def kick_offs(rng: np.random.Generator) -> list[pd.Timestamp]:
    """Home matches: every other Saturday of the season at three, some moved to the Tuesday evening after."""
    first, last = window_of(sealed=False)[0], window_of(sealed=True)[1]
    saturdays = [d for d in pd.date_range(first, last, freq="W-SAT", unit="us") if d.month not in (6, 7)]
    found = []
    for saturday in saturdays[1::2]:
        evening = rng.random() < 0.2
        found.append(saturday + (pd.Timedelta("3D19:45:00") if evening else pd.Timedelta("15:00:00")))
    return found


def name_of(letter: str, number: int, digits: int) -> str:
    """A name such as R07 or S012."""
    return f"{letter}{number:0{digits}d}"


def names_to(letter: str, last: int, digits: int) -> list[str]:
    """The names from 1 to `last`."""
    return [name_of(letter, number, digits) for number in range(1, last + 1)]


# --- how many want to travel ----------------------------------------------------------------------


@dataclass(frozen=True)
class Demand:
    """What decides how many travel in each hour of a window, and how late their bus is.

    Attributes:
        works: log effect of roadworks, shape (ROUTES, days); seconds: the delay they cause.
        buses: how many times the first timetable's buses run, shape (ROUTES, days); adapted: its log effect.
        match: log effect of a match in each hour, on the routes in ``near``.
        every: log effect of the strike on each day; capped: whether the higher fare cap holds.
        years: since the first day of the published window, each day.
    """

    hours: Hours
    routes: pd.DataFrame
    works: Floats
    seconds: Floats
    buses: Floats
    adapted: Floats
    match: Floats
    near: Flags
    every: Floats
    capped: Flags
    years: Floats

    def timetabled(self, route: Ints, at: Ints) -> Ints:
        """Departures timetabled in both directions, for routes and hours that broadcast."""
        kind, hours = self.routes["kind"].to_numpy()[route], self.hours
        tenths = TENTHS[kind, hours.service[at], hours.hour[at]]
        tenths = np.where((kind == SCHOOL) & ~hours.school[at], 0, tenths)
        planned = self.routes["buses"].to_numpy()[route] * self.buses[route, hours.day[at]] * tenths / 10
        return np.ceil(np.round(planned, 6)).astype(np.int64)

    def expected(self, route: Ints, at: Ints) -> Floats:
        """Passengers expected in an hour, but for anybody's luck; routes and hours broadcast."""
        hours, truth = self.hours, TRUTH["events"]
        kind, day = self.routes["kind"].to_numpy()[route], hours.day[at]
        purposes = self.purposes(at)
        wanted = sum(SHARES[kind, number] * values for number, values in enumerate(purposes))
        effect = (
            self.works[route, day]
            + self.adapted[route, day]
            + self.match[at] * self.near[route]
            + self.every[day]
            + self.years[day] * np.log1p(self.routes["growth"].to_numpy()[route])
            + np.array(TRUTH["days"]["by_weekday"])[hours.weekday[at]]
        )
        fare = np.where(self.capped[day], truth["fare_cap"]["passengers"], 0.0)
        effect = effect + np.where(np.isin(kind, [TRUNK, LOCAL]), fare, 0.0)
        runs = self.timetabled(route, at) > 0
        return np.where(runs, self.routes["base"].to_numpy()[route] * wanted * np.exp(effect), 0.0)

    def purposes(self, at: Ints) -> list[Floats]:
        """For each purpose, how much of it there is in an hour: its curve, the day, season and weather."""
        hours, days, truth = self.hours, TRUTH["days"], TRUTH["weather"]
        weather = {name: values.to_numpy()[at] for name, values in hours.weather.items()}
        hour, month, service = hours.hour[at], hours.month[at], hours.service[at]
        of_day = {
            purpose: np.array([days[name].get(purpose, 0.0) for name in SERVICES[:3]] + [0.0])[service]
            for purpose in PURPOSES[:3]
        }
        holiday = (~hours.school[at]) & (service == WEEKDAY)
        bank = (service == SUNDAY) & (hours.weekday[at] < 6)
        rain = np.minimum(weather["rain_mm"], truth["rain_most"])
        degrees = weather["temperature_c"]
        snow, common = weather["snow_cm"] > 0, truth["wind"] * np.maximum(weather["wind_kmh"] - 45, 0)
        work = (
            np.array(days["month_work"])[month - 1]
            + days["school_holiday"]["work"] * holiday
            + truth["rain_work"] * rain
            + truth["hot_work"] * np.maximum(degrees - 20, 0)
        )
        leisure = (
            days["school_holiday"]["leisure"] * holiday
            + days["bank_holiday_leisure"] * bank
            + days["december_leisure"] * (month == 12)
            + truth["rain_leisure"] * rain
            + truth["warm_leisure"] * np.clip(degrees - 10, -6, 12)
        )
        effects = {"work": work, "school": 0.0, "leisure": leisure, "night": 0.0}
        of_day["school"] = of_day["school"] * hours.school[at]
        of_day["night"] = np.where(service == NO_SERVICE, 0.0, np.array(days["night"])[hours.night[at]])
        return [
            CURVES[number, hour]
            * of_day[purpose]
            * np.exp(effects[purpose] + common + truth["snow"][purpose] * snow)
            for number, purpose in enumerate(PURPOSES)
        ]


def hump(centre: float, width: float) -> Floats:
    """A bell over the 24 hours of a day, 1 at its top."""
    top: Floats = np.exp(-(((np.arange(24) + 0.5 - centre) / width) ** 2))
    return top


CURVES = np.array(
    [
        hump(8.2, 1.3) + 0.9 * hump(17.4, 1.6) + 0.08,
        hump(8.4, 0.8) + 0.95 * hump(15.7, 0.8),
        hump(13.2, 4.0) + 0.22 * hump(20.0, 2.2),
        [1.0, 0.85, 0.7, 0.55, 0.35, *[0.0] * 17, 0.4, 0.9],
    ]
)
SHARES = np.array([[TRUTH["kinds"][kind]["share"][purpose] for purpose in PURPOSES] for kind in KINDS])
TENTHS = np.array(
    [[[10 if c == "X" else int(c) for c in day] for day in [*TRUTH["timetable"][k], "0" * 24]] for k in KINDS]
)


def make_demand(town: Town, hours: Hours) -> Demand:
    """Lay the events of truth.toml over the days of a window."""
    truth, days = TRUTH["events"], hours.days["date"]
    works, seconds = np.zeros((2, ROUTES, len(days)))
    for event in truth["roadworks"]:
        on = ((days >= pd.Timestamp(event["first"])) & (days <= pd.Timestamp(event["last"]))).to_numpy()
        for route in event["routes"]:
            works[route - 1, on] += event["passengers"]
            seconds[route - 1, on] += event["seconds"]
        for route in event["relief"]:
            works[route - 1, on] += truth["relief"]
    buses, adapted = np.ones((ROUTES, len(days))), np.zeros((ROUTES, len(days)))
    for change in truth["timetables"]:
        since = (days - pd.Timestamp(change["from"])).dt.days.to_numpy()
        for name, times in change["buses"].items():
            buses[int(name) - 1, since >= 0] *= times
            gone = np.clip((since + 1) / (7 * truth["weeks_to_adapt"]), 0, 1)
            adapted[int(name) - 1] += truth["elasticity"] * np.log(times) * gone
    strike = days.between(*(pd.Timestamp(truth["strike"][name]) for name in ("first", "last"))).to_numpy()
    near = np.zeros(ROUTES, dtype=bool)
    near[np.array(truth["football"]["routes"]) - 1] = True
    return Demand(
        hours=hours,
        routes=town.routes,
        works=works,
        seconds=seconds,
        buses=buses,
        adapted=adapted,
        match=match_effect(town.events, hours),
        near=near,
        every=np.where(strike, np.log(truth["strike"]["passengers"]), 0.0),
        capped=(days >= pd.Timestamp(truth["fare_cap"]["from"])).to_numpy(),
        years=(days - pd.Timestamp(ORIGIN)).dt.days.to_numpy() / 365.25,
    )


def match_effect(events: pd.DataFrame, hours: Hours) -> Floats:
    """In each hour, the log effect of a match on routes that pass the ground: two hours before, one after."""
    truth, effect = TRUTH["events"]["football"], np.zeros(len(hours))
    kick_off = events.loc[events["kind"] == "football", "starts"].dt.floor("h").to_numpy()
    for shift, size in ((-2, truth["before"]), (-1, truth["before"]), (2, truth["after"])):
        effect[np.isin(hours.local, kick_off + np.timedelta64(shift, "h"))] = size
    return effect


def weekly(streams: Streams, name: str, town: int, width: int, weeks: int) -> Floats:
    """How far `width` things are from their usual level, week by week since ORIGIN: shape (weeks, width).

    The published weeks are the world's, so that the sealed layer begins where they end; what
    comes after is drawn from the secret.
    """
    size, stays = TRUTH["luck"][name], TRUTH["luck"][f"{name}_stays"]
    begin = (np.datetime64(TRUTH["window"]["sealed"][0]) - ORIGIN).astype(int) // 7 + 1
    shocks = streams.world(name, town).standard_normal((int(begin), width))
    if weeks > begin:
        later = streams.rng(name, town).standard_normal((weeks - int(begin), width))
        shocks = np.concatenate([shocks, later])
    shocks[1:] *= np.sqrt(1 - stays**2)
    drift: Floats = size * lfilter([1.0], [1.0, -stays], shocks, axis=0)
    return drift


# --- people ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cards:
    """Smart cards, and who usually travels where and when.

    Attributes:
        number: what is written on each card.
        members: cards in order of the route and hour they usually use; a card is there twice, out and back.
        first, size: where the group of route x 24 + hour begins in ``members``, and how many there are.
        route_first, route_size: the same for all hours of a route.
    """

    number: Ints
    members: Ints
    first: Ints
    size: Ints
    route_first: Ints
    route_size: Ints

    def travel(self, rng: np.random.Generator, route: Ints, hour: Ints) -> Ints:
        """For each journey, the number of a card: mostly one that is usually there, sometimes any."""
        key = route * 24 + hour
        draw, place = rng.random((2, len(route)))
        usual = (draw < TRUTH["cards"]["regular"]) & (self.size[key] > 0)
        of_route = ~usual & (draw < 0.93) & (self.route_size[route] > 0)
        first = np.where(usual, self.first[key], np.where(of_route, self.route_first[route], 0))
        size = np.where(usual, self.size[key], np.where(of_route, self.route_size[route], len(self.members)))
        return self.number[self.members[first + (place**1.3 * size).astype(np.int64)]]


def make_cards(streams: Streams, town: Town) -> tuple[Cards, pd.DataFrame]:
    """The cards of a town, and whom they belong to."""
    rng, truth = streams.rng("cards", town.number), TRUTH["cards"]
    number = TRUTH["window"]["cards"]
    kind = rng.choice(3, number, p=list(truth["kinds"].values()))
    route_kind = town.routes["kind"].to_numpy()
    weight = np.where(np.isin(route_kind, [SCHOOL, NIGHT]), 0.0, town.routes["base"].to_numpy())
    student = np.where(np.isin(route_kind, [TRUNK, LOCAL, SCHOOL]), town.routes["base"].to_numpy(), 0.0)
    route = np.where(
        kind == 1,
        rng.choice(ROUTES, number, p=student / student.sum()),
        rng.choice(ROUTES, number, p=weight / weight.sum()),
    )
    out = np.array([[7, 8, 9], [7, 8, 8], [9, 10, 11]])[kind, rng.integers(0, 3, number)]
    back = np.array([[16, 17, 18], [15, 15, 16], [12, 13, 14]])[kind, rng.integers(0, 3, number)]
    key = np.concatenate([route * 24 + out, route * 24 + back])
    order = np.argsort(key, kind="stable")
    size = np.bincount(key, minlength=ROUTES * 24)
    route_size = size.reshape(ROUTES, 24).sum(axis=1)
    cards = Cards(
        number=60_000_000 + 20_000_000 * streams.sealed + town.number * 100_000 + rng.permutation(number),
        members=np.tile(np.arange(number), 2)[order],
        first=np.cumsum(size) - size,
        size=size,
        route_first=np.cumsum(route_size) - route_size,
        route_size=route_size,
    )
    male = rng.random(number) < 0.47
    age = np.array([18.0, 11.0, 66.0])[kind] + np.array([48.0, 7.0, 24.0])[kind] * rng.random(number)
    born = np.datetime64("2024-04-01") - (age * 365.25).astype(int).astype("timedelta64[D]")
    area = rng.choice(np.array(FICTIONAL_POSTCODE_AREAS, dtype=object)[:2], number)
    people = pd.DataFrame(
        {
            "card_id": cards.number,
            "kind": pd.Categorical.from_codes(kind, list(truth["kinds"])),
            "given_name": given_names(rng, male),
            "family_name": family_names(rng, number),
            "date_of_birth": born.astype("datetime64[us]"),
            "postcode": postcodes(rng, area, rng.integers(1, 20, number)),
        }
    )
    return cards, people


# --- the raw layer --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """How much of the town, and how many towns, a number of rows asks for."""

    towns: int
    days: int


def size_of(rows: int, days: int) -> Size:
    """Fewer rows are fewer days of one town; more rows are more towns."""
    towns = -(-rows // ROWS)
    return Size(towns, max(1, int(np.ceil(days * rows / ROWS / towns))))


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables: card holders and every journey they made, tickets, departures with drivers."""
    hours = make_hours(streams, sealed=streams.sealed)
    size = size_of(rows, len(hours.days))
    fitted_on = make_hours(streams, sealed=False)
    departure = FIRST_ROW[streams.sealed]
    for number in range(size.towns):
        town = make_town(streams, number, size.towns)
        demand = make_demand(town, hours)
        cards, people = make_cards(streams, town)
        yield {"cards": people}
        scale = fit_delays(streams, town, make_demand(town, fitted_on))
        weeks = int(hours.week.max()) + 1
        luck = Luck(
            weekly(streams, "level", number, ROUTES, weeks),
            weekly(streams, "habit", number, ROUTES * 168, weeks).astype(np.float32),
            TRUTH["luck"]["day"]
            * wander(streams.rng("days", number), len(hours.days), TRUTH["luck"]["day_stays"]),
            streams.rng("route days", number).normal(
                0, TRUTH["luck"]["route_day"], (ROUTES, len(hours.days))
            ),
        )
        late = []
        for start in range(0, size.days, DAYS_A_CHUNK):
            stop = min(start + DAYS_A_CHUNK, size.days)
            at = np.flatnonzero((hours.day >= start) & (hours.day < stop))
            rng = streams.rng("journeys", number, start)
            carried, route, hour = carry(rng, demand, luck, at)
            boardings, taps = record(rng, town, demand, cards, carried=carried, route=route, at=hour)
            is_late = boardings.pop("late").to_numpy()
            late.append(boardings[is_late])
            yield {"boardings": boardings[~is_late], "card_taps": taps}
            share = TRUTH["window"]["departures"] * (stop - start) / 730
            departures = make_departures(
                streams.rng("departures", number, start), town, demand, scale, at=at, number=round(share)
            )
            departures["departure_id"] += departure
            departure += round(share)
            yield {"departures": departures}
        yield {"boardings": pd.concat(late)}


@dataclass(frozen=True)
class Luck:
    """What nobody plans: a route's level and its habits by week, and the luck of days."""

    level: Floats
    habit: npt.NDArray[np.float32]
    day: Floats
    route_day: Floats


def carry(rng: np.random.Generator, demand: Demand, luck: Luck, at: Ints) -> tuple[Ints, Ints, Ints]:
    """Passengers of each route in each hour of `at` that has a row, with route and hour; in order of time."""
    hours, kind = demand.hours, demand.routes["kind"].to_numpy()
    first, last = TRUTH["window"]["hours_everybody"]
    hour = hours.hour[at][:, None]
    listed = (hour >= first) & (hour <= last) | ((kind == NIGHT)[None, :] & (hour < first))
    place, route = np.nonzero(listed)
    at = at[place]
    of_week = route * 168 + hours.weekday[at] * 24 + hours.hour[at]
    effect = (
        luck.level[hours.week[at], route]
        + luck.habit[hours.week[at], of_week]
        + luck.day[hours.day[at]]
        + luck.route_day[route, hours.day[at]]
    )
    shape = TRUTH["luck"]["hour_shape"]
    # Rounded, so that the last bit of a sum, which may differ between processors, seldom matters.
    rate = np.round(demand.expected(route, at) * np.exp(effect), 4) * rng.gamma(shape, 1 / shape, len(at))
    return rng.poisson(rate), route, at


def record(
    rng: np.random.Generator,
    town: Town,
    demand: Demand,
    cards: Cards,
    *,
    carried: Ints,
    route: Ints,
    at: Ints,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the ticket machines made of it: one row an hour and route, and one a journey made with a card."""
    hours, number = demand.hours, len(carried)
    date = hours.days["date"].to_numpy()[hours.day[at]]
    buses = demand.timetabled(route, at)
    kept = np.ones(number)
    for fault in RECORDING["faults"]:
        during = (date >= np.datetime64(fault["first"])) & (date <= np.datetime64(fault["last"]))
        kept[during & np.isin(route, np.array(fault["routes"]) - 1)] = fault["recorded"]
    recorded = rng.binomial(carried, kept)
    old = np.isin(route, np.array(RECORDING["old_machines"]) - 1)
    full = np.log1p(carried / np.maximum(buses, 1))
    chance = sigmoid(RECORDING["blank"] + RECORDING["blank_full"] * full + RECORDING["blank_old"] * old)
    blank = (rng.random(number) < chance) & (buses > 0)
    day, days = hours.day[at] - hours.day[at].min(), int(hours.day[at].max() - hours.day[at].min()) + 1
    blank |= (rng.random((ROUTES, days)) < RECORDING["blank_day"])[route, day]
    with_card = np.where(blank, 0, rng.binomial(recorded, town.routes["card_share"].to_numpy()[route]))
    waits = rng.integers(*RECORDING["late_by"], (ROUTES, days), endpoint=True)
    waits = np.where(rng.random((ROUTES, days)) < RECORDING["late_day"], waits, 1)[route, day]
    frame = pd.DataFrame(
        {
            "route_id": town.route_column(route),
            "hour_start": hours.local[at],
            "hour_start_utc": hours.utc[at],
            "timetabled": buses,
            "other_passengers": pd.Series(recorded - with_card).astype("Int64").mask(blank),
            "received_on": date + waits.astype("timedelta64[D]"),
            "late": waits > 1,
        }
    )
    twice = np.sort(rng.choice(number, round(number * RECORDING["duplicates"]), replace=False))
    frame = frame.iloc[np.sort(np.concatenate([np.arange(number), twice]))]
    return frame, make_taps(
        rng, town, cards, hours, route=np.repeat(route, with_card), at=np.repeat(at, with_card)
    )


def make_taps(
    rng: np.random.Generator, town: Town, cards: Cards, hours: Hours, *, route: Ints, at: Ints
) -> pd.DataFrame:
    """One row a journey with a smart card: which card, when to the second, route and stop."""
    number, stops = len(route), town.routes["stops"].to_numpy()[route]
    along = rng.beta(1.0, 1.6, number)  # people get on early, …
    along = np.where(rng.random(number) < 0.5, along, 1 - along**1.6)  # … into the centre or out of it
    stop = np.minimum(along * stops, stops - 1).astype(np.int64)
    return pd.DataFrame(
        {
            "card_id": cards.travel(rng, route, hours.hour[at]),
            "route_id": town.route_column(route),
            "stop_id": town.stop_column(town.path[route, stop]),
            "hour_start_utc": hours.utc[at],
            "tapped_at_utc": hours.utc[at] + rng.integers(0, 3600, number).astype("timedelta64[s]"),
        }
    )


# --- punctuality ----------------------------------------------------------------------------------


def draw_cells(rng: np.random.Generator, demand: Demand, at: Ints, number: int) -> tuple[Ints, Ints]:
    """Route and hour of `number` departures, in proportion to how many are timetabled, in order of time."""
    planned = demand.timetabled(np.arange(ROUTES)[None, :], at[:, None])
    edges = np.cumsum(planned.ravel())
    cell = np.sort(np.searchsorted(edges, rng.random(number) * edges[-1], side="right"))
    return cell % ROUTES, at[cell // ROUTES]


def delays(
    rng: np.random.Generator, demand: Demand, *, route: Ints, at: Ints, along: Floats, vehicle: Floats
) -> Floats:
    """Seconds late, before each route's own scale: how far along, rush hour, crowds, weather, works, luck."""
    truth, hours = TRUTH["punctuality"], demand.hours
    hour, weather = hours.hour[at], hours.weather
    rush = np.isin(hour, [8, 17]) & (hours.service[at] == WEEKDAY)
    each = demand.expected(route, at) / np.maximum(demand.timetabled(route, at), 1)
    days = rng.normal(0, truth["route_day"], (ROUTES, len(hours.days)))
    return (
        rng.gamma(1.6, truth["spread"], len(route))
        - truth["early"]
        + truth["along"] * along
        + truth["peak"] * rush
        + truth["full"] * np.clip(each - 15, 0, 40)
        + truth["rain"] * np.minimum(weather["rain_mm"].to_numpy()[at], 4)
        + truth["snow"] * (weather["snow_cm"].to_numpy()[at] > 0)
        + truth["football"] * (demand.match[at] > 0) * demand.near[route]
        + demand.seconds[route, hours.day[at]]
        + days[route, hours.day[at]]
        + vehicle
    )


def fit_delays(streams: Streams, town: Town, demand: Demand) -> Floats:
    """What each route's delays are multiplied by, so that its share on time is the one aimed at.

    Found on a trial of the published window that every layer repeats. Routes run from the worst to
    the best of calibration.toml, longer ones the worse, and all departures together reach the average.
    """
    rng = streams.world("trial", town.number)
    number = 80_000
    route, at = draw_cells(rng, demand, np.arange(len(demand.hours)), number)
    bus = town.vehicles[town.fleet[route, rng.integers(0, 6, number)]]
    late = delays(rng, demand, route=route, at=at, along=rng.random(number), vehicle=bus)
    share = np.bincount(route, minlength=ROUTES) / number
    rank = town.routes["km"].rank().to_numpy() + rng.normal(0, 8, ROUTES)
    seldom = np.isin(town.routes["kind"].to_numpy(), [SCHOOL, NIGHT])
    rank[seldom] = np.median(rank)  # too few departures to be the worst or the best
    place = 1 - np.argsort(np.argsort(rank, kind="stable"), kind="stable") / (ROUTES - 1)
    worst, best = TARGETS["on_time_worst_route"], TARGETS["on_time_best_route"]
    power = halve(lambda p: float((worst + (best - worst) * place**p) @ share) - TARGETS["on_time"], 0.1, 4.0)
    wanted = worst + (best - worst) * place**power
    scale = np.empty(ROUTES)
    for number in range(ROUTES):
        mine = late[route == number]
        scale[number] = halve(lambda s, mine=mine, n=number: on_time(mine * s).mean() - wanted[n], 0.3, 4.0)
    return np.round(scale, 4)


def halve(gap: Any, low: float, high: float) -> float:  # noqa: ANN401 (a function of one number)
    """Where `gap`, which falls from `low` to `high`, is zero."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) > 0 else (low, middle)
    return (low + high) / 2


def on_time(seconds: Any) -> Any:  # noqa: ANN401 (arrays or series)
    """From a minute early to 5 minutes 59 seconds late, as the Department for Transport counts it."""
    return (seconds >= -60) & (seconds <= 359)


def make_departures(
    rng: np.random.Generator, town: Town, demand: Demand, scale: Floats, *, at: Ints, number: int
) -> pd.DataFrame:
    """A sample of timetabled departures from stops: when they were to leave, when they left, who drove."""
    truth, hours = TRUTH["punctuality"], demand.hours
    route, at = draw_cells(rng, demand, at, number)
    stops = town.routes["stops"].to_numpy()[route]
    sequence = (rng.random(number) * stops).astype(np.int64)
    stop, bus = town.path[route, sequence], town.fleet[route, rng.integers(0, 6, number)]
    late = delays(rng, demand, route=route, at=at, along=sequence / stops, vehicle=town.vehicles[bus])
    seconds = np.rint(np.round(late * scale[route], 3)).astype(np.int64)
    rush = np.isin(hours.hour[at], [7, 8, 16, 17]) & (hours.service[at] == WEEKDAY)
    chance = truth["cancelled"] + truth["cancelled_peak"] * rush
    chance = np.where(demand.every[hours.day[at]] < 0, TRUTH["events"]["strike"]["cancelled"], chance)
    cancelled = rng.random(number) < chance
    dead = ~town.stops["signal"].to_numpy()[stop]
    unknown = cancelled | (rng.random(number) < np.where(dead, truth["blank_stop"], truth["blank"]))
    minute = rng.integers(0, 60, number).astype("timedelta64[m]")
    actual = pd.Series(hours.utc[at] + minute + seconds.astype("timedelta64[s]")).dt.tz_localize("UTC")
    frame = pd.DataFrame(
        {
            "departure_id": np.arange(number),
            "route_id": town.route_column(route),
            "stop_id": town.stop_column(stop),
            "stop_sequence": sequence + 1,
            "vehicle_id": pd.Categorical.from_codes(
                town.number * truth["vehicles"] + bus, town.vehicle_names
            ),
            "driver_number": 4_000 + rng.integers(0, 260, number),
            "scheduled": hours.local[at] + minute,
            "actual": actual.dt.tz_convert(ZONE).dt.tz_localize(None).mask(unknown),
            "seconds_late": pd.Series(seconds).astype("Int64").mask(unknown),
            "cancelled": cancelled,
        }
    ).sort_values("scheduled", kind="stable", ignore_index=True)
    frame["departure_id"] = np.arange(number)
    twice = np.sort(rng.choice(number, round(number * truth["duplicates"]), replace=False))
    return frame.iloc[np.sort(np.concatenate([np.arange(number), twice]))]


# --- the published layer --------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: nobody's card, nobody's driver; passengers to the nearest five."""
    hours = make_hours(streams, sealed=streams.sealed)
    counted = count_journeys(raw, hours)
    towns = [make_town(streams, number, counted.towns) for number in range(counted.towns)]
    yield publish_towns(towns, hours, counted, rules)
    rule = rules.counts_of("boardings")
    totals = np.zeros((2, counted.towns * ROUTES, len(hours.days)), dtype=np.int64)
    seen = np.zeros((counted.towns * ROUTES, len(hours)), dtype=bool)
    for batch in raw.batches("boardings"):
        route, hour = batch["route_id"].cat.codes.to_numpy(), hour_number(batch["hour_start_utc"], hours)
        passengers = batch["other_passengers"].astype("Int64") + counted.cards[route, hour]
        batch["boardings"] = protect_counts(passengers, rule)
        yield {"boardings": batch}
        once = np.unique(route.astype(np.int64) * len(hours) + hour, return_index=True)[1]
        once = once[~seen[route[once], hour[once]]]
        seen[route[once], hour[once]] = True
        of_day = route[once], hours.day[hour[once]]
        np.add.at(totals[0], of_day, batch["boardings"].iloc[once].fillna(0).to_numpy(dtype=np.int64))
        np.add.at(totals[1], of_day, batch["boardings"].iloc[once].isna().to_numpy())
    yield {"daily_totals": daily_totals(totals, seen, hours)}
    for batch in raw.batches("departures"):
        yield {"departures": batch}  # the schema has no driver
    if streams.sealed:
        yield {"faults": sealed_faults()}


@dataclass(frozen=True)
class Counted:
    """Journeys with cards, counted: by route and hour, and by stop. All that is published of them.

    Attributes:
        towns: how many towns there are.
        cards: journeys, shape (routes, hours).
        at_stops: passengers that they stand for, shape (stops,).
        last: the last hour with a journey.
    """

    towns: int
    cards: Ints
    at_stops: Floats
    last: int


def count_journeys(raw: RawTables, hours: Hours) -> Counted:
    """Count the journeys with cards; each stands for as many passengers as its kind of route has for one."""
    towns = -(-len(raw.read("cards", ["card_id"])) // TRUTH["window"]["cards"])
    kinds = [TRUTH["kinds"][kind] for kind in KINDS]
    share = np.repeat([kind["card_share"] for kind in kinds], [kind["routes"] for kind in kinds])
    cells, at_stops, last = np.zeros(towns * ROUTES * len(hours), dtype=np.int64), np.zeros(towns * STOPS), 0
    for batch in raw.batches("card_taps", ["route_id", "stop_id", "hour_start_utc"]):
        hour = hour_number(batch["hour_start_utc"], hours)
        route = batch["route_id"].cat.codes.to_numpy().astype(np.int64)
        last = max(last, int(hour.max(initial=0)))
        cells += np.bincount(route * len(hours) + hour, minlength=len(cells))
        stop = batch["stop_id"].cat.codes.to_numpy()
        at_stops += np.bincount(stop, 1 / share[route % ROUTES], minlength=len(at_stops))
    return Counted(towns, cells.reshape(towns * ROUTES, len(hours)), at_stops, last)


def hour_number(moments: pd.Series, hours: Hours) -> Ints:
    """Which hour of the window a UTC moment is in."""
    return (moments.to_numpy() - hours.utc[0]).astype("timedelta64[h]").astype(np.int64)


def sealed_faults() -> pd.DataFrame:
    """For hidden tests: which routes were undercounted in the sealed window, when, and by how much."""
    first, last = window_of(sealed=True)
    rows = [
        (name_of("R", route, 2), pd.Timestamp(fault["first"]), pd.Timestamp(fault["last"]), fault["recorded"])
        for fault in RECORDING["faults"]
        for route in fault["routes"]
        if first <= pd.Timestamp(fault["first"]) <= last
    ]
    return pd.DataFrame(rows, columns=["route_id", "first_day", "last_day", "share_recorded"])


def publish_towns(towns: list[Town], hours: Hours, counted: Counted, rules: Rules) -> Chunk:
    """Routes, stops, events, calendar and weather."""
    routes, stops = (
        pd.concat([getattr(t, name) for t in towns], ignore_index=True) for name in ("routes", "stops")
    )
    days = int(hours.day[counted.last]) + 1
    a_day = pd.Series(np.rint(np.round(counted.at_stops / days, 6)).astype(np.int64))
    stops["boardings_a_day"] = protect_counts(a_day, rules.counts_of("stops"))
    events = pd.concat([t.events if t.number == 0 else t.events[t.events["route"] >= 0] for t in towns])
    first, last = hours.days["date"].iloc[[0, -1]]
    begun = (events["starts"] >= first) & (events["starts"] < last + pd.Timedelta(days=1))
    events = events[begun].sort_values("starts", kind="stable", ignore_index=True)
    events["event_id"] = [name_of("E", n, 3) for n in range(1, len(events) + 1)]
    weather = pd.DataFrame({"hour_start": hours.local, "hour_start_utc": hours.utc}).join(hours.weather)
    failed = (weather["wind_kmh"] > TRUTH["weather"]["wind_blank_above"]) & (np.arange(len(weather)) % 4 > 0)
    weather["wind_kmh"] = weather["wind_kmh"].mask(failed)
    return {
        "routes": routes.assign(
            kind=pd.Categorical.from_codes(routes["kind"], [k.replace("_", " ") for k in KINDS]),
            buses_an_hour=routes["buses"],
        ),
        "stops": stops,
        "events": events,
        "calendar": hours.days,
        "weather": weather,
    }


def daily_totals(totals: Ints, seen: Flags, hours: Hours) -> pd.DataFrame:
    """A row for each route and day: the sum of the protected hours, so that a total tells nothing new."""
    firsts = np.flatnonzero(np.diff(hours.day, prepend=-1))
    there = np.add.reduceat(seen, firsts, axis=1, dtype=np.int64) > 0
    day, route = np.nonzero(there.T)
    return pd.DataFrame(
        {
            "date": hours.days["date"].to_numpy()[day],
            "route_id": pd.Categorical.from_codes(route, names_to("R", len(totals[0]), 2)),
            "boardings": totals[0, route, day],
            "hours_blank": totals[1, route, day],
        }
    )


def codes(column: pd.Series, values: list[str]) -> Ints:
    """A column as places in `values`."""
    return pd.Categorical(column, categories=values).codes.astype(np.int64)


def sigmoid(odds: Floats) -> Floats:
    """Log-odds as chances."""
    return 1 / (1 + np.exp(-odds))


# --- what the engine measures ---------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1.

    Of departures that ran and whose time was recorded; repeated rows count once.
    """
    rows = tables["departures"].drop_duplicates("departure_id").dropna(subset="seconds_late")
    good = on_time(rows["seconds_late"])
    by_route = good.groupby(rows["route_id"], observed=True).mean()
    return {
        "on_time": float(good.mean()),
        "on_time_worst_route": float(by_route.min()),
        "on_time_best_route": float(by_route.max()),
    }
