"""Trains the model behind the offer of places: what is known on a person's first day, without age.

The review runs `train` again, with the same tables and seed, and compares the scores.
"""

import warnings
from collections.abc import Mapping, Sequence

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, PolynomialFeatures

from civicml.review.brief import load_brief

WORDS = [
    "area",
    "offence_group",
    "sentence_type",
    "custody_length",
    "employment",
    "drug_need",
    "alcohol_need",
]
NUMBERS = [
    "deprivation_decile",
    "months_in_area",
    "previous_offences",
    "age_at_first_conviction",
    "service_score",
]
CROSSED = ["sex", "housing"]
INPUTS = WORDS + NUMBERS + CROSSED


def train(tables: Mapping[str, pd.DataFrame], seed: int, crossed: Sequence[str] = CROSSED) -> Pipeline:
    """Fit on every person of the quarters before the brief's hold-out.

    Numbers become eight bands each: risk does not rise in a straight line with any of them. Sex counts
    together with housing, because having no home means another risk for women than for men.

    Args:
        tables: the published tables of `reoffending`.
        seed: of whatever is random in the fit.
        crossed: the columns that count together; another choice is an experiment.
    """
    brief = load_brief("justice")
    learn = brief.before_holdout(brief.frame(tables))
    bands = KBinsDiscretizer(
        8, encode="onehot", quantile_method="averaged_inverted_cdf", subsample=None, random_state=seed
    )
    together = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), PolynomialFeatures(interaction_only=True, include_bias=False)
    )
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=20), WORDS),
        (make_pipeline(SimpleImputer(strategy="median"), bands), NUMBERS),
        (together, list(crossed)),
    )
    model = make_pipeline(encode, LogisticRegression(C=0.3, max_iter=1000, random_state=seed))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Bins whose width")  # many have none: bands fall together
        return model.fit(learn[[*WORDS, *NUMBERS, *crossed]], learn[brief.data.outcome])
