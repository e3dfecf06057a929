"""Generates criminal cases at fictional courts, seen from two sides that share no key, and publishes them.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
Names are never stored: a person is a number, and who that number is follows from a secret. Publishing
takes another secret, so the people of the raw layer and those of the published tables have nothing in common.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import Rules, enforce, protect_counts
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.schema import read_schema
from civicml.datasets.slips import (
    MISSING,
    NICKNAMES,
    SWAPPED,
    TYPO,
    misspell,
    mistype_birthdays,
    mistype_postcode,
)
from civicml.datasets.surrogates import Surrogates, common_and_rare_names
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 60_000

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}
BLOCK = 200_000  # cases made at a time
# Numbers of three tables, and of the sealed layer, have nothing in common.
FIRST_ID = {"cases": 1_000_001, "police": 20_000_001, "court": 40_000_001}
SEALED_FROM = 100_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

FIRST = np.datetime64(TRUTH["window"]["first"])
LAST = np.datetime64(TRUTH["window"]["last"])
END = int((LAST - FIRST).astype(int))  # days are counted from FIRST
NEVER = np.iinfo(np.int32).max
coded = pd.Categorical.from_codes

# --- the vocabulary, as schema.toml has it ------------------------------------------------------

_SCHEMA = read_schema(Path(__file__).parent)


def values(table: str, column: str) -> list[str]:
    """The code list of a column."""
    return _SCHEMA.tables[table].columns[column].values or []


COURT_TYPES = values("cases", "court_type")
CROWN, MAGISTRATES = range(2)
ALL_RECEIPT_TYPES = values("cases", "receipt_type")
EITHER_WAY, INDICTABLE, SENTENCE, APPEAL, SUMMARY = range(5)
RECEIPT_TYPES = ALL_RECEIPT_TYPES[:SUMMARY]  # of the Crown Court
OFFENCES = values("court_records", "offence_group")
SEXUAL, NOT_KNOWN = 1, 12
AGES, SEXES = values("cases", "age_band"), values("cases", "sex")
AGE_FROM = np.array([10, 18, 25, 35, 50, 85])
REMANDS, PLEAS, STATUSES = (values("cases", column) for column in ("remand", "plea", "status"))
TRIALS, REASONS = values("cases", "trial_effectiveness"), values("cases", "trial_reason")
EFFECTIVE, CRACKED, INEFFECTIVE = range(3)
NO_TIME = REASONS.index("Lack of court time")
OUTCOMES = values("cases", "outcome")
RDOS, QUARTERS = values("caseload", "rdos"), values("caseload", "quarter")
BANDS = values("cases", "age_open_grouped")
BAND_FROM = np.array([28, 56, 84, 112, 140, 182, 365, 730])
A_YEAR = 7  # the first of the bands that are a year or more
TOTAL, VALID = "[Total cases]", "[Valid cases]"
EVERYWHERE, ALL_OFFENCES, ALL_OPEN = "England and Wales", "00: All offences", "01. All open cases"
OPEN_TYPES = [ALL_OPEN, *(f"{number:02d}. {name}" for number, name in enumerate(RECEIPT_TYPES, start=2))]

# Fictional places, two forces in a region. The area of a force is a criminal justice board's as well.
REGIONS, FORCES = values("cases", "region"), values("cases", "police_force")
ALL_COURTS = values("court_records", "court")
COURTS = [name.removesuffix(" Crown Court") for name in ALL_COURTS if name.endswith(" Crown Court")]
COURT_FORCE = np.array([force for force in range(14) for _ in range(2 - force % 2)])  # two courts, then one

# What the police call an offence; the first two letters say which group a court would put it in.
POLICE_CODES, POLICE_WORDS = (values("police_records", f"offence_{of}") for of in ("code", "description"))
_PREFIXES = ["AB", "SX", "RB", "TH", "DM", "DR", "WP", "PO", "MC", "FR", "SN", "SM"]
OFFENCE_GROUP = np.array([_PREFIXES.index(c[:2]) for c in POLICE_CODES])


# --- the world: the same for every layer --------------------------------------------------------


def identities(streams: Streams, secret: str, *, moved: bool) -> Surrogates:
    """Who each number is; how common names are is the same in every layer."""
    names = common_and_rare_names(streams.world("names"))
    weeks, middle = TRUTH["sides"]["date_shift_weeks"], TRUTH["people"]["middle_name"]
    return Surrogates(names, streams.rng(secret), moved=moved, middle_share=middle, weeks=weeks)


def day_number(day: date) -> int:
    """Days since the window began."""
    return int((np.datetime64(day) - FIRST).astype(int))


def lookup(table: dict[str, float], names: list[str], default: float = 0.0) -> Floats:
    """The values of `table` for `names`, as an array that codes can index; offences go by their number."""
    return np.array([table.get(name, table.get(name[:2], default)) for name in names])


def pick(rng: np.random.Generator, number: int, shares: dict[str, float], names: list[str]) -> Ints:
    """`number` codes of `names`, as often as `shares` says."""
    weights = lookup(shares, names)
    return rng.choice(len(names), number, p=weights / weights.sum())


# --- people -------------------------------------------------------------------------------------


def draw_people(rng: np.random.Generator, cases: int, first_person: int) -> tuple[Ints, pd.DataFrame]:
    """Who the cases are against: for each case the row of a person, and the people.

    People hold numbers only: their own, that of their home, of their family's name and of their given
    name. Twins share home, family and birthday; fathers and sons home and both names.
    """
    truth = TRUTH["people"]
    person = np.cumsum(rng.random(cases) >= truth["same_person_again"])
    person -= person[0]
    number = int(person[-1]) + 1
    kinds = [truth["twin"], truth["father_and_son"], truth["shared_home"]]
    kin = rng.choice(4, number, p=[1 - sum(kinds), *kinds])
    kin[np.flatnonzero(np.diff(kin > 0, prepend=False) == 0)] = 0  # nobody is kin of somebody's kin
    kin[0] = 0
    twin, son, lodger = kin == 1, kin == 2, kin == 3
    own = first_person + np.arange(number)
    before = own - (kin > 0)
    male = rng.random(number) > TRUTH["mix"]["women"]
    male[son | np.append(son[1:], False)] = True
    people = pd.DataFrame(
        {
            "person": own,
            "home": before,
            "family": np.where(lodger, own, before),
            "name": np.where(twin | lodger, own, before),
            "male": male,
            "kin": kin,
            "force": rng.choice(14, number, p=TRUTH["mix"]["force_share"]),
        }
    )
    related = np.flatnonzero(kin > 0)
    people.loc[related, "force"] = people["force"].to_numpy()[related - 1]
    return person, people


# --- cases --------------------------------------------------------------------------------------


def draw_cases(rng: np.random.Generator, pace: Floats, number: int, first_person: int) -> pd.DataFrame:
    """`number` cases as codes and days since the window began: what happened, recorded rightly."""
    mix = TRUTH["mix"]
    row, people = draw_people(rng, number, first_person)
    of_person = people.iloc[row].reset_index(drop=True)
    crown = rng.random(number) < TRUTH["window"]["crown_share"]
    force = np.where(
        rng.random(number) < 0.92, of_person["force"], rng.choice(14, number, p=mix["force_share"])
    )
    of_force = np.array([np.flatnonzero(f == COURT_FORCE)[[0, -1]] for f in range(14)])
    courts = of_force[force, rng.integers(0, 2, number)]
    serious, lesser = (pick(rng, number, mix[court], OFFENCES) for court in ("crown", "magistrates"))
    offence = np.where(crown, serious, lesser)
    receipt_type = draw_receipt_types(rng, crown, offence)
    received = draw_receipts(rng, crown)
    custody = rng.random(number) < lookup(mix["custody"], OFFENCES, 0.14)[offence] * np.where(crown, 1.0, 0.4)
    before = TRUTH["before_receipt"]
    sent = rng.normal(0, before["crown_spread"], number) + before["custody"] * custody
    kept = rng.normal(0, before["magistrates_spread"], number)
    to_receipt = np.where(
        crown, before["crown_median"] * np.exp(sent), before["magistrates_median"] * np.exp(kept)
    )
    old = TRUTH["before_charge"]
    to_charge = lookup(old["median"], OFFENCES)[offence] * np.where(crown, 1.0, old["magistrates"])
    to_charge = to_charge * np.exp(rng.normal(0, 1, number) * lookup(old["spread"], OFFENCES)[offence])
    cases = pd.DataFrame(
        {
            **{name: of_person[name] for name in ("person", "home", "family", "name", "male", "kin")},
            "home_force": of_person["force"],
            "court_type": np.where(crown, CROWN, MAGISTRATES),
            "force": force,
            "region": force // 2,
            "court": np.where(crown, courts, len(COURTS) + force),
            "offence": offence,
            "receipt_type": receipt_type,
            "received": received,
            "custody": custody,
            "to_receipt": np.maximum(np.rint(to_receipt), 1).astype(np.int64),
            "to_charge": np.clip(np.rint(to_charge) - 1, 0, old["longest_days"]).astype(np.int64),
        }
    )
    wait = np.where(custody, rng.integers(1, 3, number), rng.integers(7, 36, number))
    # A Crown Court case is heard by magistrates first, who send it up.
    soon = np.minimum(received - cases["to_receipt"] + wait, received)
    cases["heard"] = np.where(crown, soon, received + rng.integers(0, 8, number))
    charge_kin_together(rng, cases)
    draw_birthdays(rng, cases)
    draw_progress(rng, pace, cases)
    return cases


def draw_receipt_types(rng: np.random.Generator, crown: Flags, offence: Ints) -> Ints:
    """How the case came to the court."""
    mix = TRUTH["mix"]
    number = len(crown)
    indictable = rng.random(number) < lookup(mix["indictable_only"], OFFENCES, 0.05)[offence]
    some = [mix["committed_for_sentence"], mix["appeals"]]
    other = rng.choice([EITHER_WAY, SENTENCE, APPEAL], number, p=[1 - some[0] - some[1], *some])
    return np.where(crown, np.where(indictable, INDICTABLE, other), SUMMARY)


def draw_receipts(rng: np.random.Generator, crown: Flags) -> Ints:
    """The day on which the court received the case, as many in each month as truth.toml says."""
    truth = TRUTH["window"]
    days = pd.Series(pd.date_range(FIRST, LAST))
    year, month, weekend = days.dt.year - days.dt.year[0], days.dt.month, days.dt.day_of_week >= 5
    quiet = np.where(days.between("2020-04-01", "2020-06-30"), truth["lockdown_receipts"], 1.0)
    rate = np.array(truth["crown_by_year"])[year] * np.array(truth["month"])[month - 1] * quiet
    rate = rate / days.dt.days_in_month.to_numpy() * np.where(weekend, 0.02, 1.0)
    level = quiet * np.where(weekend, 0.25, 1.0)  # magistrates sit on Saturdays
    crowns, others = (rng.choice(len(days), len(crown), p=p / p.sum()) for p in (rate, level))
    return np.where(crown, crowns, others)


def charge_kin_together(rng: np.random.Generator, cases: pd.DataFrame) -> None:
    """Give some twins, fathers and sons the case of the person before: same day, offence and court."""
    first = np.append(True, np.diff(cases["person"]) > 0)
    chosen = rng.random(len(cases)) < TRUTH["people"]["charged_together"]
    together = np.flatnonzero(first & cases["kin"].isin([1, 2]).to_numpy() & chosen)
    same = ["court_type", "force", "region", "court", "offence", "receipt_type"]
    same += ["received", "heard", "to_receipt", "to_charge"]
    cases.loc[together, same] = cases[same].to_numpy()[together - 1]


def draw_birthdays(rng: np.random.Generator, cases: pd.DataFrame) -> None:
    """Add ``birthday`` (days since 1970) and ``age`` at charge; twins were born on one day."""
    person = cases["person"].to_numpy()
    start = np.flatnonzero(np.append(True, np.diff(person) > 0))
    charged = (cases["received"] - cases["to_receipt"]).to_numpy()
    earliest = np.minimum.reduceat(charged, start)
    band = pick(rng, len(start), TRUTH["mix"]["age_share"], AGES)
    share = rng.random(len(start)) ** np.where(band == 4, 1.8, 1.0)
    years = AGE_FROM[band] + share * (AGE_FROM[band + 1] - AGE_FROM[band])
    kin = cases["kin"].to_numpy()[start]
    after = np.append(kin[1:], 0)
    # A twin is of age whenever charged, and a son is young enough to have a father.
    years = np.where((after == 1) | (kin == 1), np.maximum(years, 20.0), years)
    years = np.where(after == 2, np.minimum(years, 45.0), years)
    born = (FIRST.astype("datetime64[D]").astype(int) + earliest - np.ceil(years * 365.25)).astype(np.int64)
    twins, fathers = np.flatnonzero(kin == 1), np.flatnonzero(kin == 2)
    born[twins] = born[twins - 1]
    born[fathers] = born[fathers - 1] - rng.integers(20 * 365, 36 * 365, len(fathers))
    birthday = born[np.cumsum(np.append(True, np.diff(person) > 0)) - 1]
    cases["birthday"] = birthday
    age = (FIRST.astype("datetime64[D]").astype(int) + charged - birthday) / 365.25
    cases["age"] = np.clip(np.floor(age), 10, 99).astype(np.int64)


def draw_progress(rng: np.random.Generator, pace: Floats, cases: pd.DataFrame) -> None:
    """Add plea, first trial listing, completion (NEVER while a case is open) and outcome."""
    mix, trials, number = TRUTH["mix"], TRUTH["trials"], len(cases)
    crown = (cases["court_type"] == CROWN).to_numpy()
    sexual = (cases["offence"] == SEXUAL).to_numpy()
    guilty = rng.random(number) < np.where(sexual, mix["guilty_plea_sexual"], mix["guilty_plea"])
    has_trial = cases["receipt_type"].isin([EITHER_WAY, INDICTABLE, SUMMARY]).to_numpy()
    chance = np.where(guilty, trials["listed_if_guilty"], trials["listed_if_not_guilty"])
    listed = has_trial & (rng.random(number) < chance)
    tilt = lookup(trials["ineffective_by_region"], REGIONS)[cases["region"]]
    ineffective = np.where(crown, trials["crown"]["Ineffective"], trials["magistrates"]["Ineffective"]) + tilt
    cracked = np.where(crown, trials["crown"]["Cracked"], trials["magistrates"]["Cracked"])
    draw = rng.random(number)
    result = np.select([draw < ineffective, draw < ineffective + cracked], [INEFFECTIVE, CRACKED], EFFECTIVE)
    result = np.where(guilty & (result == EFFECTIVE), CRACKED, result)  # there is nothing left to try
    years = cases["received"].to_numpy() / 365.25
    cases["reason"] = draw_reasons(rng, result, years)
    guilty |= listed & (result == CRACKED) & (cases["reason"].to_numpy() < 2)
    days = draw_days(rng, pace, cases, guilty, listed & (result == INEFFECTIVE))
    wait = np.where(result == INEFFECTIVE, rng.uniform(0.35, 0.75, number), rng.uniform(0.70, 0.98, number))
    trial_day = cases["received"] + np.floor(days * wait).astype(np.int64)
    cases["trial_day"] = np.where(listed & (trial_day <= END + trials["listed_ahead_days"]), trial_day, NEVER)
    cases["trial"] = np.where(cases["trial_day"] <= END, result, -1)
    cases["reason"] = np.where((cases["trial"] < 0) | (cases["trial"] == EFFECTIVE), -1, cases["reason"])
    cases["guilty"] = guilty | (cases["receipt_type"] == SENTENCE)
    cases["completed"] = np.where(cases["received"] + days <= END, cases["received"] + days, NEVER)
    draw = rng.random(number)
    gone = mix["discontinued_if_not_guilty"]
    tried = np.select([draw < gone, draw < gone + mix["convicted_if_not_guilty"]], [2, 0], 1)
    cases["outcome"] = np.where(cases["completed"] == NEVER, -1, np.where(cases["guilty"], 0, tried))
    lost, old = TRUTH["recording"]["receipt_date_lost"], TRUTH["recording"]["receipt_date_lost_if_old"]
    cases["valid"] = rng.random(number) >= lost + old * (END - cases["received"] >= 365)


def draw_reasons(rng: np.random.Generator, result: Ints, years: Floats) -> Ints:
    """Why a first listing came to nothing; courts run out of time more often each year."""
    time = 0.16 + TRUTH["trials"]["lack_of_court_time_per_year"] * years
    others = rng.choice([3, 4, 5, 6], len(result), p=[0.26, 0.24, 0.28, 0.22])
    ineffective = np.where(rng.random(len(result)) < time, NO_TIME, others)
    return np.where(result == CRACKED, rng.choice(3, len(result), p=[0.62, 0.16, 0.22]), ineffective)


def draw_days(
    rng: np.random.Generator, pace: Floats, cases: pd.DataFrame, guilty: Flags, in_vain: Flags
) -> Ints:
    """Days from receipt to completion."""
    truth = TRUTH["timeliness"]
    crown = (cases["court_type"] == CROWN).to_numpy()
    offence, region = cases["offence"].to_numpy(), cases["region"].to_numpy()
    since = np.clip((cases["received"].to_numpy() - 730) / 365.25, 0.0, None)  # years since 1 January 2020
    grown = np.clip(since / 2, 0, 1)
    spread = truth["spread_early"] + grown * (truth["spread_late"] - truth["spread_early"])
    scale = (
        np.where(crown, truth["base"], truth["magistrates"])
        + np.where(crown, truth["drift_per_year"], truth["magistrates_drift_per_year"]) * since
        + lookup(truth["region"], REGIONS)[region]
        + pace[cases["force"]]
        + lookup(truth["receipt_type"], ALL_RECEIPT_TYPES)[cases["receipt_type"]]
        + lookup(truth["offence"], OFFENCES)[offence]
        + truth["interactions"]["sexual_offences_in_kingsreach"] * ((offence == SEXUAL) & (region == 0))
        + truth["guilty"] * guilty
        + truth["custody"] * cases["custody"]
        + truth["aged_under_18"] * (cases["age"] < 18)
        + truth["after_ineffective"] * in_vain
    )
    log_days = scale + rng.normal(0, 1, len(cases)) * np.where(crown, spread, truth["magistrates_spread"])
    days = np.maximum(np.rint(np.exp(np.minimum(log_days, 9.0))), 1).astype(np.int64)
    closed, reopened = (day_number(truth[k]) for k in ("lockdown_from", "lockdown_to"))
    ends = cases["received"].to_numpy() + days
    late = np.rint(truth["lockdown_days"] * rng.uniform(0.2, 3.0, len(cases))).astype(np.int64)
    shut = (ends >= closed) & (ends <= reopened) & (rng.random(len(cases)) < truth["lockdown_share"])
    days = np.where(shut, days + late, days)
    return bring_forward(rng, cases["received"].to_numpy(), days)


def bring_forward(rng: np.random.Generator, received: Ints, days: Ints) -> Ints:
    """Days to completion where, in the last quarter, some cases that are old are heard before their turn."""
    truth = TRUTH["timeliness"]["old_cases_first"]
    start = day_number(truth["start"])
    old = (start - received >= truth["days_old"]) & (received + days > END)
    old &= (received + days <= END + truth["days_before_turn"]) & (rng.random(len(days)) < truth["share"])
    return np.where(old, rng.integers(start, END + 1, len(days)) - received, days)


# --- what was written down ----------------------------------------------------------------------

MISSPELT, NICKNAME = 1, 2
KINDS = TRUTH["errors"]["kinds"]
CHANGED, CAPITALS = 2, 3


def draw_errors(rng: np.random.Generator, cases: pd.DataFrame, side: str) -> pd.DataFrame:
    """Which fields of each record of a `side` are wrong and how, as codes; 0 is right."""
    rate, odd, number = TRUTH["errors"][side], TRUTH["errors"]["not_at_random"], len(cases)

    def one_of(chances: dict[int, Floats | float]) -> Ints:
        draw, code, start = rng.random(number), np.zeros(number, dtype=np.int64), np.zeros(number)
        for value, chance in chances.items():
            code[(draw >= start) & (draw < start + chance)] = value
            start = start + chance
        return code

    capitals: Floats | float = 0.0
    if "capitals_force" in rate:
        there = cases["force"] == FORCES.index(rate["capitals_force"])
        capitals = np.where(there & (cases["received"] <= day_number(rate["capitals_until"])), 1.0, 0.0)
    older = np.where(cases["age"] >= 50, odd["birthday_missing_if_aged_50"], 1.0)
    homeless = np.where(cases["custody"], odd["postcode_missing_if_custody"], 1.0)
    return pd.DataFrame(
        {
            "given_error": one_of({MISSPELT: rate["given_misspelt"], NICKNAME: rate["nickname"]}),
            "family_error": one_of(
                {
                    MISSPELT: rate["family_misspelt"],
                    CHANGED: np.where(cases["male"], 0.0, rate.get("womans_name_changed", 0.0)),
                    CAPITALS: capitals,
                }
            ),
            "swapped": one_of({1: rate["names_swapped"]}),
            "middle_error": one_of({MISSING: rate["middle_missing"], TYPO: rate["middle_initial"]}),
            "birthday_error": one_of(
                {
                    SWAPPED: rate["birthday_swapped"],
                    TYPO: rate["birthday_typo"],
                    MISSING: rate["birthday_missing"] * older,
                }
            ),
            "postcode_error": one_of(
                {TYPO: rate["postcode_typo"], MISSING: rate["postcode_missing"] * homeless}
            ),
            "postcode_blank": one_of({1: rate["postcode_without_blank"]}),
            "moved": one_of({1: rate.get("moved", 0.0)}),
            "sex_error": one_of({MISSING: rate["sex_missing"]}),
            "draw": rng.integers(0, 2**31, number),
        }
    )


def write_names(who: Surrogates, records: pd.DataFrame) -> dict[str, Texts]:
    """Given, middle and family name, birthday and postcode as they were typed into `records`."""
    error = {name: records[name].to_numpy() for name in records}
    male, draw = error["male"], error["draw"]
    given = who.given(error["name"], male)
    changed = error["family_error"] == CHANGED
    family = who.family(np.where(changed, error["family"] + 2**40, error["family"]))
    middle = who.middle(error["person"], male)
    for row in np.flatnonzero(error["given_error"]):
        known = NICKNAMES.get(given[row])
        given[row] = (
            known
            if known and error["given_error"][row] == NICKNAME
            else misspell(given[row], draw[row], **KINDS)
        )
    for row in np.flatnonzero(error["family_error"] == MISSPELT):
        family[row] = misspell(family[row], draw[row] // 7, **KINDS)
    loud = error["family_error"] == CAPITALS
    family[loud] = [name.upper() for name in family[loud]]
    swapped = error["swapped"] == 1
    given, family = np.where(swapped, family, given), np.where(swapped, given, family)
    initial = (error["middle_error"] == TYPO) & (middle != None)  # noqa: E711 (of each)
    middle[initial] = [name[0] for name in middle[initial]]
    middle[error["middle_error"] == MISSING] = None
    moved = error["moved"] == 1
    home = np.where(moved, error["case_number"] + 2**41, error["home"])
    postcode = who.postcode(home, error["home_force"])
    for row in np.flatnonzero(error["postcode_error"] == TYPO):
        postcode[row] = mistype_postcode(postcode[row], draw[row])
    tight = error["postcode_blank"] == 1
    postcode[tight] = [code.replace(" ", "") for code in postcode[tight]]
    postcode[error["postcode_error"] == MISSING] = None
    born = mistype_birthdays(who.born(error["family"], error["birthday"]), error["birthday_error"], draw)
    sex = np.array(SEXES, dtype=object)[male.astype(int)]
    sex[error["sex_error"] == MISSING] = None
    return {
        "given_name": given,
        "middle_name": middle,
        "family_name": family,
        "date_of_birth": born,
        "sex": sex,
        "postcode": postcode,
    }


# --- the raw layer ------------------------------------------------------------------------------

PERSON = ["person", "home", "family", "name", "male", "birthday", "home_force", "force", "case_number"]


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables: cases, what the police and the courts wrote down, and what a newspaper did."""
    who = identities(streams, "identities", moved=False)
    pace = np.round(streams.world("forces").normal(0, TRUTH["timeliness"]["force_sd"], 14), 4)
    person = 1
    for block, start in enumerate(range(0, rows, BLOCK)):
        rng = streams.rng("cases", block)
        cases = draw_cases(rng, pace, min(BLOCK, rows - start), person)
        person = int(cases["person"].iloc[-1]) + 1
        cases["case_number"] = start + np.arange(len(cases))
        side = rng.random(len(cases))
        truth = TRUTH["sides"]
        seen_by_police = cases[side >= truth["court_only"]]
        seen_at_court = cases[side < 1 - truth["police_only"]]
        police = police_side(rng, again(rng, seen_by_police, truth["police_twice"]))
        court = court_side(rng, again(rng, seen_at_court, truth["court_twice"]))
        yield {
            "cases": identifiable_cases(who, cases),
            "police_records": pd.DataFrame({**police, **write_names(who, police)}),
            "court_records": pd.DataFrame({**court, **write_names(who, court)}),
            "press_reports": press_reports(rng, who, cases),
        }


def again(rng: np.random.Generator, cases: pd.DataFrame, share: float) -> pd.DataFrame:
    """The cases, some of them twice."""
    copies = 1 + (rng.random(len(cases)) < share)
    return cases.loc[np.repeat(cases.index.to_numpy(), copies)].reset_index(drop=True)


def dates(days: npt.ArrayLike, blank: npt.ArrayLike = False) -> npt.NDArray[np.datetime64]:
    """Days since the window began as dates."""
    day = np.asarray(days)
    lost = np.asarray(blank) | (day >= NEVER)
    day = np.where(lost, 0, day).astype("timedelta64[D]")
    return np.where(lost, np.datetime64("NaT"), FIRST.astype("datetime64[D]") + day).astype("datetime64[us]")


def police_side(rng: np.random.Generator, cases: pd.DataFrame) -> pd.DataFrame:
    """What the police wrote down when they charged somebody."""
    number, charged = len(cases), (cases["received"] - cases["to_receipt"]).to_numpy()
    group = cases["offence"].to_numpy()
    changed = rng.random(number) < TRUTH["sides"]["offence_changed"]
    group = np.where(changed, rng.choice([0, 3, 5, 6, 7, 8], number), group)
    codes = [np.flatnonzero(g == OFFENCE_GROUP) for g in range(12)]
    code = np.array(
        [codes[g][d % len(codes[g])] for g, d in zip(group, rng.integers(0, 60, number), strict=True)]
    )
    to_charge = cases["to_charge"].to_numpy()
    lost = rng.random(number) < offence_date_lost(to_charge)
    return pd.DataFrame(
        {
            **{name: cases[name] for name in PERSON},
            **draw_errors(rng, cases, "police"),
            "police_force": coded(cases["force"], FORCES),
            "offence_date": dates(charged - to_charge, lost),
            "charge_date": dates(charged),
            "offence_code": coded(code, POLICE_CODES),
            "offence_description": coded(code, POLICE_WORDS),
        }
    )


def offence_date_lost(to_charge: Ints) -> Floats:
    """The chance that nobody knows when the offence was: greater where it was long ago."""
    truth = TRUTH["recording"]
    return truth["offence_date_missing"] + truth["offence_date_missing_if_long"] * (to_charge > 730)


def court_side(rng: np.random.Generator, cases: pd.DataFrame) -> pd.DataFrame:
    """What the court wrote down, and what became of the case there."""
    number, received = len(cases), cases["received"].to_numpy()
    offence = np.where(rng.random(number) < 0.012, NOT_KNOWN, cases["offence"])
    lost = rng.random(number) < TRUTH["sides"]["receipt_date_missing"]
    lost |= ~cases["valid"].to_numpy() & (cases["completed"] == NEVER).to_numpy()
    return pd.DataFrame(
        {
            **{name: cases[name] for name in PERSON},
            **draw_errors(rng, cases, "court"),
            "court": coded(cases["court"], ALL_COURTS),
            "receipt_type": coded(cases["receipt_type"], ALL_RECEIPT_TYPES),
            "offence_group": coded(offence, OFFENCES),
            "first_hearing_date": dates(cases["heard"]),
            "receipt_date": dates(received, lost),
            "trial_date": dates(cases["trial_day"]),
            "trial_effectiveness": coded(cases["trial"], TRIALS),
            "trial_reason": coded(cases["reason"], REASONS),
            "disposal_date": dates(cases["completed"]),
            "outcome": coded(cases["outcome"], OUTCOMES),
        }
    )


def identifiable_cases(who: Surrogates, cases: pd.DataFrame) -> pd.DataFrame:
    """The department's register: the case as it was, and who it is about."""
    person, male = cases["person"].to_numpy(), cases["male"].to_numpy()
    days = (cases["completed"] - cases["received"]).to_numpy()
    is_open = (cases["completed"] == NEVER).to_numpy()
    band = np.searchsorted(BAND_FROM, END - cases["received"].to_numpy(), side="right")
    band = np.where(is_open & cases["valid"].to_numpy(), band, -1)
    return pd.DataFrame(
        {
            "case_number": cases["case_number"],
            "person": person,
            "given_name": who.given(cases["name"].to_numpy(), male),
            "family_name": who.family(cases["family"].to_numpy()),
            "date_of_birth": cases["birthday"].to_numpy().astype("datetime64[D]").astype("datetime64[us]"),
            "postcode": who.postcode(cases["home"].to_numpy(), cases["home_force"].to_numpy()),
            "received": dates(cases["received"]),
            "completed": dates(cases["completed"]),
            "court": coded(cases["court"], ALL_COURTS),
            "region": coded(cases["region"], REGIONS),
            "police_force": coded(cases["force"], FORCES),
            "court_type": coded(cases["court_type"], COURT_TYPES),
            "receipt_type": coded(cases["receipt_type"], ALL_RECEIPT_TYPES),
            "offence_group": coded(cases["offence"], OFFENCES),
            "age_band": coded(np.searchsorted(AGE_FROM[1:5], cases["age"], side="right"), AGES),
            "sex": coded(male.astype(int), SEXES),
            "custody": cases["custody"],
            "guilty": cases["guilty"],
            "to_charge": cases["to_charge"],
            "to_receipt": cases["to_receipt"],
            "to_completion": np.where(is_open, -1, days + cases["to_receipt"]),
            "age_open_grouped": coded(band, BANDS),
            "trial_listed": dates(cases["trial_day"]),
            "trial_effectiveness": coded(cases["trial"], TRIALS),
            "trial_reason": coded(cases["reason"], REASONS),
            "outcome": coded(cases["outcome"], OUTCOMES),
        }
    )


def press_reports(rng: np.random.Generator, who: Surrogates, cases: pd.DataFrame) -> pd.DataFrame:
    """What a local newspaper printed of one case in forty: an intruder's knowledge, with the right answer."""
    told = cases[(cases["court_type"] == CROWN) & (rng.random(len(cases)) < 0.025)]
    male = told["male"].to_numpy()
    return pd.DataFrame(
        {
            "case_number": told["case_number"].to_numpy(),
            "given_name": who.given(told["name"].to_numpy(), male),
            "family_name": who.family(told["family"].to_numpy()),
            "age_band": np.array(AGES, dtype=object)[
                np.searchsorted(AGE_FROM[1:5], told["age"], side="right")
            ],
            "sex": np.array(SEXES, dtype=object)[male.astype(int)],
            "court": np.array(ALL_COURTS, dtype=object)[told["court"]],
            "police_force": np.array(FORCES, dtype=object)[told["force"]],
            "offence_group": np.array(OFFENCES, dtype=object)[told["offence"]],
            "first_hearing_date": dates(told["heard"]),
            "received": dates(told["received"]),
            "days_charge_to_completion": np.where(
                told["completed"] == NEVER, -1, told["completed"] - told["received"] + told["to_receipt"]
            ),
            "status": np.where(told["completed"] == NEVER, *STATUSES),
            "outcome": np.array([*OUTCOMES, None], dtype=object)[told["outcome"]],
        }
    )


# --- the published layer ------------------------------------------------------------------------

QUARTER_ENDS = pd.date_range(FIRST, LAST, freq="QE")
COUNTED_FROM = 4  # caseload begins in 2019: at first, cases from before the window are missing
AGED_FROM = 7  # open_by_age begins with the last quarter of 2019


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables: an analysis table without names, two sides with other people's names."""
    counts, aged, total = np.zeros(count_shape(), dtype=np.int64), np.zeros(aged_shape(), dtype=np.int64), 0
    first = {table: number + streams.sealed * SEALED_FROM for table, number in FIRST_ID.items()}
    for block, batch in enumerate(raw.batches("cases")):
        rng = streams.rng("published cases", block)
        protected = enforce(batch, rules.people)
        cases = published_cases(rng, protected.frame, first["cases"] + total)
        total += len(batch)
        yield {"cases": cases}
        if block == 0:
            yield {"march_delivery": march_delivery(streams.rng("march"), cases, sealed=streams.sealed)}
        counts += count_cases(batch)
        aged += count_ages(batch)
    who = identities(streams, "surrogates", moved=True)
    sides: dict[str, list[pd.DataFrame]] = {"police": [], "court": []}
    for side, kept in sides.items():
        done = 0
        for block, batch in enumerate(raw.batches(f"{side}_records")):
            rng = streams.rng("published", side, block)
            records = published_records(rng, who, batch, side, first[side] + done)
            done += len(batch)
            yield {f"{side}_records": records.drop(columns=HIDDEN)}
            if streams.sealed or block == 0:
                kept.append(records[[*HIDDEN, f"{side}_case_id", "family_name", "date_of_birth"]])
    police, court = (pd.concat(kept, ignore_index=True) for kept in sides.values())
    yield {"reviewed_pairs": reviewed_pairs(streams.rng("reviews"), police, court)}
    if streams.sealed:
        yield {"links": true_links(police, court)}
    # Weights as in a survey: grossed up to a published total, so that one case stands for about sixteen.
    scale = TARGETS["open_cases_2025"] / aged[-1].sum()
    yield {"caseload": caseload(grown(streams.rng("caseload"), counts, scale), rules)}
    yield {"open_by_age": open_by_age(grown(streams.rng("open by age"), aged, scale), rules)}


def grown(rng: np.random.Generator, counts: Ints, scale: float) -> Ints:
    """Counts of a whole country of which the cases are a sample; chance decided what the sample holds."""
    return rng.poisson(rng.gamma(2.0 * counts, scale / 2.0)).astype(np.int64)


def published_cases(rng: np.random.Generator, people: pd.DataFrame, first_id: int) -> pd.DataFrame:
    """The analysis table: months in place of days, durations with noise, numbers drawn anew."""
    number, recording = len(people), TRUTH["recording"]
    case_id = first_id + rng.permutation(number)
    month = people["received"].to_numpy().astype("datetime64[M]").astype("datetime64[us]")
    to_charge, to_receipt = people["to_charge"].to_numpy(), people["to_receipt"].to_numpy()
    is_open = people["completed"].isna().to_numpy()
    known_remand = rng.random(number) >= recording["remand_unknown"]
    new_system = (people["police_force"] == recording["remand_force"]) & (
        people["received"] >= pd.Timestamp(recording["remand_system_change"])
    )
    known_remand &= ~(new_system & (rng.random(number) < recording["remand_unknown_after"]))
    remand = np.where(known_remand, people["custody"].astype(int), 2)
    charge_known = rng.random(number) >= offence_date_lost(to_charge)
    to_receipt = with_noise(rng, to_receipt)
    to_completion = np.maximum(with_noise(rng, people["to_completion"].to_numpy()), to_receipt)
    trial_month = people["trial_listed"].to_numpy().astype("datetime64[M]").astype("datetime64[us]")
    no_plea = (is_open & (rng.random(number) < 0.45)) | (people["receipt_type"] == "Appeals").to_numpy()
    frame = pd.DataFrame(
        {
            "case_id": case_id,
            "received_month": month,
            **{
                c: people[c]
                for c in ("region", "police_force", "court_type", "receipt_type", "offence_group")
            },
            "age_band": people["age_band"],
            "sex": people["sex"],
            "remand": coded(remand, REMANDS),
            "plea": coded(np.where(no_plea, -1, np.where(people["guilty"], 0, 1)), PLEAS),
            "days_offence_to_charge": blank_where(with_noise(rng, to_charge), ~charge_known),
            "days_charge_to_receipt": to_receipt,
            "days_charge_to_completion": blank_where(to_completion, is_open),
            "status": coded(np.where(is_open, 0, 1), STATUSES),
            "completed_month": people["completed"]
            .to_numpy()
            .astype("datetime64[M]")
            .astype("datetime64[us]"),
            "age_open_grouped": people["age_open_grouped"],
            "trial_month": trial_month,
            "trial_effectiveness": people["trial_effectiveness"],
            "trial_reason": people["trial_reason"],
            "outcome": people["outcome"],
        }
    )
    return frame.sort_values(["received_month", "case_id"], ignore_index=True)


def with_noise(rng: np.random.Generator, days: Ints) -> Ints:
    """Days, off by a few at random; never below none."""
    most = TRUTH["recording"]["duration_noise_days"]
    return np.maximum(days + rng.integers(-most, most + 1, len(days)), 0)


def blank_where(days: Ints, blank: Flags) -> pd.Series:
    """Whole days with blanks."""
    return pd.Series(days).astype("Int32").mask(blank)


HIDDEN = ["case_number", "person", "family", "home"]


def published_records(
    rng: np.random.Generator, who: Surrogates, raw: pd.DataFrame, side: str, first_id: int
) -> pd.DataFrame:
    """One side's records about people who do not exist, dates moved, numbers and order drawn anew."""
    typed = pd.DataFrame({**raw, **write_names(who, raw)})
    typed[f"{side}_case_id"] = first_id + rng.permutation(len(raw))
    days = pd.to_timedelta(who.shift(raw["person"].to_numpy()), unit="D")
    moved = [c for c in typed if c.endswith("_date")]
    for column in moved:
        typed[column] = typed[column] + days
    when = "first_hearing_date" if side == "court" else "charge_date"
    return typed.sort_values([when, f"{side}_case_id"], ignore_index=True)


def true_links(police: pd.DataFrame, court: pd.DataFrame) -> pd.DataFrame:
    """Every pair of records that are about the same case: the truth."""
    ids = ["police_case_id", "court_case_id"]
    pairs = police.merge(court, on="case_number", suffixes=("", "_court"))[ids]
    return pairs.sort_values(ids, ignore_index=True)


def reviewed_pairs(rng: np.random.Generator, police: pd.DataFrame, court: pd.DataFrame) -> pd.DataFrame:
    """Pairs that clerks looked at: half of them links, the rest the kinds that are easily taken for one."""
    truth = TRUTH["review"]
    few = min(len(police), 60_000)
    police = police.iloc[np.sort(rng.permutation(len(police))[:few])]
    columns = ["case_number", "person", "family", "family_name", "date_of_birth"]
    ours, theirs = police[[*columns, "police_case_id"]], court[[*columns, "court_case_id"]]
    parts = []
    for column, share in truth["pairs_alike_in"].items():
        one_of_each = ours.dropna(subset=[column]).drop_duplicates(column)
        pairs = one_of_each.merge(theirs, on=column, suffixes=("", "_court"))
        if column != "case_number":
            pairs = pairs[pairs["case_number"] != pairs["case_number_court"]]
        if column == "family":
            pairs = pairs[pairs["person"] != pairs["person_court"]]
        take = min(round(share * truth["pairs"]), len(pairs))
        part = pairs.iloc[rng.permutation(len(pairs))[:take]][["police_case_id", "court_case_id"]]
        parts.append(part.assign(is_link=column == "case_number"))
    pairs = pd.concat(parts).drop_duplicates(["police_case_id", "court_case_id"])
    pairs = pairs.iloc[rng.permutation(len(pairs))].reset_index(drop=True)
    reviewer = rng.integers(0, len(truth["reviewers"]), len(pairs))
    again = rng.permutation(len(pairs))[: truth["second_look"]]
    rows = np.append(np.arange(len(pairs)), again)
    by = np.append(reviewer, (reviewer[again] + 1 + rng.integers(0, 4, len(again))) % len(truth["reviewers"]))
    looked = pairs.iloc[rows].reset_index(drop=True)
    wrong = rng.random(len(rows)) < truth["reviewer_error"]
    return pd.DataFrame(
        {
            "police_case_id": looked["police_case_id"],
            "court_case_id": looked["court_case_id"],
            "reviewer": coded(by, truth["reviewers"]),
            "same_case": looked["is_link"].to_numpy(dtype=bool) ^ wrong,
        }
    )


# --- the month that came in broken --------------------------------------------------------------


def march_delivery(rng: np.random.Generator, cases: pd.DataFrame, *, sealed: bool) -> pd.DataFrame:
    """March 2025 as it was first delivered: all text, with the faults of truth.toml."""
    truth, which = TRUTH["bad_month"], int(sealed)
    month = cases[cases["received_month"] == pd.Timestamp(truth["month"])]
    month = month[month["police_force"] != truth["missing_force"][which]].reset_index(drop=True)
    text = pd.DataFrame({column: as_text(month[column], truth["date_format"]) for column in month})

    def some(share: float, among: Flags | bool = True) -> Flags:
        return (rng.random(len(text)) < share) & among & text["case_id"].notna().to_numpy()

    garbled = some(truth["garbled"], text["offence_group"].notna().to_numpy())
    whole = text.loc[garbled, "offence_group"]
    text.loc[garbled, "offence_group"] = [name[:12] if which else name[4:] for name in whole]
    trials = month["receipt_type"].isin(RECEIPT_TYPES[:2]).to_numpy()
    text.loc[some(truth["unknown_code"], trials), "receipt_type"] = truth["unknown_codes"][which]
    done = month["days_charge_to_completion"].gt(0).fillna(False).to_numpy(dtype=bool)
    below = some(truth["negative_days"], done)
    text.loc[below, "days_charge_to_completion"] = "-" + text.loc[below, "days_charge_to_completion"]
    impossible = some(truth["impossible_date"], done)
    text.loc[impossible, "completed_month"] = np.where(
        rng.random(impossible.sum()) < 0.5, "01/13/2025", "31/02/2025"
    )
    text.loc[some(truth["blank_court_type"]), "court_type"] = ""
    odd = some(truth["status_case"])
    statuses = text.loc[odd, "status"]
    text.loc[odd, "status"] = np.where(rng.random(len(statuses)) < 0.5, statuses + " ", statuses.str.upper())
    twice = np.repeat(np.arange(len(text)), 1 + some(truth["doubled_rows"]))
    renamed = truth["renamed_column"]
    return text.iloc[twice].rename(columns={renamed["from"]: renamed["to"]}).fillna("").reset_index(drop=True)


def as_text(column: pd.Series, date_format: str) -> pd.Series:
    """A column as a file would hold it."""
    if pd.api.types.is_datetime64_dtype(column):
        return column.dt.strftime(date_format)
    return column.astype("object").map(lambda value: None if pd.isna(value) else str(value))


# --- the official tables, from the same cases ---------------------------------------------------


def count_shape() -> tuple[int, ...]:
    """Quarters, receipt types, courts, what is counted, offence groups."""
    return len(QUARTER_ENDS), len(RECEIPT_TYPES), len(COURTS), len(RDOS), 12


def aged_shape() -> tuple[int, ...]:
    """Quarters, receipt types, regions, offence groups, ages (the last: not known)."""
    return len(QUARTER_ENDS) - AGED_FROM, len(RECEIPT_TYPES), len(REGIONS), 12, len(BANDS) + 1


def places(column: pd.Series, values: list[str]) -> Ints:
    """A categorical column as places in `values`."""
    return column.astype(pd.CategoricalDtype(values)).cat.codes.to_numpy().astype(np.int64)


def crown_days(raw: pd.DataFrame) -> tuple[pd.DataFrame, Ints, Ints]:
    """The Crown Court's cases, and the days on which each was received and completed."""
    crown = raw[(raw["court_type"] == COURT_TYPES[CROWN]).to_numpy()]
    days = crown[["received", "completed"]].to_numpy().T - FIRST
    received, completed = days.astype("timedelta64[D]").astype(np.int64)
    return crown, received, np.where(crown["completed"].isna(), NEVER, completed)


def count_cases(raw: pd.DataFrame) -> Ints:
    """Receipts, disposals and open cases of each quarter."""
    crown, received, completed = crown_days(raw)
    ends = (QUARTER_ENDS.to_numpy() - FIRST).astype("timedelta64[D]").astype(np.int64)
    kind, court = places(crown["receipt_type"], RECEIPT_TYPES), places(crown["court"], ALL_COURTS)
    offence = places(crown["offence_group"], OFFENCES)
    counts = np.zeros(count_shape(), dtype=np.int64)
    for what, day in enumerate((received, completed)):
        inside = day <= END
        quarter = np.searchsorted(ends, day[inside])
        np.add.at(counts, (quarter, kind[inside], court[inside], what, offence[inside]), 1)
    for quarter, end in enumerate(ends):
        there = (received <= end) & (completed > end)
        np.add.at(counts, (quarter, kind[there], court[there], 2, offence[there]), 1)
    return counts


def count_ages(raw: pd.DataFrame) -> Ints:
    """Open cases at the end of each quarter by age."""
    crown, received, completed = crown_days(raw)
    kind, region = places(crown["receipt_type"], RECEIPT_TYPES), places(crown["region"], REGIONS)
    offence = places(crown["offence_group"], OFFENCES)
    lost = (crown["completed"].isna() & crown["age_open_grouped"].isna()).to_numpy()
    ends = (QUARTER_ENDS.to_numpy() - FIRST).astype("timedelta64[D]").astype(np.int64)[AGED_FROM:]
    counts = np.zeros(aged_shape(), dtype=np.int64)
    for quarter, end in enumerate(ends):
        there = (received <= end) & (completed > end)
        band = np.searchsorted(BAND_FROM, end - received[there], side="right")
        band = np.where(lost[there], len(BANDS), band)
        np.add.at(counts, (quarter, kind[there], region[there], offence[there], band), 1)
    return counts


def quarters(number: Ints) -> dict[str, Any]:
    """Year and quarter columns."""
    ends = QUARTER_ENDS[number]
    return {"year": np.asarray(ends.year), "quarter": coded(np.asarray(ends.quarter) - 1, QUARTERS)}


def caseload(counts: Ints, rules: Rules) -> pd.DataFrame:
    """Receipts, disposals and open cases in the layout of the official file, without totals."""
    counts = counts[COUNTED_FROM:]
    quarter, kind, court, what, offence = np.nonzero(counts)
    force = COURT_FORCE[court]
    return pd.DataFrame(
        {
            **quarters(quarter + COUNTED_FROM),
            "receipt_type": coded(kind, RECEIPT_TYPES),
            "region": coded(force // 2, REGIONS),
            "lcjb_area": coded(force, FORCES),
            "crown_court": coded(court, COURTS),
            "rdos": coded(what, RDOS),
            "offence_group": coded(offence, OFFENCES),
            "value": protect_counts(pd.Series(counts[counts > 0]), rules.counts_of("caseload")),
        }
    )


def open_by_age(counts: Ints, rules: Rules) -> pd.DataFrame:
    """Open cases by age in the layout of the official file, with its totals among the parts."""
    counts = np.concatenate([counts.sum(axis=2, keepdims=True), counts], axis=2)  # England and Wales first
    known = counts[..., :-1]
    ages = np.concatenate([known, counts.sum(-1, keepdims=True), known.sum(-1, keepdims=True)], axis=-1)
    areas, names = [EVERYWHERE, *REGIONS], [*BANDS, TOTAL, VALID]
    by_offence = np.concatenate([ages.sum(axis=(1, 3))[:, :, None], ages.sum(axis=1)], axis=2)
    by_type = ages.sum(axis=3)
    frames = []
    for table, kinds, offences in (
        (by_offence[:, None], [ALL_OPEN], [ALL_OFFENCES, *OFFENCES[:12]]),
        (by_type[:, :, :, None], OPEN_TYPES[1:], [ALL_OFFENCES]),
    ):
        quarter, kind, area, offence, age = (axis.ravel() for axis in np.indices(table.shape))
        frames.append(
            pd.DataFrame(
                {
                    **quarters(quarter + AGED_FROM),
                    "receipt_type": coded(kind, kinds).astype("object"),
                    "offence_group": coded(offence, offences).astype("object"),
                    "geographic_area": coded(area, areas),
                    "age_open_grouped": coded(age, names),
                    "value": protect_counts(pd.Series(table.ravel()), rules.counts_of("open_by_age")),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables: days, cases, and shares between 0 and 1."""
    cases = tables["cases"]
    crown = cases["court_type"] == COURT_TYPES[CROWN]
    done = cases[crown & (cases["completed_month"] >= "2025-10-01")]
    from_charge = done["days_charge_to_completion"].astype("float64")
    from_offence = from_charge + done["days_offence_to_charge"].astype("float64")
    listed = cases[cases["trial_effectiveness"].notna() & (cases["trial_month"] >= "2025-01-01")]
    in_vain = listed["trial_effectiveness"] == TRIALS[INEFFECTIVE]
    at_crown = listed["court_type"] == COURT_TYPES[CROWN]
    return {
        "charge_to_completion_median": from_charge.median(),
        "charge_to_completion_mean": from_charge.mean(),
        "offence_to_completion_median": from_offence.median(),
        "offence_to_completion_mean": from_offence.mean(),
        "open_cases_2025": float(open_everywhere(tables, 2025)[TOTAL]),
        "open_a_year_2025": share_a_year(open_everywhere(tables, 2025)),
        "open_a_year_2019": share_a_year(open_everywhere(tables, 2019)),
        "ineffective_crown": in_vain[at_crown].mean(),
        "ineffective_magistrates": in_vain[~at_crown].mean(),
    }


def open_everywhere(tables: Tables, year: int) -> pd.Series:
    """Cases open at the end of `year`, by age."""
    rows = tables["open_by_age"]
    rows = rows[(rows["year"] == year) & (rows["quarter"] == "Q4") & (rows["geographic_area"] == EVERYWHERE)]
    rows = rows[(rows["receipt_type"] == ALL_OPEN) & (rows["offence_group"] == ALL_OFFENCES)]
    return rows.set_index(rows["age_open_grouped"].astype("object"))["value"].astype("float64")


def share_a_year(by_age: pd.Series) -> float:
    """The share open for a year or more, of those whose age is known."""
    return float(by_age[BANDS[A_YEAR:]].sum() / by_age[VALID])
