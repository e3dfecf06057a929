"""bus_network: the clock, what a forecaster finds, what was planted, and nobody's journeys to follow."""

import tomllib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dateutil.easter import easter
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from civicml.datasets import build, build_sealed, find_dataset, load, load_raw, load_sealed
from civicml.datasets.recipe import load_module, load_recipe
from civicml.datasets.tables import read_tables
from civicml.datasets.traces import trace

FOLDER = Path(__file__).parents[2] / "datasets" / "transport" / "bus_network"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
HOUR = ["route_id", "hour_start_utc"]
WEEK = pd.Timedelta(days=7)


def named(numbers) -> list[str]:
    """Routes of truth.toml as they are published."""
    return [f"R{int(number):02d}" for number in numbers]


@pytest.fixture(scope="module")
def bus(this_course):
    return load("bus_network")


@pytest.fixture(scope="module")
def raw(this_course):
    return load_raw("bus_network")


@pytest.fixture(scope="module")
def sealed(this_course, tmp_path_factory):
    cohort = tmp_path_factory.mktemp("cohort")
    build_sealed("bus_network", SECRET, cohort / "sealed" / "bus_network")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COHORT", str(cohort))
        return load_sealed("bus_network")


@pytest.fixture(scope="module")
def hours(bus) -> pd.DataFrame:
    """Each route and hour once, with what is known of the day, the weather and the route."""
    rows = bus.boardings.drop_duplicates(HOUR)
    rows = rows.assign(
        route=rows["route_id"].astype(str),
        boardings=rows["boardings"].astype(float),
        date=rows["hour_start"].dt.normalize(),
        hour=rows["hour_start"].dt.hour,
    )
    rows = rows.merge(bus.calendar, on="date", validate="many_to_one")
    rows = rows.merge(bus.weather.drop(columns="hour_start"), on="hour_start_utc", validate="many_to_one")
    kind = bus.routes.set_index(bus.routes["route_id"].astype(str))["kind"].astype(str)
    return rows.assign(kind=rows["route"].map(kind))


@pytest.fixture(scope="module")
def runs(hours) -> pd.DataFrame:
    """Hours with a bus and a count."""
    return hours[(hours["timetabled"] > 0) & hours["boardings"].notna()]


@pytest.fixture(scope="module")
def departures(bus) -> pd.DataFrame:
    rows = bus.departures.drop_duplicates("departure_id")
    return rows.assign(route=rows["route_id"].astype(str), late=rows["seconds_late"].astype(float))


# --- the clock and the calendar -------------------------------------------------------------------


def test_every_route_has_every_service_hour_of_every_day_once(hours):
    day = hours[hours["hour"] >= 5]
    assert len(day) == 40 * 19 * 730
    assert not day.duplicated(["route", "hour_start"]).any()
    assert set(hours.loc[hours["hour"] < 5, "kind"]) == {"night"}


def test_local_hours_are_utc_hours_on_the_clock_of_london(hours):
    clock = hours["hour_start_utc"].dt.tz_localize("UTC").dt.tz_convert("Europe/London").dt.tz_localize(None)
    assert (clock == hours["hour_start"]).all()


@pytest.mark.parametrize(
    ("day", "clock_hours", "at_one"),
    [("2024-10-27", 25, 2), ("2025-03-30", 23, 0), ("2025-10-26", 25, 2), ("2026-03-29", 23, 0)],
)
def test_days_when_clocks_change_have_23_and_25_hours(bus, hours, day, clock_hours, at_one):
    night = hours[(hours["route"] == "R35") & (hours["date"] == day)]
    assert (night["hour"] == 1).sum() == at_one
    assert len(night) == clock_hours
    assert (bus.weather["hour_start"].dt.normalize() == day).sum() == clock_hours
    assert bus.calendar.set_index("date").loc[day, "clock_hours"] == clock_hours


def test_all_other_days_have_24_hours(bus):
    assert (bus.calendar["clock_hours"] == 24).sum() == 726


def first_monday(year, month):
    return next(d for d in (date(year, month, n) for n in range(1, 8)) if d.weekday() == 0)


def last_monday(year, month):
    end = date(year, month, 31)
    return end - timedelta(days=end.weekday())


def test_bank_holidays_are_those_of_england(bus):
    expected = set()
    for year in (2024, 2025, 2026):
        expected |= {date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)}
        expected |= {easter(year) - timedelta(days=2), easter(year) + timedelta(days=1)}
        expected |= {first_monday(year, 5), last_monday(year, 5), last_monday(year, 8)}
    expected = {day for day in expected if date(2024, 4, 1) <= day <= date(2026, 3, 31)}
    found = bus.calendar[bus.calendar["bank_holiday"].notna()]
    assert set(found["date"].dt.date) == expected
    assert set(found["service"]) == {"sunday", "none"}
    assert set(bus.calendar.loc[bus.calendar["service"] == "none", "date"].dt.strftime("%m-%d")) == {"12-25"}


def test_nobody_travels_where_no_bus_is_timetabled(hours):
    idle = hours[hours["timetabled"] == 0]
    assert (idle["boardings"].dropna() == 0).all()
    assert (hours.loc[hours["service"] == "none", "timetabled"] == 0).all()
    at_school = hours[hours["kind"] == "school"]
    assert (at_school.loc[~at_school["school_day"], "timetabled"] == 0).all()
    assert at_school.loc[at_school["school_day"] & (at_school["hour"] == 8), "timetabled"].min() > 0


# --- what a forecaster finds ------------------------------------------------------------------------


def test_weekdays_have_two_peaks_and_weekends_one(runs):
    day = runs[runs["kind"].isin(["trunk", "local"])]
    curve = day.groupby(["service", "hour"], observed=True)["boardings"].mean()
    weekday, saturday = curve["weekday"], curve["saturday"]
    assert weekday[8] > 1.4 * weekday[10] < weekday[17]
    assert saturday.idxmax() in (12, 13, 14)
    assert saturday[13] > 1.5 * saturday[8]


def test_weeks_and_seasons_and_holidays_show(runs):
    trunk = runs[(runs["kind"] == "trunk") & (runs["service"] == "weekday") & (runs["hour"] == 8)]
    by_school = trunk.groupby("school_day")["boardings"].mean()
    assert by_school[False] < 0.75 * by_school[True]
    shops = runs[runs["kind"].isin(["trunk", "park and ride"]) & (runs["service"] == "saturday")]
    by_month = shops[shops["hour"].between(10, 16)].groupby(shops["date"].dt.month)["boardings"].mean()
    assert by_month[12] > 1.03 * by_month[[11, 1]].mean()
    night = runs[(runs["kind"] == "night") & (runs["hour"] == 0)]
    by_night = night.groupby(night["date"].dt.day_of_week)["boardings"].mean()
    assert by_night[[5, 6]].min() > 2 * by_night[[0, 1, 2, 3]].max()  # the nights after Friday and Saturday


def rain_effect(runs: pd.DataFrame) -> float:
    """Slope of the log of an hour's passengers on its rain, within hours of the same month and weekday."""
    total = runs.groupby("hour_start_utc").agg(
        boardings=("boardings", "sum"), rain=("rain_mm", "first"), snow=("snow_cm", "first")
    )
    total = total[(total["snow"] == 0) & (total["boardings"] > 0)]
    log = np.log(total["boardings"])
    clock = [total.index.strftime("%Y-%m"), total.index.day_of_week, total.index.hour]
    rain = total["rain"].clip(upper=TRUTH["weather"]["rain_most"])
    log, rain = log - log.groupby(clock).transform("mean"), rain - rain.groupby(clock).transform("mean")
    return float((log * rain).sum() / (rain**2).sum())


def test_rain_keeps_shoppers_at_home_and_puts_commuters_on_the_bus(runs):
    usual = runs[~runs["date"].between("2025-02-24", "2025-02-28")]
    sunday = rain_effect(usual[(usual["service"] == "sunday") & usual["hour"].between(11, 16)])
    morning = rain_effect(usual[(usual["service"] == "weekday") & usual["school_day"] & (usual["hour"] == 7)])
    assert sunday == pytest.approx(TRUTH["weather"]["rain_leisure"], abs=0.03)
    assert 0.005 < morning < TRUTH["weather"]["rain_work"]


def test_snow_halves_what_travels(runs):
    snow = runs[runs["snow_cm"] > 0]
    before = runs.assign(hour_start=runs["hour_start"] + WEEK)[
        ["route", "hour_start", "boardings", "school_day"]
    ]
    both = snow.merge(before, on=["route", "hour_start"], suffixes=("", "_before"))
    both = both[both["school_day"] == both["school_day_before"]]
    assert both["boardings"].sum() < 0.75 * both["boardings_before"].sum()


def test_kinds_of_route_grow_at_different_rates(runs):
    unchanged = runs[~runs["route"].isin(named(TRUTH["events"]["timetables"][0]["buses"]))]
    unchanged = unchanged[unchanged["date"].dt.month.isin([4, 5, 9, 10, 11, 12])]  # no snow, no strike
    total = unchanged.groupby(["kind", unchanged["date"].dt.year])["boardings"].mean().unstack()
    growth = total[2025] / total[2024]
    assert growth["park and ride"] > 1.04
    assert growth["park and ride"] > growth["school"] + 0.04
    assert growth["trunk"] < growth["park and ride"]  # slower growth, and the higher fare cap


def test_the_strike_empties_the_week_and_leaves_the_timetable(runs, departures):
    strike = TRUTH["events"]["strike"]
    week = runs["date"].between(pd.Timestamp(strike["first"]), pd.Timestamp(strike["last"]))
    after = runs["date"].between(*(pd.Timestamp(strike[n]) + WEEK for n in ("first", "last")))
    assert runs[week]["boardings"].sum() == pytest.approx(
        strike["passengers"] * runs[after]["boardings"].sum(), rel=0.15
    )
    assert runs[week]["timetabled"].sum() == pytest.approx(runs[after]["timetabled"].sum(), rel=0.05)
    during = (
        departures["scheduled"]
        .dt.normalize()
        .between(pd.Timestamp(strike["first"]), pd.Timestamp(strike["last"]))
    )
    assert departures[during]["cancelled"].mean() == pytest.approx(strike["cancelled"], abs=0.03)
    assert departures[~during]["cancelled"].mean() < 0.02


def against_others(frame: pd.DataFrame, value: str, routes: list[str], days: pd.Series) -> float:
    """How `value` of `routes` changes on `days` from the six weeks before, against the other routes."""
    first = frame.loc[days, "date"].min()
    before = frame["date"].between(first - 6 * WEEK, first, inclusive="left")
    mine = frame["route"].isin(routes)
    change = [frame[days & part][value].mean() / frame[before & part][value].mean() for part in (mine, ~mine)]
    return float(change[0] / change[1])


@pytest.mark.parametrize("works", TRUTH["events"]["roadworks"][:8], ids=lambda works: works["place"])
def test_roadworks_drive_passengers_away_and_make_buses_late(runs, departures, works):
    routes = named(works["routes"])
    span = pd.Timestamp(works["first"]), pd.Timestamp(works["last"])
    share = against_others(runs, "boardings", routes, runs["date"].between(*span))
    assert share == pytest.approx(np.exp(works["passengers"]), abs=0.13)
    on = departures["scheduled"].between(span[0], span[1] + pd.Timedelta(hours=20))
    before = departures["scheduled"].between(span[0] - 6 * WEEK, span[0])
    mine = departures["route"].isin(routes)
    later = departures[on & mine]["late"].mean() - departures[before & mine]["late"].mean()
    assert 0.4 * works["seconds"] < later < 1.8 * works["seconds"]


def test_emergencies_are_announced_after_they_began(bus):
    works = bus.events[bus.events["kind"] == "roadworks"]
    late = works[works["announced_on"] > works["starts"]]
    assert set(late["description"].str.partition(",")[0]) == {"Tanyard Street", "Priory Street"}


def test_matches_show_which_routes_pass_the_ground(bus, runs):
    kick_offs = bus.events.loc[bus.events["kind"] == "football", "starts"].dt.floor("h")
    after = runs[runs["hour_start"].isin(kick_offs + pd.Timedelta(hours=2))]
    usual = runs[~runs["hour_start"].isin(kick_offs + pd.Timedelta(hours=2))]
    usual = usual[usual["service"] == "saturday"].groupby(["route", "hour"])["boardings"].mean()
    on_saturday = after[after["service"] == "saturday"]
    ratio = (
        on_saturday["boardings"]
        / usual.reindex(pd.MultiIndex.from_frame(on_saturday[["route", "hour"]])).to_numpy()
    )
    nearest = ratio.groupby(on_saturday["route"]).mean().nlargest(3).index
    assert sorted(nearest) == named(TRUTH["events"]["football"]["routes"])


def test_a_new_timetable_runs_more_or_fewer_buses(hours):
    change = TRUTH["events"]["timetables"][0]
    noon = hours[(hours["service"] == "weekday") & (hours["hour"] == 12)]
    new = noon["date"] >= pd.Timestamp(change["from"])
    first, second = (noon[part].groupby("route")["timetabled"].agg(["min", "max"]) for part in (~new, new))
    assert (first["min"] == first["max"]).all()
    ratio = (second["min"] / first["min"]).drop(index=[r for r in first.index if first["min"][r] == 0])
    moved = {route: times for route, times in ratio.items() if times != 1}
    assert set(moved) == set(named(change["buses"]))
    assert all((moved[f"R{int(name):02d}"] > 1) == (times > 1) for name, times in change["buses"].items())


# --- a model beats last week ------------------------------------------------------------------------


def lagged(hours: pd.DataFrame, routes: list[str]) -> pd.DataFrame:
    """A row for each service hour of `routes`: what is known at six the evening before, and the count."""
    rows = hours[hours["route"].isin(routes) & (hours["hour"] >= 5)]
    wide = rows.pivot(index="hour_start", columns="route", values="boardings")
    lag = {
        days: wide.shift(days * 19) for days in (2, 7, 14, 21, 28)
    }  # 19 rows a day, whatever the clocks do
    usual = sum(lag[days].fillna(lag[days].mean()) for days in (7, 14, 21, 28)) / 4 + 1
    # How the whole route did the day before yesterday and last week, against its usual.
    daily, daily_usual = (t.groupby(t.index.normalize()).sum() for t in (wide, usual.where(wide.notna())))
    ran = daily / (daily_usual + 5)
    recent = {"two_days_ago": ran.shift(2), "this_week": ran.rolling(5, min_periods=1).mean().shift(2)}
    columns = {name: t.reindex(wide.index.normalize()).set_axis(wide.index) for name, t in recent.items()}
    columns |= {"usual": usual, "last_week": lag[7], **{f"ratio{days}": lag[days] / usual for days in lag}}
    table = pd.concat({name: frame.stack() for name, frame in columns.items()}, axis=1)
    rows = rows.set_index(["hour_start", "route"])
    service, school = rows["service"].cat.codes, rows["school_day"].astype(int)
    known = pd.DataFrame(
        {
            "y": rows["boardings"],
            "timetabled": rows["timetabled"],
            "hour": rows["hour"],
            "weekday": rows["weekday"].cat.codes,
            "service": service,
            "school": school,
            "kind": rows["kind"].astype("category").cat.codes,
            "day": rows["date"].dt.day_of_year,
            "rain": rows["forecast_rain_mm"],
            "warm": rows["forecast_temperature_c"],
        }
    )
    # What the weeks that make up the usual count were like.
    past = rows.assign(service=service, school=school)[["service", "school", "rain_mm", "temperature_c"]]
    past = past.groupby(level="hour_start").first()
    weeks = [past.set_axis(past.index + WEEK * n).reindex(past.index) for n in (1, 2, 3, 4)]
    known = known.join(weeks[0].add_suffix("_last_week"), on="hour_start")
    return known.join((sum(weeks) / 4).add_suffix("_usual"), on="hour_start").join(table)


def test_a_model_beats_the_same_hour_of_last_week_by_a_fifth_to_a_third(hours):
    routes = ["R01", "R03", "R04", "R09", "R12", "R14", "R20", "R29", "R33", "R38"]
    table = lagged(hours, routes)
    table = table[(table["timetabled"] > 0) & table["y"].notna() & table["last_week"].notna()]
    when = table.index.get_level_values("hour_start")
    # The strike, and the weeks that look back on it: a model learns an empty end of February from them.
    strike = (when >= "2025-02-24") & (when < "2025-03-31")
    train = table[(when >= "2024-05-01") & (when < "2025-10-01") & ~strike]
    test = table[when >= "2025-10-01"]
    features = [name for name in table.columns if name not in ("y", "last_week")]
    model = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=80, learning_rate=0.15, max_leaf_nodes=31, random_state=0
    )
    sample = train.sample(40_000, random_state=0)
    with threadpool_limits(1):  # other tests run beside this one
        model.fit(sample[features], sample["y"] / sample["usual"], sample_weight=sample["usual"])
        forecast = model.predict(test[features]) * test["usual"]
    naive = (test["y"] - test["last_week"]).abs()
    gain = 1 - (test["y"] - forecast).abs().mean() / naive.mean()
    assert 0.20 <= gain <= 0.35
    assert naive.mean() < 0.30 * test["y"].mean()  # last week is a decent forecast
    eight = test["hour"] == 8
    assert 1 - (test["y"] - forecast)[eight].abs().mean() / naive[eight].mean() > 0.25


# --- faults of recording, with the sizes that were planted ------------------------------------------


def test_a_faulty_machine_is_found_by_comparing_routes(bus, runs):
    fault = TRUTH["recording"]["faults"][0]
    span = pd.Timestamp(fault["first"]), pd.Timestamp(fault["last"])
    on = runs["date"].between(*span)
    around = runs["date"].between(span[0] - 6 * WEEK, span[1] + 6 * WEEK) & ~on & runs["school_day"]
    change = runs[on & runs["school_day"]].groupby("route")["boardings"].mean() / (
        runs[around].groupby("route")["boardings"].mean()
    )
    change = change / change.median()
    assert sorted(change.nsmallest(4).index) == named(fault["routes"])
    assert change.nsmallest(4).mean() == pytest.approx(fault["recorded"], abs=0.06)
    told = bus.events[
        bus.events["starts"].between(*span) & bus.events["route_id"].isin(named(fault["routes"]))
    ]
    assert not len(told)


def test_full_buses_and_old_machines_send_nothing_more_often(hours):
    runs = hours[hours["timetabled"] > 0]
    blank = runs["boardings"].isna()
    usual = runs.groupby(["route", "service", "hour"], observed=True)["boardings"].transform("mean")
    crowd = pd.qcut(usual / runs["timetabled"], 4, labels=False, duplicates="drop")
    by_crowd = blank.groupby(crowd).mean()
    assert by_crowd.is_monotonic_increasing
    assert by_crowd.iloc[-1] > 2 * by_crowd.iloc[0]
    old = runs["route"].isin(named(TRUTH["recording"]["old_machines"]))
    assert blank[old].mean() > 2 * blank[~old].mean()
    assert 0.01 < blank.mean() < 0.04


def test_repeated_rows_are_exact_and_as_many_as_planted(bus):
    again = bus.boardings.duplicated(HOUR)
    assert again.sum() == bus.boardings.duplicated().sum()
    assert again.mean() == pytest.approx(TRUTH["recording"]["duplicates"], rel=0.1)
    again = bus.departures.duplicated("departure_id")
    assert again.sum() == bus.departures.duplicated().sum() > 300


def test_late_rows_are_at_the_end_and_say_when_they_came(bus):
    rows = bus.boardings
    waited = (rows["received_on"] - rows["hour_start"].dt.normalize()).dt.days
    late = int((waited > 1).sum())
    assert late / len(rows) == pytest.approx(TRUTH["recording"]["late_day"], rel=0.35)
    assert (waited.iloc[:-late] == 1).all()
    assert waited.iloc[-late:].between(*TRUTH["recording"]["late_by"]).all()
    assert rows["hour_start_utc"].iloc[:-late].is_monotonic_increasing


def test_the_anemometer_fails_in_strong_wind_only(bus):
    wind = bus.weather["wind_kmh"]
    assert wind.isna().sum() >= 20
    beside = wind.ffill()[wind.isna()]
    assert beside.mean() > 2 * wind.mean()


def test_a_forecast_of_rain_is_useful_and_not_the_truth(bus):
    weather = bus.weather
    assert 0.4 < np.corrcoef(weather["rain_mm"], weather["forecast_rain_mm"])[0, 1] < 0.97
    missed = (weather["rain_mm"] > 0) & (weather["forecast_rain_mm"] == 0)
    assert 0.1 < missed.sum() / (weather["rain_mm"] > 0).sum() < 0.3


# --- punctuality ------------------------------------------------------------------------------------


def test_what_makes_a_bus_late_can_be_found(bus, departures):
    rows = departures.dropna(subset="late")
    length = rows["route"].map(bus.routes.set_index(bus.routes["route_id"].astype(str))["stops"])
    along = pd.cut(rows["stop_sequence"] / length, 4, labels=False)
    assert rows.groupby(along)["late"].mean().is_monotonic_increasing
    hour = rows["scheduled"].dt.hour
    weekday = rows["scheduled"].dt.day_of_week < 5
    assert rows[weekday & (hour == 8)]["late"].mean() > rows[weekday & (hour == 11)]["late"].mean() + 40
    weather = bus.weather.drop_duplicates("hour_start").set_index("hour_start")
    at = rows["scheduled"].dt.floor("h")
    assert rows[at.map(weather["snow_cm"]) > 0]["late"].mean() > rows["late"].mean() + 120
    assert rows[at.map(weather["rain_mm"]) > 2]["late"].mean() > rows["late"].mean() + 25
    share = rows["late"].between(-60, 359).groupby(rows["route"]).mean()
    kilometres = bus.routes.set_index(bus.routes["route_id"].astype(str))["km"].reindex(share.index)
    assert np.corrcoef(share, kilometres)[0, 1] < -0.3


def test_a_time_is_blank_where_cancelled_or_without_a_signal(departures):
    rows = departures
    assert rows.loc[rows["cancelled"], "actual"].isna().all()
    assert (rows["actual"].isna() == rows["late"].isna()).all()
    ran = rows[~rows["cancelled"]]
    by_stop = ran["actual"].isna().groupby(ran["stop_id"], observed=True).mean()
    dead = by_stop > 0.2
    assert 5 <= dead.sum() <= TRUTH["punctuality"]["dead_stops"]
    assert ran.loc[~ran["stop_id"].isin(by_stop[dead].index), "actual"].isna().mean() < 0.02


def test_seconds_late_are_actual_less_scheduled_but_when_clocks_change(departures):
    rows = departures.dropna(subset="late")
    gap = (rows["actual"] - rows["scheduled"]).dt.total_seconds() - rows["late"]
    odd = rows[gap != 0]
    assert set(odd["scheduled"].dt.strftime("%m-%d")) <= {"10-27", "10-26", "03-30", "03-29"}
    assert set(gap[gap != 0]) <= {-3600.0, 3600.0}


# --- raw and published ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exact(raw) -> pd.Series:
    """Passengers of each route and hour as the raw layer knows them: with a card, and without."""
    with_card = raw["card_taps"].groupby(HOUR, observed=True).size()
    rows = raw["boardings"].drop_duplicates(HOUR).set_index(HOUR)
    return rows["other_passengers"].astype(float) + with_card.reindex(rows.index).fillna(0)


def test_two_journeys_of_a_neighbour_find_the_card_before_and_nothing_after(raw, bus):
    taps = raw["card_taps"]
    assert trace(taps, "card_id", HOUR, points=2, tried=500).success > 0.85
    cards = raw["cards"]["card_id"].to_numpy()
    for table in bus.values():
        assert not {"card_id", "driver_number", "tapped_at_utc"} & set(table.columns)
        for column in table.select_dtypes("integer"):
            assert not np.isin(table[column].dropna().unique(), cards).any(), column


def test_a_card_is_followed_for_two_years_in_the_raw_layer(raw):
    taps = raw["card_taps"]
    assert taps["card_id"].isin(raw["cards"]["card_id"]).all()
    assert taps["card_id"].value_counts().median() > 40
    people = raw["cards"]
    assert {"given_name", "family_name", "date_of_birth", "postcode"} <= set(people.columns)
    assert people["card_id"].is_unique


def test_published_counts_are_the_raw_ones_to_the_nearest_five(bus, exact):
    published = bus.boardings.drop_duplicates(HOUR).set_index(HOUR)["boardings"].astype(float)
    exact = exact.reindex(published.index)
    assert (published.isna() == exact.isna()).all()
    assert (published - exact).abs().max() == 2
    assert (published.dropna() % 5 == 0).all()
    assert published.sum() == pytest.approx(exact.sum(), rel=0.001)


def test_totals_are_sums_of_protected_hours_and_exact_ones_would_have_told(bus, exact):
    rows = bus.boardings.drop_duplicates(HOUR)
    by_day = rows.groupby(["route_id", rows["hour_start"].dt.normalize()], observed=True)
    totals = bus.daily_totals.set_index(["route_id", "date"])
    sums = by_day["boardings"].sum()
    assert len(sums) == len(totals)
    assert (totals["boardings"].reindex(sums.index) == sums).all()
    assert totals["hours_blank"].sum() == rows["boardings"].isna().sum()
    # Where an exact total differs from the sum of rounded hours as much as it can, every hour is known.
    rows = rows.assign(exact=exact.reindex(pd.MultiIndex.from_frame(rows[HOUR])).to_numpy())
    rows = rows[(rows["timetabled"] > 0) & rows["boardings"].notna()]
    days = rows.groupby(["route_id", rows["hour_start"].dt.normalize()], observed=True).agg(
        exact=("exact", "sum"), boardings=("boardings", "sum"), number=("exact", "size")
    )
    assert ((days["exact"] - days["boardings"].astype(float)).abs() == 2 * days["number"]).any()


# --- the seal, and other sizes ----------------------------------------------------------------------


def test_the_hold_out_is_the_same_town_in_the_six_months_after(sealed, bus):
    assert sealed.boardings["hour_start"].min() == bus.boardings["hour_start"].max() + pd.Timedelta(hours=1)
    assert sealed.boardings["hour_start"].max() == pd.Timestamp("2026-09-30 23:00")
    assert sealed.routes.equals(bus.routes)
    last = bus.boardings[bus.boardings["hour_start"] >= "2026-02-23"].drop_duplicates(HOUR)
    first = sealed.boardings[sealed.boardings["hour_start"] < "2026-05-04"].drop_duplicates(HOUR)
    by_route = [
        part.groupby("route_id", observed=True)["boardings"].mean().astype(float) for part in (last, first)
    ]
    assert np.corrcoef(*by_route)[0, 1] > 0.97  # a level goes on
    assert abs(sealed.departures["seconds_late"].between(-60, 359).mean() - 0.829) < 0.04


def test_where_machines_failed_in_the_hold_out_is_told_there_and_nowhere_else(sealed, bus):
    fault = TRUTH["recording"]["faults"][1]
    assert sorted(sealed.faults["route_id"]) == named(fault["routes"])
    assert (sealed.faults["share_recorded"] == fault["recorded"]).all()
    assert "faults" not in bus
    runs = sealed.boardings[sealed.boardings["timetabled"] > 0].drop_duplicates(HOUR)
    on = runs["hour_start"].between(pd.Timestamp(fault["first"]), pd.Timestamp(fault["last"]) + WEEK / 7)
    means = runs["boardings"].astype(float).groupby([runs["route_id"].astype(str), on]).mean().unstack()
    change = means[True] / means[False]
    assert (change[named(fault["routes"])] < 0.8 * change.median()).all()


def test_another_secret_is_another_future(sealed, this_course, tmp_path):
    build_sealed("bus_network", SECRET + "!", tmp_path / "other", rows=30_000)
    other = read_tables(tmp_path / "other", find_dataset("bus_network").schema, "sealed")
    first = sealed.boardings.iloc[: len(other.boardings) // 2]
    same = first.merge(other.boardings, on=HOUR)
    running = same[same["timetabled_x"] > 0]
    assert (running["boardings_x"] == running["boardings_y"]).mean() < 0.3
    assert not other.weather["rain_mm"].equals(sealed.weather["rain_mm"])


def test_more_rows_are_more_towns(this_course, tmp_path):
    recipe = load_recipe(find_dataset("bus_network"))
    build("bus_network", tmp_path / "two", rows=recipe.rows + 1)
    tables = read_tables(tmp_path / "two", find_dataset("bus_network").schema, "published")
    assert len(tables["routes"]) == 80
    assert tables["routes"]["route_id"].is_unique
    assert tables["stops"]["stop_id"].is_unique
    assert len(tables["boardings"]) == pytest.approx(recipe.rows, rel=0.01)
    per_town = tables["boardings"]["route_id"].isin([f"R{n}" for n in range(41, 81)]).mean()
    assert per_town == pytest.approx(0.5, abs=0.01)
    assert set(tables["departures"]["route_id"].cat.categories) == set(tables["routes"]["route_id"])


# --- the picture ------------------------------------------------------------------------------------


def test_the_picture_says_what_it_shows_and_does_with_fewer_tables(bus):
    picture = load_module(FOLDER / "picture.py", "civicml_picture_bus_network_test")
    figure, words = picture.draw({name: bus[name] for name in ("departures", "routes", "events")})
    assert sum(axis.get_visible() for axis in figure.axes) == 2
    assert "82.9%" in words
    figure, words = picture.draw(bus)
    assert len(figure.axes) == 6
    assert all(axis.get_xlabel() and axis.get_title(loc="left") for axis in figure.axes)
    assert "24 February 2025" in words
