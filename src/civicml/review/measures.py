"""How good scores are: metrics with weights, so that one pass serves the figure and its bootstrap interval.

Pure NumPy on outcomes and scores; it must not know models, briefs or people.

The interval is the percentile bootstrap (Efron and Tibshirani, 1993), which draws whole groups, such as all
cases of one person, where cases of a group are alike (Field and Welsh, 2007).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from civicml.review.brief import Floats

Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
REPLICATES = 300
LEVEL = 0.95
HIGHER_IS_BETTER = {
    "recall_at_capacity": True,
    "precision_at_capacity": True,
    "average_precision": True,
    "roc_auc": True,
    "brier": False,
}
NAMES = {
    "recall_at_capacity": "Recall at capacity",
    "precision_at_capacity": "Precision at capacity",
    "average_precision": "Average precision",
    "roc_auc": "Area under the ROC curve",
    "brier": "Brier score",
}


@dataclass(frozen=True)
class Measured:
    """A figure with its interval; `low` and `high` are NaN where there was too little to tell."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The standard error that the interval's width implies."""
        return (self.high - self.low) / (2 * 1.96)

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Draws:
    """Bootstrap replicates as weights of cases.

    Attributes:
        weights: replicates by cases: how often each case was drawn.
    """

    weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]

    def only(self, rows: Bools) -> "Draws":
        """The same draws, of some rows."""
        return Draws(self.weights[:, rows])


def draw(groups: Ints, seed: int, replicates: int = REPLICATES) -> Draws:
    """Draw groups of cases with replacement.

    Args:
        groups: which group each case is in, numbered from 0; shape (cases,).
        seed: draws are the same for the same seed.
        replicates: how many times.
    """
    generator = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    weights = np.empty((replicates, len(groups)), dtype=np.float32)
    for number in range(replicates):
        times = np.bincount(generator.integers(count, size=count), minlength=count)
        weights[number] = times[groups]
    return Draws(weights)


def group_numbers(frame: pd.DataFrame, column: str) -> Ints:
    """Each case's group, numbered from 0; every case its own without a column."""
    if not column:
        return np.arange(len(frame), dtype=np.int64)
    codes, _ = pd.factorize(frame[column], use_na_sentinel=False)
    return np.asarray(codes, dtype=np.int64)


def periods(frame: pd.DataFrame, per: str, moment: str) -> Ints:
    """Within what the capacity holds, numbered from 0."""
    if per in frame.columns:
        return group_numbers(frame, per)
    if per in ("day", "week"):
        spans = frame[moment].dt.to_period(per[0].upper())
        return np.asarray(pd.factorize(spans)[0], dtype=np.int64)
    return np.zeros(len(frame), dtype=np.int64)


def select(scores: Floats, capacity: float, within: Ints) -> Bools:
    """Whom one acts on: in each period the share `capacity` with the highest scores.

    Among equal scores the choice is by lot, the same lot every time: the order of the cases may say
    something of their outcomes.
    """
    lot = np.random.default_rng(20_250_401).permutation(len(scores))
    order = np.lexsort((lot, -scores, within))
    sizes = np.bincount(within)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    place = np.empty(len(scores), dtype=np.int64)
    place[order] = np.arange(len(scores)) - np.repeat(starts, sizes)
    most = np.maximum(1, np.round(capacity * sizes)).astype(np.int64)
    chosen: Bools = place < most[within]
    return chosen


def share(marked: Bools, among: Bools, draws: Draws) -> Measured:
    """The share of cases `among` that are `marked`, such as recall (selected among positives)."""
    both = (marked & among).astype(np.float32)
    of = among.astype(np.float32)
    count = float(of.sum())
    if not count:
        return Measured(np.nan, np.nan, np.nan)
    value = float(both.sum()) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        again = (draws.weights @ both) / (draws.weights @ of)
    return _measured(value, again.astype(np.float64))


def shares(marked: Bools, among: Bools, draws: Draws) -> tuple[float, Floats]:
    """As `share`: the value, and every replicate's."""
    both, of = (marked & among).astype(np.float32), among.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(np.divide(both.sum(), of.sum()))
        again: Floats = ((draws.weights @ both) / (draws.weights @ of)).astype(np.float64)
    return value, again


def interval(value: float, again: Floats) -> Measured:
    """A figure with the interval of its replicates."""
    return _measured(value, again)


def _measured(value: float, again: Floats) -> Measured:
    good = again[np.isfinite(again)]
    if len(good) < len(again) * 0.9 or not len(good):
        return Measured(value, np.nan, np.nan)
    low, high = np.quantile(good, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(value, float(low), float(high))


# --- the metrics of a brief -----------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What is to be told apart, and how much can be acted on."""

    outcome: Bools
    within: Ints
    capacity: float
    draws: Draws

    def measure(self, metric: str, scores: Floats) -> Measured:
        """One of the metrics of a brief, with its interval."""
        value, again = self.replicates(metric, scores)
        return _measured(value, again)

    def value(self, metric: str, scores: Floats) -> float:
        """One of the metrics of a brief."""
        if metric in _CURVES:
            return _CURVES[metric](*_Ranked(scores, self.outcome).of(np.ones(len(scores), dtype=np.float32)))
        return Problem(
            self.outcome, self.within, self.capacity, Draws(np.ones((1, len(scores)), np.float32))
        ).replicates(metric, scores)[0]

    def replicates(self, metric: str, scores: Floats) -> tuple[float, Floats]:
        """The metric, and each replicate's."""
        if metric == "brier":
            miss = (scores - self.outcome) ** 2
            plain = self.draws.weights @ miss.astype(np.float32)
            return float(miss.mean()), np.asarray(plain / self.draws.weights.sum(axis=1), dtype=np.float64)
        if metric in ("recall_at_capacity", "precision_at_capacity"):
            chosen = select(scores, self.capacity, self.within)
            if metric == "recall_at_capacity":
                return shares(chosen, self.outcome, self.draws)
            return shares(self.outcome, chosen, self.draws)
        counted = _Ranked(scores, self.outcome)
        again = np.array([_CURVES[metric](*counted.of(weights)) for weights in self.draws.weights])
        return self.value(metric, scores), again


class _Ranked:
    """Cases by score, the highest first; equal scores count as one place."""

    def __init__(self, scores: Floats, outcome: Bools) -> None:
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        self._order = order
        self._positive = outcome[order].astype(np.float64)
        self._ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True)) if len(ordered) else order

    def of(self, weights: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> tuple[Floats, Floats]:
        """At each distinct score, the weight of positives and of negatives at it or above."""
        sorted_weights = weights[self._order].astype(np.float64)
        positive = np.cumsum(sorted_weights * self._positive)[self._ends]
        return positive, np.cumsum(sorted_weights)[self._ends] - positive


def _roc_auc(positive: Floats, negative: Floats) -> float:
    if not len(positive) or not positive[-1] or not negative[-1]:
        return float("nan")
    x, y = np.append(0.0, negative), np.append(0.0, positive)
    return float(np.trapezoid(y, x) / (positive[-1] * negative[-1]))


def _average_precision(positive: Floats, negative: Floats) -> float:
    if not len(positive) or not positive[-1]:
        return float("nan")
    seen = positive + negative
    precision = np.divide(positive, seen, out=np.zeros_like(seen), where=seen > 0)
    return float(np.sum(np.diff(positive, prepend=0.0) * precision) / positive[-1])


_CURVES = {"roc_auc": _roc_auc, "average_precision": _average_precision}


# --- calibration ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """Promised against observed.

    Attributes:
        bins: (mean score, share of outcomes, cases) for up to ten bins of equally many cases.
        error: the mean distance between the two, each case counting once (expected calibration error).
        in_the_large: the mean score less the share of outcomes.
        slope: of a logistic regression of the outcome on the score's log-odds; 1 is right, less is too bold.
    """

    bins: tuple[tuple[float, float, int], ...]
    error: float
    in_the_large: float
    slope: float


def calibrate(outcome: Bools, scores: Floats) -> Calibration:
    """Hold scores, as probabilities, against outcomes."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    bins = tuple((float(scores[part].mean()), float(outcome[part].mean()), len(part)) for part in parts)
    error = sum(abs(promised - seen) * count for promised, seen, count in bins) / max(1, len(scores))
    return Calibration(bins, error, float(scores.mean() - outcome.mean()), _slope(outcome, scores))


def _slope(outcome: Bools, scores: Floats) -> float:
    held = np.clip(scores, 1e-6, 1 - 1e-6)
    odds = np.log(held / (1 - held))
    if np.ptp(odds) < 1e-9 or outcome.all() or not outcome.any():
        return float("nan")
    design = np.column_stack([np.ones_like(odds), odds])
    weights = np.array([0.0, 1.0])
    for _ in range(30):  # Newton's method
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (outcome - chance)
        curve = (design * (chance * (1 - chance))[:, None]).T @ design
        step = np.linalg.lstsq(curve, slope, rcond=None)[0]
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[1])
