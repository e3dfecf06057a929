# ruff: noqa: ANN401 - models and arrays of libraries that may not be there
"""Makes a predicting function of a model's files. Only inside a sandbox: forged numbers can still do harm.

What is opened has passed `inspect`, so no code of the learner's runs; but a tree that points
outside itself can crash the process, and a model can be slow without end.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.facts import ModelFacts
from civicml.tracking.artefacts.inspecting import inspect
from civicml.tracking.artefacts.mlmodel import our_flavour
from civicml.tracking.artefacts.refusing import Refused
from civicml.tracking.artefacts.reviewed import ONNX_FILE, SKOPS_FILE, skops_types

if TYPE_CHECKING:
    from numpy.typing import NDArray

Predict: TypeAlias = "Callable[[pd.DataFrame], NDArray[np.float64]]"


def open_model(folder: Path) -> Predict:
    """The model in `folder` as a function: a frame with its columns in, one score a row out.

    The function gives a float64 array of shape (rows,), higher for a more likely outcome. It
    neither clips nor repairs: a model that gives NaN gives NaN. It raises `CivicmlError` when
    the frame lacks a column, and whatever the library raises when the model cannot take a value.

    Args:
        folder: as for `inspect`, which it calls first.

    Raises:
        Refused: as `inspect`; or the model gives no single score a row.
    """
    facts = inspect(folder)
    model = folder if (folder / "MLmodel").is_file() else folder / "model"
    names = facts.names
    score = _opened(model, facts)

    def predict(frame: pd.DataFrame) -> "NDArray[np.float64]":
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise CivicmlError(f"The model needs the column '{missing[0]}', which the frame does not have.")
        given = np.asarray(score(frame[names]), dtype=np.float64)
        if given.shape not in ((len(frame),), (len(frame), 1)):
            raise CivicmlError(
                f"The model gave {given.shape} numbers for {len(frame)} rows; one a row is wanted."
            )
        return given.reshape(len(frame))

    return predict


def _opened(model: Path, facts: ModelFacts) -> Callable[[pd.DataFrame], Any]:
    if facts.kind == "sklearn":
        return scores_of(load_skops(model / SKOPS_FILE))
    if facts.kind == "onnx":
        from civicml.tracking.artefacts.onnx_files import open_onnx

        return open_onnx(model / ONNX_FILE, facts.inputs)
    if facts.kind == "torch":
        from civicml.tracking.artefacts.network_files import open_network

        return open_network(model, our_flavour(model))
    from civicml.tracking.artefacts.network_files import open_text

    return open_text(model, our_flavour(model))


def load_skops(path: Path) -> Any:
    """The object in a skops file, of reviewed types only."""
    import skops.io

    return skops.io.load(path, trusted=sorted(skops_types()))


def scores_of(model: Any) -> Callable[[pd.DataFrame], Any]:
    """How a fitted scikit-learn model gives one score a row: the outcome's probability, or a number.

    Raises:
        Refused: a classifier without probabilities, or of something else than yes and no.
    """
    if getattr(model, "classes_", None) is None:
        if hasattr(model, "predict"):
            return model.predict  # type: ignore[no-any-return]
        raise Refused("The model cannot predict.", "Log a fitted classifier, or a pipeline that ends in one.")
    if not hasattr(model, "predict_proba"):
        raise Refused(
            "The classifier gives classes and no probabilities.",
            "Put it into CalibratedClassifierCV, which adds them.",
        )
    classes = list(np.asarray(model.classes_).tolist())
    if classes not in ([False, True], [0, 1]):
        raise Refused(
            f"The classifier tells {str(classes)[:60]} apart.",
            "Fit it on an outcome that is True or False.",
        )
    return lambda frame: model.predict_proba(frame)[:, 1]


class _ForMlflow:
    """What ``mlflow.pyfunc.load_model`` calls, so that a network opens with plain MLflow too."""

    def __init__(self, folder: Path) -> None:
        self._predict = open_model(folder)

    def predict(self, model_input: pd.DataFrame, params: object = None) -> "NDArray[np.float64]":
        return self._predict(model_input)


def _load_pyfunc(path: str) -> _ForMlflow:
    place = Path(path)
    return _ForMlflow(place if place.is_dir() else place.parent)
