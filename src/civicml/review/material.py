"""What the parts of a review read: the version as handed in, the cases, and everybody's scores for them.

Puts it together; must not judge any of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from civicml.cohort.directory import sealed_tables
from civicml.datasets import content_hash, load_published
from civicml.datasets.catalogue import find_dataset, refuse_in_kit
from civicml.datasets.tables import Tables, read_tables
from civicml.errors import CivicmlError
from civicml.review.brief import Brief, Floats
from civicml.review.measures import REPLICATES, Problem, draw, group_numbers, periods
from civicml.review.sandboxed import Model, ModelError, Sandbox, Scores
from civicml.tracking.artefacts import Fetched, ModelFacts

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SEED = 20_250_401
"""Of everything that a review draws, so that two reviews of one version say the same."""
_MOST_ROWS = 40_000
"""Cases that a review measures on; of more it takes a sample of whole groups."""
_MOST_TRAINING = 150_000
_MOST_CATEGORIES = 60


@dataclass(frozen=True)
class Data:
    """The cases of a brief.

    Attributes:
        tables: the published ones.
        data_hash: their content hash, as it is now.
        before: the published cases that models learn from.
        later: the published cases that learners judge themselves on.
        holdout: the sealed cases, in no order that says anything.
        sealed_before: sealed cases of the time that models learn from: nobody has seen these people.
    """

    tables: Tables
    data_hash: str
    before: pd.DataFrame
    later: pd.DataFrame
    holdout: pd.DataFrame
    sealed_before: pd.DataFrame


@dataclass(frozen=True)
class Rivals:
    """What a model is held against, on the sealed hold-out and on the published one."""

    rule: Floats
    rule_later: Floats
    reference: Floats
    reference_later: Floats
    reference_of: Callable[[pd.DataFrame], Floats]


@dataclass(frozen=True)
class Registry:
    """What the registry knows of a version besides its files."""

    status: str
    newest: int
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """Everything a part may read. `scores` is None where the model gives none; `error` says why."""

    brief: Brief
    handed_in: Fetched
    registry: Registry
    facts: ModelFacts
    data: Data
    problem: Problem
    rivals: Rivals
    sandbox: Sandbox
    model: Model
    scores: Scores | None
    error: ModelError | None
    opening_seconds: float

    @property
    def outcome(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Of the sealed hold-out."""
        return self.problem.outcome

    def inputs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Only what the model asks for, and so never the outcome."""
        return asked_for(self.brief, self.facts, frame)


def asked_for(brief: Brief, facts: ModelFacts, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of `frame` that a model's signature names.

    Raises:
        ModelError: it asks for a column that is not there, or for what it is to predict.
    """
    for name in facts.names:
        if name == brief.data.outcome:
            raise ModelError("raised", f"asks for '{name}', which is what it is to predict")
        if name not in frame.columns:
            raise ModelError("raised", f"asks for the column '{name}', which the brief's table does not have")
    return frame[facts.names]


def load_data(brief: Brief, cohort: Path) -> Data:
    """Published and sealed cases.

    Raises:
        CivicmlError: the sealed tables cannot be built, or hold too few cases late enough.
    """
    name = brief.data.dataset
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "sealed")
    folder = sealed_tables(cohort, name)
    published = load_published(name)
    frame = brief.frame(published)
    sealed = brief.frame(read_tables(folder, dataset.schema, "sealed"))
    # The order of rows could follow what came of them, and a model sees the order.
    sealed = sealed.sample(frac=1, random_state=SEED).reset_index(drop=True)
    holdout = _at_most(brief.holdout(sealed), brief, _MOST_ROWS)
    if len(holdout) < brief.audit.least or holdout[brief.data.outcome].nunique() != 2:
        raise CivicmlError(
            f"The sealed tables of '{name}' hold {len(holdout):,} cases from {brief.data.holdout_from} on, "
            "too few to review anything."
        )
    return Data(
        tables=published,
        data_hash=content_hash(published),
        before=brief.before_holdout(frame),
        later=_at_most(brief.holdout(frame), brief, _MOST_ROWS),
        holdout=holdout,
        sealed_before=brief.before_holdout(sealed),
    )


def _at_most(frame: pd.DataFrame, brief: Brief, most: int) -> pd.DataFrame:
    """At most about `most` cases: whole periods, since capacity holds within one."""
    if len(frame) <= most:
        return frame
    within = periods(frame, brief.metric.per, brief.data.moment)
    count = int(within.max()) + 1
    if count == 1:
        return frame.sample(most, random_state=SEED).reset_index(drop=True)
    kept = np.random.default_rng(SEED).permutation(count)[: max(1, count * most // len(frame))]
    return frame[np.isin(within, kept)].reset_index(drop=True)


def pose(brief: Brief, frame: pd.DataFrame, *, replicates: int = REPLICATES) -> Problem:
    """What is to be told apart among `frame`, with draws for intervals."""
    return Problem(
        frame[brief.data.outcome].to_numpy(dtype=bool),
        periods(frame, brief.metric.per, brief.data.moment),
        brief.metric.capacity,
        draw(group_numbers(frame, brief.data.group), SEED, replicates),
    )


def rivals(brief: Brief, data: Data) -> Rivals:
    """The rule of thumb, and a reference model: a logistic regression that the review trains itself."""
    training = data.before
    if len(training) > _MOST_TRAINING:
        training = training.sample(_MOST_TRAINING, random_state=SEED)
    fitted = _reference(brief, training)

    def scores(frame: pd.DataFrame) -> Floats:
        return np.asarray(fitted.predict_proba(_plain(frame, brief))[:, 1], dtype=np.float64)

    return Rivals(
        brief.rule(data.holdout), brief.rule(data.later), scores(data.holdout), scores(data.later), scores
    )


def _reference(brief: Brief, training: pd.DataFrame) -> "Pipeline":
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    plain = _plain(training, brief)
    words = [name for name in plain.columns if plain[name].dtype == object]
    numbers = [name for name in plain.columns if name not in words]
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", max_categories=_MOST_CATEGORIES), words),
        (make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers),
    )
    model = make_pipeline(prepare, LogisticRegression(max_iter=500))
    return model.fit(plain, training[brief.data.outcome].to_numpy(dtype=bool))


def _plain(frame: pd.DataFrame, brief: Brief) -> pd.DataFrame:
    """The inputs as text (object) and numbers (float64)."""
    columns: dict[str, pd.Series] = {}
    for name in brief.data.inputs:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            columns[name] = column.astype("float64")
        else:
            columns[name] = column.astype(object).where(column.notna(), "missing").astype(str).astype(object)
    return pd.DataFrame(columns)


def numbers_in(tags: Mapping[str, str]) -> dict[str, float]:
    """The tags that are numbers."""
    found = {}
    for name, text in tags.items():
        try:
            found[name] = float(text)
        except ValueError:
            continue
    return found
