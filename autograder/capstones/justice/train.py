"""Trains the model behind the offer of places: what is known on a person's first day, without age or sex.

The review runs `train` again with the same tables and seed, and holds its scores against the registered model's.
"""

from collections.abc import Mapping

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from civicml.review.brief import load_brief

WORDS = ["area", "offence_group", "sentence_type", "custody_length", "housing", "employment", "drug_need", "alcohol_need"]
NUMBERS = ["deprivation_decile", "months_in_area", "previous_offences", "age_at_first_conviction", "service_score"]
INPUTS = WORDS + NUMBERS


def train(tables: Mapping[str, pd.DataFrame], seed: int) -> Pipeline:
    """Fit on every person of the quarters before the brief's hold-out.

    Numbers become eight bands each: risk does not rise in a straight line with any of them.

    Args:
        tables: the published tables of `reoffending`.
        seed: of whatever is random in the fit.
    """
    brief = load_brief("justice")
    learn = brief.before_holdout(brief.frame(tables))
    bands = KBinsDiscretizer(
        8, encode="onehot", quantile_method="averaged_inverted_cdf", subsample=None, random_state=seed
    )
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=20), WORDS),
        (make_pipeline(SimpleImputer(strategy="median"), bands), NUMBERS),
    )
    model = make_pipeline(encode, LogisticRegression(C=0.3, max_iter=1000, random_state=seed))
    return model.fit(learn[INPUTS], learn[brief.data.outcome])
