"""What a modeller finds in gp_appointments, what protects the people in it, and what was planted."""

import re
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml.datasets import build_sealed, load_raw, load_sealed
from civicml.datasets.disclosure import singled_out
from civicml.datasets.identities import FICTIONAL_POSTCODE_AREAS

FOLDER = Path(__file__).parents[2] / "datasets" / "health" / "gp_appointments"
TRUTH = tomllib.loads((FOLDER / "truth.toml").read_text())
SECRET = "a secret of thirty-two characters"
BANDS = [
    "Same Day",
    "1 Day",
    "2 to 7 Days",
    "8  to 14 Days",
    "15  to 21 Days",
    "22  to 28 Days",
    "More than 28 Days",
]

KNOWN_BEFORE = [
    "time_between_book_and_appt",
    "age_band",
    "sex",
    "imd_decile",
    "appt_mode",
    "hcp_type",
    "practice_id",
]
KNOWN_BEFORE += ["weekday", "hour", "month", "reminder_sent"]


def clean(tables) -> pd.DataFrame:
    """Distinct appointments that were kept or missed, with the patient's details and history."""
    rows = tables.appointments.drop_duplicates("appointment_id").copy()
    rows["status"] = rows["appt_status"].str.strip().str.lower()
    rows = rows[rows["status"].isin(["attended", "dna"])]
    rows = rows.merge(tables.patients.drop(columns="practice_id"), on="patient_id")
    rows["missed"] = (rows["status"] == "dna").astype(int)
    rows["weekday"] = rows["appointment_date"].dt.day_of_week
    rows["month"] = rows["appointment_date"].dt.month
    rows["hour"] = rows["start_time"].astype(str).str[:2]
    days = rows.groupby(["patient_id", "appointment_date"])["missed"].agg(["sum", "count"])
    before = days.groupby(level=0).cumsum() - days
    rows = rows.merge(before.add_prefix("before_").reset_index(), on=["patient_id", "appointment_date"])
    rows["share_before"] = (rows["before_sum"] + 0.2) / (rows["before_count"] + 4)
    return rows


@pytest.fixture(scope="module")
def outcomes(gp):
    return clean(gp)


@pytest.fixture(scope="module")
def raw(this_course):
    return load_raw("gp_appointments")


@pytest.fixture(scope="module")
def sealed(this_course, tmp_path_factory):
    cohort = tmp_path_factory.mktemp("cohort")
    build_sealed("gp_appointments", SECRET, cohort / "sealed" / "gp_appointments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COHORT", str(cohort))
        return load_sealed("gp_appointments")


def rank(outcomes, categories, numbers=()):
    """How well a logistic regression fitted on the first thirteen months ranks the last five (AUC)."""
    early = outcomes["appointment_date"] < "2025-11-01"
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), list(categories)), (StandardScaler(), list(numbers))
        ),
        LogisticRegression(max_iter=300),
    )
    features = outcomes[[*categories, *numbers]].astype(dict.fromkeys(categories, "str"))
    model.fit(features[early], outcomes.loc[early, "missed"])
    return roc_auc_score(outcomes.loc[~early, "missed"], model.predict_proba(features[~early])[:, 1])


# --- what a modeller finds ----------------------------------------------------------------------


def test_a_model_beats_the_rule_of_thumb_and_history_adds_to_it(outcomes):
    by_lead_time = rank(outcomes, ["time_between_book_and_appt"])
    without_history = rank(outcomes, KNOWN_BEFORE)
    with_history = rank(outcomes, KNOWN_BEFORE, ["share_before", "before_sum", "before_count"])
    assert 0.64 <= by_lead_time <= 0.67
    assert 0.70 <= with_history <= 0.74
    assert by_lead_time + 0.04 < without_history < with_history - 0.005


def test_who_missed_before_misses_again(outcomes):
    rates = outcomes.groupby(outcomes["before_sum"].clip(upper=3))["missed"].mean()
    assert rates.is_monotonic_increasing
    assert rates[3] > 2.5 * rates[0]


def test_waiting_age_and_deprivation_matter(outcomes):
    by_band = outcomes.groupby("time_between_book_and_appt", observed=True)["missed"].mean()
    assert by_band[BANDS[:4]].is_monotonic_increasing
    by_age = outcomes.groupby("age_band", observed=True)["missed"].mean()
    assert by_age.idxmax() == "18-34"
    by_decile = outcomes.groupby("imd_decile")["missed"].mean()
    assert by_decile[1] > 2 * by_decile[10]
    waits = outcomes["appointment_date"] - outcomes["booking_date"]
    by_wait = waits[waits > pd.Timedelta(0)].dt.days.groupby(outcomes["imd_decile"]).mean()
    assert by_wait[1] > by_wait[10] + 3


def test_reminders_look_harmful_and_help(outcomes):
    raw_rate = outcomes.groupby("reminder_sent")["missed"].mean()
    assert raw_rate[True] > 1.4 * raw_rate[False]
    alike = outcomes[outcomes["time_between_book_and_appt"].isin(BANDS[3:6])]
    fair_rate = alike.groupby("reminder_sent")["missed"].mean()
    assert fair_rate[True] < 0.9 * fair_rate[False]


def test_mondays_and_bad_days_stand_out(outcomes):
    booked_ahead = outcomes[outcomes["time_between_book_and_appt"] != "Same Day"]
    by_weekday = booked_ahead.groupby("weekday")["missed"].mean()
    assert by_weekday[range(5)].idxmax() == 0
    daily = booked_ahead.groupby("appointment_date")["missed"].agg(["mean", "size"])
    daily = daily[daily["size"] > 100]["mean"]
    assert daily.nlargest(TRUTH["missed"]["storm_days"]).mean() > 1.5 * daily.mean()


# --- quirks, with the sizes that were planted ---------------------------------------------------


def test_repeated_rows_are_exact_and_as_many_as_planted(gp):
    rows = gp.appointments
    repeated = rows["appointment_id"].duplicated()
    assert repeated.sum() == rows.duplicated().sum()
    assert repeated.mean() == pytest.approx(TRUTH["recording"]["duplicates"], rel=0.15)


def test_odd_spellings_come_from_one_practice_until_its_system_changed(gp):
    rows = gp.appointments
    odd = rows[~rows["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"])]
    assert set(odd["practice_id"]) == {TRUTH["recording"]["old_system_practice"]}
    assert odd["appointment_date"].max().date() <= TRUTH["recording"]["old_system_until"]
    assert set(odd["appt_status"].str.strip().str.lower()) <= {"attended", "dna", "cancelled", "unknown"}
    assert {"DNA ", "attended"} <= set(odd["appt_status"])


def test_one_practice_records_fewer_modes_after_it_changed_its_system(gp):
    rows = gp.appointments
    there = rows[rows["practice_id"] == TRUTH["recording"]["switching_practice"]]
    after = there["appointment_date"] >= pd.Timestamp(TRUTH["recording"]["switching_on"])
    unknown = there["appt_mode"] == "Unknown"
    assert unknown[~after].mean() < 0.05
    assert unknown[after].mean() == pytest.approx(TRUTH["recording"]["switching_unknown_mode"], abs=0.05)


def test_late_rows_are_at_the_end_and_out_of_order(gp):
    dates = gp.appointments["appointment_date"]
    late = int(len(dates) * TRUTH["recording"]["late_rows"] * 0.9)
    assert dates.iloc[:-late * 2].is_monotonic_increasing  # fmt: skip
    assert not dates.is_monotonic_increasing
    assert dates.iloc[-late] < dates.max() - pd.Timedelta(days=300)


def test_how_long_it_took_gives_the_answer_away(outcomes):
    came = outcomes["duration_minutes"].fillna(0) > 0
    assert outcomes.loc[came, "missed"].sum() == 0
    assert outcomes.loc[~came, "missed"].mean() > 0.6


def test_dates_and_bands_agree_but_for_data_quality(gp):
    rows = gp.appointments
    lead = (rows["appointment_date"] - rows["booking_date"]).dt.days
    ends = [-1, 0, 1, 7, 14, 21, 28, 10_000]
    expected = pd.cut(lead, ends, labels=BANDS).astype("str").where(lead >= 0, "Unknown / Data Quality")
    assert (expected == rows["time_between_book_and_appt"].astype("str")).all()
    assert lead.isna().sum() > 100
    assert (lead < 0).sum() > 100


def test_appointments_are_in_the_window_on_days_when_practices_open(gp):
    dates = gp.appointments["appointment_date"]
    assert dates.min() == pd.Timestamp("2024-10-01")
    assert dates.max() == pd.Timestamp("2026-03-31")
    assert (dates.dt.day_of_week < 6).all()
    assert 0 < (dates.dt.day_of_week == 5).mean() < 0.01
    assert not dates.isin(pd.to_datetime(["2024-12-25", "2025-04-18", "2025-08-25", "2026-01-01"])).any()


def test_daily_counts_say_what_the_appointments_say(gp):
    counts = gp.daily_counts
    share = (
        counts.groupby("APPT_STATUS", observed=True)["COUNT_OF_APPOINTMENTS"].sum()
        / counts["COUNT_OF_APPOINTMENTS"].sum()
    )
    assert share["Attended"] > 0.9
    rows = gp.appointments.drop_duplicates("appointment_id")
    times = (
        counts["COUNT_OF_APPOINTMENTS"].sum()
        / (rows["appt_status"].str.strip().str.lower() != "cancelled").sum()
    )
    planted = TRUTH["daily_counts"]["practices_per_extract_practice"]
    assert 0.8 * planted < times < planted  # the rest is in suppressed cells
    assert counts["COUNT_OF_APPOINTMENTS"].isna().mean() < 0.5


def test_codes_are_not_those_of_real_places(gp):
    real = {"91Q", "72Q", "A3A8R", "W2U3Z", "D9Y0V", "70F", "92G", "36L", "93C", "97R"}
    assert not real & set(gp.daily_counts["SUB_ICB_LOCATION_CODE"])
    assert gp.daily_counts["SUB_ICB_LOCATION_ONS_CODE"].str.fullmatch(r"E38999\d{3}").all()
    assert gp.daily_counts["REGION_ONS_CODE"].str.fullmatch(r"E400000\d\d").all()


# --- raw and published --------------------------------------------------------------------------


def test_raw_people_are_nobody(raw):
    people = raw["patients"]
    numbers = people["nhs_number"]
    assert numbers.is_unique
    assert numbers.str.fullmatch(r"999\d{7}").all()
    digits = np.array([[int(d) for d in number] for number in numbers.head(2_000)])
    check = (11 - digits[:, :9] @ np.arange(10, 1, -1) % 11) % 11
    assert (check == digits[:, 9]).all()
    form = re.compile(r"([A-Z]{2})\d{1,2} \d[A-Z]{2}")
    areas = {form.fullmatch(postcode).group(1) for postcode in people["postcode"]}
    assert areas <= set(FICTIONAL_POSTCODE_AREAS)


def test_published_people_are_the_raw_ones_without_names_and_numbers(gp, raw):
    assert not set(gp.patients.columns) & {
        "nhs_number",
        "given_name",
        "family_name",
        "date_of_birth",
        "postcode",
    }
    assert "patient_number" not in gp.appointments
    per_person = raw["appointments"]["patient_number"].value_counts().sort_values().to_numpy()
    assert (gp.appointments["patient_id"].value_counts().sort_values().to_numpy() == per_person).all()
    visits = gp.appointments["patient_id"].value_counts().reindex(gp.patients["patient_id"], fill_value=0)
    as_before = raw["appointments"]["patient_number"].value_counts().reindex(range(len(visits)), fill_value=0)
    assert abs(np.corrcoef(visits.to_numpy(), as_before.to_numpy())[0, 1]) < 0.05  # numbers were drawn anew


def test_ages_are_in_the_band_they_were_put_in(raw, gp):
    first_day = pd.Timestamp("2024-10-01")
    age = (first_day - raw["patients"]["date_of_birth"]).dt.days / 365.25
    bands = pd.cut(
        age, [0, 18, 35, 50, 65, 80, 130], right=False, labels=gp.patients["age_band"].cat.categories
    )
    assert bands.value_counts().to_dict() == gp.patients["age_band"].value_counts().to_dict()


def test_a_neighbour_finds_everybody_before_and_nobody_after(raw, gp):
    assert singled_out(raw["patients"], ["date_of_birth", "sex", "postcode"]) > 0.99
    assert singled_out(gp.patients, ["practice_id", "age_band", "sex", "imd_decile"]) == 0


def test_few_deciles_were_blanked_and_none_was_changed(raw, gp):
    blank = gp.patients["imd_decile"].isna().mean()
    assert 0.02 < blank < 0.15
    before = raw["patients"].groupby(["practice_id", "imd_decile"], observed=True).size()
    after = gp.patients.dropna().groupby(["practice_id", "imd_decile"], observed=True).size()
    after.index = after.index.set_levels(after.index.levels[1].astype(int), level=1)
    assert (after <= before.reindex(after.index)).all()


# --- the seal -----------------------------------------------------------------------------------


def test_sealed_rows_are_of_the_same_world(sealed, gp):
    theirs, ours = clean(sealed), clean(gp)
    for column in ("time_between_book_and_appt", "age_band", "practice_id"):
        gap = (
            theirs.groupby(column, observed=True)["missed"].mean()
            - ours.groupby(column, observed=True)["missed"].mean()
        )
        assert gap.abs().max() < 0.025, column
    assert list(sealed) == list(gp)
    assert (sealed.appointments.dtypes == gp.appointments.dtypes).all()


def test_sealed_rows_are_other_people_and_go_on_later(sealed, gp):
    assert sealed.appointments["appointment_date"].max() > pd.Timestamp("2026-09-01")
    first = date(2025, 4, 1)
    assert sealed.appointments["appointment_date"].min().date() == first
    columns = ["patient_id", "appointment_date", "start_time", "practice_id"]
    both = gp.appointments[columns].astype(str).merge(sealed.appointments[columns].astype(str))
    assert len(both) < 0.001 * len(sealed.appointments)
    trail = ["practice_id", "appointment_date", "start_time", "booking_date", "appt_mode", "duration_minutes"]
    ours = gp.appointments[gp.appointments["appointment_date"] >= "2025-04-01"]
    again = ours[trail].astype(str).merge(sealed.appointments[trail].astype(str))
    assert len(again) < 0.05 * len(ours)  # by chance
