"""A small brief in a course of its own, its cases, and a learner who hands models in to a real registry."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml import tracking
from civicml.autograder.limits import Limits, Settings
from civicml.datasets import content_hash
from civicml.datasets.tables import Tables
from civicml.review import Review
from civicml.review.brief import Brief, load_brief
from civicml.review.material import SEED, Data
from civicml.review.reviewing import review
from civicml.tracking import artefacts

REPOSITORY = Path(__file__).parents[2]
BRIEF = """
title = "Calls"
domain = "health"
department = "A fictional one"
decision = "The lead rings whom the list names."
[data]
dataset = "calls"
key = "case_id"
outcome = "missed"
moment = "moment"
holdout_from = 2025-07-01
inputs = ["age", "wait", "mode", "practice"]
after = ["duration"]
group = "person_id"
[metric]
name = "recall_at_capacity"
capacity = 0.2
per = "week"
[audit]
characteristics = ["sex", "home"]
sites = ["practice"]
[drift]
recoded = { mode = { "phone" = "unknown" } }
shifted = { wait = 5.0 }
"""
FRAME = """
def frame(tables):
    return tables["cases"].copy()


def rule(cases):
    return (cases["mode"] == "video").to_numpy(dtype=float)
"""
TRAIN = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml.review.brief import load_brief


def train(tables, seed):
    brief = load_brief("health")
    learn = brief.before_holdout(brief.frame(tables))
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["mode", "practice"]), (StandardScaler(), ["age", "wait"])
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=500))
    return model.fit(learn[["age", "wait", "mode", "practice"]], learn["missed"])
"""
NAMES = ["age", "wait", "mode", "practice"]


def make_cases(seed: int, start: int, rows: int = 5000) -> pd.DataFrame:
    """Fictional cases of a year; people have two or three each."""
    generator = np.random.default_rng(seed)
    age = generator.integers(18, 90, rows).astype(float)
    wait = generator.exponential(12.0, rows)
    mode = generator.choice(["phone", "visit", "video"], rows)
    practice = generator.choice(["A", "B", "C", "D"], rows)
    odds = -2.2 + 0.06 * wait - 0.02 * (age - 50) + 0.7 * (mode == "video") + 0.4 * (practice == "A")
    missed = generator.random(rows) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame(
        {
            "case_id": start + np.arange(rows),
            "person_id": start + generator.integers(0, rows // 2, rows),
            "moment": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(generator.integers(0, 364, rows), unit="D"),
            "age": age,
            "wait": wait,
            "mode": mode,
            "practice": practice,
            "duration": np.where(missed, 0.0, generator.uniform(5, 20, rows)),
            "sex": generator.choice(["female", "male"], rows),
            "home": generator.choice(["none", "own"], rows, p=[0.3, 0.7]),
            "missed": missed,
        }
    )


@dataclass
class Course:
    """A course with one brief, its cases, and ana's registry."""

    root: Path
    store: Path
    brief: Brief
    data: Data
    settings: Settings
    handed_in: int = 0

    def hand_in(
        self,
        model: object,
        names: list[str],
        *,
        train: str = TRAIN,
        metrics: dict[str, float] | None = None,
        params: dict[str, float] | None = None,
        data: str = "",
        finished: bool = True,
        example: pd.DataFrame | None = None,
    ) -> int:
        """Log a fitted model as a learner would, and register it; returns its version."""
        self.handed_in += 1
        source = self.root / f"handed-in-{self.handed_in}" / "train.py"
        source.parent.mkdir()
        source.write_text(train)
        with tracking.start("week12", run_name="capstone") as run:
            mlflow.log_metrics(metrics or {})
            mlflow.log_params(params or {})
            artefacts.log_model(
                model,
                example=self.data.before[names].head(8) if example is None else example,
                data=data or self.data.data_hash,
                seed=7,
                source=source,
            )
        if not finished:
            mlflow.MlflowClient().update_run(run.info.run_id, status="RUNNING")
        return artefacts.register(run.info.run_id, domain="health", name="calls")

    def fitted(self, names: list[str] = NAMES, seed_column: str = "") -> object:
        """The model that `TRAIN` makes, on other columns where asked."""
        words = [name for name in names if self.data.before[name].dtype.kind not in "fib"]
        numbers = [name for name in names if name not in words]
        encode = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), words), (StandardScaler(), numbers)
        )
        learn = self.data.before
        return make_pipeline(encode, LogisticRegression(max_iter=500)).fit(learn[names], learn["missed"])

    def review(self, version: int) -> Review:
        """Review a version in the sandbox."""
        return review(
            "capstone-health-calls", version,
            cohort=self.root, root=self.root, settings=self.settings, data=self.data,
        )  # fmt: skip

    def folder(self, version: int) -> Path:
        """Where the run of a version keeps its files."""
        found = mlflow.MlflowClient().get_model_version("capstone-health-calls", str(version))
        (place,) = self.store.glob(f"artifacts/*/{found.run_id}/artifacts")
        return place


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[], Course]":
    root = tmp_path_factory.mktemp("course")
    home = root / "course" / "capstones" / "health"
    home.mkdir(parents=True)
    shutil.copy(REPOSITORY / "course" / "course.toml", root / "course" / "course.toml")
    (home / "brief.toml").write_text(BRIEF)
    (home / "frame.py").write_text(FRAME)
    (root / "cohort.toml").write_text('id = "x"\nname = "Trial"\nstart = 2026-01-05\n')
    brief = load_brief("health", root)
    published, sealed = make_cases(1, 1_000_000), make_cases(2, 5_000_000)
    tables = Tables("calls", "published", {"cases": published})
    sealed = sealed.sample(frac=1, random_state=SEED).reset_index(drop=True)
    data = Data(
        tables=tables,
        data_hash=content_hash(tables),
        before=brief.before_holdout(published),
        later=brief.holdout(published),
        holdout=brief.holdout(sealed),
        sealed_before=brief.before_holdout(sealed),
    )
    settings = Settings(limits=Limits(cell_seconds=20.0), imports=("numpy", "pandas", "pyarrow"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COURSE", str(root))
        patch.setenv("CIVICML_COHORT", str(root))
        patch.setenv("CIVICML_LEARNER", "ana")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Course(root, root / "tracking", brief, data, settings)
