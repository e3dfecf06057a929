"""The cases of the transport brief: tomorrow's departures, with what is known at six in the evening.

Shared by learners (published tables) and the review (sealed tables). It must not know any model.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

_LATE_SECONDS = 359  # on time is up to 5:59 late: Department for Transport
_LIST_HOUR = pd.Timedelta(hours=18)
_MEMORY_DAYS = 28
_FOOTBALL_BEFORE, _FOOTBALL_AFTER = pd.Timedelta(hours=2), pd.Timedelta(hours=3)
_HOUR = pd.Timedelta(hours=1)


def frame(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each sampled departure that ran and sent a time.

    Args:
        tables: those of `bus_network`, published or sealed.

    Returns:
        The columns that `brief.toml` names, in order of `moment` (18:00 of the day before) and number.
        Shares of late departures are of four weeks; they end with the day before the list is made.
    """
    departures = tables["departures"].drop_duplicates("departure_id")
    ran = departures[departures["seconds_late"].notna()].sort_values(
        ["scheduled", "departure_id"], ignore_index=True
    )
    day = ran["scheduled"].dt.normalize()
    hour = ran["scheduled"].dt.floor("h")
    moment = day - pd.Timedelta(days=1) + _LIST_HOUR
    route = ran["route_id"].astype(str)
    late = ran["seconds_late"].astype(int) > _LATE_SECONDS
    routes = tables["routes"].set_index("route_id").reindex(route)
    stops = tables["stops"].set_index("stop_id").reindex(ran["stop_id"].astype(str))
    days = tables["calendar"].set_index("date").reindex(day)
    weather = tables["weather"].drop_duplicates("hour_start").set_index("hour_start").reindex(hour)
    along = (ran["stop_sequence"].to_numpy() - 1) / np.maximum(routes["stops"].to_numpy(float) - 1, 1)
    return pd.DataFrame(
        {
            "departure_id": ran["departure_id"],
            "moment": moment,
            "day": day,
            "route": route,
            "kind": routes["kind"].astype(str).to_numpy(),
            "weekday": day.dt.day_name().astype(str),
            "service": days["service"].astype(str).to_numpy(),
            "school_day": days["school_day"].to_numpy(bool),
            "hour": ran["scheduled"].dt.hour.astype(int),
            "along": along,
            "forecast_rain_mm": weather["forecast_rain_mm"].to_numpy(float),
            "forecast_temperature_c": weather["forecast_temperature_c"].to_numpy(float),
            "works": _works(tables["events"], route, day, moment),
            "football": _football(tables["events"], ran["scheduled"], moment),
            "passengers_last_week": _passengers(
                tables["boardings"], route, hour - pd.Timedelta(days=7), moment
            ),
            "late_route": _late_before(route, day, late),
            "late_route_hour": _late_before(route + " " + hour.dt.hour.astype(str), day, late),
            "rain_mm": weather["rain_mm"].to_numpy(float),
            "snow_cm": weather["snow_cm"].to_numpy(float),
            "late_route_today": late.groupby([route, day]).transform("mean"),
            "distance": _distance(stops["km_from_centre"]),
            "time_of_day": _time_of_day(ran["scheduled"].dt.hour),
            "late": late,
        }
    ).sort_values(["moment", "departure_id"], ignore_index=True)


def rule(cases: pd.DataFrame) -> npt.NDArray[np.float64]:
    """What is on the wall now: routes late most often in four weeks, rush hours first among equals."""
    rush = cases["hour"].isin([7, 8, 16, 17]) & (cases["service"] == "weekday")
    return (cases["late_route"].fillna(0) + 0.01 * rush).to_numpy(dtype=float)


def _late_before(of: pd.Series, day: pd.Series, late: pd.Series) -> npt.NDArray[np.float64]:
    """Share of late departures in the four weeks that end two days before `day`; blank if none."""
    counts = pd.DataFrame({"of": of, "day": day, "late": late})
    daily = counts.groupby(["day", "of"])["late"].agg(["sum", "size"]).unstack("of", fill_value=0)
    whole = daily.reindex(pd.date_range(day.min(), day.max() + pd.Timedelta(days=2)), fill_value=0)
    memory = whole.rolling(_MEMORY_DAYS, min_periods=1).sum().shift(2)
    share = (memory["sum"] / memory["size"]).stack()
    return share.reindex(pd.MultiIndex.from_arrays([day, of])).to_numpy(float)


def _works(
    events: pd.DataFrame, route: pd.Series, day: pd.Series, moment: pd.Series
) -> npt.NDArray[np.bool_]:
    """Whether roadworks on the route were in the diary when the list was made."""
    found = np.zeros(len(route), dtype=bool)
    for event in events[events["kind"] == "roadworks"].itertuples():
        there = (day <= event.ends) & (day >= event.starts.normalize()) & (moment >= event.announced_on)
        found |= ((route == event.route_id) & there).to_numpy()
    return found


def _football(events: pd.DataFrame, scheduled: pd.Series, moment: pd.Series) -> npt.NDArray[np.bool_]:
    """Whether a match in the diary draws people into or out of the town at that time."""
    found = np.zeros(len(scheduled), dtype=bool)
    for event in events[events["kind"] == "football"].itertuples():
        near = scheduled.between(event.starts - _FOOTBALL_BEFORE, event.starts + _FOOTBALL_AFTER)
        found |= (near & (moment >= event.announced_on)).to_numpy()
    return found


def _passengers(
    boardings: pd.DataFrame, route: pd.Series, hour: pd.Series, moment: pd.Series
) -> npt.NDArray[np.float64]:
    """Passengers a bus in that hour; blank if the count had not arrived by `moment`."""
    counts = boardings.drop_duplicates(["route_id", "hour_start"]).set_index(["route_id", "hour_start"])
    counts = counts.set_axis(counts.index.set_levels(counts.index.levels[0].astype(str), level=0))
    wanted = counts.reindex(pd.MultiIndex.from_arrays([route, hour]))
    buses = wanted["timetabled"].astype(float).to_numpy()
    a_bus = np.divide(
        wanted["boardings"].astype("Float64").to_numpy(float, na_value=np.nan), np.maximum(buses, 1)
    )
    a_bus[~(wanted["received_on"].to_numpy() <= moment.to_numpy())] = np.nan
    return a_bus


def _distance(km: pd.Series) -> npt.NDArray[np.object_]:
    return pd.cut(km, [-1, 1.5, 3.5, np.inf], labels=["centre", "inner", "outer"]).astype(str).to_numpy()


def _time_of_day(hour: pd.Series) -> pd.Series:
    return pd.cut(
        hour, [-1, 5, 9, 15, 18, 24], labels=["night", "morning", "midday", "afternoon rush", "evening"]
    ).astype(str)
