"""Networks, language models, adapters and ONNX files are kept as numbers and settings, and told from code."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from civicml.errors import CivicmlError
from civicml.tracking import artefacts
from civicml.tracking.artefacts.writing import write_model

from .models import INPUTS, frame, logistic, preparation

torch = pytest.importorskip("torch")
SIZES = {"inputs": 7, "hidden": [8, 4], "dropout": 0.1}
NOTES = {"data": "a", "seed": 1, "code": "sha256:b"}
TEXTS = pd.DataFrame({"text": ["the bus was late", "road closed", None, "the the", "was", ""] * 20})


def network() -> artefacts.Network:
    torch.manual_seed(0)
    prepared = preparation().fit(frame())
    return artefacts.Network("mlp", SIZES, artefacts.build("mlp", **SIZES), prepared)


def kept(model: Any, example: pd.DataFrame, folder: Path) -> Path:
    write_model(model, example, folder / "model", NOTES)
    return folder / "model"


def refusal(folder: Path) -> str:
    with pytest.raises(artefacts.Refused) as refused:
        artefacts.inspect(folder)
    return refused.value.reason


# --- networks over a table ----------------------------------------------------------------------


def test_a_network_is_kept_by_its_architecture_s_name_and_predicts_the_same(tmp_path: Path) -> None:
    model, given = network(), frame()[INPUTS]

    folder = kept(model, given.head(), tmp_path)
    facts = artefacts.inspect(folder)

    assert (facts.kind, facts.types, facts.names) == ("torch", ("architecture mlp",), INPUTS)
    model.module.eval()
    rows = torch.from_numpy(np.asarray(model.prepare.transform(given), dtype=np.float32))
    with torch.no_grad():
        expected = torch.sigmoid(model.module(rows)).numpy()[:, 0]
    np.testing.assert_allclose(artefacts.open_model(folder)(given), expected, rtol=0, atol=1e-7)


def test_a_network_of_numbers_alone_needs_no_preparation(tmp_path: Path) -> None:
    sizes = {"inputs": 2, "width": 6, "blocks": 2}
    model = artefacts.Network("residual_mlp", sizes, artefacts.build("residual_mlp", **sizes))
    given = frame()[["days_booked", "distance"]]

    folder = kept(model, given.head(), tmp_path)

    assert artefacts.inspect(folder).kind == "torch"
    assert artefacts.open_model(folder)(given).shape == (200,)


def test_an_architecture_says_how_many_numbers_it_has_before_it_is_built() -> None:
    from civicml.tracking.artefacts.architectures import sized

    for name, sizes in (("mlp", SIZES), ("residual_mlp", {"inputs": 3, "width": 6, "blocks": 2})):
        built = artefacts.build(name, **sizes)
        assert sized(name, sizes).parameters() == sum(part.numel() for part in built.parameters())


@pytest.mark.parametrize(
    ("name", "sizes", "said"),
    [
        ("transformer_xxl", {}, "There is no architecture 'transformer_xxl'. Use one of: mlp, residual_mlp"),
        ("mlp", {"inputs": 2}, "do not fit the architecture 'mlp': hidden: Field required"),
        ("mlp", {"inputs": 2, "hidden": [0]}, "do not fit"),
        ("mlp", {"inputs": 2, "hidden": [4], "activation": "os.system"}, "do not fit"),
        ("mlp", {"inputs": 100_000, "hidden": [100_000]}, "parameters; 100,000,000 are allowed"),
    ],
)
def test_architectures_are_taken_from_the_list_only(name: str, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(artefacts.Refused, match=said):
        artefacts.build(name, **sizes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.nn.Linear(7, 1), "says nothing of how it is built"),
        (lambda: torch.jit.script(torch.nn.Linear(7, 1)), "A TorchScript model is code"),
        (
            lambda: artefacts.Network("mlp", SIZES, torch.nn.Linear(7, 1)),
            "weights are not those of the architecture",
        ),
    ],
)
def test_modules_that_no_name_describes_are_refused(
    make: Callable[[], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(artefacts.Refused, match=said):
        write_model(make(), frame()[["days_booked"]].head(), tmp_path / "model", NOTES)


def test_what_torch_itself_saves_is_refused(tmp_path: Path) -> None:
    folder = kept(network(), frame()[INPUTS].head(), tmp_path)

    torch.save(network().module.state_dict(), folder / "network.safetensors")
    assert "is a PyTorch checkpoint, which is a pickle" in refusal(folder)

    torch.save(
        network().module.state_dict(), folder / "network.safetensors", _use_new_zipfile_serialization=False
    )
    assert "is a pickle" in refusal(folder)

    with pytest.warns(DeprecationWarning):
        torch.jit.script(torch.nn.Linear(7, 1)).save(folder / "network.safetensors")
    assert "is a TorchScript archive" in refusal(folder)


def _header(said: dict[str, Any], content: bytes = b"") -> bytes:
    header = json.dumps(said).encode()
    return len(header).to_bytes(8, "little") + header + content


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        (10**12).to_bytes(8, "little") + b"{}",
        _header({}),
        _header({"a": ONE}, b"1234 and rows of patients"),
        _header({"a": ONE | {"data_offsets": [4, 8]}}, b"12345678"),
        _header({"a": ONE, "b": ONE}, b"1234"),
        _header({"a": {}}, b"1234"),
        _header({"a": 1}),
    ],
)
def test_weights_that_are_no_safetensors_are_refused(content: bytes, tmp_path: Path) -> None:
    folder = kept(network(), frame()[INPUTS].head(), tmp_path)
    (folder / "network.safetensors").write_bytes(content)

    assert "'network.safetensors' is not a safetensors file." in refusal(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architecture": "unet"}, "There is no architecture 'unet'"),
        ({"sizes": {"inputs": 7}}, "do not fit"),
        ({"kind": "keras"}, "asks for more than loading"),
        ({"code": "x"}, "asks for more than loading"),
        ({"prepared": False}, "'prepare.skops' does not belong"),
    ],
)
def test_a_description_of_another_network_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = kept(network(), frame()[INPUTS].head(), tmp_path)
    respecify(folder, change)

    assert said in refusal(folder)


def test_weights_of_another_architecture_are_refused_when_opened(tmp_path: Path) -> None:
    folder = kept(network(), frame()[INPUTS].head(), tmp_path)
    respecify(folder, {"sizes": SIZES | {"hidden": [9, 4]}})

    with pytest.raises(artefacts.Refused, match="weights are not those of the architecture"):
        artefacts.open_model(folder)


def respecify(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "MLmodel"
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    said["flavors"]["civicml"].update(change)
    path.write_text(yaml.safe_dump(said), encoding="utf-8")


# --- language models ----------------------------------------------------------------------------


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    words.train_from_iterator(["the bus was late", "the road is closed"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")


def language_model(**settings: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**sizes, intermediate_size=32, pad_token_id=0, **settings)
    return transformers.BertForSequenceClassification(config).eval()


def test_a_language_model_is_kept_and_predicts_the_same(tmp_path: Path) -> None:
    model, words = language_model(), tokenizer()

    folder = kept(artefacts.Text(model, words, "text"), TEXTS.head(6), tmp_path)
    facts = artefacts.inspect(folder)

    assert (facts.kind, facts.types) == ("transformers", ("BertForSequenceClassification",))
    read = words(TEXTS["text"].fillna("").tolist(), padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=read["input_ids"], attention_mask=read["attention_mask"]).logits
    expected = torch.softmax(logits.double(), 1)[:, 1].numpy()
    np.testing.assert_allclose(artefacts.open_model(folder)(TEXTS), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"auto_map": {"AutoModel": "evil--modeling.Evil"}}, "sets 'auto_map'"),
        ({"_attn_implementation": "someone/kernels"}, "sets '_attn_implementation'"),
        ({"quantization_config": {"quant_method": "x"}}, "sets 'quantization_config'"),
        ({"model_type": "evil"}, "type 'evil' has not been reviewed"),
        ({"architectures": ["GPT2LMHeadModel"]}, "does not give a score a text"),
        ({"num_hidden_layers": 10_000}, "beyond reason"),
        ({"vocab_size": 10**12}, "beyond reason"),
        ({"model_type": "roberta", "architectures": None}, "do not agree"),
    ],
)
def test_a_configuration_that_fetches_code_or_asks_too_much_is_refused(
    setting: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = kept(artefacts.Text(language_model(), tokenizer(), "text"), TEXTS.head(6), tmp_path)
    path = folder / "text" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | setting), encoding="utf-8")

    assert said in refusal(folder)


def test_a_model_of_three_labels_gives_no_single_score(tmp_path: Path) -> None:
    with pytest.raises(artefacts.Refused, match="tells 3 labels apart"):
        kept(artefacts.Text(language_model(num_labels=3), tokenizer(), "text"), TEXTS.head(6), tmp_path)


def test_a_language_model_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(artefacts.Refused, match=r"needs its tokenizer.*artefacts\.Text"):
        kept(language_model(), TEXTS.head(6), tmp_path)


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> artefacts.Adapter:
    """A LoRA adapter as peft's save_pretrained writes it, with a base model that the department keeps."""
    from safetensors.torch import save_file

    model = language_model()
    base = tmp_path / "bases" / "tiny"
    base.mkdir(parents=True)
    save_file(
        {name: part.contiguous() for name, part in model.bert.state_dict().items()},
        base / "model.safetensors",
    )
    monkeypatch.setenv("CIVICML_BASES", str(base.parent))
    folder = tmp_path / "adapter"
    folder.mkdir()
    query = "base_model.model.bert.encoder.layer.0.attention.self.query"
    torch.manual_seed(1)
    weights = {
        f"{query}.lora_A.weight": torch.randn(4, 16),
        f"{query}.lora_B.weight": torch.randn(16, 4),
        "base_model.model.classifier.weight": torch.randn(2, 16),
        "base_model.model.classifier.bias": torch.zeros(2),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "auto_mapping": None}
    settings |= {
        "use_dora": False,
        "rank_pattern": {},
        "init_lora_weights": True,
        "megatron_core": "megatron.core",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return artefacts.Adapter(folder, "tiny", model.config, tokenizer(), "text")


def test_an_adapter_is_kept_without_its_base_and_added_to_it_when_opened(
    adapter: artefacts.Adapter, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    folder = kept(adapter, TEXTS.head(6), tmp_path)
    facts = artefacts.inspect(folder)

    assert (facts.kind, facts.types) == ("adapter", ("BertForSequenceClassification", "LoRA for tiny"))
    parts = load_file(adapter.folder / "adapter_model.safetensors")
    model = language_model()
    with torch.no_grad():
        query = model.bert.encoder.layer[0].attention.self.query
        first, second = (part for name, part in sorted(parts.items()) if ".lora_" in name)
        query.weight += 8 / 4 * second @ first
        model.classifier.weight.copy_(parts["base_model.model.classifier.weight"])
        model.classifier.bias.zero_()
    whole = kept(artefacts.Text(model, adapter.tokenizer, "text"), TEXTS.head(6), tmp_path / "bases")
    np.testing.assert_allclose(
        artefacts.open_model(folder)(TEXTS), artefacts.open_model(whole)(TEXTS), rtol=0, atol=1e-6
    )


def test_an_adapter_does_not_open_on_another_base(
    adapter: artefacts.Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kept(adapter, TEXTS.head(6), tmp_path)
    weights = tmp_path / "bases" / "tiny" / "model.safetensors"

    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    with pytest.raises(CivicmlError, match="is not the one that the adapter was trained on"):
        artefacts.open_model(folder)

    shutil.rmtree(weights.parent)
    with pytest.raises(CivicmlError, match="There is no base model 'tiny'"):
        artefacts.open_model(folder)

    monkeypatch.delenv("CIVICML_BASES")
    with pytest.raises(CivicmlError, match="CIVICML_BASES is not set"):
        artefacts.open_model(folder)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"auto_mapping": {"parent_library": "evil"}}, "sets 'auto_mapping', with which peft imports"),
        ({"peft_type": "PREFIX_TUNING"}, "is PREFIX_TUNING, which is not supported"),
        ({"use_dora": True}, "sets 'use_dora', which is not supported"),
        ({"method_to_come": {"x": 1}}, "sets 'method_to_come', which is not supported"),
        ({"init_lora_weights": "pissa"}, "sets 'init_lora_weights', which is not supported"),
        ({"r": 0}, "has no rank"),
    ],
)
def test_an_adapter_of_another_method_is_refused(
    setting: dict[str, Any], said: str, adapter: artefacts.Adapter, tmp_path: Path
) -> None:
    folder = kept(adapter, TEXTS.head(6), tmp_path)
    path = folder / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | setting), encoding="utf-8")

    assert said in refusal(folder)


def test_a_base_is_named_and_not_a_path(adapter: artefacts.Adapter, tmp_path: Path) -> None:
    folder = kept(adapter, TEXTS.head(6), tmp_path)
    respecify(folder, {"base": "../../etc"})

    assert "asks for more than loading" in refusal(folder)


# --- ONNX ---------------------------------------------------------------------------------------


def onnx_of(model: Any, example: pd.DataFrame, **options: object) -> Any:
    """The model as ONNX, by the converter that learners use."""
    skl2onnx = pytest.importorskip("skl2onnx")
    numbers = dict.fromkeys(example.select_dtypes("float"), "float32")
    return skl2onnx.to_onnx(model, example.head(1).astype(numbers), options={"zipmap": False} | options)


def test_an_onnx_file_is_kept_and_predicts_as_the_model_it_came_from(tmp_path: Path) -> None:
    model, given = logistic(), frame()[INPUTS].astype({"mode": str})

    folder = kept(onnx_of(model, given), given.head(), tmp_path)
    facts = artefacts.inspect(folder)

    assert facts.kind == "onnx"
    assert "LinearClassifier" in facts.types
    np.testing.assert_allclose(
        artefacts.open_model(folder)(given), model.predict_proba(frame()[INPUTS])[:, 1], rtol=0, atol=1e-5
    )


def test_an_onnx_file_that_gives_dictionaries_is_refused(tmp_path: Path) -> None:
    given = frame()[INPUTS].astype({"mode": str})

    with pytest.raises(artefacts.Refused, match=r"list of dictionaries.*zipmap"):
        kept(onnx_of(logistic(), given, zipmap=True), given.head(), tmp_path)


def test_an_onnx_file_that_does_not_run_is_refused_when_it_is_logged(tmp_path: Path) -> None:
    given = frame()[INPUTS].astype({"mode": str})
    model = onnx_of(logistic(), given)
    model.graph.node[0].op_type = "Conv"

    with pytest.raises(artefacts.Refused, match="onnxruntime cannot run"):
        kept(model, given.head(), tmp_path)


def _external(model: Any) -> None:
    tensor = model.graph.initializer.add(name="stolen", dims=[1], data_type=1, data_location=1)
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _foreign(model: Any) -> None:
    model.graph.node.add(op_type="RunPython", domain="evil.org")


def _foreign_inside(model: Any) -> None:
    branch = model.graph.node.add(op_type="If").attribute.add(name="then_branch", type=5)
    branch.g.node.add(op_type="RunPython", domain="evil.org")


def _function(model: Any) -> None:
    model.functions.add(name="f", domain="own")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_external, "takes weights from '../../../etc/passwd'"),
        (_foreign, "needs the operator 'RunPython' of 'evil.org'"),
        (_foreign_inside, "needs the operator 'RunPython' of 'evil.org'"),
        (_function, "brings functions of its own"),
        (lambda model: model.graph.Clear(), "is not an ONNX file with a graph in it"),
    ],
)
def test_an_onnx_file_that_reaches_out_is_refused(
    spoil: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    given = frame()[INPUTS].astype({"mode": str})
    model = onnx_of(logistic(), given)
    folder = kept(model, given.head(), tmp_path)
    spoil(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    assert said in refusal(folder)


@pytest.mark.parametrize("content", [b"no graph", b"\x08\x99" * 50, pickle.dumps([1, 2, 3])])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    given = frame()[INPUTS].astype({"mode": str})
    folder = kept(onnx_of(logistic(), given), given.head(), tmp_path)
    (folder / "model.onnx").write_bytes(content)

    assert "model.onnx" in refusal(folder)
