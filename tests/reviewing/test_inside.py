"""What the sandbox's side finds inside a model, and what its other side takes from it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from civicml.autograder.limits import Limits, Settings
from civicml.review.inside import kept_rows
from civicml.review.privacy import advantage_of
from civicml.review.sandboxed import ModelError, Sandbox, checked

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(600, 3)), columns=["a", "b", "c"])
OUTCOME = (FRAME["a"] + np.random.default_rng(1).normal(size=600)) > 0
KEYS = {"person": np.arange(1_000_000, 1_000_600)}
OTHERS = {"person": np.arange(5_000_000, 5_000_600)}


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(),
        KNeighborsClassifier(algorithm="brute"),
        make_pipeline(StandardScaler(), KNeighborsClassifier(algorithm="kd_tree")),
        make_pipeline(StandardScaler(), SVC()),
    ],
)
def test_rows_that_a_model_keeps_are_found_also_as_its_steps_prepare_them(model):
    fitted = model.fit(FRAME, OUTCOME)
    assert kept_rows(fitted.predict, FRAME.head(200), KEYS, OTHERS)["rows"] > 0.4


@pytest.mark.parametrize(
    "model",
    [make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(20, random_state=0)],
)
def test_a_model_that_keeps_no_rows_is_not_accused(model):
    found = kept_rows(model.fit(FRAME, OUTCOME), FRAME.head(200), KEYS, OTHERS)
    assert found["rows"] == 0.0
    assert found["keys"]["person"] == [0.0, 0.0]


def test_rows_and_identifiers_hung_onto_a_model_are_found():
    model = LogisticRegression().fit(FRAME, OUTCOME)
    model.seen_ = {"rows": FRAME.to_numpy(dtype=np.float32), "of": [KEYS["person"][:300]]}
    found = kept_rows(model, FRAME.head(200), KEYS, OTHERS)
    assert found["rows"] == 1.0
    assert found["keys"]["person"] == [0.5, 0.0]


def test_a_model_that_loops_back_to_itself_is_looked_through_once():
    model = LogisticRegression().fit(FRAME, OUTCOME)
    model.self_ = [model]
    assert kept_rows(model, FRAME.head(10), KEYS, OTHERS)["rows"] == 0.0


def test_an_attack_succeeds_on_memory_only():
    generator = np.random.default_rng(0)
    losses = generator.exponential(1.0, 4000)
    nothing = advantage_of(losses[:2000], losses[2000:])
    assert nothing.value < nothing.noise + 0.03
    assert advantage_of(losses[:2000] * 0.2, losses[2000:]).value > 0.4


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("text", "no scores"),
        (np.array(["a", "b"]), "no scores"),
        (np.zeros((2, 2)), "no scores"),
        (np.zeros(3), "no scores"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([0.1, np.inf]), "not finite"),
        (np.array([-0.1, 0.5]), "out of range"),
        (np.array([0.1, 1.5]), "out of range"),
    ],
)
def test_what_is_no_score_is_refused_with_a_reason(told, why):
    with pytest.raises(ModelError) as caught:
        checked(told, 2)
    assert caught.value.why == why
    assert caught.value.says[0].islower()


def test_scores_in_one_column_are_scores():
    assert checked(np.array([[0.25], [1.0]], dtype=np.float32), 2).tolist() == [0.25, 1.0]


# --- in the sandbox ---------------------------------------------------------------------------------

SLEEPS = """
def train(tables, seed):
    def score(frame):
        import time
        time.sleep(3600)
    return score
"""
FORGES = """
import numpy as np


class Forged:
    def __reduce__(self):
        return (print, ("run by the reviewer",))


def train(tables, seed):
    return lambda frame: np.array([Forged()] * len(frame), dtype=object)
"""
LOOKS = """
import numpy as np


def train(tables, seed):
    return lambda frame: np.full(len(frame), float(len(frame.columns) == 3 and not hasattr(frame, "outcome")))
"""


@pytest.fixture(params=[SLEEPS, FORGES, LOOKS], ids=["sleeps", "forges", "looks"])
def source(request, tmp_path):
    (tmp_path / "train.py").write_text(request.param)
    return tmp_path, request.param


def test_a_model_that_hangs_or_answers_with_objects_is_an_error_and_never_unpickled(source, course, capfd):
    folder, text = source
    settings = Settings(limits=Limits(), imports=("numpy", "pandas", "pyarrow"))
    with Sandbox(course.brief, course.root, settings, model=None, source=folder) as sandbox:
        process = sandbox.start()
        process.ask("train", {"dataset": "calls", "tables": {}, "seed": 1, "file": "train.py"}, seconds=60)
        if text is LOOKS:
            assert process.ask("predict", FRAME, seconds=60)[0].tolist() == [1.0] * 600
            return
        with pytest.raises(ModelError) as caught:
            process.ask("predict", FRAME, seconds=2.0 if text is SLEEPS else 60)
    assert caught.value.why == ("late" if text is SLEEPS else "raised")
    assert "run by the reviewer" not in capfd.readouterr().out
