"""How a learner hands a network or a language model to `log_model`: the parts, each of them data.

They score frames too, by the same steps as at a review.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Network:
    """A trained PyTorch network over a table.

    `module` has been built by `build(architecture, **sizes)` and trained. `prepare` is a fitted scikit-learn
    transformer that turns the frame's columns into numbers; without it the columns are numbers already.
    """

    architecture: str
    sizes: Mapping[str, Any]
    module: Any  # torch.nn.Module
    prepare: Any = None  # fitted transformer


@dataclass(frozen=True)
class Text:
    """A transformers model that classifies one column of text, with all its weights."""

    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # a fast tokenizer of transformers
    column: str
    longest: int = 256  # tokens; what is longer is cut


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter for a base model that the department keeps.

    `folder` is what peft's ``save_pretrained`` wrote. `base` is the name of a folder in
    ``$CIVICML_BASES`` with the base's ``model.safetensors``; its hash is kept with the adapter.
    """

    folder: Path
    base: str
    config: Any = field(repr=False)  # transformers' configuration of the whole model, with its labels
    tokenizer: Any = field(repr=False)
    column: str
    longest: int = 256
