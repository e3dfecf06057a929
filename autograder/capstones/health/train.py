"""Trains the model behind the call list: how a booking was made, and what the patient did before.

The review runs `train` again, with the same tables and seed, and compares the scores.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml.review.brief import load_brief

WORDS = ["practice", "mode", "staff", "weekday", "hour"]
NUMBERS = ["wait_days", "seen_before", "missed_before", "days_since_last"]
INPUTS = WORDS + NUMBERS


def train(tables: Mapping[str, pd.DataFrame], seed: int, words: Sequence[str] = WORDS) -> Pipeline:
    """Fit on every booking before the brief's hold-out.

    Args:
        tables: the published tables of `gp_appointments`.
        seed: of whatever is random in the fit.
        words: the columns that hold words; another choice is an experiment.
    """
    brief = load_brief("health")
    learn = brief.before_holdout(brief.frame(tables))
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=20), list(words)), (StandardScaler(), NUMBERS)
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=1000, random_state=seed))
    return model.fit(learn[[*words, *NUMBERS]], learn[brief.data.outcome])
