"""Stop and search: the source's columns and quirks, what was planted, disclosure control, and the seal."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from civicml.datasets import build_sealed, find_dataset, load, load_raw
from civicml.datasets.disclosure import Rules, k_anonymity, l_diversity, singled_out
from civicml.datasets.recipe import load_module, load_recipe
from civicml.datasets.schema import read_settings
from civicml.datasets.tables import Tables, read_tables

FOLDER = Path(__file__).parents[2] / "datasets" / "justice" / "stop_search"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
NOTHING = ["A no further action disposal", "Nothing found - no further action"]
LINKED = "Outcome linked to object of search"
SEEN_AS = "Officer-defined ethnicity"
SOURCE = [
    "Type", "Date", "Part of a policing operation", "Policing operation", "Latitude", "Longitude", "Gender",
    "Age range", "Self-defined ethnicity", "Officer-defined ethnicity", "Legislation", "Object of search",
    "Outcome", "Outcome linked to object of search", "Removal of more than just outer clothing",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(this_course) -> Tables:
    return load("stop_search")


@pytest.fixture(scope="module")
def searches(tables):
    return tables.searches


@pytest.fixture(scope="module")
def found(searches):
    """Whether anything came of the search."""
    return ~searches["Outcome"].isin(NOTHING).to_numpy()


@pytest.fixture(scope="module")
def local(searches):
    """The time by the clock on the wall."""
    return searches["Date"].dt.tz_localize("UTC").dt.tz_convert("Europe/London")


@pytest.fixture(scope="module")
def placed(tables, searches):
    """The neighbourhood of each search, blank where it has no place."""
    points = tables.map_points.set_index(["Latitude", "Longitude"])["neighbourhood"]
    where = pd.MultiIndex.from_frame(searches[["Latitude", "Longitude"]])
    return points.reindex(where).astype("object").reset_index(drop=True)


# --- the source's columns and quirks --------------------------------------------------------------


def test_the_columns_are_the_sources_own(searches):
    assert list(searches.columns) == ["search_id", *SOURCE, "force", "month"]
    assert len(SOURCE) == 15
    assert searches["search_id"].is_unique


def test_a_months_file_is_that_of_the_clock_and_times_are_universal(searches, local):
    assert (local.dt.strftime("%Y-%m") == searches["month"].astype(str)).all()
    june = searches.loc[searches["month"] == "2019-06", "Date"]
    assert june.min() < pd.Timestamp("2019-06-01")
    assert june.max() < pd.Timestamp("2019-06-30 23:00")
    january = searches.loc[searches["month"] == "2019-01", "Date"]
    assert january.min() >= pd.Timestamp("2019-01-01")


def test_the_linked_column_is_blank_exactly_when_nothing_further_was_done(searches, found):
    assert (searches[LINKED].isna().to_numpy() == ~found).all()


def test_one_force_used_older_words_until_it_changed_its_system(searches):
    old = searches["Outcome"].isin(
        ["Nothing found - no further action", "Suspect arrested", "Local resolution"]
    ) | searches["Self-defined ethnicity"].astype(str).str.endswith(")")
    there = searches["force"] == TRUTH["recording"]["old_words_force"]
    early = searches["month"].astype(str) <= TRUTH["recording"]["old_words_until"]
    assert not (old & ~(there & early)).any()
    assert old[there & early].mean() > 0.9


def test_some_forces_never_write_some_things_down(searches):
    blank = searches.isna().groupby(searches["force"].astype(str)).mean()
    assert blank["Part of a policing operation"]["chalkdown"] == 1
    assert (blank["Part of a policing operation"].drop("chalkdown") == 0).all()
    late = searches["month"].astype(str) >= TRUTH["recording"]["no_legislation_from"]
    there = searches["force"] == TRUTH["recording"]["no_legislation_force"]
    lost = searches["Legislation"].isna()
    assert lost[there & late].mean() == pytest.approx(TRUTH["recording"]["no_legislation"], abs=0.03)
    assert not lost[~(there & late)].any()
    assert searches["Policing operation"].isna().all()


def test_one_force_writes_many_times_as_midnight_for_a_year(searches, local):
    midnight = (local.dt.hour == 0) & (local.dt.minute == 0)
    there = searches["force"] == TRUTH["recording"]["dates_only_force"]
    early = searches["month"].astype(str) <= TRUTH["recording"]["dates_only_until"]
    assert midnight[there & early].mean() > 0.35
    assert midnight[~(there & early)].mean() < 0.03


def test_few_rows_were_sent_twice_and_few_came_late(searches):
    again = searches.duplicated([c for c in searches if c != "search_id"])
    assert TRUTH["recording"]["sent_twice"] * 0.8 < again.mean() < 0.02
    back = searches.groupby(["force", "month"], observed=True)["Date"].apply(
        lambda times: (times.diff().dt.total_seconds() < -600).sum()
    )
    assert (back > 0).mean() > 0.5  # late rows are at the end of their file
    assert back.sum() < 0.012 * len(searches)


def test_places_are_points_of_the_map_in_the_north_sea(tables, searches, placed):
    has_place = searches["Latitude"].notna().to_numpy()
    assert (has_place == searches["Longitude"].notna()).all()
    assert (placed.notna().to_numpy() == has_place).all()
    assert 0.02 < 1 - has_place.mean() < 0.06
    assert tables.map_points["Longitude"].between(0.9, 3.2).all()
    assert tables.map_points["Latitude"].between(54, 56).all()
    assert not tables.map_points.duplicated(["Latitude", "Longitude"]).any()


# --- who is searched ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rates(tables, searches, placed):
    """Searches and residents by neighbourhood, age, gender and self-defined group; blanks left out."""
    recipe = load_module(FOLDER / "recipe.py", "recipe_of_stop_search")
    cells = ["neighbourhood", "age_range", "gender", "ethnic_group"]
    rows = pd.DataFrame(
        {
            "neighbourhood": placed,
            "age_range": searches["Age range"].astype("object"),
            "gender": searches["Gender"].astype("object"),
            "ethnic_group": recipe.broad_group(searches["Self-defined ethnicity"]),
        }
    )
    people = tables.population.astype(dict.fromkeys(cells, "object")).set_index(cells)["residents"]
    return people.astype(float).to_frame().assign(searches=rows.groupby(cells).size()).fillna(0).reset_index()


def ratio(rates: pd.DataFrame, strata: list[str]) -> float:
    """Black against White, each stratum compared with itself (Mantel and Haenszel's rate ratio)."""
    sums = rates.groupby([*strata, "ethnic_group"])[["searches", "residents"]].sum().unstack("ethnic_group")
    count, people = sums["searches"], sums["residents"]
    both = people["Black"] + people["White"]
    top = (count["Black"] * people["White"] / both).sum()
    return float(top / (count["White"] * people["Black"] / both).sum())


def test_most_of_the_crude_ratio_is_where_officers_are_sent_and_the_rest_is_what_was_planted(rates):
    everywhere = rates.assign(all="all")
    crude, forces = ratio(everywhere, ["all"]), ratio(rates.assign(f=rates["neighbourhood"]), ["f"])
    alike = ratio(rates[rates["age_range"] == "over 34"], ["neighbourhood", "gender"])
    assert crude > 8
    assert forces < 0.6 * crude
    stated = TRUTH["ethnicity"]["not_stated"]
    planted = TRUTH["searched"]["ethnic"]["Black"] * (1 - stated["Black"]) / (1 - stated["White"])
    assert alike == pytest.approx(planted, rel=0.12)


def test_young_black_men_are_searched_more_than_age_and_ethnicity_add_up_to(rates):
    young = rates["age_range"].isin(["10-17", "18-24"])
    men = rates["gender"] == "Male"
    strata = ["neighbourhood", "age_range", "gender"]
    excess = ratio(rates[young & men], strata) / ratio(rates[~(young & men)], strata)
    assert excess == pytest.approx(TRUTH["searched"]["young_black_men"], rel=0.12)


# --- what comes of it -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(searches, found, placed, local):
    """Searches with nothing blank that matters, and the terms of truth.toml's log-odds."""
    rows = pd.DataFrame(
        {
            "found": found,
            "black": searches[SEEN_AS] == "Black",
            "asian": searches[SEEN_AS] == "Asian",
            "mixed_or_other": searches[SEEN_AS].isin(["Mixed", "Other"]),
            "young": searches["Age range"].isin(["10-17", "18-24"]),
            "man": searches["Gender"] == "Male",
            "operation": searches["Part of a policing operation"].fillna(False).astype(bool),
            "section_60": searches["Legislation"].astype(str).str.contains("section 60"),
            "vehicle_and_person": searches["Type"] == "Person and Vehicle search",
            "night": (local.dt.hour >= 20) | (local.dt.hour < 4),
            "early": local.dt.hour.between(5, 9),
            "later": searches["month"].astype(str) >= "2019-04",
            "object": searches["Object of search"].astype(str),
            "force": searches["force"].astype(str),
            "neighbourhood": placed,
        }
    )
    blank = searches[[SEEN_AS, "Age range", "Gender", "Latitude"]].isna().any(axis=1)
    rows["young_black_man"] = rows["black"] & rows["young"] & rows["man"]
    rows["young_other"] = rows["young"] & ~rows["young_black_man"]
    return rows[~blank].reset_index(drop=True)


TERMS = [
    "black", "asian", "mixed_or_other", "young_black_man", "young_other", "man", "operation", "section_60",
    "vehicle_and_person", "night", "early", "later",
]  # fmt: skip


def coefficients(rows: pd.DataFrame, target: pd.Series, *, places: bool) -> dict[str, float]:
    features = [rows[TERMS].astype(float), pd.get_dummies(rows["object"], dtype=float)]
    if places:
        features.append(pd.get_dummies(rows["neighbourhood"], dtype=float))
    matrix = pd.concat(features, axis=1)
    with threadpool_limits(1):
        model = LogisticRegression(C=100, max_iter=300).fit(matrix, target)
    return dict(zip(matrix.columns, model.coef_[0], strict=True))


@pytest.fixture(scope="module")
def adjusted(known):
    return coefficients(known, known["found"], places=True)


def test_planted_effects_are_found_by_a_regression_that_compares_places_with_themselves(adjusted):
    truth = TRUTH["found"]
    planted = {
        "young_black_man": truth["young_black_men"],
        "young_other": truth["young"],
        "operation": truth["operation"],
        "section_60": truth["section_60"],
        "vehicle_and_person": truth["vehicle_and_person"],
        "early": truth["early"],
        "man": -truth["female"],
    }
    for name, size in planted.items():
        assert adjusted[name] == pytest.approx(size, abs=0.14 if name != "section_60" else 0.25), name
    assert adjusted["black"] == pytest.approx(truth["ethnic"]["Black"], abs=0.09)
    assert adjusted["night"] == pytest.approx(truth["night"] + 0.05, abs=0.07)  # more so with a vehicle


def test_the_gap_is_in_no_table_of_age_or_gender_and_in_one_group_of_ethnicity_age_and_gender(known):
    by_age = known.groupby("young")["found"].mean()
    assert abs(by_age[True] - by_age[False]) < 0.015
    young_men = known[known["young"] & known["man"]].groupby("black")["found"].mean()
    others = known[~(known["young"] & known["man"])].groupby("black")["found"].mean()
    assert young_men[False] - young_men[True] > 0.13
    assert others[False] - others[True] < 0.06


def test_where_officers_are_sent_explains_part_of_the_gap_in_what_they_find(known, adjusted):
    """Neighbourhoods stand for policing: within one, the gap is smaller, and it does not go away."""
    without = coefficients(known, known["found"], places=False)
    assert without["black"] < adjusted["black"] - 0.03
    assert adjusted["young_black_man"] < -0.4


def test_one_force_searches_on_weaker_grounds_and_more_so_black_people(known):
    by_force = known.groupby(["force", "black"])["found"].mean().unstack()
    assert by_force[False].idxmin() == "moorcombe"
    odds = np.log(by_force / (1 - by_force))
    gap = odds[True] - odds[False]
    assert gap["moorcombe"] == gap.min()


def test_black_people_are_arrested_more_often_for_the_same_find(known, searches):
    arrest = searches["Outcome"].isin(["Arrest", "Suspect arrested"])
    blank = searches[[SEEN_AS, "Age range", "Gender", "Latitude"]].isna().any(axis=1)
    some = known["found"].to_numpy()
    rows, arrested = known[some].reset_index(drop=True), arrest[~blank].to_numpy()[some]
    rows["young_black_man"] = False  # the interaction is in what is found, not in what follows
    size = coefficients(rows, arrested, places=False)["black"]
    assert size == pytest.approx(TRUTH["outcome"]["arrest_black"], abs=0.09)


def test_an_honest_model_is_worth_something_and_the_leak_everything(searches, found, local):
    columns = ["Type", "Gender", "Age range", SEEN_AS, "Legislation", "Object of search", "force"]
    honest = pd.DataFrame({name: searches[name].cat.codes for name in columns})
    honest["operation"] = searches["Part of a policing operation"].astype("Float64").astype(float)
    honest = honest.assign(hour=local.dt.hour, latitude=searches["Latitude"], longitude=searches["Longitude"])
    removal = searches["Removal of more than just outer clothing"].astype("Float64").astype(float)
    earlier = (searches["month"].astype(str) < "2019-10").to_numpy()

    def area(features):
        model = HistGradientBoostingClassifier(max_iter=50, learning_rate=0.2, random_state=0)
        with threadpool_limits(1):  # threads that wait for one another are slow on a busy machine
            model.fit(features[earlier][::2], found[earlier][::2])
            return roc_auc_score(found[~earlier], model.predict_proba(features[~earlier])[:, 1])

    score = area(honest)
    assert 0.645 < score < 0.70
    assert score < area(honest.assign(removal=removal)) < score + 0.02
    assert roc_auc_score(found, searches[LINKED].notna()) == 1


# --- missing, not at random -----------------------------------------------------------------------


def test_gender_is_left_blank_more_for_women_and_where_nothing_was_found(tables, searches, found):
    person = (searches["Type"] != "Vehicle search").to_numpy()
    careless = (
        (searches["force"] == TRUTH["recording"]["careless_force"])
        & (searches["month"].astype(str) >= TRUTH["recording"]["careless_from"])
        & person
    ).to_numpy()
    blank = searches["Gender"].isna().to_numpy()
    assert blank[careless & ~found].mean() > 1.4 * blank[careless & found].mean()
    watched = searches.merge(tables.reviewed, on="search_id")
    watched = watched[watched["Type"] != "Vehicle search"]
    women = (watched["gender_seen"] == "Female").groupby(watched["Gender"].isna()).mean()
    assert women[True] > 1.5 * women[False]


def test_the_review_agrees_with_the_record_where_there_is_one(tables, searches):
    watched = searches.merge(tables.reviewed, on="search_id")
    both = watched.dropna(subset=["Gender", "gender_seen"])
    assert (both["Gender"].astype(str) == both["gender_seen"].astype(str)).all()
    assert len(tables.reviewed) == pytest.approx(TRUTH["recording"]["reviewed"], rel=0.06)


# --- disclosure control and the seal --------------------------------------------------------------


def test_attacks_work_on_the_raw_layer_and_fail_on_the_published_one(tables):
    rules = read_settings(FOLDER / "disclosure.toml", Rules)
    raw = load_raw("stop_search")["searches"]
    people = load_recipe(find_dataset("stop_search")).exposed(tables)
    quasi = rules.people.quasi_identifiers
    assert k_anonymity(people, quasi) >= rules.people.k == 5
    assert l_diversity(people, quasi, "Object of search") >= 2
    assert k_anonymity(raw, quasi) == 1
    cousin, month, address, neighbour = rules.attacks
    assert singled_out(raw, cousin.raw) > 0.99
    assert singled_out(raw, address.raw) > 0.6
    for attack in (cousin, month, address):
        assert singled_out(people, attack.published) <= attack.at_most < 0.05, attack.knows
    assert singled_out(raw, neighbour.raw) > 0.99
    assert "Not prevented" in neighbour.why


def test_few_cells_were_blanked_and_what_is_blanked_is_blank_in_the_review_too(tables, searches):
    raw = load_raw("stop_search")["searches"]
    for column, most in (("Self-defined ethnicity", 0.13), (SEEN_AS, 0.03), ("Age range", 0.003)):
        recorded = raw[column]
        if column == "Age range":
            recorded = recorded.mask(raw["Age range by review"])
        assert searches[column].isna().mean() - recorded.isna().mean() < most, column
    assert 0 < tables.reviewed["age_range_seen"].isna().sum() < 50


def test_residents_are_rounded_and_small_counts_blank(tables):
    people = tables.population["residents"]
    assert (people.dropna() % 10 == 0).all()
    assert 0 < people.isna().sum() < 20
    assert not people.between(1, 9).any()


@pytest.fixture(scope="module")
def sealed(this_course, tmp_path_factory):
    place = tmp_path_factory.mktemp("stop_search") / "sealed"
    build_sealed("stop_search", SECRET, place, rows=30_000)
    return read_tables(place, find_dataset("stop_search").schema, "sealed")


def test_the_seal_has_other_searches_six_months_later_in_the_same_places(sealed, tables):
    assert sealed.searches["month"].astype(str).max() == "2020-09"
    assert not sealed.searches["search_id"].isin(tables.searches["search_id"]).any()
    assert sealed.map_points.equals(tables.map_points)
    assert sealed.population.equals(tables.population)
    same = ["Date", "Latitude", "Type", "Object of search", "Gender", "Age range"]
    both = sealed.searches[same].astype(str).merge(tables.searches[same].astype(str))
    assert len(both) < 0.005 * len(sealed.searches)


def test_only_the_seal_knows_the_truth_about_each_row(sealed, tables):
    assert "answers" not in tables
    answers = sealed.answers
    assert (answers["search_id"] == sealed.searches["search_id"]).all()
    recorded = sealed.searches["Gender"].notna()
    assert (sealed.searches["Gender"][recorded].astype(str) == answers["gender"][recorded].astype(str)).all()
    again = sealed.searches.duplicated([c for c in sealed.searches if c != "search_id"], keep=False)
    assert again[answers["sent_twice"]].all()
    assert answers["sent_twice"].mean() == pytest.approx(TRUTH["recording"]["sent_twice"], rel=0.5)
    found = ~sealed.searches["Outcome"].isin(NOTHING)
    assert answers["chance"].mean() == pytest.approx(found.mean(), abs=0.015)
    assert roc_auc_score(found, answers["chance"]) > 0.66


# --- the picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [True, False], ids=["the course's tables", "official files"])
def test_the_picture_draws_and_says_what_is_in_the_tables(tables, everything):
    picture = load_module(FOLDER / "picture.py", "picture_of_stop_search")
    shown = tables if everything else Tables("stop_search", "official", {"searches": tables.searches})
    figure, words = picture.draw(shown)
    assert len(figure.axes) == 6
    assert all(axis.get_title() and axis.get_xlabel() for axis in figure.axes)
    assert f"{len(tables.searches):,} searches in 24 months" in words
