# ruff: noqa: ANN401 - models and arrays of libraries that may not be there
"""A network's files: weights as safetensors, the architecture by name, the preparation by skops.

`parts_in` reads them as data; `open_network` builds the network, inside a sandbox.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.architectures import sized
from civicml.tracking.artefacts.mlmodel import Ours
from civicml.tracking.artefacts.refusing import LOG_AGAIN, CodeFound, Refused, read_json

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = "network.safetensors"
PREPARE = "prepare.skops"
BASES = "CIVICML_BASES"
MODEL_TYPES = {  # transformers' own implementations, read for what they do with a configuration
    "bert": "BertForSequenceClassification",
    "distilbert": "DistilBertForSequenceClassification",
    "electra": "ElectraForSequenceClassification",
    "mpnet": "MPNetForSequenceClassification",
    "roberta": "RobertaForSequenceClassification",
}
_MOST_HEADER = 20 * 1024 * 1024
_MOST_TENSORS = 20_000
_LARGEST_NUMBER = 2_000_000
_MOST_LAYERS = 60
# Settings with which transformers would fetch or import code that is not its own.
_RUNS_CODE = re.compile(
    r"auto_map|custom_pipelines|trust_remote_code|quantization_config|\w*implementation\w*"
)
_LORA_CODE = ("auto_mapping", "megatron_config")
# Settings of a plain LoRA adapter: they say what the weights are, or nothing that changes the sum below.
_LORA_PLAIN = frozenset(
    {
        "base_model_name_or_path",
        "bias",
        "ensure_weight_tying",
        "exclude_modules",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "modules_to_save",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "revision",
        "target_modules",
        "task_type",
        "use_rslora",
    }
)


def parts_in(model: Path, own: Ours) -> tuple[str, ...]:
    """What a network or language model consists of, in words; refuses what is not known.

    Raises:
        Refused: the weights are no safetensors, or a setting is not on the list.
    """
    if own.kind == "torch":
        sized(own.architecture, own.sizes)
        check_tensors(model / WEIGHTS)
        return (f"architecture {own.architecture}",)
    model_type = check_config(model / "text" / "config.json")
    if own.architecture != model_type or own.column is None or own.longest is None:
        raise Refused("'MLmodel' and the model's configuration do not agree.", LOG_AGAIN)
    read_json(model / "text" / "tokenizer.json")
    if own.kind == "transformers":
        check_tensors(model / "text" / "model.safetensors")
        return (MODEL_TYPES[model_type],)
    if own.base is None or own.base_sha256 is None:
        raise Refused("The adapter does not say which base model it is for.", LOG_AGAIN)
    check_lora(model / "adapter" / "adapter_config.json")
    check_tensors(model / "adapter" / "adapter_model.safetensors")
    return (MODEL_TYPES[model_type], f"LoRA for {own.base}")


def check_tensors(path: Path) -> tuple[str, ...]:
    """The names of the tensors in a safetensors file, whose header has been checked against its size.

    Raises:
        Refused: it is no safetensors file, or holds bytes that no tensor claims.
    """
    broken = Refused(
        f"'{path.name}' is not a safetensors file.", "Save the weights with safetensors, not torch.save."
    )
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_MOST_HEADER, size - 8):
            raise broken
        try:
            header = json.loads(file.read(length))
            spans = sorted(
                (*(int(at) for at in tensor["data_offsets"]), name)
                for name, tensor in header.items()
                if name != "__metadata__"
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise broken from None
    reached = 0
    for begin, end, _ in spans:
        if begin != reached or end < begin:
            raise broken
        reached = end
    if reached != size - 8 - length or not spans or len(spans) > _MOST_TENSORS:
        raise broken
    return tuple(name for _, _, name in spans)


def check_config(path: Path) -> str:
    """The type of a transformers model, from a configuration that names no code and no size beyond reason.

    Raises:
        Refused: another type of model, or a setting that fetches code.
    """
    config = read_json(path)
    for name in config:
        if _RUNS_CODE.fullmatch(name) and config[name] is not None:
            raise CodeFound(
                f"The configuration sets '{name[:40]}', with which transformers runs other people's code.",
                LOG_AGAIN,
            )
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise Refused(
            f"A transformers model of the type {str(model_type)[:40]!r} has not been reviewed.",
            f"Use one of: {', '.join(sorted(MODEL_TYPES))}.",
        )
    if config.get("architectures") not in (None, [MODEL_TYPES[model_type]]):
        raise Refused(
            f"The model is a {str(config['architectures'])[:60]}, which does not give a score a text.",
            f"Log a {MODEL_TYPES[model_type]} with two labels.",
        )
    numbers = [value for value in config.values() if isinstance(value, (int, float))]
    layers = [config.get(name, 0) for name in ("num_hidden_layers", "n_layers")]
    if any(abs(number) > _LARGEST_NUMBER for number in numbers) or any(
        not isinstance(count, int) or count > _MOST_LAYERS for count in layers
    ):
        raise Refused("The configuration asks for a model beyond reason.", LOG_AGAIN)
    return str(model_type)


def check_lora(path: Path) -> Mapping[str, Any]:
    """The settings of a LoRA adapter: plain LoRA, nothing that imports.

    Raises:
        Refused: another method, or a setting that is not supported.
    """
    config = read_json(path)
    for name in _LORA_CODE:
        if config.get(name):
            raise CodeFound(
                f"The adapter sets '{name}', with which peft imports what it names.",
                "Use a plain LoRA adapter.",
            )
    set_too = sorted(name for name in config if config[name] and name not in _LORA_PLAIN)
    if config.get("init_lora_weights", True) not in (True, False, "gaussian"):
        set_too.append("init_lora_weights")  # the others change the base's own weights
    if config.get("peft_type") != "LORA" or set_too or config.get("bias", "none") != "none":
        said = f"sets '{set_too[0][:40]}'" if set_too else f"is {str(config.get('peft_type'))[:40]}"
        raise Refused(
            f"The adapter {said}, which is not supported.", "Use a plain LoRA adapter, with bias='none'."
        )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or not 1 <= rank <= 4096 or not isinstance(alpha, (int, float)):
        raise Refused(
            "The adapter has no rank 'r' or no 'lora_alpha'.", "Save it again with peft's save_pretrained."
        )
    return config


def open_network(model: Path, own: Ours) -> "Callable[[pd.DataFrame], Any]":
    """The network in `model` as a function from a frame to probabilities."""
    from safetensors.torch import load_file

    network = sized(own.architecture, own.sizes).build()
    _load(network, load_file(model / WEIGHTS))
    prepare = None
    if own.prepared:
        from civicml.tracking.artefacts.opening import load_skops

        prepare = load_skops(model / PREPARE)
    return network_scores(network, prepare)


def network_scores(network: Any, prepare: Any) -> "Callable[[pd.DataFrame], Any]":
    """How a network over a table gives a probability for each row."""
    import numpy as np
    import torch

    network.eval()

    def score(frame: "pd.DataFrame") -> Any:
        rows: Any = frame if prepare is None else prepare.transform(frame)
        rows = rows.toarray() if hasattr(rows, "toarray") else rows
        numbers = torch.from_numpy(np.ascontiguousarray(np.asarray(rows, dtype=np.float32)))
        with torch.inference_mode():
            return torch.sigmoid(network(numbers)).numpy().astype(np.float64)

    return score


def _load(network: Any, weights: Mapping[str, Any]) -> None:
    try:
        network.load_state_dict(dict(weights), strict=True)
    except RuntimeError:
        raise Refused(
            "The weights are not those of the architecture that 'MLmodel' names.",
            "Give Network the architecture and the sizes with which the module was built.",
        ) from None


def open_text(model: Path, own: Ours) -> "Callable[[pd.DataFrame], Any]":
    """The language model in `model` as a function from a frame to probabilities.

    Raises:
        CivicmlError: the base model of an adapter is not here, or is another one.
        Refused: the weights do not fit the configuration.
    """
    from safetensors.torch import load_file

    network = _empty_text_model(model / "text" / "config.json")
    if own.kind == "transformers":
        _load(network, _whole(network, load_file(model / "text" / "model.safetensors")))
    else:
        weights = _whole(network, load_file(_base(own)))
        settings = check_lora(model / "adapter" / "adapter_config.json")
        _load(
            network,
            _merged(network, weights, load_file(model / "adapter" / "adapter_model.safetensors"), settings),
        )
    return text_scores(network, model / "text" / "tokenizer.json", str(own.column), int(own.longest or 1))


def _empty_text_model(path: Path) -> Any:
    import transformers

    said = read_json(path)
    kind = getattr(transformers, MODEL_TYPES[check_config(path)])
    known = set(kind.config_class().to_dict()) | {"id2label", "label2id", "problem_type"}
    kept = {
        name: said[name]
        for name in said
        if name in known and name not in ("architectures", "model_type", "dtype")
    }
    return kind(kind.config_class(**kept)).float()


def _whole(network: Any, weights: Mapping[str, Any]) -> dict[str, Any]:
    """A base's weights under the names of the whole model; buffers that no file keeps stay as built."""
    own = network.state_dict()
    prefix = f"{network.base_model_prefix}."
    named = {name if name in own else f"{prefix}{name}": tensor for name, tensor in weights.items()}
    buffers = {name for name, _ in network.named_buffers()}
    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in named.items()
        if name in own
    }
    return {name: own[name] for name in buffers if name in own} | kept


def _merged(
    network: Any,
    weights: dict[str, Any],
    adapter: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Base weights with the adapter added: W + scale · B A (Hu et al. 2021, LoRA, equation 3)."""
    rank = settings["r"]
    scale = settings["lora_alpha"] / (rank**0.5 if settings.get("use_rslora") else rank)
    own = network.state_dict()
    for name, tensor in adapter.items():
        place = (
            name.removeprefix("base_model.model.").replace(".modules_to_save", "").replace(".base_layer", "")
        )
        if place.endswith(".lora_A.weight"):
            target = place.removesuffix(".lora_A.weight") + ".weight"
            other = adapter.get(name.removesuffix("lora_A.weight") + "lora_B.weight")
            if (
                other is None
                or target not in weights
                or (other.shape[0], tensor.shape[1]) != weights[target].shape
            ):
                raise Refused(
                    f"The adapter does not fit the base model at '{place[:80]}'.", "Log it with its own base."
                )
            weights[target] = weights[target] + scale * (other.float() @ tensor.float())
        elif not place.endswith(".lora_B.weight"):
            if place not in own:
                raise Refused(
                    f"The adapter has '{place[:80]}', which the base model has not.", "Use plain LoRA."
                )
            weights[place] = tensor.float()
    return weights


def base_hash(name: str) -> str:
    """The SHA-256 of a base model's weights.

    Raises:
        CivicmlError: it is not in ``$CIVICML_BASES``.
    """
    with _base_file(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _base(own: Ours) -> Path:
    name = str(own.base)
    if base_hash(name) != own.base_sha256:
        raise CivicmlError(f"The base model '{name}' here is not the one that the adapter was trained on.")
    return _base_file(name)


def _base_file(name: str) -> Path:
    folder = os.environ.get(BASES)
    if not folder:
        raise CivicmlError(
            f"{BASES} is not set: it names the folder with the base models that adapters are for."
        )
    path = Path(folder, name, "model.safetensors")
    if not path.is_file():
        raise CivicmlError(f"There is no base model '{name}' with a model.safetensors in {BASES}.")
    return path


def text_scores(
    network: Any,
    tokenizer: Path,
    column: str,
    longest: int,
) -> "Callable[[pd.DataFrame], Any]":
    """How a language model gives a probability for each text."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    labels = network.config.num_labels
    if labels not in (1, 2):
        raise Refused(f"The model tells {labels} labels apart.", "Log a model with two: the outcome, or not.")
    words = Tokenizer.from_file(str(tokenizer))
    words.enable_truncation(min(longest, int(getattr(network.config, "max_position_embeddings", longest))))
    words.enable_padding(pad_id=int(network.config.pad_token_id or 0))
    network.eval()

    def score(frame: "pd.DataFrame") -> Any:
        texts = frame[column].fillna("").astype(str).tolist()
        parts = []
        with torch.inference_mode():
            for at in range(0, len(texts), 32):
                read = words.encode_batch(texts[at : at + 32])
                logits = network(
                    input_ids=torch.tensor([one.ids for one in read]),
                    attention_mask=torch.tensor([one.attention_mask for one in read]),
                ).logits.double()
                parts.append(torch.sigmoid(logits[:, 0]) if labels == 1 else torch.softmax(logits, 1)[:, 1])
        return np.concatenate([part.numpy() for part in parts]) if parts else np.empty(0)

    return score
