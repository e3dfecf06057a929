"""road_collisions: what was planted is there, of the size that truth.toml says, and can be found."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold

from civicml.datasets import build, build_raw, build_sealed, code_labels, find_dataset, load
from civicml.datasets.disclosure import Rules, k_anonymity, singled_out
from civicml.datasets.recipe import load_module, load_recipe
from civicml.datasets.schema import read_settings
from civicml.datasets.tables import read_tables

FOLDER = Path(__file__).parents[2] / "datasets" / "transport" / "road_collisions"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
FIRST_FORCE = 64
FATAL, SERIOUS, SLIGHT = 1, 2, 3


@pytest.fixture(scope="module")
def roads(this_course):
    return load("road_collisions")


@pytest.fixture(scope="module")
def collision(roads):
    return roads.collision


@pytest.fixture(scope="module")
def bad(collision):
    """Whether somebody was killed or seriously hurt."""
    return (collision["collision_severity"] <= SERIOUS).to_numpy()


# --- the tables fit together ----------------------------------------------------------------------


def test_tables_have_the_columns_of_the_2025_files(roads):
    assert [len(frame.columns) for frame in roads.values()] == [44, 32, 23]
    assert roads.collision.columns[0] == "collision_index"
    assert roads.collision.columns[-4] == "enhanced_severity_collision"
    assert "did_police_officer_attend_scene_of_accident" in roads.collision
    assert roads.casualty.columns[-1] == "casualty_distance_banding"
    assert code_labels("road_collisions", "light_conditions")[6] == "Darkness - no lighting"


def test_counts_in_the_collision_table_are_those_of_the_others(roads):
    index = roads.collision["collision_index"]
    for table, column in (("vehicle", "number_of_vehicles"), ("casualty", "number_of_casualties")):
        there = index.map(roads[table]["collision_index"].value_counts())
        assert (there == roads.collision[column]).all()


def test_a_collision_is_as_severe_as_its_worst_casualty(roads):
    worst = roads.casualty.groupby("collision_index")["casualty_severity"].min()
    assert (roads.collision["collision_index"].map(worst) == roads.collision["collision_severity"]).all()


def test_casualties_are_in_vehicles_that_are_there(roads):
    vehicles = pd.MultiIndex.from_frame(roads.vehicle[["collision_index", "vehicle_reference"]])
    assert (
        pd.MultiIndex.from_frame(roads.casualty[["collision_index", "vehicle_reference"]])
        .isin(vehicles)
        .all()
    )


def test_days_are_days_of_the_week_and_of_the_year(collision):
    assert (collision["date"].dt.year == 2024).all()
    assert ((collision["date"].dt.day_of_week + 1) % 7 + 1 == collision["day_of_week"]).all()


# --- quirks ---------------------------------------------------------------------------------------


def test_forces_that_list_injuries_use_the_new_form_and_leave_historic_columns_out(collision):
    by_injury = collision["collision_injury_based"] == 1
    for column in ("junction_detail_historic", "carriageway_hazards_historic", "special_conditions_at_site"):
        missing = collision[column] == -1
        assert missing[by_injury].mean() > 0.97
        assert missing[~by_injury].mean() < 0.04


def test_old_codes_were_converted_and_roundabouts_lost_their_junction(collision):
    known = collision[collision["junction_detail_historic"].isin([1, 2, 3, 5, 6])]
    new = known.groupby("junction_detail_historic")["junction_detail"].unique()
    assert {old: list(codes) for old, codes in new.items()} == {1: [0], 2: [0], 3: [13], 5: [0], 6: [16]}


def test_the_reader_of_official_files_converts_codes_as_the_recipe_does():
    recipe = load_module(FOLDER / "recipe.py", "recipe_of_roads")
    reader = load_module(FOLDER / "official.py", "reader_of_roads")
    pairs = {
        "junction_detail": recipe.NEW_JUNCTION,
        "carriageway_hazards": recipe.NEW_HAZARD,
        "pedestrian_crossing": recipe.NEW_CROSSING,
        "vehicle_manoeuvre": recipe.NEW_MANOEUVRE,
        "vehicle_location_restricted_lane": recipe.NEW_LANE,
        "journey_purpose_of_driver": recipe.NEW_PURPOSE,
    }
    for column, codes in pairs.items():
        assert {**reader.CONVERSIONS[column][1], -1: -1} == codes, column


def test_some_collisions_were_reported_by_two_forces(collision):
    same = [
        "date",
        "time",
        "location_easting_osgr",
        "location_northing_osgr",
        "speed_limit",
        "number_of_vehicles",
    ]
    known = collision.dropna(subset=["time", "location_easting_osgr"])
    pairs = known[known.duplicated([*same, "weather_conditions", "collision_severity"], keep=False)]
    forces = pairs.groupby(same, observed=True)["police_force"].nunique()
    share = (forces == 2).sum() / len(collision)
    assert 0.6 * TRUTH["recording"]["reported_twice"] < share < 1.4 * TRUTH["recording"]["reported_twice"]


def test_late_rows_are_at_the_end_out_of_order(collision):
    late = int(len(collision) * TRUTH["recording"]["late_rows"] * 0.8)
    assert collision["date"].iloc[-late:].is_monotonic_increasing
    assert collision["date"].iloc[-late] < pd.Timestamp("2024-04-01")
    early = collision.iloc[: -2 * late]
    assert (early["date"].diff().dt.days.iloc[1:] < 0).sum() < 10


def test_ages_are_missing_more_often_where_nobody_was_badly_hurt(roads, bad):
    severe = roads.vehicle["collision_index"].map(pd.Series(bad, index=roads.collision["collision_index"]))
    unknown = roads.vehicle["age_of_driver"] == -1
    assert unknown[~severe].mean() > 1.6 * unknown[severe].mean()


# --- what makes a collision severe ----------------------------------------------------------------


@pytest.fixture(scope="module")
def features(roads):
    """The terms of truth.toml's log-odds, as a careful learner would build them from the three tables."""
    c, v, k = roads.collision, roads.vehicle, roads.casualty
    index = c["collision_index"]

    def any_of(frame, rows):
        return index.isin(frame.loc[rows, "collision_index"]).to_numpy()

    oldest = index.map(k.groupby("collision_index")["age_of_casualty"].max())
    columns = {f"speed {limit}": c["speed_limit"] == limit for limit in (20, 40, 50, 60, 70)}
    columns |= {
        "dark_lit": c["light_conditions"].isin([4, 7]),
        "dark_no_lighting": c["light_conditions"] == 6,
        "rural": c["urban_or_rural_area"] == 2,
        "single_carriageway": c["road_type"] == 6,
        "roundabout": c["road_type"] == 1,
        "motorcycle": any_of(v, v["vehicle_type"].isin([2, 3, 4, 5, 23, 97])),
        "cycle": any_of(v, v["vehicle_type"] == 1),
        "pedestrian": any_of(k, k["casualty_class"] == 3),
        "goods": any_of(v, v["vehicle_type"].isin([20, 21, 98])),
        "one_vehicle": (c["number_of_vehicles"] == 1) & ~any_of(k, k["casualty_class"] == 3),
        "three_or_more": c["number_of_vehicles"] >= 3,
        "each_more_casualty": np.minimum(c["number_of_casualties"] - 1, 3),
        "66_to_75": (oldest > 65) & (oldest <= 75),
        "over_75": oldest > 75,
        "injury_based": c["collision_injury_based"] == 1,
    }
    return pd.DataFrame(columns).astype(float)


def test_planted_effects_are_found_by_a_regression(features, collision):
    """Places vary without a column for it, which shrinks every other effect by about a tenth."""
    rows = (collision["collision_severity"] > FATAL).to_numpy()
    serious = (collision["collision_severity"] == SERIOUS).to_numpy()
    model = LogisticRegression(C=np.inf, max_iter=500).fit(features[rows], serious[rows])
    found = dict(zip(features.columns, model.coef_[0], strict=True))
    truth = TRUTH["severity"]["serious"]
    planted = {
        name: truth[name]
        for name in (
            "motorcycle",
            "cycle",
            "pedestrian",
            "goods",
            "rural",
            "single_carriageway",
            "roundabout",
        )
    }
    planted |= {f"speed {limit}": truth["speed"][str(limit)] for limit in (20, 40, 50, 60, 70)}
    planted |= {name: truth["oldest_casualty"][name] for name in ("66_to_75", "over_75")}
    planted |= {name: truth[name] for name in ("dark_lit", "dark_no_lighting", "each_more_casualty")}
    for name, size in planted.items():
        assert abs(found[name] - 0.9 * size) < 0.20, (name, size, found[name])
        assert found[name] * size > 0, name
    assert 0.35 < found["injury_based"] < 0.60  # recording, not safety


def test_severity_rises_with_speed_up_to_single_carriageways_of_60(collision, bad):
    by_speed = pd.Series(bad).groupby(collision["speed_limit"].to_numpy()).mean()
    assert by_speed[[20, 30, 40, 50, 60]].is_monotonic_increasing
    assert by_speed[70] < by_speed[60]


# --- leaks ----------------------------------------------------------------------------------------


def test_each_leak_is_as_large_as_documented(collision, bad):
    leaks = TRUTH["leaks"]
    grades = collision["enhanced_severity_collision"].to_numpy()
    rates = pd.Series(bad).groupby(grades).mean()
    closed = collision["collision_reference"].str[2:6].astype(int)
    scores = {
        "police_attendance": collision["did_police_officer_attend_scene_of_accident"] == 1,
        "adjusted_severity": collision["collision_adjusted_severity_serious"],
        "enhanced_severity": pd.Series(grades).map(rates),
        "reference": closed - collision["date"].dt.day_of_year,
    }
    for name, score in scores.items():
        assert roc_auc_score(bad, score) == pytest.approx(leaks[name]["auc"], abs=0.012), name
    counts = roc_auc_score(bad, collision["number_of_casualties"])
    assert counts == pytest.approx(leaks["casualties"]["auc_of_counts"], abs=0.012)
    assert roc_auc_score(bad, 1 - collision["collision_adjusted_severity_slight"]) > 0.999


def test_a_random_split_flatters_a_model_that_knows_the_place(features, collision, bad):
    known = features.assign(
        easting=collision["location_easting_osgr"].astype(float),
        northing=collision["location_northing_osgr"].astype(float),
        road=collision["first_road_number"],
        force=collision["police_force"],
    )
    road = collision.groupby(["local_authority_district", "first_road_class", "first_road_number"]).ngroup()

    def area(split, groups=None):
        guess = np.zeros(len(bad))
        for train, test in split.split(known, bad, groups):
            model = HistGradientBoostingClassifier(max_iter=40, learning_rate=0.2, random_state=0)
            guess[test] = model.fit(known.iloc[train], bad[train]).predict_proba(known.iloc[test])[:, 1]
        return roc_auc_score(bad, guess)

    random = area(KFold(3, shuffle=True, random_state=0))
    assert random - area(GroupKFold(3), road) > 0.015


# --- drift ----------------------------------------------------------------------------------------


def test_the_rise_in_serious_collisions_is_mostly_recording(this_course):
    tables = load("road_collisions", years=[2018, 2024]).collision
    serious = tables["collision_severity"] == SERIOUS
    year, system = tables["collision_year"], tables["collision_injury_based"]
    raw = serious.groupby(year).mean()
    within = serious.groupby([year, system]).mean().unstack()
    share_2018 = (system == 1)[year == 2018].mean()
    weights = np.array([1 - share_2018, share_2018])
    at_the_same_mix = within.to_numpy() @ weights
    assert raw[2024] - raw[2018] > 0.04
    assert at_the_same_mix[1] - at_the_same_mix[0] < 0.65 * (raw[2024] - raw[2018])


def test_forces_change_their_system_on_the_day_that_was_planted(collision):
    force = next(n for n, f in enumerate(TRUTH["forces"]) if f["name"] == "Larkmoor")
    here = collision[collision["police_force"] == FIRST_FORCE + force]
    # A second report of a neighbour's collision has the neighbour's system: less than one row in a hundred.
    after = here["date"].dt.date >= TRUTH["forces"][force]["injury_based_from"]
    assert (here["collision_injury_based"] == 1)[after].mean() > 0.98
    assert (here["collision_injury_based"] == 1)[~after].mean() < 0.02


# --- disclosure control and the seal --------------------------------------------------------------


def test_published_rows_hold_no_homes_no_exact_ages_and_no_exact_places(roads):
    assert set(roads.vehicle["lsoa_of_driver"]) == {"-1"} == set(roads.casualty["lsoa_of_casualty"])
    for frame, who in ((roads.vehicle, "driver"), (roads.casualty, "casualty")):
        assert frame.groupby(f"age_band_of_{who}")[f"age_of_{who}"].nunique().eq(1).all()
    east = roads.collision["location_easting_osgr"].dropna()
    assert (east % 100 == 0).all()
    assert east.between(521_000, 641_000).all()  # the North Sea
    assert roads.collision["longitude"].dropna().between(-0.2, 2.0).all()
    sites = roads.collision.groupby(["location_easting_osgr", "location_northing_osgr"]).size()
    assert sites.median() >= 5


@pytest.fixture(scope="module")
def both_layers(this_course, tmp_path_factory):
    """The same small build, before and after disclosure control."""
    place = tmp_path_factory.mktemp("roads")
    build("road_collisions", place / "published", rows=15_000)
    build_raw("road_collisions", place / "raw", rows=15_000)
    dataset = find_dataset("road_collisions")
    raw = {path.stem: pd.read_parquet(path) for path in (place / "raw").glob("*.parquet")}
    return raw, read_tables(place / "published", dataset.schema, "published")


def test_attacks_work_on_the_raw_layer_and_fail_on_the_published_one(both_layers):
    raw, published = both_layers
    rules = read_settings(FOLDER / "disclosure.toml", Rules)
    people = load_recipe(find_dataset("road_collisions")).exposed(published)
    assert k_anonymity(people, rules.people.quasi_identifiers) >= rules.people.k
    for attack in rules.attacks:
        if attack.table == "person":
            assert singled_out(raw["person"], attack.raw) > 0.4, attack.knows
            assert singled_out(people, attack.published) <= attack.at_most, attack.knows


def test_a_driver_who_was_hurt_is_blanked_in_both_tables_alike(both_layers):
    _, published = both_layers
    drivers = published.casualty[published.casualty["casualty_class"] == 1]
    pairs = drivers.merge(published.vehicle, on=["collision_index", "vehicle_reference"])
    assert (pairs["casualty_imd_decile"] == pairs["driver_imd_decile"]).all()
    assert (pairs["age_band_of_casualty"] == pairs["age_band_of_driver"]).all()


def test_the_seal_has_other_collisions_and_a_year_that_nobody_has(both_layers, tmp_path):
    build_sealed("road_collisions", SECRET, tmp_path / "sealed", rows=3_000)
    sealed = read_tables(tmp_path / "sealed", find_dataset("road_collisions").schema, "sealed").collision
    assert set(sealed["collision_year"]) == {2024, 2025}
    assert not sealed["collision_index"].isin(both_layers[1].collision["collision_index"]).any()
