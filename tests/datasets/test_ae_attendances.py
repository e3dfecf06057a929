"""What a modeller finds in ae_attendances, what protects the people in it, and what was planted."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from civicml.datasets import build_sealed, load, load_raw, load_sealed
from civicml.datasets.calibration import compare, read_figures
from civicml.datasets.catalogue import find_dataset
from civicml.datasets.disclosure import k_anonymity, l_diversity, singled_out
from civicml.datasets.identities import FICTIONAL_POSTCODE_AREAS
from civicml.datasets.recipe import load_recipe

FOLDER = Path(__file__).parents[2] / "datasets" / "health" / "ae_attendances"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
AT_TRIAGE = [
    "org_code",
    "age_band",
    "sex",
    "arrival_mode",
    "acuity",
    "presenting_group",
    "arrival_hour",
    "month",
]
CODES = [f"ZA{n}" for n in range(10)] + [
    f"ZB{n}" for n in range(6)
]  # acute providers of the extract, in order
MOVED = [CODES[n] for n in TRUTH["same_day_emergency_care"]["in_extract"]]
RECODED = [CODES[n] for n in TRUTH["triage_recoded"]["in_extract"]]
SAME_DAY_FROM = pd.Timestamp(TRUTH["same_day_emergency_care"]["on"])
RECODED_FROM = pd.Timestamp(TRUTH["triage_recoded"]["on"])


@pytest.fixture(scope="module")
def ae(this_course):
    return load("ae_attendances")


@pytest.fixture(scope="module")
def raw(this_course):
    return load_raw("ae_attendances")


@pytest.fixture(scope="module")
def sealed(this_course, tmp_path_factory):
    cohort = tmp_path_factory.mktemp("cohort")
    build_sealed("ae_attendances", SECRET, cohort / "sealed" / "ae_attendances")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COHORT", str(cohort))
        return load_sealed("ae_attendances")


@pytest.fixture(scope="module")
def once(ae):
    """Attendances without repeated rows."""
    rows = ae.attendances.drop_duplicates("attendance_id")
    return rows.assign(month=rows["arrival_date"].dt.month)


@pytest.fixture(scope="module")
def major(once):
    return once[once["department_type"] == "Type 1"]


@pytest.fixture(scope="module")
def scored(major):
    """Type 1 attendances with the chance of admission that a model of the first year gives them at triage."""
    features = major[AT_TRIAGE].astype("object").where(major[AT_TRIAGE].notna(), "blank").astype("str")
    early = major["arrival_date"] < "2024-04-01"
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), AT_TRIAGE)),
        LogisticRegression(max_iter=200),
    )
    model.fit(features[early], major.loc[early, "admitted"])
    return major.assign(chance=model.predict_proba(features)[:, 1])


def performance(monthly: pd.DataFrame) -> pd.DataFrame:
    """Type 1 attendances, admissions and waits of each provider, booked ones included."""
    total = monthly.groupby("org_code", observed=True).sum(numeric_only=True)
    seen = total["attendances_type_1"] + total["booked_type_1"]
    late = total["over_4h_type_1"] + total["booked_over_4h_type_1"]
    return pd.DataFrame(
        {"seen": seen, "admitted": total["admissions_type_1"] / seen, "over_4_hours": late / seen}
    ).astype(float)


# --- the two tables ------------------------------------------------------------------------------


def test_every_published_figure_holds(ae):
    recipe = load_recipe(find_dataset("ae_attendances"))
    comparisons = compare(read_figures(FOLDER / "recipe.py"), recipe.measure(ae))
    assert [c.name for c in comparisons if not c.holds] == []
    assert len(comparisons) == 8


@pytest.mark.parametrize("outcome", ["admitted", "over_4_hours"])
def test_single_attendances_agree_with_the_monthly_table_of_their_provider(ae, major, outcome):
    official = performance(ae.monthly).loc[CODES, outcome]
    found = major.groupby("org_code", observed=True)[outcome].agg(["mean", "size"]).loc[CODES]
    error = np.sqrt(official * (1 - official) / found["size"])
    z = (found["mean"] - official) / error
    assert z.abs().max() < 4
    assert (z**2).mean() < 2.5
    assert abs((found["mean"] - official).mean()) < 0.006


def test_single_attendances_agree_month_by_month_at_the_same_providers(ae, major):
    here = ae.monthly[ae.monthly["org_code"].isin(CODES)].groupby("month").sum(numeric_only=True)
    late = here["over_4h_type_1"] + here["booked_over_4h_type_1"]
    official = (late / (here["attendances_type_1"] + here["booked_type_1"])).astype(float)
    month = major["arrival_date"].dt.to_period("M").dt.to_timestamp()
    # The sample takes providers in proportion to their size, as the sum of the monthly rows does.
    found = major.groupby(month)["over_4_hours"].agg(["mean", "size"])
    z = (found["mean"] - official) / np.sqrt(official * (1 - official) / found["size"])
    assert z.abs().max() < 4.5


def test_long_waits_agree_too(ae, major):
    total = ae.monthly[ae.monthly["org_code"].isin(CODES)].sum(numeric_only=True)
    official = total["waited_over_12h_from_decision"] / total["admissions_type_1"]
    found = major.loc[major["admitted"], "over_12_hours_from_decision"].mean()
    assert found == pytest.approx(official, rel=0.06)


def test_the_parts_of_the_monthly_table_fit_into_one_another(ae):
    monthly = ae.monthly
    for kind in ("type_1", "type_2", "other"):
        assert (monthly[f"over_4h_{kind}"] <= monthly[f"attendances_{kind}"]).all()
        assert (monthly[f"booked_over_4h_{kind}"] <= monthly[f"booked_{kind}"]).all()
        seen = monthly[f"attendances_{kind}"] + monthly[f"booked_{kind}"]
        assert (monthly[f"admissions_{kind}"] <= seen).all()
    waits = monthly["waited_4_to_12h_from_decision"] + monthly["waited_over_12h_from_decision"]
    admissions = monthly[[f"admissions_{kind}" for kind in ("type_1", "type_2", "other")]].sum(axis=1)
    assert (waits <= admissions).all()
    assert monthly["month"].nunique() == 36
    assert monthly.groupby("month")["org_code"].nunique().min() >= 190


def test_outcomes_of_one_attendance_do_not_contradict_one_another(once):
    exact = once[once["org_code"] != CODES[TRUTH["recording"]["rounding_provider"]]]
    assert (exact["over_4_hours"] == (exact["minutes_in_department"] > 240)).all()
    decided = exact["minutes_to_decision_to_admit"].notna()
    after = exact["minutes_in_department"] - exact["minutes_to_decision_to_admit"]
    assert (after[decided] >= 0).all()
    long = exact["over_12_hours_from_decision"]
    assert exact.loc[long, "admitted"].all()
    assert (after[long & decided] > 720).all()
    assert (after[~long & decided & exact["admitted"]] <= 720).all()
    assessed = exact["minutes_to_initial_assessment"].notna()
    assert (exact["minutes_to_initial_assessment"] < exact["minutes_in_department"])[assessed].all()


# --- what a modeller finds -----------------------------------------------------------------------


def test_admission_can_be_ranked_from_what_is_known_at_triage(scored):
    test = scored[(scored["arrival_date"] >= "2024-04-01") & (scored["arrival_date"] < SAME_DAY_FROM)]
    assert 0.79 <= roc_auc_score(test["admitted"], test["chance"]) <= 0.84


def test_later_columns_give_the_admission_away(major):
    decided = major["minutes_to_decision_to_admit"].notna()
    assert roc_auc_score(major["admitted"], decided) > 0.97
    assert major.loc[major["over_12_hours_from_decision"], "admitted"].all()


def test_urgency_age_ambulance_and_complaint_decide_about_admission(major):
    def rate(column):
        return major.groupby(column, observed=True)["admitted"].mean()

    assert rate("acuity").is_monotonic_decreasing
    assert rate("acuity")[1] > 5 * rate("acuity")[5]
    assert rate("age_band")[["5-17", "18-34", "35-49", "50-64", "65-79", "80+"]].is_monotonic_increasing
    assert rate("arrival_mode")["Ambulance"] > 2 * rate("arrival_mode")["Walk-in"]
    assert rate("presenting_group").idxmin() in ("Eye, ear, nose or throat", "Minor illness or other")
    falls = major[major["presenting_group"] == "Fall or frailty"].groupby("age_band", observed=True)[
        "admitted"
    ]
    assert falls.mean()["80+"] > 0.5


def test_the_four_hour_target_shows_as_a_spike_just_before_240_minutes(major):
    minutes = major["minutes_in_department"]
    before = minutes.between(226, 240).sum()
    assert before > 3 * minutes.between(196, 210).sum()
    assert before > 3 * minutes.between(241, 255).sum()
    urgent = major[major["admitted"]]["minutes_in_department"]
    assert urgent.between(226, 240).mean() > minutes.between(226, 240).mean()


def test_hour_winter_and_provider_crowd_together(major):
    evening = major["arrival_hour"].isin([20, 21, 22, 23])
    morning = major["arrival_hour"].isin([6, 7, 8, 9])
    winter = major["month"].isin([12, 1, 2])

    def gap(rows):
        late = rows["over_4_hours"]
        return late[evening].mean() - late[morning].mean()

    assert gap(major) > 0.15
    assert gap(major[winter]) > gap(major[~winter]) + 0.05
    gaps = major.groupby("org_code", observed=True).apply(gap)
    assert gaps.max() > gaps.min() + 0.10


def test_days_hours_and_months_have_their_profile(once, ae):
    by_day = once.groupby(once["arrival_date"].dt.day_of_week).size()
    assert by_day.idxmax() == 0
    by_hour = once.groupby(["department_type", "arrival_hour"], observed=True).size().unstack()
    assert by_hour.loc["Type 1"].idxmin() in (3, 4, 5)
    assert by_hour.loc["Type 3", :5].sum() < 0.03 * by_hour.loc["Type 3"].sum()
    every = ae.monthly.groupby("month").sum(numeric_only=True)
    waits = every["waited_over_12h_from_decision"]
    assert waits["2025-12":"2026-02"].min() > 1.5 * waits["2025-06":"2025-08"].max()


def test_some_come_back_within_a_week_and_the_last_week_is_not_known_yet(once):
    known = once["reattended_within_7_days"].notna()
    assert once.loc[~known, "arrival_date"].min() >= pd.Timestamp("2026-03-24")
    assert (once.loc[known & (once["arrival_date"] >= "2026-03-26"), "reattended_within_7_days"]).all()
    rate = once.loc[known, "reattended_within_7_days"].mean()
    assert 0.05 < rate < 0.10
    by_group = once[known].groupby("presenting_group", observed=True)["reattended_within_7_days"].mean()
    assert by_group.drop("Not recorded").idxmax() == "Mental health"


def test_coming_back_is_what_the_table_itself_says(once):
    rows = once.sort_values(["patient_id", "arrival_date", "arrival_hour", "attendance_id"])
    following = rows.groupby("patient_id")["arrival_date"].shift(-1)
    days = (following - rows["arrival_date"]).dt.days
    back = rows["reattended_within_7_days"].fillna(False).astype(bool)
    assert back[days < 7].all()
    assert not back[(days > 7) | days.isna()].any()


def test_outcomes_arrive_days_after_the_patient_and_some_much_later(once):
    delay = (once["received_on"] - once["arrival_date"]).dt.days
    assert delay.min() >= 1
    assert (delay >= 30).mean() == pytest.approx(TRUTH["recording"]["late_rows"], rel=0.15)
    assert delay.max() <= TRUTH["recording"]["late_days"][1]


# --- recording changes: planted drift, with its sizes --------------------------------------------


def rates(scored, part):
    """Observed share admitted, expected share, and how well the rows are ranked."""
    rows = scored[part]
    return rows["admitted"].mean(), rows["chance"].mean(), roc_auc_score(rows["admitted"], rows["chance"])


def test_a_model_of_the_first_year_holds_where_nothing_changed(scored):
    unchanged = ~scored["org_code"].isin([*MOVED, *RECODED]) & (scored["arrival_date"] >= "2024-04-01")
    observed, expected, auc = rates(scored, unchanged)
    assert abs(observed - expected) < 0.012
    assert auc > 0.80


def test_it_expects_too_many_admissions_where_same_day_care_left_the_records(scored):
    truth = TRUTH["same_day_emergency_care"]
    fits = scored["presenting_group"].isin(truth["groups"]) & scored["acuity"].isin(truth["acuity"])
    fits &= scored["age_band"].isin(truth["age"])
    after = scored["arrival_date"] >= SAME_DAY_FROM
    moved = scored["org_code"].isin(MOVED)
    observed, expected, _ = rates(scored, moved & after & fits)
    observed_before, expected_before, _ = rates(scored, moved & ~after & fits)
    assert observed_before - observed > 0.07
    assert (expected - observed) - (expected_before - observed_before) > 0.07
    observed, expected, _ = rates(scored, moved & after)
    assert expected - observed > 0.005
    share = fits.groupby([moved, after]).mean().unstack()
    assert share.loc[True, True] < 0.75 * share.loc[True, False]  # about half of them are no longer recorded
    assert share.loc[False, True] > 0.9 * share.loc[False, False]


def test_the_monthly_table_shows_the_move_as_fewer_attendances_and_other_admissions(ae):
    monthly = ae.monthly[ae.monthly["org_code"].isin(CODES)]
    year = monthly["month"].between("2023-10-01", "2024-09-01"), monthly["month"] >= "2025-04-01"
    sums = [monthly[part].groupby("org_code", observed=True).sum(numeric_only=True) for part in year]
    change = pd.DataFrame(
        {name: sums[1][name] / sums[0][name] for name in ("attendances_type_1", "admissions_type_1")}
    ).assign(other=sums[1]["other_emergency_admissions"] / sums[0]["other_emergency_admissions"])
    steady = [code for code in CODES if code not in [*MOVED, "ZA3", "ZB1"]]  # ZA3 took over ZB1
    fell = change.loc[MOVED].mean() / change.loc[steady].mean()
    assert 0.89 < fell["attendances_type_1"] < 0.945  # 8% of attendances
    assert 0.76 < fell["admissions_type_1"] < 0.83  # 21% of admissions
    assert fell["other"] > 1.3


def test_it_expects_too_few_admissions_where_triage_was_recoded_and_ranks_worse(scored):
    recoded = scored["org_code"].isin(RECODED)
    before = recoded & (scored["arrival_date"] >= "2024-04-01") & (scored["arrival_date"] < RECODED_FROM)
    after = recoded & (scored["arrival_date"] >= RECODED_FROM)
    observed_before, expected_before, auc_before = rates(scored, before)
    observed, expected, auc = rates(scored, after)
    assert abs(observed_before - expected_before) < 0.012
    assert observed - expected > 0.03
    assert auc < auc_before - 0.008
    assert abs(observed - observed_before) < 0.02  # patients did not change


def test_the_recoding_has_the_planted_size(major):
    recoded, after = major["org_code"].isin(RECODED), major["arrival_date"] >= RECODED_FROM
    share = major[recoded].groupby(after)["acuity"].value_counts(normalize=True).unstack()
    truth = TRUTH["triage_recoded"]
    assert share.loc[True, 2] / share.loc[False, 2] == pytest.approx(1 - truth["share_of_2_to_3"], abs=0.05)
    left = (
        share.loc[False, 3] * (1 - truth["share_of_3_to_4"]) + share.loc[False, 2] * truth["share_of_2_to_3"]
    )
    assert share.loc[True, 3] == pytest.approx(left, abs=0.015)
    steady = (
        major[~major["org_code"].isin([*MOVED, *RECODED])]
        .groupby(after)["acuity"]
        .value_counts(normalize=True)
        .unstack()
    )
    assert (steady.loc[True] - steady.loc[False]).abs().max() < 0.012


def test_the_flu_wave_is_a_real_change_and_everywhere(major):
    month = major["arrival_date"].dt.strftime("%Y-%m")
    ill = major["presenting_group"].isin(["Breathing difficulty", "Fever or infection"])
    wave = month.isin(TRUTH["cases"]["flu_wave"]["months"])
    other_winters = month.isin(["2023-12", "2024-01", "2024-12", "2025-01"])
    for part in (major["org_code"].isin([*MOVED, *RECODED]), ~major["org_code"].isin([*MOVED, *RECODED])):
        assert ill[wave & part].mean() > ill[other_winters & part].mean() + 0.05


# --- quirks --------------------------------------------------------------------------------------


def test_repeated_rows_are_exact_and_as_many_as_planted(ae):
    rows = ae.attendances
    repeated = rows["attendance_id"].duplicated()
    assert repeated.sum() == rows.duplicated().sum()
    assert repeated.mean() == pytest.approx(TRUTH["recording"]["duplicates"], rel=0.15)


def test_late_rows_are_at_the_end(ae):
    rows = ae.attendances
    late = (rows["received_on"] - rows["arrival_date"]).dt.days >= 30
    assert late.iloc[-late.sum() :].all()
    assert rows["arrival_date"][~late].is_monotonic_increasing


def test_blanks_are_not_random(major):
    crowded = major["arrival_hour"].isin([21, 22, 23])
    calm = major["arrival_hour"].isin([7, 8, 9])
    for column in ("acuity", "minutes_to_initial_assessment"):
        blank = major[column].isna()
        assert blank[crowded].mean() > 2 * blank[calm].mean(), column
    blank = major["acuity"].isna()
    assert major.loc[blank, "over_4_hours"].mean() > major.loc[~blank, "over_4_hours"].mean() + 0.05


def test_one_provider_lost_triage_categories_while_its_system_changed(major):
    change = TRUTH["recording"]["system_change"]
    there = major["org_code"] == CODES[change["provider"]]
    during = major["arrival_date"].between(str(change["from"]), str(change["until"]))
    blank = major["acuity"].isna()
    assert blank[there & during].mean() == pytest.approx(change["acuity_blank"], abs=0.07)
    assert blank[there & ~during].mean() < 0.10


def test_one_provider_writes_minutes_in_steps_of_five(major):
    share = (major["minutes_in_department"] % 5 == 0).groupby(major["org_code"], observed=True).mean()
    assert share.idxmax() == CODES[TRUTH["recording"]["rounding_provider"]]
    assert share.max() == 1
    assert share.nlargest(2).iloc[1] < 0.3


def test_merged_providers_go_on_under_the_successors_code_and_another_name(ae, once):
    for merger, closed, into in zip(TRUTH["mergers"], ["ZB1", "ZK0"], ["ZA3", "ZG0"], strict=True):
        on = pd.Timestamp(merger["on"])
        assert ae.monthly.loc[ae.monthly["org_code"] == closed, "month"].max() < on
        names = ae.monthly[ae.monthly["org_code"] == into].groupby("month")["org_name"].first().astype(str)
        assert names[names.index < on].nunique() == names[names.index >= on].nunique() == 1
        assert " and " in names.iloc[-1]
    on = pd.Timestamp(TRUTH["mergers"][0]["on"])
    closed = once[once["org_code"] == "ZB1"]
    assert closed["arrival_date"].max() < on
    later = once[(once["org_code"] == "ZA3") & (once["arrival_date"] >= on)]
    assert later["patient_id"].isin(closed["patient_id"]).mean() > 0.03


def test_small_providers_are_missing_in_hard_months(ae):
    present = ae.monthly.groupby(["month", "org_code"], observed=False).size().unstack() > 0
    small = present.columns.str.startswith("ZT")
    gaps = (~present.loc[:, small]).sum(axis=1)
    hard = gaps.index.month.isin([12, 1])
    assert gaps[hard].mean() > 2 * gaps[~hard].mean()
    mergers = {"ZB1", "ZK0"}
    others = [code for code in present.columns[~small] if code not in mergers]
    assert present[others].all(axis=None)


def test_some_providers_count_admissions_and_no_attendances(ae):
    counted = [c for c in ae.monthly if c.startswith(("attendances_", "booked_"))]
    total = ae.monthly.groupby("org_code", observed=True).sum(numeric_only=True)
    none = total[total[counted].sum(axis=1) == 0]
    assert len(none) == TRUTH["providers"]["no_department"]
    assert (none["other_emergency_admissions"] > 0).all()


def test_providers_are_nobody(ae):
    assert ae.monthly["org_code"].astype(str).str.fullmatch(r"Z[A-N]\d|ZT\d{3}").all()
    assert set(ae.attendances["org_code"].astype(str)) < set(ae.monthly["org_code"].astype(str))
    assert ae.monthly["org_code"].nunique() == 200
    assert ae.monthly["parent_org"].nunique() == 7


# --- raw and published ---------------------------------------------------------------------------


def test_raw_people_are_nobody(raw):
    people = raw["patients"]
    assert people["nhs_number"].is_unique
    assert people["nhs_number"].str.fullmatch(r"999\d{7}").all()
    assert set(people["postcode"].str[:2]) <= set(FICTIONAL_POSTCODE_AREAS)


def test_nothing_that_names_a_person_is_published(ae, raw):
    hidden = {
        "nhs_number",
        "given_name",
        "family_name",
        "date_of_birth",
        "postcode",
        "patient_number",
        "arrival_time",
    }
    assert not hidden & set(ae.attendances)
    assert hidden < {*raw["patients"], *raw["attendances"]}
    patients = raw["attendances"]["patient_number"].value_counts().sort_values().to_numpy()
    published = ae.attendances["patient_id"].value_counts().sort_values().to_numpy()
    assert abs(len(patients) - len(published)) < 0.01 * len(patients)


def test_a_neighbour_finds_everybody_before_and_nobody_after(ae, raw):
    exposed = load_recipe(find_dataset("ae_attendances")).exposed(ae)
    quasi = ["providers", "age_band", "sex", "imd_quintile"]
    assert singled_out(raw["patients"], ["date_of_birth", "sex", "postcode"]) > 0.99
    assert singled_out(exposed, quasi) == 0
    assert k_anonymity(exposed, quasi) >= 10
    assert l_diversity(exposed, quasi, "presenting_group") >= 3
    assert ae.attendances.groupby("patient_id")[["age_band", "sex"]].nunique().max().max() == 1


def test_a_patient_has_one_quintile_or_none_and_few_are_blank(ae):
    per_patient = ae.attendances.groupby("patient_id")["imd_quintile"]
    assert per_patient.nunique().max() == 1
    assert (per_patient.count().isin([0]) | (per_patient.count() == per_patient.size())).all()
    assert 0.01 < ae.attendances["imd_quintile"].isna().mean() < 0.10


# --- the seal ------------------------------------------------------------------------------------


def test_sealed_rows_are_of_the_same_world_and_go_on_later(sealed, ae):
    assert list(sealed) == list(ae)
    assert sealed.attendances["arrival_date"].min() == pd.Timestamp("2023-10-01")
    assert sealed.attendances["arrival_date"].max() == pd.Timestamp("2026-09-30")
    both = [t.monthly[t.monthly["month"].between("2023-10-01", "2026-03-01")] for t in (ae, sealed)]
    ours, theirs = (performance(monthly) for monthly in both)
    assert (ours["over_4_hours"] - theirs["over_4_hours"]).abs().max() < 0.01
    ours, theirs = (
        t.attendances[t.attendances["department_type"] == "Type 1"].groupby("acuity")["admitted"].mean()
        for t in (ae, sealed)
    )
    assert (ours - theirs).abs().max() < 0.03


def test_sealed_rows_are_other_people(sealed, ae):
    assert not set(sealed.attendances["patient_id"]) & set(ae.attendances["patient_id"])
    assert not set(sealed.attendances["attendance_id"]) & set(ae.attendances["attendance_id"])
    trail = [
        "org_code",
        "arrival_date",
        "arrival_hour",
        "minutes_in_department",
        "age_band",
        "sex",
        "arrival_mode",
    ]
    ours = ae.attendances[ae.attendances["arrival_date"] >= "2023-10-01"]
    again = ours[trail].astype(str).merge(sealed.attendances[trail].astype(str))
    assert len(again) < 0.02 * len(ours)  # by chance
    shared = [t.monthly.set_index(["month", "org_code"])["attendances_type_1"] for t in (ae, sealed)]
    one, other = shared[0].align(shared[1], join="inner")
    busy = one > 0
    assert (one[busy] != other[busy]).mean() > 0.95
