"""Models in MLflow that nobody has to run to look at.

`log_model` keeps a model with its run in a form that holds data only, `register` hands it in,
`fetch` brings a version's files here, `inspect` says what they are without executing any of
them, and `open_model` makes a predicting function of them, inside a sandbox. A model that
could run code when it is loaded is refused, by its content and not by its name.
"""

from civicml.tracking.artefacts.architectures import build
from civicml.tracking.artefacts.facts import Column, File, ModelFacts
from civicml.tracking.artefacts.fetching import Fetched, fetch
from civicml.tracking.artefacts.handed import Adapter, Network, Text
from civicml.tracking.artefacts.inspecting import inspect
from civicml.tracking.artefacts.opening import Predict, open_model
from civicml.tracking.artefacts.refusing import LARGEST_MODEL, CodeFound, Refused
from civicml.tracking.artefacts.registering import model_name, register
from civicml.tracking.artefacts.saving import log_model

__all__ = [
    "LARGEST_MODEL",
    "Adapter",
    "CodeFound",
    "Column",
    "Fetched",
    "File",
    "ModelFacts",
    "Network",
    "Predict",
    "Refused",
    "Text",
    "build",
    "fetch",
    "inspect",
    "log_model",
    "model_name",
    "open_model",
    "register",
]
