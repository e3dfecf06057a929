# ruff: noqa: ANN401 - models and arrays of libraries that may not be there
"""An ONNX file: read as a graph of known operators, and run by onnxruntime inside a sandbox."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.facts import Column
from civicml.tracking.artefacts.refusing import LOG_AGAIN, CodeFound, Refused
from civicml.tracking.artefacts.reviewed import ONNX_DOMAINS

if TYPE_CHECKING:
    import pandas as pd

_MOST_DEPTH = 10
_MOST_NODES = 100_000
_EXTERNAL = 1  # TensorProto.EXTERNAL
_NUMBERS = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def read_onnx(path: Path) -> Any:
    """The graph in an ONNX file; nothing that it points to is read.

    Raises:
        Refused: it is no ONNX file.
        CivicmlError: onnx is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise CivicmlError("ONNX is not installed here: install onnx and onnxruntime.") from None
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except Exception:
        raise Refused(f"'{path.name}' is not an ONNX file.", LOG_AGAIN) from None


def operators_in(path: Path) -> tuple[str, ...]:
    """The operators of an ONNX file, all of ONNX's own; refuses what reads other files.

    Raises:
        Refused: weights in other files, functions or operators that are not ONNX's.
    """
    model = read_onnx(path)
    if len(model.functions) or model.training_info:
        raise Refused(
            "The ONNX file brings functions of its own.", "Export the model with ONNX's operators only."
        )
    found: set[str] = set()
    for count, node in enumerate(_nodes(model.graph, 0)):
        if count > _MOST_NODES:
            raise Refused("The ONNX file has too many steps.", "Export a smaller model.")
        if node.domain not in ONNX_DOMAINS:
            raise CodeFound(
                f"The ONNX file needs the operator '{node.op_type[:40]}' of '{node.domain[:40]}', "
                "which is code that somebody must install.",
                "Export the model with ONNX's operators only.",
            )
        found.add(node.op_type)
    if not found:
        raise Refused(f"'{path.name}' is not an ONNX file with a graph in it.", LOG_AGAIN)
    return tuple(sorted(found))


def _nodes(graph: Any, depth: int) -> Iterator[Any]:
    if depth > _MOST_DEPTH:
        raise Refused("The ONNX file's graphs lie too deep in one another.", "Export a simpler model.")
    sparse = [part for one in graph.sparse_initializer for part in (one.values, one.indices)]
    _refuse_external([*graph.initializer, *sparse])
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            sparse = [
                part
                for one in (attribute.sparse_tensor, *attribute.sparse_tensors)
                for part in (one.values, one.indices)
            ]
            _refuse_external([attribute.t, *attribute.tensors, *sparse])
            for inner in [attribute.g, *attribute.graphs]:
                if inner.node or inner.initializer:
                    yield from _nodes(inner, depth + 1)


def _refuse_external(tensors: list[Any]) -> None:
    for tensor in tensors:
        if tensor.data_location == _EXTERNAL or tensor.external_data:
            place = next(
                (entry.value for entry in tensor.external_data if entry.key == "location"), "another file"
            )
            raise Refused(
                f"The ONNX file takes weights from '{place[:80]}'.", "Save all weights in the one file."
            )


def open_onnx(path: Path, columns: tuple[Column, ...]) -> "Callable[[pd.DataFrame], Any]":
    """The ONNX file as a function from a frame to scores.

    It takes one input a column, named alike, or a single input with all columns in the
    signature's order. Its score is the output ``probabilities`` (rows, 2), or the last output.

    Raises:
        Refused: its inputs are not the signature's columns, or its output is no array.
        CivicmlError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise CivicmlError("ONNX is not installed here: install onnx and onnxruntime.") from None
    operators_in(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise Refused(
            f"onnxruntime cannot run '{path.name}' ({str(error)[:200]}).",
            "Export the model again, and run it once.",
        ) from None
    inputs = {given.name: given.type for given in session.get_inputs()}
    names = [column.name for column in columns]
    if len(inputs) > 1 and set(inputs) != set(names):
        raise Refused(
            "The ONNX file's inputs are not the columns of the signature.", "Name its inputs as the columns."
        )
    outputs = session.get_outputs()
    output = next((one for one in outputs if one.name.startswith("prob")), outputs[-1])
    if not output.type.startswith("tensor("):
        raise Refused(
            "The ONNX file gives a list of dictionaries.", "Convert it with options={'zipmap': False}."
        )

    def score(frame: "pd.DataFrame") -> Any:
        if len(inputs) == 1 and set(inputs) != set(names):
            ((name, kind),) = inputs.items()
            fed = {name: _array(frame[names], kind)}
        else:
            fed = {name: _array(frame[[name]], kind) for name, kind in inputs.items()}
        given = session.run([output.name], fed)[0]
        return given[:, 1] if given.ndim == 2 and given.shape[1] == 2 else given

    return score


def _array(frame: "pd.DataFrame", kind: str) -> Any:
    if kind == "tensor(string)":
        return frame.astype(str).to_numpy(dtype=object)
    return frame.to_numpy(dtype=_NUMBERS.get(kind, "float32"))
