"""Metrics are the field's, intervals keep people together, and capacity holds within each period."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_ratio, equalized_odds_difference, selection_rate
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from civicml.review.auditing import Ratio, slug, thresholds
from civicml.review.measures import Problem, calibrate, draw, group_numbers, periods, select, share


def _cases(rows: int = 3000, seed: int = 0):
    generator = np.random.default_rng(seed)
    scores = np.round(generator.random(rows), 2)  # many are equal
    outcome = generator.random(rows) < scores**2
    return outcome, scores


def _problem(outcome, capacity=0.1, within=None, replicates=100):
    within = np.zeros(len(outcome), dtype=np.int64) if within is None else within
    return Problem(outcome, within, capacity, draw(np.arange(len(outcome)), 1, replicates))


@pytest.mark.parametrize(
    ("name", "known"),
    [("roc_auc", roc_auc_score), ("average_precision", average_precision_score), ("brier", brier_score_loss)],
)
def test_a_metric_is_scikit_learns_and_its_interval_holds_it(name, known):
    outcome, scores = _cases()
    measured = _problem(outcome).measure(name, scores)
    assert measured.value == pytest.approx(known(outcome, scores), abs=1e-9)
    assert measured.low < measured.value < measured.high
    assert _problem(outcome).value(name, scores) == pytest.approx(measured.value)


def test_every_replicate_is_the_metric_of_the_cases_drawn():
    outcome, scores = _cases(400)
    problem = _problem(outcome, replicates=5)
    _, again = problem.replicates("roc_auc", scores)
    for weights, found in zip(problem.draws.weights, again, strict=True):
        times = weights.astype(int)
        assert found == pytest.approx(roc_auc_score(np.repeat(outcome, times), np.repeat(scores, times)))


def test_capacity_holds_within_each_period():
    within = np.repeat([0, 1, 2], [50, 30, 7])
    chosen = select(np.random.default_rng(0).random(87), 0.1, within)
    assert [int(chosen[within == one].sum()) for one in range(3)] == [5, 3, 1]


def test_among_equal_scores_the_order_of_cases_does_not_choose():
    outcome = np.repeat([True, False], 500)  # the order tells the outcome
    chosen = select(np.zeros(1000), 0.1, np.zeros(1000, dtype=np.int64))
    assert 30 <= int(chosen[outcome].sum()) <= 70


def test_cases_of_one_person_make_intervals_wider():
    generator = np.random.default_rng(3)
    person = np.repeat(np.arange(200), 10)
    outcome = np.repeat(generator.random(200) < 0.4, 10)  # alike within a person
    everyone = np.ones(2000, dtype=bool)
    alone = share(outcome, everyone, draw(np.arange(2000), 1))
    together = share(outcome, everyone, draw(person, 1))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(60):
        marked = np.random.default_rng(seed).random(400) < 0.3
        found = share(marked, np.ones(400, dtype=bool), draw(np.arange(400), seed))
        held += found.low <= 0.3 <= found.high
    assert held >= 51


def test_calibration_tells_honest_scores_from_bold_ones():
    generator = np.random.default_rng(5)
    chance = generator.uniform(0.1, 0.9, 20_000)
    outcome = generator.random(20_000) < chance
    bold = 1 / (1 + np.exp(-2 * np.log(chance / (1 - chance))))
    assert calibrate(outcome, chance).error < 0.02
    assert calibrate(outcome, chance).slope == pytest.approx(1.0, abs=0.06)
    assert calibrate(outcome, bold).slope == pytest.approx(0.5, abs=0.04)
    assert calibrate(outcome, np.full(20_000, 0.5)).slope != calibrate(outcome, chance).slope


def test_group_figures_are_fairlearns():
    from civicml.review.auditing import _shares_in

    outcome, scores = _cases()
    group = np.random.default_rng(1).choice(["a", "b", "c"], len(outcome))
    chosen = select(scores, 0.2, np.zeros(len(outcome), dtype=np.int64))
    rows = [group == one for one in "abc"]
    everyone = np.ones(len(outcome), dtype=bool)
    rates = _shares_in(chosen, everyone, rows)
    known = MetricFrame(
        metrics=selection_rate, y_true=outcome, y_pred=chosen, sensitive_features=group
    ).by_group
    assert rates == pytest.approx(known.tolist())
    assert min(rates) / max(rates) == pytest.approx(
        demographic_parity_ratio(outcome, chosen, sensitive_features=group)
    )
    gaps = [np.ptp(_shares_in(chosen, among, rows)) for among in (outcome, ~outcome)]
    assert max(gaps) == pytest.approx(equalized_odds_difference(outcome, chosen, sensitive_features=group))


def test_a_ratio_is_sure_only_beyond_chance_and_more_so_among_many():
    logs = np.random.default_rng(0).normal(np.log(0.6), 0.1, 500)
    ratio = Ratio(0.6, logs)
    assert ratio.surely_below(0.8, 1)
    assert not ratio.surely_below(0.8, 1000)
    assert not Ratio(0.0, np.full(500, np.log(0.1)), least_error=2.0).surely_below(0.8, 1)


def test_periods_and_groups_are_numbered():
    frame = pd.DataFrame(
        {
            "moment": pd.to_datetime(["2025-01-01 09:00", "2025-01-01 17:00", "2025-01-08 09:00"]),
            "who": [7, None, 7],
        }
    )
    assert periods(frame, "day", "moment").tolist() == [0, 0, 1]
    assert periods(frame, "", "moment").tolist() == [0, 0, 0]
    assert group_numbers(frame, "who").tolist() == [0, 1, 0]
    assert group_numbers(frame, "").tolist() == [0, 1, 2]


def test_thresholds_are_read_from_parameters_and_nothing_else():
    told = {
        "threshold": "0.4",
        "threshold_female": "0.6",
        "threshold_days": "14",
        "seed": "0.4",
        "threshold_x": "y",
    }
    assert thresholds(told) == {"": 0.4, "female": 0.6}
    assert slug("1, most deprived") == "1_most_deprived"
