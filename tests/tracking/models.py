"""Small fitted models and the frame they are fitted on, for the tests of artefacts."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def frame(rows: int = 200) -> pd.DataFrame:
    """Columns of the kinds that the course's tables have."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "days_booked": random.integers(0, 60, rows),
            "distance": random.normal(5, 2, rows),
            "mode": pd.Categorical(random.choice(["Face-to-Face", "Telephone"], rows)),
            "practice": random.choice(["P01", "P02", "P03"], rows),
            "reminder": random.random(rows) > 0.5,
            "imd_decile": pd.Series(random.integers(1, 11, rows), dtype="Int16").where(
                random.random(rows) > 0.1
            ),
            "booked": pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D"),
        }
    )


def outcome(given: pd.DataFrame) -> pd.Series:
    """Whether the appointment was missed: more likely when booked long ago."""
    return given["days_booked"] + np.random.default_rng(1).normal(0, 10, len(given)) > 35


INPUTS = ["days_booked", "distance", "mode", "practice"]


def preparation() -> BaseEstimator:
    """Numbers scaled, categories as columns."""
    return make_column_transformer(
        (StandardScaler(), ["days_booked", "distance"]),
        (OneHotEncoder(handle_unknown="ignore"), ["mode", "practice"]),
        sparse_threshold=0,
    )


def logistic() -> Pipeline:
    """A fitted pipeline that ends in a logistic regression."""
    given = frame()
    return make_pipeline(preparation(), LogisticRegression()).fit(given[INPUTS], outcome(given))


def boosted() -> Pipeline:
    """A fitted pipeline that ends in gradient boosting, which skops does not trust by itself."""
    given = frame()
    return make_pipeline(preparation(), HistGradientBoostingClassifier(max_iter=5)).fit(
        given[INPUTS], outcome(given)
    )
