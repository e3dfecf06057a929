"""The types, flavours and operators that a model may consist of: read from data files, decided by people."""

import tomllib
from functools import cache
from importlib.resources import files

# The only module that MLflow may be told to put a model together with, and the flavours it knows.
LOADER = "civicml.tracking.artefacts.opening"
FLAVOURS = ("civicml", "onnx", "sklearn")
SKOPS_FILE = "model.skops"
ONNX_FILE = "model.onnx"
OUR_FLAVOUR = "civicml"
ONNX_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


@cache
def skops_types() -> frozenset[str]:
    """The reviewed types of ``skops_types.toml``, by their full names."""
    text = (files(__package__) / "skops_types.toml").read_text(encoding="utf-8")
    return frozenset(name for group in tomllib.loads(text)["group"] for name in group["types"])
