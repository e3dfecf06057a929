"""A model is kept as data, handed in, fetched, looked at, and predicts as it did in the notebook."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from civicml import tracking
from civicml.errors import CivicmlError
from civicml.tracking import artefacts

from .models import INPUTS, boosted, frame, logistic, outcome, preparation

HEALTH = {"domain": "health", "name": "missed-appointments"}
CAPSTONE = "capstone-health-missed-appointments"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "work" / "train.py"
    path.parent.mkdir()
    path.write_text("def train(tables, seed): ...\n", encoding="utf-8")
    return path


@pytest.fixture
def log(cohort: Path, source: Path) -> Callable[..., tuple[str, artefacts.ModelFacts]]:
    """Logs a model in a run of its own; gives the run's id and the facts."""

    def log(model: Any, example: pd.DataFrame, **more: Any) -> tuple[str, artefacts.ModelFacts]:
        with tracking.start("week12", run_name="capstone") as run:
            mlflow.log_metric("average_precision", 0.41)
            given = {"data": "a" * 64, "seed": 7, "source": source} | more
            facts = artefacts.log_model(model, example=example, **given)
        return run.info.run_id, facts

    return log


# --- the whole way ------------------------------------------------------------------------------


def test_a_model_goes_from_the_notebook_to_the_reviewer_and_predicts_the_same(
    log: Callable[..., Any], tmp_path: Path
) -> None:
    model, given = boosted(), frame()[INPUTS]

    run_id, logged = log(model, given.head(10))
    version = artefacts.register(run_id, **HEALTH)
    fetched = artefacts.fetch(CAPSTONE, version, tmp_path / "review")
    facts = artefacts.inspect(fetched.folder)
    predict = artefacts.open_model(fetched.folder)

    assert facts == logged
    assert (facts.kind, facts.names, facts.example_rows) == ("sklearn", INPUTS, 10)
    assert [column.type for column in facts.inputs] == ["long", "double", "string", "string"]
    assert (facts.data, facts.seed) == ("a" * 64, 7)
    np.testing.assert_array_equal(predict(given), model.predict_proba(given)[:, 1])


def test_the_run_keeps_data_seed_code_and_what_was_handed_in(
    log: Callable[..., Any], tmp_path: Path, source: Path
) -> None:
    dossier = tmp_path / "dossier"
    dossier.mkdir()
    (dossier / "model_card.toml").write_text("title = 'x'\n", encoding="utf-8")

    run_id, facts = log(logistic(), frame()[INPUTS].head(), dossier=dossier)
    version = artefacts.register(run_id, **HEALTH)
    fetched = artefacts.fetch(CAPSTONE, version, tmp_path / "review")

    found = {
        path.relative_to(fetched.folder).as_posix() for path in fetched.folder.rglob("*") if path.is_file()
    }
    assert found == {f"model/{file.path}" for file in facts.files} | {
        "source/train.py",
        "dossier/model_card.toml",
    }
    assert (fetched.folder / "source" / "train.py").read_bytes() == source.read_bytes()
    assert (fetched.learner, fetched.run_id, fetched.metrics) == ("ana", run_id, {"average_precision": 0.41})
    tags = {
        "civicml.data": "a" * 64,
        "civicml.seed": "7",
        "civicml.code": facts.code,
        "civicml.model": facts.sha256,
    }
    assert tags.items() <= fetched.tags.items()
    assert tags.items() <= fetched.version_tags.items()


def test_each_hand_in_is_a_new_version_and_the_newest_is_the_candidate(log: Callable[..., Any]) -> None:
    run_id, _ = log(logistic(), frame()[INPUTS].head())

    assert [artefacts.register(run_id, **HEALTH) for _ in range(2)] == [1, 2]
    assert mlflow.MlflowClient().get_model_version_by_alias(CAPSTONE, "candidate").version == 2


def test_plain_mlflow_opens_the_model_too(log: Callable[..., Any]) -> None:
    model, given = logistic(), frame()[INPUTS]
    run_id, _ = log(model, given.head())
    artefacts.register(run_id, **HEALTH)

    opened = mlflow.pyfunc.load_model(f"models:/{CAPSTONE}@candidate")

    np.testing.assert_array_equal(
        opened.predict(given.astype({"mode": str})), model.predict_proba(given)[:, 1]
    )


def test_the_code_version_changes_with_the_source_and_names_the_commit(
    log: Callable[..., Any], source: Path
) -> None:
    git = ["git", "-C", str(source.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    runs = []
    for text in ("# one\n", "# one\n", "# two\n"):
        if text == "# two\n":
            source.write_text(text, encoding="utf-8")
        runs.append(mlflow.get_run(log(logistic(), frame()[INPUTS].head())[0]).data.tags)

    assert runs[0]["civicml.code"] == runs[1]["civicml.code"] != runs[2]["civicml.code"]
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert [run["civicml.commit"] for run in runs] == [commit, commit, f"{commit} with changes"]


def test_every_kind_of_column_in_the_tables_can_be_an_input(log: Callable[..., Any], tmp_path: Path) -> None:
    given = frame()
    model = make_pipeline(
        make_column_transformer(
            ("passthrough", ["days_booked", "distance", "reminder"]),
            (OneHotEncoder(handle_unknown="ignore"), ["mode", "practice"]),
            (SimpleImputer(), ["imd_decile"]),
        ),
        LogisticRegression(max_iter=1000),
    ).fit(given, outcome(given))

    _, facts = log(model, given.head(8))

    assert {column.name: column.type for column in facts.inputs} == {
        "days_booked": "long",
        "distance": "double",
        "mode": "string",
        "practice": "string",
        "reminder": "boolean",
        "imd_decile": "integer",
        "booked": "datetime",
    }


def test_a_frame_without_a_column_is_said_and_other_columns_do_not_matter(
    log: Callable[..., Any], tmp_path: Path
) -> None:
    model, given = logistic(), frame()
    run_id, _ = log(model, given[INPUTS].head())
    fetched = artefacts.fetch(CAPSTONE, artefacts.register(run_id, **HEALTH), tmp_path / "review")
    predict = artefacts.open_model(fetched.folder)

    np.testing.assert_array_equal(
        predict(given[given.columns[::-1]]), model.predict_proba(given[INPUTS])[:, 1]
    )
    with pytest.raises(CivicmlError, match="needs the column 'distance', which the frame does not have"):
        predict(given.drop(columns="distance"))


def test_a_model_is_looked_at_without_reading_what_it_would_load(
    log: Callable[..., Any], tmp_path: Path
) -> None:
    """A class of the model's own library, replaced: looking must not make one."""
    run_id, _ = log(boosted(), frame()[INPUTS].head())
    folder = artefacts.fetch(CAPSTONE, artefacts.register(run_id, **HEALTH), tmp_path / "review").folder
    code = f"""
from pathlib import Path
from sklearn.pipeline import Pipeline
made = []
Pipeline.__new__ = lambda kind, *given: made.append(kind) or object.__new__(kind)
from civicml.tracking import artefacts
artefacts.inspect(Path({str(folder)!r}))
print("looked", len(made))
artefacts.open_model(Path({str(folder)!r}))
print("opened", len(made))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "looked 0\nopened 1\n"


# --- which scikit-learn models can be handed in -------------------------------------------------


def _pipelines() -> dict[str, Any]:
    numbers = ["days_booked", "distance"]
    words = make_column_transformer((TfidfVectorizer(), "practice"), ("passthrough", numbers))
    many = make_column_transformer(
        (make_pipeline(SimpleImputer(), SplineTransformer()), ["distance"]),
        (KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["days_booked"]),
        (OrdinalEncoder(), make_column_selector(dtype_include="category")),
        (FunctionTransformer(np.log1p), ["days_booked"]),
        (TargetEncoder(), ["practice"]),
    )
    remainder = make_column_transformer((OneHotEncoder(), ["mode", "practice"]), remainder=StandardScaler())
    return {
        "random forest": make_pipeline(preparation(), RandomForestClassifier(5)),
        "extra trees": make_pipeline(preparation(), ExtraTreesClassifier(5)),
        "gradient boosting": make_pipeline(preparation(), GradientBoostingClassifier(n_estimators=5)),
        "boosting on categories": make_pipeline(
            make_column_transformer(("passthrough", [*numbers, "mode"])).set_output(transform="pandas"),
            HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
        ),
        "tree": make_pipeline(preparation(), DecisionTreeClassifier(max_depth=3)),
        "isotonic": CalibratedClassifierCV(
            make_pipeline(preparation(), HistGradientBoostingClassifier(max_iter=5)), method="isotonic"
        ),
        "sigmoid": CalibratedClassifierCV(make_pipeline(preparation(), LinearSVC()), method="sigmoid"),
        "temperature": CalibratedClassifierCV(
            make_pipeline(preparation(), LogisticRegression()), method="temperature"
        ),
        "calibrated afterwards": CalibratedClassifierCV(FrozenEstimator(logistic())),
        "voting": make_pipeline(
            preparation(), VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft")
        ),
        "stacking": make_pipeline(preparation(), StackingClassifier([("a", RandomForestClassifier(3))])),
        "neighbours": make_pipeline(preparation(), KNeighborsClassifier()),
        "nearest gaps filled": make_pipeline(
            make_column_transformer((KNNImputer(), numbers)), LogisticRegression()
        ),
        "network of scikit-learn": make_pipeline(preparation(), MLPClassifier((4,), max_iter=500)),
        "words": make_pipeline(words, LogisticRegression(max_iter=1000)),
        "many steps": make_pipeline(many, LogisticRegression(max_iter=1000)),
        "scaled remainder": make_pipeline(remainder, LogisticRegression()),
    }


@pytest.mark.parametrize("name", list(_pipelines()))
def test_usual_pipelines_are_kept_and_predict_the_same(name: str, tmp_path: Path) -> None:
    from civicml.tracking.artefacts.writing import write_model

    given = frame()[INPUTS]
    model = _pipelines()[name].fit(given, outcome(frame()))

    write_model(model, given.head(), tmp_path / "model", {})
    predict = artefacts.open_model(tmp_path / "model")

    np.testing.assert_allclose(predict(given), model.predict_proba(given)[:, 1], rtol=0, atol=1e-12)


# --- what is refused where the learner can still act on it -------------------------------------


def _own_step(given: pd.DataFrame) -> pd.DataFrame:
    return given * 2


def _refusals() -> dict[str, tuple[Callable[[], Any], str]]:
    given, missed = frame()[INPUTS], outcome(frame())
    numbers = given[["days_booked", "distance"]]
    return {
        "a function of one's own": (
            lambda: make_pipeline(FunctionTransformer(_own_step), LogisticRegression()).fit(numbers, missed),
            r"_own_step.*nobody has reviewed.*compute that column in the frame",
        ),
        "a search": (
            lambda: GridSearchCV(LogisticRegression(), {"C": [1]}, scoring="roc_auc").fit(numbers, missed),
            r"nobody has reviewed.*best_estimator_",
        ),
        "classes only": (
            lambda: LinearSVC().fit(numbers, missed),
            "no probabilities.*CalibratedClassifierCV",
        ),
        "names of classes": (
            lambda: LogisticRegression().fit(numbers, np.where(missed, "DNA", "Attended")),
            "tells .* apart.*True or False",
        ),
        "a number that is no score": (
            lambda: LinearRegression().fit(numbers, numbers["days_booked"]),
            r"not one number between 0 and 1.*calibrated",
        ),
        "a path": (lambda: "model.pkl", "pickle and joblib run code.*Pass the fitted model itself"),
        "a pyfunc": (mlflow.pyfunc.PythonModel, "cloudpickle, which runs code"),
        "anything else": (lambda: {"weights": [1, 2]}, "A dict cannot be kept as data.*log_model"),
    }


@pytest.mark.parametrize("name", list(_refusals()))
def test_what_cannot_be_kept_as_data_is_refused_with_what_to_do_instead(
    name: str, log: Callable[..., Any]
) -> None:
    make, said = _refusals()[name]

    with pytest.raises(artefacts.Refused, match=said) as refused:
        log(make(), frame()[["days_booked", "distance"]].head(6))

    assert refused.value.instead
    run = tracking.last_run("week12")
    assert "civicml.model" not in run.data.tags
    assert mlflow.MlflowClient().list_artifacts(run.info.run_id) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seed": None}, "The seed is None; it must be a whole number"),
        ({"seed": True}, "The seed is True"),
        ({"data": ""}, "content hash of the data is missing"),
        ({"source": Path("nowhere.py")}, "There is no file or folder 'nowhere.py'"),
        ({"dossier": Path("nowhere")}, "There is no file or folder 'nowhere'"),
        ({"example": frame()[INPUTS].head(4)}, "The example has 4 rows; give at least 5"),
    ],
)
def test_what_is_missing_is_said(wrong: dict[str, Any], said: str, log: Callable[..., Any]) -> None:
    with pytest.raises(CivicmlError, match=said):
        log(logistic(), **({"example": frame()[INPUTS].head()} | wrong))


def test_a_run_keeps_one_model(cohort: Path, source: Path) -> None:
    given = {"example": frame()[INPUTS].head(), "data": "a", "seed": 1, "source": source}
    with tracking.start("week12"):
        artefacts.log_model(logistic(), **given)
        with pytest.raises(CivicmlError, match="has a model already"):
            artefacts.log_model(boosted(), **given)


def test_without_an_open_run_the_line_that_opens_one_is_said(cohort: Path, source: Path) -> None:
    with pytest.raises(CivicmlError, match=r"No run is open.*tracking\.start"):
        artefacts.log_model(logistic(), example=frame()[INPUTS].head(), data="a", seed=1, source=source)


@pytest.mark.parametrize(
    ("domain", "name", "said"),
    [
        (
            "finance",
            "missed-appointments",
            "'finance' is not a domain; choose one of health, justice, transport",
        ),
        ("health", "Missed Appointments", "is not a model's name; write it as"),
        ("health", "../x", "is not a model's name"),
        ("health", "", "is not a model's name"),
    ],
)
def test_only_names_of_the_course_s_form_are_registered(
    domain: str, name: str, said: str, log: Callable[..., Any]
) -> None:
    run_id, _ = log(logistic(), frame()[INPUTS].head())

    with pytest.raises(CivicmlError, match=said):
        artefacts.register(run_id, domain=domain, name=name)

    assert mlflow.MlflowClient().search_registered_models() == []


def test_a_run_without_a_model_is_not_registered(cohort: Path) -> None:
    with tracking.start("week12") as run:
        pass

    with pytest.raises(artefacts.Refused, match=r"has no model that artefacts\.log_model kept"):
        artefacts.register(run.info.run_id, **HEALTH)
    with pytest.raises(CivicmlError, match="There is no run"):
        artefacts.register("0" * 32, **HEALTH)

    assert mlflow.MlflowClient().search_registered_models() == []
