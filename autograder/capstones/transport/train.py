"""Trains the model behind the spare bus: where and when a departure is, and how late its route has been.

The review runs `train` again, with the same tables and seed, and compares the scores.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml.review.brief import load_brief

WORDS = ["route", "weekday", "service"]
NUMBERS = [
    *("school_day", "along", "forecast_rain_mm", "forecast_temperature_c", "works", "football"),
    *("passengers_last_week", "late_route", "late_route_hour"),
]
INPUTS = WORDS + NUMBERS


def train(tables: Mapping[str, pd.DataFrame], seed: int, words: Sequence[str] = WORDS) -> Pipeline:
    """Fit on every departure before the brief's hold-out.

    The hour is in through the route's share of late departures in that hour, and by no column of its own.

    Args:
        tables: the published tables of `bus_network`.
        seed: of whatever is random in the fit.
        words: the columns that hold words; another choice is an experiment.
    """
    brief = load_brief("transport")
    learn = brief.before_holdout(brief.frame(tables))
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=20), list(words)),
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=1000, random_state=seed))
    return model.fit(learn[[*words, *NUMBERS]], learn[brief.data.outcome])
