"""Generates people released, sentenced or cautioned in ten fictional areas, and who is proven to reoffend.

Every number that was planted is in truth.toml; published figures to hit are in calibration.toml.
The world (areas, effects, the service's score) is the same for the published and the sealed layer; people are
not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.calibration import read_figures
from civicml.datasets.disclosure import CountRule, PeopleRule, Rules, enforce, protect_counts
from civicml.datasets.identities import family_names, given_names, postcodes
from civicml.datasets.recipe import Streams, read_truth
from civicml.datasets.tables import Chunk, RawTables, Tables

ROWS = 60_000

# Numbers begin elsewhere in the sealed layer, so that rows of two layers are never taken for one another.
FIRST_PERSON = {False: 200_001, True: 20_000_001}
BLOCK = 200_000
TRIAL_PEOPLE = 120_000

TRUTH = read_truth(__file__)
TARGETS = {name: figure.value for name, figure in read_figures(__file__).items()}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# --- the vocabulary -----------------------------------------------------------------------------

AREAS = TRUTH["areas"]["names"]
POSTCODE_AREAS = np.array(["BW", "CK", "DK", "EK", "FA", "GA", "HK", "PK", "RK", "SV"], dtype=object)
AGES = ["10-17", "18-24", "25-34", "35-44", "45 and over"]
AGE_FROM = np.array([10, 18, 25, 35, 45, 76])
JUVENILE, YOUNG = 0, 1
SEXES = ["Female", "Male"]
GROUPS = ["Group A", "Group B"]
OFFENCES = TRUTH["offence"]["groups"]
VIOLENCE, THEFT, PUBLIC_ORDER = (OFFENCES.index(name) for name in ("Violence", "Theft", "Public order"))
BROAD = {
    "Violence": "Violence or sexual",
    "Sexual": "Violence or sexual",
    "Robbery or burglary": "Theft, robbery or burglary",
    "Theft": "Theft, robbery or burglary",
    "Drugs": "Drugs",
    "Public order": "Public order",
    "Motoring": "Motoring",
    "Fraud": "Fraud or other",
    "Other": "Fraud or other",
}
SENTENCES = [
    "Custody",
    "Suspended sentence",
    "Community order",
    "Youth order",
    "Fine or discharge",
    "Caution",
]
CUSTODY, COMMUNITY, YOUTH = 0, 2, 3
LENGTHS = ["Up to 6 months", "Over 6 and under 12 months", "12 months to under 4 years", "4 years or more"]
SHORT, UNDER_YEAR = 0, 1
HISTORIES = ["None", "1 to 2", "3 to 6", "7 to 10", "11 or more"]
HISTORY_FROM = np.array([0, 1, 3, 7, 11])
HOUSING = ["Settled", "Temporary", "No fixed abode"]
EMPLOYMENT = ["Employed", "Unemployed", "Not able to work"]
NEEDS = ["No need", "Some need", "Severe need"]
SEVERE = NO_FIXED_ABODE = 2
OFFERS = ["Not eligible", "Not offered", "Offered by referral", "Offered by lottery", "Lost the lottery"]
NOT_ELIGIBLE, NOT_OFFERED, REFERRED, DRAWN, NOT_DRAWN = range(5)
ENDS = ["12 months completed", "Data end", "Left the country", "Died", "Returned to custody"]
COMPLETED, DATA_END, LEFT, DIED, RETURNED = range(5)
SUPERVISION_ENDS = ["Ran its course", "Breach", "New charge", "Still open"]
UNKNOWN_AGE = 99
TOTAL = "Total"

# Columns of raw people that are published, as they are or after protection: no name, birthday, date or place.
FOR_PUBLISHING = [
    "person_number", "cohort", "area", "age_band", "sex", "deprivation_decile", "months_in_area",
    "index_offence", "sentence_type", "custody_length", "previous_offences", "previous_band",
    "age_at_first_conviction", "housing", "employment", "drug_need", "alcohol_need", "service_score",
    "programme_offer", "programme_started", "programme_sessions", "review_score", "supervision_ended",
]  # fmt: skip


# --- the world: the same for every layer --------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What does not depend on who is in the data.

    Attributes:
        offsets: fitted effects on the log rate: level, juvenile, short, under_year, none, eleven.
        score: for Female and Male, intercept and slope that turn static facts into the service's score.
    """

    offsets: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(
            ["level", "juvenile", "short", "under_year", "none", "eleven"], 0.0
        )
    )
    score: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(SEXES, (-1.0, 1.0)))


def quarters(first_and_last: list[str]) -> list[str]:
    """The quarters from the first to the last, written "2023 Q2"."""
    first, last = (pd.Period(text.replace(" ", ""), freq="Q") for text in first_and_last)
    return [f"{quarter.year} Q{quarter.quarter}" for quarter in pd.period_range(first, last, freq="Q")]


def first_day(quarter: str) -> np.datetime64:
    """The day on which a quarter begins."""
    return np.datetime64(f"{quarter[:4]}-{int(quarter[-1]) * 3 - 2:02d}-01", "D")


def quarter_number(quarter: str) -> int:
    """Quarters since the one where the trend is zero."""
    zero = TRUTH["window"]["quarter_zero"]
    return (int(quarter[:4]) - int(zero[:4])) * 4 + int(quarter[-1]) - int(zero[-1])


# --- people -------------------------------------------------------------------------------------


def make_people(rng: np.random.Generator, number: int) -> pd.DataFrame:
    """People as codes and numbers: who they are, their record, their sentence and how they live."""
    truth, areas = TRUTH["people"], TRUTH["areas"]
    people = pd.DataFrame({"area": rng.choice(len(AREAS), number, p=areas["share"])})
    juvenile = rng.random(number) < truth["juvenile_share"]
    adult = 1 + rng.choice(4, number, p=truth["adult_age_share"])
    people["age_band"] = np.where(juvenile, JUVENILE, adult)
    low, high = AGE_FROM[people["age_band"]], AGE_FROM[people["age_band"] + 1]
    share = rng.random(number)
    share = np.select([juvenile, adult == 4], [share**0.5, share**1.9], share)  # near 17, and near 45
    people["age"] = (low + share * (high - low)).astype(np.int64)
    people["female"] = rng.random(number) < truth["female_share"]
    people["group_b"] = rng.random(number) < np.array(areas["group_b"])[people["area"]]
    people["entrenched"] = rng.normal(0, 1, number)
    people["motivation"] = rng.normal(0, 1, number)
    care = truth["care_share"]
    people["care"] = rng.random(number) < sigmoid(care["base"] + care["entrenched"] * people["entrenched"])
    people["decile"] = draw_deciles(rng, people)
    people["previous"], people["first_conviction"] = draw_history(rng, people)
    people["offence"], people["sentence"], people["length"] = draw_sentences(rng, people)
    return draw_circumstances(rng, people)


def draw_deciles(rng: np.random.Generator, people: pd.DataFrame) -> Ints:
    """Deprivation decile of where somebody lives: group B, care and an entrenched life push it down."""
    truth = TRUTH["people"]["decile"]
    centre = (
        np.array(TRUTH["areas"]["decile"])[people["area"]]
        + truth["group_b"] * people["group_b"]
        + truth["care"] * people["care"]
        + truth["entrenched"] * people["entrenched"]
    )
    return np.clip(np.rint(rng.normal(centre, truth["spread"])), 1, 10).astype(np.int64)


def draw_history(rng: np.random.Generator, people: pd.DataFrame) -> tuple[Ints, Ints]:
    """Number of previous offences, and age at first conviction: earlier for those with a long record."""
    truth, number = TRUTH["history"], len(people)
    mix = truth["from_entrenched"]
    drive = mix**0.5 * people["entrenched"] + (1 - mix) ** 0.5 * rng.normal(0, 1, number)
    level = truth["level"] + np.array(truth["age"])[people["age_band"]] + truth["female"] * people["female"]
    previous = np.maximum(np.exp(level + truth["spread"] * drive).astype(np.int64) - 1, 0)
    years = rng.gamma(1.5, 2.0, number) + 3.2 * np.log1p(previous) * rng.uniform(0.5, 1.3, number)
    first = np.maximum(people["age"] - np.where(previous > 0, years, 0), 10 + rng.integers(0, 4, number))
    return np.minimum(previous, 400), np.minimum(first.astype(np.int64), people["age"]).to_numpy()


def draw_sentences(rng: np.random.Generator, people: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Index offence, sentence, and length band of custody (-1 where there was none)."""
    truth, record = TRUTH["sentence"], np.log1p(people["previous"].to_numpy()) - 1.5
    juvenile = people["age_band"].to_numpy() == JUVENILE
    offence_tilt = np.array(TRUTH["offence"]["by_history"])
    offence = pick(rng, np.array(TRUTH["offence"]["share"]) * np.exp(record[:, None] * offence_tilt))
    weights = np.zeros((len(people), len(SENTENCES)))
    for (name, share), tilt in zip(truth["adult"].items(), truth["by_history"], strict=True):
        weights[:, SENTENCES.index(name)] = share * np.exp(tilt * record)
    weights[:, CUSTODY] *= np.exp(np.array(truth["custody_by_offence"])[offence])
    weights[juvenile] = [truth["juvenile"].get(name, 0.0) for name in SENTENCES]
    sentence = pick(rng, weights)
    longer = np.array(truth["longer_by_offence"])[offence]
    length = pick(rng, np.array(truth["length"]) * np.exp(longer[:, None] * np.arange(len(LENGTHS)) * 0.6))
    return offence, sentence, np.where(sentence == CUSTODY, length, -1)


def draw_circumstances(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    """Housing, employment, needs and months in the area, as they are: what is recorded comes later."""
    truth, number = TRUTH["circumstances"], len(people)
    short = people["length"] == SHORT
    for name, values in (
        ("housing", HOUSING),
        ("employment", EMPLOYMENT),
        ("drug", NEEDS),
        ("alcohol", NEEDS),
    ):
        weights = np.ones((number, len(values)))
        for value, (level, entrenched, care, group_b) in truth[name].items():
            weights[:, values.index(value)] = np.exp(
                level
                + entrenched * people["entrenched"]
                + care * people["care"]
                + group_b * people["group_b"]
                + truth["housing_short_custody"] * short * (name == "housing")
            )
        people[name] = pick(rng, weights)
    settled = np.array([1.0, 0.35, 0.25])[people["housing"]]
    months = truth["months_median"] * settled * np.exp(rng.normal(0, 1.1, number))
    people["months"] = np.minimum(months.astype(np.int64), np.minimum(people["age"] * 12, 600))
    variance = TRUTH["effects"]["frailty_variance"]
    people["frailty"] = rng.gamma(1 / variance, variance, number)
    areas = TRUTH["detection"]
    ratio = np.where(people["group_b"], areas["group_b_ratio"], 1.0)
    people["detection"] = np.minimum(np.array(areas["by_area"])[people["area"]] * ratio, areas["at_most"])
    return people


def draw_programme(
    rng: np.random.Generator, world: World, people: pd.DataFrame, quarter: Ints
) -> pd.DataFrame:
    """The service's score, and who was offered and began the programme; `quarter` is counted from 2023 Q2."""
    truth, score = TRUTH["programme"], TRUTH["score"]
    people["static"] = (
        score["log_previous"] * np.log1p(people["previous"])
        + score["age_per_year"] * (people["age"] - 30)
        + score["custody"] * (people["sentence"] == CUSTODY)
        + score["theft"] * (people["offence"] == THEFT)
        + rng.normal(0, score["noise"], len(people))
    )
    female = people["female"].to_numpy()
    intercept, slope = (np.where(female, world.score["Female"][i], world.score["Male"][i]) for i in (0, 1))
    planted = np.where(female, score["intercept"]["Female"], score["intercept"]["Male"])
    chance = sigmoid((intercept + slope * people["static"].to_numpy() - planted) / score["slope"])
    people["score"] = np.clip(np.rint(100 * chance), 1, 99).astype(np.int64)

    eligible = (people["age_band"] > JUVENILE) & (people["sentence"] <= COMMUNITY) & (people["length"] < 3)
    first, last = (quarter_number(name) for name in truth["lottery"])
    lottery = people["area"].isin([AREAS.index(a) for a in truth["lottery_areas"]])
    lottery &= (quarter >= first) & (quarter <= last)
    drawn = rng.random(len(people)) < truth["lottery_share"]
    refer = truth["refer"]["level"] + truth["refer"]["score"] * people["score"] / 100
    referred = rng.random(len(people)) < sigmoid(refer + truth["refer"]["drug"] * (people["drug"] > 0))
    in_lottery = lottery & (people["score"] >= truth["lottery_score_from"])
    people["offer"] = np.select(
        [~eligible, in_lottery & drawn, in_lottery, ~lottery & referred],
        [NOT_ELIGIBLE, DRAWN, NOT_DRAWN, REFERRED],
        NOT_OFFERED,
    )
    begins = sigmoid(truth["start"]["level"] + truth["start"]["motivation"] * people["motivation"])
    people["started"] = people["offer"].isin([REFERRED, DRAWN]) & (rng.random(len(people)) < begins)
    return people


# --- reoffending --------------------------------------------------------------------------------


def log_rate(people: pd.DataFrame, quarter: Ints) -> Floats:
    """The logarithm of a person's rate of reoffending, but for the fitted offsets, frailty and programme."""
    truth = TRUTH["effects"]
    together, young = truth["interactions"], people["age_band"] == YOUNG
    homeless, severe = people["housing"] == NO_FIXED_ABODE, people["drug"] == SEVERE
    effects = (
        np.array(TRUTH["areas"]["effect"])[people["area"]]
        + np.array(truth["age"])[people["age_band"]]
        + truth["female"] * people["female"]
        + np.array(truth["offence"])[people["offence"]]
        + np.array([truth["sentence"][name] for name in SENTENCES])[people["sentence"]]
        + np.array([*truth["custody_length"], 0.0])[people["length"]]
        + np.array(truth["history"])[history_band(people["previous"])]
        + np.array([truth["housing"].get(name, 0.0) for name in HOUSING])[people["housing"]]
        + np.array([truth["employment"].get(name, 0.0) for name in EMPLOYMENT])[people["employment"]]
        + np.array([truth["drug"].get(name, 0.0) for name in NEEDS])[people["drug"]]
        + np.array([truth["alcohol"].get(name, 0.0) for name in NEEDS])[people["alcohol"]]
        + truth["decile"] * (people["decile"] - 5.5)
        + truth["months"] * np.log1p(people["months"] / 24)
        + truth["care"] * people["care"]
        + truth["group_b"] * people["group_b"]
        + truth["motivation"] * people["motivation"]
        + truth["trend"] * quarter
        + together["female_no_fixed_abode"] * (people["female"] & homeless)
        + together["young_severe_drug"] * (young & severe)
    )
    return effects.to_numpy(dtype=float)


def fitted(people: pd.DataFrame) -> dict[str, Flags]:
    """Whom each fitted offset applies to."""
    band = history_band(people["previous"])
    return {
        "level": np.ones(len(people), dtype=bool),
        "juvenile": (people["age_band"] == JUVENILE).to_numpy(),
        "short": (people["length"] == SHORT).to_numpy(),
        "under_year": (people["length"] == UNDER_YEAR).to_numpy(),
        "none": band == 0,
        "eleven": band == 4,
    }


def programme_effect(people: pd.DataFrame) -> Floats:
    """What beginning the programme adds to the log rate of each person, whether they began or not."""
    truth = TRUTH["programme"]
    return (truth["effect"] + truth["effect_drug_need"] * (people["drug"] > 0)).to_numpy(dtype=float)


def passed(days: Floats | Ints) -> Floats:
    """The share of a year's offences that has happened after `days` days."""
    return np.clip(np.asarray(days) / 365, 0, 1) ** TRUTH["timing"]["power"]


def draw_follow_up(rng: np.random.Generator, people: pd.DataFrame, days_of_data: Ints) -> tuple[Ints, Ints]:
    """Days that each person was followed, and how it ended; data end `days_of_data` after the first."""
    truth, number = TRUTH["censoring"], len(people)
    returned = np.array([truth["returned"][name] for name in SENTENCES])[people["sentence"]]
    rates = {
        LEFT: np.full(number, -np.log1p(-truth["left"])),
        DIED: -np.log1p(-truth["died"]) * np.where(people["drug"] == SEVERE, truth["died_severe_drug"], 1.0),
        RETURNED: -np.log1p(-returned) * people["frailty"].to_numpy() ** truth["returned_by_frailty"],
    }
    end = np.minimum(days_of_data, 365)
    why = np.where(days_of_data < 365, DATA_END, COMPLETED)
    for cause, rate in rates.items():
        day = np.ceil(np.minimum(rng.exponential(1.0, number) / rate, 9.0) * 365).astype(np.int64)
        sooner = day < end
        end, why = np.where(sooner, day, end), np.where(sooner, cause, why)
    return end, why


def draw_outcomes(
    rng: np.random.Generator, world: World, people: pd.DataFrame, quarter: int, days_of_data: Ints
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What happened in the year: as the service could see it, and as it was.

    Returns:
        Outcomes as followed up; the truth, with chances from which only frailty is averaged out.
    """
    number, variance = len(people), TRUTH["effects"]["frailty_variance"]
    offsets = sum(world.offsets[name] * applies for name, applies in fitted(people).items())
    rate = log_rate(people, np.full(number, quarter)) + offsets
    effect = programme_effect(people)
    began, detection = people["started"].to_numpy(), people["detection"].to_numpy()
    mean = people["frailty"].to_numpy() * np.exp(rate + effect * began)
    proven, unproven = rng.poisson(mean * detection), rng.poisson(mean * (1 - detection))
    end, why = draw_follow_up(rng, people, days_of_data)
    first = first_of(rng, proven)
    seen = (proven > 0) & (first_day_of(first) <= end)
    later = np.clip((passed(end) - first) / np.maximum(1 - first, 1e-9), 0, 1)
    events = np.where(seen, 1 + rng.binomial(np.maximum(proven - 1, 0), later), 0)
    more = rng.negative_binomial(np.maximum(events, 1), TRUTH["timing"]["further_offences"])
    outcomes = pd.DataFrame(
        {
            "follow_up_days": end,
            "follow_up_ended": pd.Categorical.from_codes(why, ENDS),
            "reoffended": pd.Series(seen, dtype="boolean").mask(~seen & (why != COMPLETED)),
            "days_to_first_reoffence": pd.Series(first_day_of(first), dtype="Int64").where(seen),
            "number_of_reoffences": np.where(seen, events + more, 0),
        }
    )

    def chance(log_rates: Floats) -> Floats:
        return 1 - (1 + variance * np.exp(log_rates)) ** (-1 / variance)

    truth = pd.DataFrame(
        {
            "ethnic_group": pd.Categorical.from_codes(people["group_b"].astype(int), GROUPS),
            "care_background": people["care"],
            "motivation": people["motivation"],
            "detection": detection,
            "reoffended_truly": (proven + unproven) > 0,
            "proven_within_year": proven > 0,
            "chance_truly": chance(rate + effect * began),
            "chance_proven": chance(rate + effect * began + np.log(detection)),
            "chance_truly_without_programme": chance(rate),
            "chance_truly_with_programme": chance(rate + effect),
        }
    )
    return outcomes, truth


def first_of(rng: np.random.Generator, number: Ints) -> Floats:
    """When the first of `number` events comes, in shares of the year's intensity."""
    return -np.expm1(np.log1p(-rng.random(len(number))) / np.maximum(number, 1))


def first_day_of(share: Floats) -> Ints:
    """The day, 1 to 365, on which a share of the year's intensity has passed."""
    return np.clip(np.ceil(365 * share ** (1 / TRUTH["timing"]["power"])), 1, 365).astype(np.int64)


def history_band(previous: pd.Series) -> Ints:
    """The band of a number of previous offences."""
    return np.searchsorted(HISTORY_FROM, previous.to_numpy(), side="right") - 1


# --- calibration: constants that make the published figures come out ----------------------------


def make_world(streams: Streams) -> World:
    """Effects and the service's score, fitted on a trial population of the world's own."""
    measured = quarters(TRUTH["window"]["measured"])
    rng = streams.world("trial people")
    people = make_people(rng, TRIAL_PEOPLE)
    quarter = rng.choice([quarter_number(name) for name in measured], len(people))
    end, _ = draw_follow_up(streams.world("trial follow-up"), people, np.full(len(people), 10_000))
    world, base, effect = World(), log_rate(people, quarter), programme_effect(people)
    for _ in range(3):
        people = draw_programme(streams.world("trial programme"), world, people, quarter)
        programme = effect * people["started"].to_numpy()
        offsets = fit_offsets(people, base + programme, passed(end), world.offsets)
        world = World(offsets, world.score)
        rate = base + programme + sum(offsets[name] * applies for name, applies in fitted(people).items())
        mean = people["frailty"].to_numpy() * people["detection"].to_numpy() * np.exp(rate)
        world = World(offsets, fit_score(people, -np.expm1(-mean)))
    return world


def fit_offsets(
    people: pd.DataFrame, base: Floats, share: Floats, start: dict[str, float]
) -> dict[str, float]:
    """Offsets with which the expected rates of seen reoffending are the published ones.

    `share` is how much of the year's intensity falls in each person's follow-up. A person who is lost counts
    as one who did not reoffend. Rounded, so that the last bit of a sum, which may differ between processors,
    cannot matter.
    """
    applies, offsets = fitted(people), dict(start)
    exposure = people["frailty"].to_numpy() * people["detection"].to_numpy() * share
    up_to_6, under_12 = TARGETS["custody_up_to_6"], TARGETS["custody_under_12"]
    short = applies["short"].sum() / (applies["short"] | applies["under_year"]).sum()
    targets = {
        "level": TARGETS["all"],
        "juvenile": TARGETS["juvenile"],
        "short": up_to_6,
        "under_year": (under_12 - short * up_to_6) / (1 - short),
        "none": TARGETS["no_previous"],
        "eleven": TARGETS["eleven_or_more"],
    }
    for _ in range(200):
        furthest = 0.0
        for name, target in targets.items():
            rate = base + sum(offsets[n] * who for n, who in applies.items())
            found = -np.expm1(-exposure * np.exp(rate))[applies[name]].mean()
            step = np.log(np.log1p(-target) / np.log1p(-found))
            offsets[name] += step
            furthest = max(furthest, abs(step))
        if furthest < 1e-7:
            break
    return {name: float(np.round(value, 5)) for name, value in offsets.items()}


def fit_score(people: pd.DataFrame, chance: Floats) -> dict[str, tuple[float, float]]:
    """For each sex, how log-odds of proven reoffending depend on the static facts: a logistic regression."""
    found = {}
    for female, name in ((True, "Female"), (False, "Male")):
        own = people["female"].to_numpy() == female
        design, wanted = np.column_stack([np.ones(own.sum()), people["static"][own]]), chance[own]
        beta = np.zeros(2)
        for _ in range(12):
            now = sigmoid(design @ beta)
            weighted = design * (now * (1 - now))[:, None]
            beta = beta + np.linalg.solve(weighted.T @ design, design.T @ (wanted - now))
        found[name] = (float(np.round(beta[0], 4)), float(np.round(beta[1], 4)))
    return found


def sigmoid(x: Floats | pd.Series) -> Floats:
    """From log-odds to a probability."""
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """For each row of non-negative `weights`, the number of a column, with chances in proportion."""
    edges = weights.cumsum(axis=1)
    return (edges < rng.random((len(weights), 1)) * edges[:, -1:]).sum(axis=1)


# --- the raw layer ------------------------------------------------------------------------------


def generate(streams: Streams, rows: int) -> Iterator[Chunk]:
    """Yield the raw tables, cohort by cohort: people with names, outcomes and the truth, row for row."""
    world = make_world(streams)
    layer = "sealed" if streams.sealed else "published"
    cohorts = quarters(TRUTH["window"][layer])
    data_end = np.datetime64(TRUTH["window"]["data_end"][layer], "D")
    per_cohort = streams.rng("rows per cohort").multinomial(rows, np.full(len(cohorts), 1 / len(cohorts)))
    number = 0
    for cohort, size in zip(cohorts, per_cohort, strict=True):
        for block, start in enumerate(range(0, size, BLOCK)):
            rng = streams.rng("people", cohort, block)
            people = make_people(rng, min(BLOCK, size - start))
            quarter = quarter_number(cohort)
            people = draw_programme(rng, world, people, np.full(len(people), quarter))
            index_date = first_day(cohort) + rng.integers(0, 90, len(people)).astype("timedelta64[D]")
            days_of_data = (data_end - index_date).astype(np.int64)
            luck = streams.world("quarter", cohort).normal(0, TRUTH["effects"]["quarter_sd"])
            lucky = World({**world.offsets, "level": world.offsets["level"] + luck}, world.score)
            outcomes, truth = draw_outcomes(rng, lucky, people, quarter, days_of_data)
            named = identify(rng, people, cohort, index_date, number)
            recorded = record(rng, people, quarter, outcomes)
            numbers = named["person_number"]
            whole = pd.concat([named, recorded], axis=1)
            yield {
                "people": whole,
                "newspaper": newspaper(rng, whole),
                "outcomes": outcomes.assign(person_number=numbers),
                "truth": truth.assign(person_number=numbers),
            }
            number += len(people)


def identify(
    rng: np.random.Generator,
    people: pd.DataFrame,
    cohort: str,
    index_date: npt.NDArray[np.datetime64],
    first: int,
) -> pd.DataFrame:
    """Who they are: fictional names, birthdays, numbers, and postcodes in areas that do not exist."""
    number = len(people)
    born = index_date - (people["age"].to_numpy() * 365.25 + rng.integers(1, 365, number)).astype(
        "timedelta64[D]"
    )
    running = first + np.arange(number)
    district = 1 + (people["decile"].to_numpy() - 1) // 2
    return pd.DataFrame(
        {
            "person_number": running,
            "register_number": np.char.mod("ZZ/%08d", running).astype(object),
            "given_name": pd.Categorical(given_names(rng, ~people["female"].to_numpy())),
            "family_name": pd.Categorical(family_names(rng, number)),
            "date_of_birth": born.astype("datetime64[us]"),
            "postcode": postcodes(rng, POSTCODE_AREAS[people["area"]], district),
            "index_date": index_date.astype("datetime64[us]"),
            "cohort": cohort,
        }
    )


def newspaper(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    """Reports of sentences of adults in court, as an intruder would cut them out; in the raw layer only."""
    in_court = people["sentence_type"].isin(SENTENCES[: COMMUNITY + 1]) & (
        people["age_band"] != AGES[JUVENILE]
    )
    reported = in_court & (rng.random(len(people)) < 0.02)
    columns = [
        "person_number",
        "given_name",
        "family_name",
        "index_date",
        "cohort",
        "area",
        "sex",
        "age_band",
    ]
    found = people.loc[reported, [*columns, "index_offence", "sentence_type", "custody_length"]]
    return found.assign(offence_group=broad(found["index_offence"]))


def broad(offence: pd.Series) -> pd.Series:
    """Offences in the six groups that are published."""
    return offence.map(BROAD).astype(pd.CategoricalDtype(list(dict.fromkeys(BROAD.values()))))


def record(
    rng: np.random.Generator, people: pd.DataFrame, quarter: int, outcomes: pd.DataFrame
) -> pd.DataFrame:
    """What the service's system says: some of it blank, some coded differently, some filled in later."""
    truth, number = TRUTH["recording"], len(people)
    housing = people["housing"].to_numpy()
    area = people["area"].to_numpy()
    offence = people["offence"].to_numpy()
    if quarter < quarter_number(TRUTH["offence"]["reclassified_from"]):
        moved = (offence == VIOLENCE) & (rng.random(number) < TRUTH["offence"]["reclassified_share"])
        offence = np.where(moved, PUBLIC_ORDER, offence)
    shown = housing
    if quarter >= quarter_number(truth["temporary_as_none_from"]):
        shown = np.where((housing == 1) & (area == AREAS.index(truth["temporary_as_none_area"])), 2, housing)
    unknown = rng.random(number) < truth["first_conviction_unknown"]
    no_decile = (housing == NO_FIXED_ABODE) & (rng.random(number) < truth["decile_blank_no_fixed_abode"])
    drug, alcohol = record_needs(rng, people, quarter)

    def by_housing(shares: dict[str, float]) -> Flags:
        return rng.random(number) < np.array([shares[name] for name in HOUSING])[housing]

    return pd.DataFrame(
        {
            "area": pd.Categorical.from_codes(area, AREAS),
            "age_band": pd.Categorical.from_codes(people["age_band"], AGES, ordered=True),
            "sex": pd.Categorical.from_codes(1 - people["female"].astype(int), SEXES),
            "deprivation_decile": people["decile"].astype("Int16").mask(no_decile),
            "months_in_area": people["months"].astype("Int16").mask(by_housing(truth["months_blank"])),
            "index_offence": pd.Categorical.from_codes(offence, OFFENCES),
            "sentence_type": pd.Categorical.from_codes(people["sentence"], SENTENCES),
            "custody_length": pd.Categorical.from_codes(people["length"], LENGTHS, ordered=True),
            "previous_offences": people["previous"],
            "previous_band": pd.Categorical.from_codes(
                history_band(people["previous"]), HISTORIES, ordered=True
            ),
            "age_at_first_conviction": np.where(unknown, UNKNOWN_AGE, people["first_conviction"]),
            "housing": pd.Categorical.from_codes(
                np.where(by_housing(truth["housing_blank"]), -1, shown), HOUSING
            ),
            "employment": pd.Categorical.from_codes(
                np.where(rng.random(number) < truth["employment_blank"], -1, people["employment"]), EMPLOYMENT
            ),
            "drug_need": pd.Categorical.from_codes(drug, NEEDS, ordered=True),
            "alcohol_need": pd.Categorical.from_codes(alcohol, NEEDS, ordered=True),
            "service_score": people["score"],
            "programme_offer": pd.Categorical.from_codes(people["offer"], OFFERS),
            "programme_started": people["started"],
            **record_later(rng, people, outcomes),
        }
    )


def record_needs(rng: np.random.Generator, people: pd.DataFrame, quarter: int) -> tuple[Ints, Ints]:
    """Assessed needs, -1 where nobody assessed: by sentence, area, time, and more where a need is severe."""
    truth, number = TRUTH["recording"], len(people)
    share = np.array([truth["not_assessed"][name] for name in SENTENCES])[people["sentence"]]
    base = np.log(share / (1 - share))
    if quarter >= quarter_number(truth["not_assessed_from"]):
        lost = people["area"].to_numpy() == AREAS.index(truth["not_assessed_area"])
        base = base + truth["not_assessed_area_more"] * lost
    together = rng.logistic(0, 1, number)  # mostly the same people miss both assessments
    found = []
    for need in ("drug", "alcohol"):
        refused = truth["not_assessed_severe"] * (people[need] == SEVERE)
        missed = base + refused + np.where(rng.random(number) < 0.9, together, rng.logistic(0, 1, number)) > 0
        found.append(np.where(missed, -1, people[need]))
    return found[0], found[1]


def record_later(
    rng: np.random.Generator, people: pd.DataFrame, outcomes: pd.DataFrame
) -> dict[str, pd.Series | pd.Categorical]:
    """Columns that are filled in during the year, and give the outcome away."""
    truth, number = TRUTH["leaks"], len(people)
    end, sessions = outcomes["follow_up_days"].to_numpy(), TRUTH["programme"]["sessions"]
    first = outcomes["days_to_first_reoffence"].fillna(9_999).to_numpy(dtype=np.int64)
    reoffended = first < 9_999
    ended = outcomes["follow_up_ended"].cat.codes.to_numpy()
    supervised = people["sentence"].to_numpy() <= YOUTH
    charged = reoffended & (rng.random(number) < truth["new_charge_if_reoffended"])
    why = np.select(
        [charged, ended == RETURNED, ended == DATA_END], [2, 1, 3], np.where(ended == COMPLETED, 0, -1)
    )
    raised = people["score"] + truth["review_raise"] * (first <= 182) - 3
    review = np.clip(np.rint(rng.normal(raised, truth["review_noise"])), 1, 99).astype(np.int64)
    reached = supervised & (end >= 182)
    share = np.clip(np.minimum(first, end) / 140, 0, 1)
    came = rng.binomial(sessions, 0.82 * share)
    return {
        "programme_sessions": pd.Series(came, dtype="Int16").where(people["started"]),
        "review_score": pd.Series(review, dtype="Int16").where(reached),
        "supervision_ended": pd.Categorical.from_codes(np.where(supervised, why, -1), SUPERVISION_ENDS),
    }


# --- the published layer ------------------------------------------------------------------------


def publish(raw: RawTables, streams: Streams, rules: Rules) -> Iterator[Chunk]:
    """Yield the published tables, cohort by cohort: nobody named, no dates, rare people and counts protected.

    A cohort is a quasi-identifier that is never blanked, so each can be protected by itself.
    """
    total = len(raw.read("people", ["person_number"]))
    new_number = FIRST_PERSON[streams.sealed] + streams.rng("published numbers").permutation(total)
    late: list[pd.DataFrame] = []
    counted: list[pd.DataFrame] = []
    for cohort in cohorts_of(raw, ["outcomes", "truth"] if streams.sealed else ["outcomes"]):
        counted.append(count(cohort))
        kept = protect_people(cohort, rules.people)
        kept["person_id"] = new_number[kept["person_number"].to_numpy()]
        kept = kept.sort_values("person_id", ignore_index=True)
        yield {"outcomes": kept}
        if streams.sealed:
            yield {"truth": kept}
        rng = streams.rng("late", kept["cohort"].iloc[0])
        is_late = rng.random(len(kept)) < TRUTH["recording"]["late_rows"]
        copies = 1 + (rng.random(len(kept)) < TRUTH["recording"]["duplicates"])
        late.append(kept[is_late])
        yield {"people": kept.loc[np.repeat(np.arange(len(kept)), copies * ~is_late)]}
    yield {"people": pd.concat(late)}  # what areas sent in after the deadline
    yield {"counts": counts_table(pd.concat(counted), streams, rules)}


def protect_people(cohort: pd.DataFrame, rule: PeopleRule) -> pd.DataFrame:
    """One cohort as it may be published: first who somebody is, then what a newspaper prints of a sentence.

    The second step asks for two people who look alike and not for ten, which would blank three offences in
    four. Whoever is alone even with the offence blank stays: leaving them out would undo the first step.
    """
    people = cohort.assign(
        # Girls are too few: the sex of children is not published at all.
        sex=cohort["sex"].mask(cohort["age_band"] == AGES[JUVENILE]),
        offence_group=broad(cohort["index_offence"]),
        offence=broad(cohort["index_offence"]),
        previous_offences=cohort["previous_offences"].clip(upper=TRUTH["history"]["top_code"]),
        proven=cohort["reoffended"].fillna(False),
    )
    hidden = enforce(people, rule).frame
    printed = {
        "quasi_identifiers": [*rule.quasi_identifiers, "sentence_type", "custody_length", "offence_group"],
        "sensitive": [],
        "k": 2,
        "suppress": ["offence_group"],
    }
    second = enforce(hidden, rule.model_copy(update=printed))
    shown = second.frame["offence_group"].set_axis(np.flatnonzero(second.kept))
    return hidden.assign(offence_group=shown.reindex(hidden.index))


def cohorts_of(raw: RawTables, beside: list[str]) -> Iterator[pd.DataFrame]:
    """Raw people without their names, with the tables `beside` them, row for row, one cohort at a time."""
    waiting = pd.DataFrame()
    parts = (raw.batches("people", FOR_PUBLISHING), *(raw.batches(name) for name in beside))
    for people, *others in zip(*parts, strict=True):
        rest = [table.drop(columns="person_number") for table in others]
        block = pd.concat([people, *rest], axis=1)
        waiting = block if waiting.empty else pd.concat([waiting, block], ignore_index=True)
        names = waiting["cohort"].unique()
        for name in names[:-1]:
            yield waiting[waiting["cohort"] == name].reset_index(drop=True)
        waiting = waiting[waiting["cohort"] == names[-1]].reset_index(drop=True)
    yield waiting


def count(cohort: pd.DataFrame) -> pd.DataFrame:
    """People and those proven to reoffend, in each area and sentence of one cohort."""
    seen = (
        cohort["reoffended"].fillna(False).astype(int)
    )  # as in the official statistics: lost means not proven
    grouped = cohort.assign(reoffended=seen).groupby(["area", "sentence_type"], observed=False)["reoffended"]
    cells = grouped.agg(people="size", reoffended="sum").reset_index()
    return cells.assign(cohort=cohort["cohort"].iloc[0])


def counts_table(cells: pd.DataFrame, streams: Streams, rules: Rules) -> pd.DataFrame:
    """The counts of cohorts whose year is over, with totals; small counts and some neighbours are blanked."""
    layer = "sealed" if streams.sealed else "published"
    data_end = np.datetime64(TRUTH["window"]["data_end"][layer], "D")
    tables = []
    for cohort, own in cells.groupby("cohort"):
        if data_end - (first_day(cohort) + 89) < np.timedelta64(365, "D"):
            continue
        people, seen = (with_totals(own, column) for column in ("people", "reoffended"))
        tables.append(
            pd.DataFrame(
                {
                    "cohort": cohort,
                    "area": np.repeat([*AREAS, TOTAL], len(SENTENCES) + 1),
                    "sentence_type": np.tile([*SENTENCES, TOTAL], len(AREAS) + 1),
                    "people": protect_lines(people, rules.counts_of("counts", "people")),
                    "reoffended": protect_lines(seen, rules.counts_of("counts", "reoffended")),
                }
            )
        )
    return pd.concat(tables)


def with_totals(cells: pd.DataFrame, column: str) -> Ints:
    """One cohort's counts, areas down and sentences across, with a total row and a total column."""
    inner = cells.pivot(index="area", columns="sentence_type", values=column)
    inner = inner.reindex(index=AREAS, columns=SENTENCES).to_numpy(dtype=np.int64)
    rows = np.column_stack([inner, inner.sum(axis=1)])
    return np.vstack([rows, rows.sum(axis=0)])


def protect_lines(counts: Ints, rule: CountRule) -> pd.arrays.IntegerArray:
    """Primary suppression and rounding, then secondary: no line of the table keeps a single blank.

    One blank in a row or column could be worked out from the total; so the smallest other count of that line
    is blanked too, until every line has none or at least two. `verify` audits the result by linear
    programming; the engine's suppression, which needs that for every table, takes a hundred times as long.
    """
    shape = counts.shape
    primary = protect_counts(pd.Series(counts.ravel()), rule)
    blank = np.array(primary.isna()).reshape(shape)
    while True:
        lines = [(blank[i], counts[i]) for i in range(shape[0])]
        lines += [(blank[:, j], counts[:, j]) for j in range(shape[1])]
        alone = next(
            ((gone, line) for gone, line in lines if gone.sum() == 1 and (line[~gone] > 0).any()), None
        )
        if alone is None:
            return primary.mask(blank.ravel()).array
        gone, line = alone
        gone[np.argmin(np.where(gone | (line == 0), np.iinfo(np.int64).max, line))] = True


# --- what the engine measures -------------------------------------------------------------------


def measure(tables: Tables) -> dict[str, float]:
    """The calibration figures of published (or sealed) tables, as shares between 0 and 1.

    Everybody in a cohort counts, and who was lost counts as not proven to reoffend. Cohorts are those around
    April to June 2023 that `truth.toml` names.
    """
    people = tables["people"].drop_duplicates("person_id")
    rows = people[people["cohort"].isin(quarters(TRUTH["window"]["measured"]))]
    seen = tables["outcomes"].set_index("person_id")["reoffended"].fillna(False)
    proven = seen.reindex(rows["person_id"]).to_numpy(dtype=float)
    age, length, history = rows["age_band"], rows["custody_length"], rows["previous_band"]
    groups = {
        "all": np.ones(len(rows), dtype=bool),
        "adult": (age != AGES[JUVENILE]) & age.notna(),
        "juvenile": age == AGES[JUVENILE],
        "custody_under_12": length.isin(LENGTHS[: UNDER_YEAR + 1]),
        "custody_up_to_6": length == LENGTHS[SHORT],
        "no_previous": history == HISTORIES[0],
        "eleven_or_more": history == HISTORIES[-1],
    }
    return {name: float(proven[np.asarray(who)].mean()) for name, who in groups.items()}


def exposed(tables: Tables) -> pd.DataFrame:
    """One row a person, with what an intruder would learn: the offence, and whether reoffending is proven."""
    people = tables["people"].drop_duplicates("person_id")
    people = people.merge(tables["outcomes"], on="person_id", validate="one_to_one")
    # A blank may stand for any offence, so two blanks are not one value: they count as two.
    blanks = pd.Series(np.where(people["person_id"] % 2, "blank", "another blank"), people.index)
    offence = people["offence_group"].astype(object).where(people["offence_group"].notna(), blanks)
    return people.assign(proven=people["number_of_reoffences"] > 0, offence=offence)
