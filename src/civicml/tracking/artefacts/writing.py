# ruff: noqa: ANN401 - models and arrays of libraries that may not be there
"""Writes a model's files: data in a format of its own, and ``MLmodel`` and its companions as MLflow has them.

It must not know of runs or registries.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.architectures import sized
from civicml.tracking.artefacts.facts import Column
from civicml.tracking.artefacts.handed import Adapter, Network, Text
from civicml.tracking.artefacts.mlmodel import Ours
from civicml.tracking.artefacts.refusing import SAVE_SAFELY, CodeFound, Refused
from civicml.tracking.artefacts.reviewed import LOADER, ONNX_FILE, OUR_FLAVOUR, SKOPS_FILE
from civicml.tracking.artefacts.skops_files import refuse_types

if TYPE_CHECKING:
    import pandas as pd

_LEAST_EXAMPLES = 5


@dataclass(frozen=True)
class _Written:
    """What a format's own files say to ``MLmodel``."""

    flavour: str
    settings: Mapping[str, Any]
    scores: Any  # of the example
    libraries: tuple[str, ...]


def write_model(model: Any, example: "pd.DataFrame", folder: Path, notes: Mapping[str, Any]) -> None:
    """Write a fitted model to a new folder, as data.

    Args:
        model: as for `log_model`.
        example: at least five rows of the model's columns.
        folder: where to; it does not exist yet.
        notes: data hash, code version and seed, kept in ``MLmodel``.

    Raises:
        Refused: the model cannot be kept as data, or its scores for the example are no scores.
        CivicmlError: the example is too short.
    """
    from sklearn.base import BaseEstimator

    if len(example) < _LEAST_EXAMPLES:
        raise CivicmlError(f"The example has {len(example)} rows; give at least {_LEAST_EXAMPLES}.")
    _refuse_code(model)
    folder.mkdir()
    with quiet():
        if isinstance(model, BaseEstimator):
            written = _write_sklearn(model, example, folder)
        elif isinstance(model, Network):
            written = _write_network(model, example, folder)
        elif isinstance(model, Text | Adapter):
            written = _write_text(model, example, folder)
        elif type(model).__module__.startswith("onnx."):
            written = _write_onnx(model, example, folder)
        else:
            raise _not_data(model)
        _describe(written, example, folder, notes)


def _refuse_code(model: Any) -> None:
    """Refuse what is known to need code: said here, where the learner can act on it."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    if any(name.startswith("torch.jit.") for name in names):
        raise CodeFound("A TorchScript model is code.", "Log the network itself, as artefacts.Network.")
    if any(name.startswith("mlflow.pyfunc.") for name in names):
        raise CodeFound(
            "A python_function model is saved with cloudpickle, which runs code when it is loaded.",
            SAVE_SAFELY,
        )
    if isinstance(model, str | Path | bytes):
        raise CodeFound(
            "A file of a saved model is not taken: pickle and joblib run code when they are loaded.",
            "Pass the fitted model itself.",
        )


def _not_data(model: Any) -> Refused:
    names = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if "transformers" in names:
        return Refused(
            "A transformers model needs its tokenizer.", "Log artefacts.Text(model, tokenizer, column)."
        )
    if "torch" in names:
        return Refused(
            "A bare PyTorch module says nothing of how it is built.",
            "Build it with artefacts.build and log artefacts.Network(architecture, sizes, module, prepare).",
        )
    return Refused(f"A {type(model).__name__} cannot be kept as data.", SAVE_SAFELY)


def _write_sklearn(model: Any, example: "pd.DataFrame", folder: Path) -> _Written:
    import sklearn

    from civicml.tracking.artefacts.opening import scores_of

    score = scores_of(model)
    types = _dump(model, folder / SKOPS_FILE)
    settings = {
        "pickled_model": SKOPS_FILE,  # MLflow's name for the file, whatever its format
        "serialization_format": "skops",
        "skops_trusted_types": list(types),
        "sklearn_version": sklearn.__version__,
        "code": None,
    }
    return _Written("sklearn", settings, score(example), ("scikit-learn", "skops"))


def _dump(model: Any, path: Path) -> tuple[str, ...]:
    """Save with skops; gives the types that it needs and that skops does not trust by itself."""
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        skops.io.dump(model, path)
    except UnsupportedTypeException as error:
        raise Refused(f"skops cannot save this model: {error}", SAVE_SAFELY) from None
    types = tuple(skops.io.get_untrusted_types(file=path))
    refuse_types(types)
    return types


def _write_onnx(model: Any, example: "pd.DataFrame", folder: Path) -> _Written:
    from civicml.tracking.artefacts.onnx_files import open_onnx

    path = folder / ONNX_FILE
    path.write_bytes(model.SerializeToString())
    score = open_onnx(path, tuple(Column(str(name), "", required=True) for name in example.columns))
    settings = {"data": ONNX_FILE, "onnx_version": version("onnx"), "providers": ["CPUExecutionProvider"]}
    return _Written("onnx", settings, score(example), ("onnx", "onnxruntime"))


def _write_network(model: Network, example: "pd.DataFrame", folder: Path) -> _Written:
    from safetensors.torch import save_file

    from civicml.tracking.artefacts.network_files import PREPARE, WEIGHTS, open_network

    architecture = sized(model.architecture, dict(model.sizes))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.module.state_dict().items()}, folder / WEIGHTS
    )
    if model.prepare is not None:
        _dump(model.prepare, folder / PREPARE)
    own = Ours(
        kind="torch",
        architecture=model.architecture,
        sizes=architecture.model_dump(exclude={"architecture"}),
        prepared=model.prepare is not None,
        version=version("torch"),
    )
    scores = open_network(folder, own)(example)
    return _ours(own, scores, "torch", "safetensors", "scikit-learn", "skops")


def _write_text(model: Text | Adapter, example: "pd.DataFrame", folder: Path) -> _Written:
    from civicml.tracking.artefacts.network_files import base_hash, open_text, parts_in

    text = folder / "text"
    text.mkdir(parents=True)
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise Refused(
            "The tokenizer is not a fast one, so it cannot be kept as data.", "Use AutoTokenizer, which is."
        )
    tokenizer.save(str(text / "tokenizer.json"))
    config = model.model.config if isinstance(model, Text) else model.config
    # Some settings say how to run and not what the model is; they stay behind.
    said = {name: value for name, value in config.to_diff_dict().items() if "implementation" not in name}
    (text / "config.json").write_text(
        json.dumps(said | {"model_type": config.model_type}, indent=1), encoding="utf-8"
    )
    if isinstance(model, Text):
        from safetensors.torch import save_model

        save_model(model.model, str(text / "model.safetensors"))
    else:
        (folder / "adapter").mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(model.folder / name, folder / "adapter" / name)
    own = Ours(
        kind="transformers" if isinstance(model, Text) else "adapter",
        architecture=config.model_type,
        column=model.column,
        longest=model.longest,
        base=model.base if isinstance(model, Adapter) else None,
        base_sha256=base_hash(model.base) if isinstance(model, Adapter) else None,
        version=version("transformers"),
    )
    parts_in(folder, own)
    scores = open_text(folder, own)(example)
    return _ours(own, scores, "torch", "transformers", "tokenizers", "safetensors")


def _ours(own: Ours, scores: Any, *libraries: str) -> _Written:
    return _Written(OUR_FLAVOUR, own.model_dump(exclude_none=True), scores, libraries)


def _describe(written: _Written, example: "pd.DataFrame", folder: Path, notes: Mapping[str, Any]) -> None:
    """Write the files that MLflow has beside every model."""
    import yaml
    from mlflow import pyfunc
    from mlflow.models import Model
    from mlflow.models.utils import _save_example
    from mlflow.utils.environment import _mlflow_conda_env, _PythonEnv

    requirements = [f"{name}=={version(name)}" for name in (*written.libraries, "numpy", "pandas")]
    described = Model(
        signature=_signature(example, written.scores),
        metadata={"civicml": {**notes, "versions": _versions(written.libraries)}},
    )
    _save_example(described, example, str(folder))
    pyfunc.add_to_model(described, loader_module=LOADER, conda_env="conda.yaml", python_env="python_env.yaml")
    described.add_flavor(written.flavour, **written.settings)
    described.save(str(folder / "MLmodel"))
    conda = _mlflow_conda_env(additional_pip_deps=requirements)  # type: ignore[no-untyped-call]
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda), encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    _PythonEnv.current().to_yaml(str(folder / "python_env.yaml"))  # type: ignore[no-untyped-call]


def _signature(example: "pd.DataFrame", scores: Any) -> Any:
    import numpy as np
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature

    scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    if (
        scores.shape != (len(example),)
        or not np.isfinite(scores).all()
        or scores.min() < 0
        or scores.max() > 1
    ):
        raise Refused(
            "The model's predictions for the example are not one number between 0 and 1 for each row.",
            "Log a model of a probability: a classifier, calibrated if need be.",
        )
    try:
        return infer_signature(example, scores)
    except MlflowException as error:
        raise CivicmlError(f"The example has a column that no signature can describe: {error}") from None


def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Which versions the model was made with, as far as they are known."""
    found = {}
    for name in (*libraries, "numpy", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which MLflow neither warns nor logs: what it would say does not concern a learner."""
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
