"""What a modeller finds in hospital_episodes, what protects people in it, and how week 2 takes it apart."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from civicml.datasets import build, build_sealed, load, load_raw, load_sealed
from civicml.datasets.attacks import link, single_out
from civicml.datasets.auditing import recover_by_subtraction
from civicml.datasets.disclosure import PeopleRule, enforce
from civicml.datasets.recipe import load_module
from civicml.datasets.schema import check, check_references, read_schema
from civicml.datasets.tables import read_tables

FOLDER = Path(__file__).parents[2] / "datasets" / "health" / "hospital_episodes"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
CHANGE = pd.Timestamp("2024-10-01")
SENSITIVE = ["Mental and behavioural", "Code withheld"]
BY = ["financial_year", "area", "diagnosis_group"]


@pytest.fixture(scope="module")
def he(this_course):
    return load("hospital_episodes")


@pytest.fixture(scope="module")
def raw(this_course):
    return load_raw("hospital_episodes")


@pytest.fixture(scope="module")
def sealed(this_course, tmp_path_factory):
    cohort = tmp_path_factory.mktemp("cohort")
    build_sealed("hospital_episodes", SECRET, cohort / "sealed" / "hospital_episodes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COHORT", str(cohort))
        return load_sealed("hospital_episodes")


@pytest.fixture(scope="module")
def rows(he):
    """Distinct episodes with their patients' details."""
    patients = he.patients.drop(columns=["area", "age_band", "sex"])
    return he.episodes.drop_duplicates("episode_id").merge(patients, on="patient_id")


@pytest.fixture(scope="module")
def first(raw):
    """The recorded stays before anything was hidden, once each."""
    return raw["episodes"].drop_duplicates("episode_id")


def readable(tables) -> pd.DataFrame:
    """The extract as an intruder reads it: with age in years, town and area."""
    extract = tables.extract.merge(tables.places, on="postcode_sector")
    born, day = extract["birth_date"].dt, extract["admission_date"].dt
    to_come = (day.month * 100 + day.day) < (born.month * 100 + born.day)
    return extract.assign(
        age=day.year - born.year - to_come,
        month=extract["admission_date"].dt.to_period("M").dt.to_timestamp(),
    )


# --- what a modeller finds ----------------------------------------------------------------------


def test_there_are_about_80_000_stays_of_45_000_people(he, raw):
    assert abs(he.episodes["episode_id"].nunique() - 80_000) < 1_500
    assert len(raw["patients"]) == 45_000
    assert len(he.patients) > 44_800  # the only stay of a few had not finished
    assert set(he.patients["patient_id"]) == set(he.episodes["patient_id"])
    assert len(he.episodes) == len(raw["episodes"])  # nothing had to be left out


def test_stays_lengthen_with_age_emergency_and_long_term_conditions(first):
    stays = first[(first["length_of_stay"] > 0) & first["admission_method"].isin(["Emergency", "Elective"])]
    stays = stays[stays["diagnosis_group"].notna()]
    features = pd.DataFrame(
        {
            "over_50": (stays["age"] - 50).clip(lower=0),
            "emergency": stays["admission_method"] == "Emergency",
            "conditions": stays["conditions"],
            "oldest_injury": (stays["age"] >= 80) & (stays["diagnosis_group"] == "Injury"),
            "to_care_home": stays["discharge_destination"] == "Care home",
        }
    ).astype(float)
    groups = pd.get_dummies(stays["diagnosis_group"], dtype=float)
    found = LinearRegression(fit_intercept=False).fit(
        pd.concat([features, groups], axis=1), np.log(stays["length_of_stay"])
    )
    effect = dict(zip(features, found.coef_, strict=False))
    truth = TRUTH["stay"]
    # Whole nights of at least one: short stays are rounded up, which takes a little off every effect.
    assert 0.75 * truth["age"] < effect["over_50"] < 1.05 * truth["age"]
    assert 0.75 * truth["emergency"] < effect["emergency"] < 1.15 * truth["emergency"]
    assert 0.75 * truth["condition"] < effect["conditions"] < 1.1 * truth["condition"]
    assert 0.6 * truth["oldest_injury"] < effect["oldest_injury"] < 1.3 * truth["oldest_injury"]
    assert 0.7 * truth["to_care_home"] < effect["to_care_home"] < 1.3 * truth["to_care_home"]


def test_readmission_can_be_predicted_from_what_is_published(rows):
    known = rows.dropna(subset=["readmitted_30", "diagnosis_group"]).copy()
    known["imd_quintile"] = known["imd_quintile"].astype("string").fillna("blank")
    early = known["financial_year"] != "2025/26"
    categories = ["admission_method", "age_band", "diagnosis_group", "imd_quintile", "long_term_conditions"]

    def rank(columns: list[str]) -> float:
        features = known[columns].astype(str)
        encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), columns))
        model = make_pipeline(encode, LogisticRegression(max_iter=300))
        model.fit(features[early], known.loc[early, "readmitted_30"].astype(int))
        chance = model.predict_proba(features[~early])[:, 1]
        return roc_auc_score(known.loc[~early, "readmitted_30"].astype(int), chance)

    without_history = rank(categories)
    assert 0.58 < without_history < rank([*categories, "emergencies_before"]) - 0.003 < 0.72


def test_readmission_grows_with_emergencies_before_and_with_deprivation(rows):
    known = rows.dropna(subset=["readmitted_30"])
    back = known["readmitted_30"].astype(float)
    assert back.groupby(known["emergencies_before"]).mean().is_monotonic_increasing
    by_fifth = back.groupby(known["imd_quintile"]).mean()
    assert by_fifth[1] > 1.3 * by_fifth[5]


def test_readmissions_are_what_the_dates_say(first):
    stays = first.sort_values(["patient_number", "admitted"])
    urgent = stays[stays["admission_method"] == "Emergency"][["patient_number", "admitted"]]
    some = stays[stays["readmitted_30"].notna()].iloc[::25]
    pairs = some[["episode_id", "patient_number", "discharged", "admitted"]].merge(
        urgent, on="patient_number", suffixes=("", "_next")
    )
    gap = (pairs["admitted_next"] - pairs["discharged"]) / pd.Timedelta(days=1)
    soon = set(pairs.loc[(gap > 0) & (gap <= 30), "episode_id"])
    assert (some["episode_id"].isin(soon) == some["readmitted_30"].astype(bool)).all()


def test_no_person_is_in_two_places_at_once_or_comes_back_from_the_dead(first):
    stays = first.sort_values(["patient_number", "admitted"])
    same = stays["patient_number"].eq(stays["patient_number"].shift(-1))
    assert (stays["admitted"].shift(-1) >= stays["discharged"])[same].all()
    assert not ((stays["discharge_destination"] == "Died") & same).any()
    assert (stays["discharged"] > stays["admitted"]).all()
    assert (stays["date_of_birth"] <= stays["admission_date"]).all()


def test_deprivation_brings_emergencies_and_winter_brings_chests(rows):
    emergency = rows["admission_method"] == "Emergency"
    assert emergency.groupby(rows["imd_quintile"]).mean().is_monotonic_decreasing
    month = rows.loc[rows["diagnosis_group"] == "Respiratory", "admission_month"].dt.month
    assert set(month.value_counts().head(3).index) <= {11, 12, 1, 2, 3}


def test_planned_stays_begin_on_working_days(he):
    weekend = he.extract["admission_date"].dt.day_of_week >= 5
    planned = he.extract["admission_method"].isin(["Elective", "Day case"])
    assert weekend[planned].mean() < 0.04
    assert weekend[he.extract["admission_method"] == "Emergency"].mean() > 0.22


# --- quirks -------------------------------------------------------------------------------------


def test_the_change_of_coding_moves_infections_and_nothing_else(first):
    urgent = first[first["admission_method"] == "Emergency"]
    infection = urgent["diagnosis_code"].isin(["J18", "J22", "N39", "A41"])
    after = urgent["admission_date"] >= CHANGE
    assert abs(infection[after].mean() - infection[~after].mean()) < 0.012
    sepsis = (urgent["diagnosis_code"] == "A41")[infection]
    assert sepsis[after].mean() > 1.8 * sepsis[~after].mean()


def test_the_last_months_are_not_all_coded_and_long_stays_are_coded_last(first):
    left = first["discharged"].dt.to_period("M").astype(str)
    missing = first["diagnosis_code"].isna()
    assert missing[left < "2026-02"].mean() < 0.01
    march = first[left == "2026-03"]
    long_stay = march["length_of_stay"] >= 7
    late = march["diagnosis_code"].isna()
    assert late[long_stay].mean() > 1.4 * late[~long_stay].mean() > 0.3


def test_ethnicity_is_not_missing_at_random(raw):
    people = raw["patients"]
    missing = people["ethnic_category"].isin(["Z", "99"])
    age = (pd.Timestamp("2023-04-01") - people["date_of_birth"]).dt.days / 365.25
    young_man = (people["sex"] == "Male") & age.between(18, 50)
    ridlow = people["area"] == "Ridlow"
    assert missing[ridlow].mean() > missing[~ridlow].mean() + 0.03
    assert missing[young_man].mean() > missing[~young_man].mean() + 0.02


def test_some_rows_were_sent_twice(he):
    repeated = he.episodes.duplicated()
    assert repeated.sum() == he.episodes.duplicated("episode_id").sum()
    assert abs(repeated.mean() - TRUTH["recording"]["duplicates"]) < 0.001


def test_what_followed_is_not_known_for_the_last_month_nor_after_a_death(first):
    blank = first["readmitted_30"].isna()
    too_late = first["discharged"] > pd.Timestamp("2026-03-02")
    assert blank[too_late].all()
    assert (blank == (too_late | (first["discharge_destination"] == "Died"))).mean() > 0.998


# --- disclosure control -------------------------------------------------------------------------


def test_nobody_is_named_in_the_protected_tables(he, raw):
    identifying = {
        "nhs_number",
        "given_name",
        "family_name",
        "date_of_birth",
        "birth_date",
        "postcode",
        "town",
    }
    for table in ("episodes", "patients", "diagnosis_counts", "national_counts", "daily_admissions"):
        assert not identifying & set(he[table].columns), table
    number = raw["patients"]["patient_number"]
    assert abs(np.corrcoef(number, raw["patients"]["patient_id"])[0, 1]) < 0.03  # drawn at random


def test_at_least_five_people_share_the_month_of_an_admission(he):
    shared = ["area", "age_band", "sex", "admission_quarter", "admission_month"]
    people = he.episodes.groupby(shared, observed=True, dropna=False)["patient_id"].nunique()
    assert people.min() >= 5
    assert he.episodes["admission_month"].isna().mean() < 0.04
    known = he.episodes.dropna(subset=["admission_month", "admission_quarter"])
    quarter = known["admission_month"].dt.to_period("Q").astype(str)
    assert (quarter == known["admission_quarter"].astype(str)).all()


def test_two_known_stays_find_some_people_as_the_datasheet_says(he):
    known = ["patient_id", "area", "age_band", "sex", "admission_month"]
    stays = he.episodes[known].dropna().drop_duplicates().astype({"area": str, "age_band": str, "sex": str})
    pairs = stays.merge(stays, on=known[:4])
    pairs = pairs[pairs["admission_month_x"] < pairs["admission_month_y"]]
    one_each = pairs.sort_values("patient_id").drop_duplicates("patient_id")
    alike = pairs.groupby([*known[1:4], "admission_month_x", "admission_month_y"])["patient_id"].nunique()
    sizes = one_each.merge(alike.rename("people").reset_index())["people"]
    assert 0.18 < (sizes == 1).mean() < 0.32


def test_an_age_band_does_not_give_a_birthday_away(he, raw):
    per_person = he.episodes.groupby("patient_id")["age_band"].nunique()
    assert (per_person == 1).all()
    people = raw["patients"].set_index("patient_id").loc[he.patients["patient_id"]]
    age = (pd.Timestamp("2023-04-01") - people["date_of_birth"]).dt.days.to_numpy() / 365.25
    least = he.patients["age_band"].astype(str).str.extract(r"(\d+)")[0].astype(int).to_numpy()
    assert ((age >= least - 0.01) & ((age < least + 10.01) | (least == 80))).all()


def test_the_newspaper_finds_most_people_before_and_nobody_after(he, raw):
    notices = raw["notices"]
    key = ("patient_id", "patient_id")
    before = link(
        notices, raw["episodes"], {"age": "age", "town": "town", "event_date": "admission_date"}, key
    )
    assert before.success > 0.6
    assert before.precision > 0.75
    on = {"age_band": "age_band", "area": "area", "sex": "sex", "month": "admission_month"}
    assert link(notices, he.episodes, on, key).claimed == 0


def test_counts_are_protected_by_the_hospital_rule(he, raw):
    counts = he.diagnosis_counts.set_index(BY)["episodes"]
    stays = raw["episodes"].drop_duplicates("episode_id").dropna(subset="diagnosis_group")
    fiscal = stays["admission_date"].dt.year - (stays["admission_date"].dt.month < 4)
    year = fiscal.map({2023: "2023/24", 2024: "2024/25", 2025: "2025/26"})
    true = stays.groupby([year, stays["area"].astype(str), stays["diagnosis_group"].astype(str)]).size()
    inner = counts[~counts.index.to_frame().eq("Total").any(axis=1).to_numpy()]
    true = true.reindex(pd.MultiIndex.from_tuples([tuple(map(str, at)) for at in inner.index]), fill_value=0)
    small = true.between(1, 7).to_numpy()
    assert small.any()
    assert inner[small].isna().all()
    shown = inner.notna().to_numpy()
    assert (abs(inner.to_numpy(dtype=float, na_value=0)[shown] - true.to_numpy()[shown]) <= 2).all()
    assert (~shown & ~small).any()  # secondary suppression


def test_no_blank_follows_by_subtraction_even_from_the_exact_national_counts(he):
    table = he.diagnosis_counts.astype(dict.fromkeys(BY, str))
    national = he.national_counts.astype({"financial_year": str, "diagnosis_group": str}).assign(area="Total")
    exact = table.merge(national, on=BY, how="left", suffixes=("", "_exact"))
    table["episodes"] = exact["episodes_exact"].astype("Int64").fillna(exact["episodes"]).to_numpy()
    recovered = recover_by_subtraction(table, BY, "episodes")
    assert table["episodes"].isna().sum() >= 10
    assert recovered[table["episodes"].isna()].isna().all()


def test_without_secondary_suppression_counts_would_follow(he, raw):
    """The check above can fail: small counts alone, blanked, are worked out from the totals."""
    recipe = load_module(FOLDER / "recipe.py", "he_recipe_for_tests")
    stays = raw["episodes"].drop_duplicates("episode_id")
    stays = stays.assign(financial_year=recipe.financial_years(stays["admission_date"]))
    whole = recipe.with_totals(stays.groupby(BY, observed=False).size())
    primary = whole.assign(episodes=whole["episodes"].astype("Int64").mask(whole["episodes"].between(1, 7)))
    recovered = recover_by_subtraction(primary, BY, "episodes")
    assert (primary["episodes"].isna() & recovered.notna()).any()
    assert set(whole["financial_year"]) == set(he.diagnosis_counts["financial_year"])


# --- week 2: the extract, the newspaper, the raw sample --------------------------------------------


def test_the_extract_has_no_names_and_nearly_everybody_can_be_found(he):
    assert not {"nhs_number", "given_name", "family_name", "patient_id"} & set(he.extract.columns)
    found = single_out(he.extract, ["birth_date", "sex", "postcode_sector", "admission_date"])
    assert found.success > 0.99
    assert single_out(readable(he), ["age", "sex", "area"]).success < 0.05


@pytest.mark.parametrize("layer", ["published", "sealed"])
def test_most_notices_single_out_one_row_and_most_claims_are_right(layer, he, sealed, raw):
    tables = he if layer == "published" else sealed
    truth = raw["notices"] if layer == "published" else sealed.newspaper_truth
    notices = tables.newspaper.merge(truth[["notice_id", "extract_row", "error"]], on="notice_id")
    on = {"age": "age", "town": "town", "event_date": "admission_date"}
    found = link(notices, readable(tables), on, ("extract_row", "extract_row"))
    assert 0.5 < found.success < 0.75
    assert 0.75 < found.precision < 0.95  # some claims accuse somebody else
    wrong = notices[notices["error"].isin(["day", "year"])]
    assert len(wrong) == TRUTH["week2"]["notices"]["day"] + TRUTH["week2"]["notices"]["year"]
    assert link(wrong, readable(tables), on, ("extract_row", "extract_row")).right == 0
    strangers = notices[notices["error"] == "somebody else"]
    assert link(strangers, readable(tables), on).claimed >= 3
    assert strangers["extract_row"].isna().all()


def test_a_notice_leads_to_a_stay_that_nobody_wanted_told(he, raw):
    about = raw["notices"].dropna(subset="extract_row")
    person = ["birth_date", "sex", "postcode_sector"]
    found = he.extract[he.extract["extract_row"].isin(about["extract_row"])][person].drop_duplicates()
    others = he.extract.merge(found, on=person)
    told = others[others["diagnosis_group"].isin(SENSITIVE)]
    assert len(told[person].drop_duplicates()) >= TRUTH["week2"]["with_other_stay"] - 2


def test_the_attack_fails_after_a_sensible_generalisation(he, raw):
    """Area, ten-year band, sex and quarter, then suppression to k = 5: what week 2 arrives at."""
    extract = readable(he)
    extract["age_band"] = (extract["age"] // 10 * 10).clip(upper=80)
    extract["quarter"] = extract["admission_date"].dt.to_period("Q").astype(str)
    rule = PeopleRule(
        table="extract",
        quasi_identifiers=["area", "age_band", "sex", "quarter"],
        sensitive=["diagnosis_group"],
        k=5,
        l=2,
        suppress=["quarter"],
    )
    extract["area"] = extract["area"].astype(str)
    safe = enforce(extract, rule)
    assert len(safe.frame) > 0.97 * len(extract)
    notices = raw["notices"].assign(
        age_band=(raw["notices"]["age"] // 10 * 10).clip(upper=80),
        quarter=raw["notices"]["event_date"].dt.to_period("Q").astype(str),
    )
    assert link(notices, safe.frame, {name: name for name in rule.quasi_identifiers}).claimed == 0
    share = extract.groupby("imd_decile")["admission_method"].apply(lambda m: (m == "Emergency").mean())
    after = safe.frame.groupby("imd_decile")["admission_method"].apply(lambda m: (m == "Emergency").mean())
    assert (share - after).abs().max() < 0.05  # what was asked of the extract still holds


def test_a_small_place_leaks_though_it_is_k_anonymous(he):
    """The planted attribute disclosure: everybody of Hollin Priory was treated for the same."""
    extract = readable(he)
    extract["age_band"] = extract["age"] // 20 * 20
    classes = extract.groupby(["town", "age_band", "sex"], observed=True)["diagnosis_group"]
    summary = classes.agg(["size", "nunique", "first"]).reset_index()
    leaks = summary[(summary["size"] >= 10) & (summary["nunique"] == 1)]
    assert set(leaks["town"]) == {"Hollin Priory"}
    assert set(leaks["first"]) == {"Mental and behavioural"}
    assert leaks["size"].sum() >= 15
    assert he.places.loc[he.places["town"] == "Hollin Priory", "residents"].item() < 100
    by_area = extract.groupby(["area", "age_band", "sex"], observed=True)["diagnosis_group"].nunique()
    sizes = extract.groupby(["area", "age_band", "sex"], observed=True).size()
    assert (by_area[sizes >= 5] > 1).all()  # the larger area hides them


def mod_11(number: str) -> bool:
    """Whether the tenth digit is the check digit of the first nine (NHS Data Dictionary, "NHS NUMBER")."""
    if len(number) != 10 or not number.isdigit():
        return False
    return sum(int(digit) * (10 - place) for place, digit in enumerate(number[:9])) % 11 == (
        -int(number[9]) % 11
    )


def test_nhs_numbers_are_test_numbers_and_a_known_few_are_wrong(he, raw):
    numbers, fault = raw["patients"]["nhs_number"], raw["patients"]["nhs_number_fault"].astype(str)
    there = numbers.dropna()
    assert there.str.startswith("999").all()
    assert (numbers.isna() == (fault == "blank")).all()
    passes = there.map(mod_11)
    assert passes[fault[there.index] == "none"].all()
    assert passes[fault[there.index] == "placeholder"].all()  # the check alone does not find it
    assert not passes[fault[there.index].isin(["digit", "swapped", "short", "spaced"])].any()
    assert (there[fault[there.index] == "spaced"].str.replace(" ", "").map(mod_11)).all()
    assert there[fault[there.index] == "none"].is_unique
    assert 0.015 < (fault != "none").mean() < 0.025
    shown = he.raw_sample["nhs_number"]
    assert 10 < (~shown.dropna().map(mod_11)).sum() < 0.15 * len(shown)


def test_the_sample_has_what_identifies_and_shares_nobody_with_the_extract(he, raw):
    assert {"nhs_number", "given_name", "family_name", "date_of_birth", "postcode"} <= set(
        he.raw_sample.columns
    )
    assert 400 < len(he.raw_sample) < 620
    assert not set(raw["raw_sample"]["patient_number"]) & set(raw["extract"]["patient_number"])


def test_notices_read_like_a_newspaper(he):
    paper = he.newspaper
    assert len(paper) == 60
    assert (paper["published_on"].dt.day_of_week == 3).all()
    gap = (paper["published_on"] - paper["event_date"]).dt.days
    assert gap.between(1, 7).all()
    for notice in paper.itertuples():
        assert notice.text.startswith(f"{notice.name}, {notice.age}, of ")
        assert notice.town in notice.text
    ward = paper.dropna(subset="ward").merge(he.places, on=["ward", "town"])
    assert len(ward) == paper["ward"].notna().sum()


# --- the seal -----------------------------------------------------------------------------------


def test_who_is_who_is_only_in_the_sealed_layer(he, sealed):
    truths = {"newspaper_truth", "extract_truth", "raw_sample_truth"}
    assert truths <= set(sealed)
    assert not truths & set(he)
    schema = read_schema(FOLDER)
    for name, table in schema.sealed_tables.items():
        check(sealed[name], table, name)
    check_references(sealed, schema)
    linked = sealed.extract_truth.merge(
        sealed.episodes.drop_duplicates("episode_id"), on=["episode_id", "patient_id"]
    )
    assert len(linked) >= 0.995 * len(sealed.extract)  # an episode that cannot be hidden is left out
    joined = linked.merge(sealed.extract, on="extract_row", suffixes=("", "_extract"))
    assert (joined["admission_method"] == joined["admission_method_extract"]).all()


def test_sealed_rows_are_other_people_of_the_same_world(he, sealed):
    assert he.places.equals(sealed.places)
    person = ["birth_date", "sex", "postcode_sector", "admission_date"]
    assert len(he.extract[person].astype(str).merge(sealed.extract[person].astype(str))) < 5
    assert not set(he.patients["patient_id"]) & set(sealed.patients["patient_id"])
    for column in ("admission_method", "diagnosis_group", "provider"):
        ours, theirs = (t.episodes[column].value_counts(normalize=True) for t in (he, sealed))
        assert (ours - theirs).abs().max() < 0.01, column


def test_the_picture_shows_six_panels_and_says_what_they_show(he):
    figure, told = load_module(FOLDER / "picture.py", "he_picture_for_tests").draw(he)
    assert len(figure.axes) == 6
    assert all(panel.get_title() and panel.get_xlabel() for panel in figure.axes)
    mean = he.episodes.drop_duplicates("episode_id")
    mean = mean[(mean["admission_method"] == "Emergency") & (mean["age_band"] == "80+")][
        "length_of_stay"
    ].mean()
    assert f"{mean:.1f} at 80 and over" in told


# --- any size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 500])
def test_small_builds_are_whole(rows, this_course, tmp_path):
    build("hospital_episodes", tmp_path / "small", rows=rows)
    schema = read_schema(FOLDER)
    tables = read_tables(tmp_path / "small", schema, "published")
    check_references(tables, schema)
    assert len(tables.newspaper) <= 60
