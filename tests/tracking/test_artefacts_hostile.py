"""Artefacts that somebody prepared to do harm: each is refused in plain words, and nothing of it runs."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pytest
import yaml

from civicml.tracking import artefacts
from civicml.tracking.artefacts.content import code_in, is_pickle
from civicml.tracking.artefacts.writing import quiet, write_model

from .models import INPUTS, boosted, frame, logistic


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.sprung),)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model, as `log_model` writes it; copied before it is spoilt."""
    folder = tmp_path_factory.mktemp("kept") / "model"
    write_model(boosted(), frame()[INPUTS].head(), folder, {"data": "a", "seed": 1, "code": "sha256:b"})
    return folder


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    """A run's files, to be spoilt."""
    folder = tmp_path / "run"
    shutil.copytree(kept, folder / "model")
    for name, text in (
        ("source/train.py", "import os\nimport sys\n"),
        ("dossier/card.toml", "title = 'x'\n"),
    ):
        path = folder / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path) -> artefacts.Refused:
    """How `inspect` and `open_model` both turn a folder away."""
    with pytest.raises(artefacts.Refused) as refused:
        artefacts.inspect(folder)
    with pytest.raises(artefacts.Refused) as at_opening:
        artefacts.open_model(folder)
    assert str(at_opening.value) == str(refused.value)
    assert refused.value.reason.endswith(".")
    assert refused.value.instead.endswith(".")
    return refused.value


def test_the_model_before_it_is_spoilt_is_taken(run: Path) -> None:
    assert artefacts.inspect(run).kind == "sklearn"
    assert artefacts.inspect(run).sha256 == artefacts.inspect(run / "model").sha256


# --- pickles under any name ---------------------------------------------------------------------


def _dumped(trap: _Trap) -> dict[str, bytes]:
    whole = pickle.dumps(trap)
    files = {f"pickle protocol {number}": pickle.dumps(trap, number) for number in range(6)}
    files |= {
        "pickle cut short": whole[:-1],
        "pickle by hand": f"cos\nmkdir\n(S'{trap.sprung}'\ntR.".encode(),
        "pickle by hand, INST": f"(S'{trap.sprung}'\nios\nmkdir\n.".encode(),
        "gzip": gzip.compress(whole),
        "zlib": zlib.compress(whole),
        "bz2": bz2.compress(whole),
        "xz": lzma.compress(whole),
        "lzma": lzma.compress(whole, format=lzma.FORMAT_ALONE),
    }
    with io.BytesIO() as file:
        np.save(file, np.array([trap, 1], dtype=object), allow_pickle=True)
        files["object array"] = file.getvalue()
    with io.BytesIO() as file:
        joblib.dump([trap, np.zeros(3)], file)
        files["joblib"] = file.getvalue()
    with io.BytesIO() as file:
        joblib.dump(trap, file, compress=3)
        files["joblib compressed"] = file.getvalue()
    files["checkpoint of torch"] = _zipped({"archive/data.pkl": whole, "archive/version": b"3\n"})
    files["TorchScript"] = _zipped({"net/data.pkl": whole, "net/constants.pkl": whole, "net/code/a.py": b""})
    files["pickle in an archive"] = _zipped({"schema.json": b"{}", "weights.npy": whole})
    files["archive in an archive"] = _zipped({"schema.json": b"{}", "inner": _zipped({"a": whole})})
    files["archive after a pickle"] = whole + _zipped({"schema.json": b"{}"})
    return files


def _zipped(members: dict[str, bytes]) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return file.getvalue()


@pytest.mark.parametrize("name", list(_dumped(_Trap(Path("x")))))
@pytest.mark.parametrize("place", ["model/model.skops", "model/requirements.txt", "dossier/card.toml"])
def test_a_pickle_is_found_by_its_content(name: str, place: str, run: Path, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    (run / place).write_bytes(_dumped(_Trap(sprung))[name])

    refused = refusal(run)

    assert isinstance(refused, artefacts.CodeFound)
    assert place in refused.reason
    assert "artefacts.log_model" in refused.instead
    assert not sprung.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "import os\nimport sys\n\nprint(os.name)\n",
        "class\nA\n(no pickle)\n",
        "Very short.\nRead it.\n",
        "cases\nclosed\nR.\n"[1:],
        json.dumps({"a": [1, 2]}),
        "index,N,U\n1,2,3\n",
        "(a note in brackets)\nios is a system\n",
    ],
)
def test_text_that_begins_like_a_pickle_is_not_taken_for_one(text: str) -> None:
    assert not is_pickle(text.encode())


def test_no_file_of_the_course_is_taken_for_code_in_a_model() -> None:
    """The documents, sources and notebooks that learners hand in look like these."""
    root = Path(__file__).parents[2]
    files = [path for part in ("src", "course", "modules", "tests") for path in (root / part).rglob("*")]
    texts = [
        path for path in files if path.suffix in (".py", ".md", ".toml", ".ipynb", ".csv", ".html", ".json")
    ]

    assert len(texts) > 100
    assert [path for path in texts if code_in(path)] == []


@pytest.mark.parametrize("kind", ["cloudpickle", "pyfunc"])
def test_what_mlflow_itself_saves_with_pickle_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with quiet():
        if kind == "pyfunc":
            mlflow.pyfunc.save_model(
                folder, python_model=mlflow.pyfunc.PythonModel(), pip_requirements=["a==1"]
            )
        else:
            mlflow.sklearn.save_model(
                logistic(), folder, serialization_format=kind, pip_requirements=["scikit-learn==1"]
            )

    assert isinstance(refusal(folder), artefacts.CodeFound)


# --- MLmodel ------------------------------------------------------------------------------------


def change(run: Path, do: Callable[[dict[str, Any]], object]) -> None:
    path = run / "model" / "MLmodel"
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    do(said)
    path.write_text(yaml.safe_dump(said), encoding="utf-8")


def _flavour(name: str, **settings: object) -> Callable[[dict[str, Any]], object]:
    return lambda said: said["flavors"][name].update(settings)


MLMODELS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no signature": (lambda said: said.pop("signature"), "has no signature.*Give log_model an example"),
    "empty signature": (lambda said: said.update(signature={"inputs": None}), "has no signature"),
    "tensor": (
        lambda said: said["signature"].update(inputs='[{"type": "tensor", "tensor-spec": {}}]'),
        "does not name a type for each column",
    ),
    "signature no JSON": (lambda said: said["signature"].update(inputs="x"), "does not name a type"),
    "a column twice": (
        lambda said: said["signature"].update(
            inputs='[{"type": "long", "name": "a"}, {"type": "long", "name": "a"}]'
        ),
        "one twice",
    ),
    "a column that does not print": (
        lambda said: said["signature"].update(inputs='[{"type": "long", "name": "a\\u202eb"}]'),
        "characters that do not print",
    ),
    "other columns": (
        lambda said: said["signature"].update(inputs='[{"type": "long", "name": "nhs_number"}]'),
        "example has other columns than the signature",
    ),
    "python_function alone": (
        lambda said: said["flavors"].pop("sklearn"),
        "'python_function alone' is not taken",
    ),
    "another flavour": (
        lambda said: said["flavors"].update(pytorch=said["flavors"].pop("sklearn")),
        "flavour 'pytorch' is not taken",
    ),
    "two flavours": (lambda said: said["flavors"].update(spacy={}), "flavour 'sklearn, spacy' is not taken"),
    "said to be a pickle": (
        _flavour("sklearn", serialization_format="pickle"),
        "saved as 'pickle', which runs code",
    ),
    "another file": (_flavour("sklearn", pickled_model="../../x"), "asks for more than loading"),
    "code beside the model": (_flavour("python_function", code="code"), "asks for more than loading"),
    "code of the flavour": (_flavour("sklearn", code="code"), "asks for more than loading"),
    "another loader": (
        _flavour("python_function", loader_module="os"),
        "loaded by 'os', which is not on the list",
    ),
    "trusts what nobody reviewed": (
        _flavour("sklearn", skops_trusted_types=["os.system"]),
        "needs 'os.system', which nobody has reviewed",
    ),
    "flavours no mapping": (
        lambda said: said.update(flavors=["sklearn"]),
        "'MLmodel' is not as MLflow writes it",
    ),
    "notes of another kind": (
        lambda said: said["metadata"]["civicml"].update(seed="seven"),
        "notes in 'MLmodel' are not as log_model writes them: seed",
    ),
}


@pytest.mark.parametrize("name", list(MLMODELS))
def test_an_mlmodel_that_asks_for_more_than_data_is_refused(name: str, run: Path) -> None:
    do, said = MLMODELS[name]
    change(run, do)

    with pytest.raises(artefacts.Refused, match=said):
        artefacts.inspect(run)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flavors: &a [*a]", "refers back to parts of itself"),
        ("a: &x [1]\nb: *x\n", "refers back to parts of itself"),
        ("!!python/object/apply:os.mkdir [sprung]", "is not YAML that can be read"),
        ("a: [", "is not YAML that can be read"),
        ("[" * 5000, "is not YAML that can be read"),
        ("- a", "is not as MLflow writes it"),
        ("x" * 300_000, "is larger than any file of settings"),
        ("\udc80", "is not text"),
    ],
)
def test_an_mlmodel_that_is_no_plain_yaml_is_refused(text: str, said: str, run: Path) -> None:
    (run / "model" / "MLmodel").write_bytes(text.encode("utf-8", "surrogateescape"))

    assert said in refusal(run).reason


def test_what_an_artefact_says_of_itself_cannot_act_on_a_terminal(run: Path) -> None:
    change(run, lambda said: said["flavors"].update({"\x1b[2Jgood\r\u202e": said["flavors"].pop("sklearn")}))

    refused = refusal(run)
    assert "\N{REPLACEMENT CHARACTER}[2Jgood" in refused.reason
    assert str(refused).isprintable()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requirements.txt", "scikit-learn==1.9.1\ngit+https://example.org/x\n"),
        ("requirements.txt", "--index-url https://example.org\n"),
        ("requirements.txt", "./wheel.whl\n"),
        ("conda.yaml", "dependencies: [python=3.11, {pip: ['https://example.org/x.whl']}]\n"),
        ("conda.yaml", "[]\n"),
        ("python_env.yaml", "dependencies: [-e .]\n"),
    ],
)
def test_requirements_that_would_fetch_from_an_address_are_refused(
    name: str, content: str, run: Path
) -> None:
    (run / "model" / name).write_text(content, encoding="utf-8")

    assert name in refusal(run).reason


def test_an_example_too_short_or_no_table_is_refused(run: Path) -> None:
    path = run / "model" / "input_example.json"
    example = json.loads(path.read_text(encoding="utf-8"))

    path.write_text(json.dumps(example | {"data": example["data"][:4]}), encoding="utf-8")
    assert "has 4 rows" in refusal(run).reason

    path.write_text("[1, 2]", encoding="utf-8")
    assert "is not a table" in refusal(run).reason


# --- names, links, sizes ------------------------------------------------------------------------


def test_links_are_refused_wherever_they_lead(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x", encoding="utf-8")
    for place, target in (
        ("model/model.skops", secret),
        ("dossier/note.md", Path("nowhere")),
        ("dossier/folder", tmp_path),
        ("model/loop", Path("loop")),
    ):
        spoilt = tmp_path / "spoilt"
        shutil.copytree(run, spoilt)
        (spoilt / place).unlink(missing_ok=True)
        (spoilt / place).symlink_to(target)

        assert refusal(spoilt).reason == f"'{place}' is a link to somewhere else."
        shutil.rmtree(spoilt)


def test_what_is_no_ordinary_file_is_refused_and_not_opened(run: Path) -> None:
    os.mkfifo(run / "dossier" / "pipe")

    assert refusal(run).reason == "'dossier/pipe' is not an ordinary file."


@pytest.mark.parametrize("name", ["a\nb", "invoice\u202egpj.exe", "a\\b", "c:d", "caf\udce9"])
def test_names_made_to_deceive_are_refused(name: str, run: Path) -> None:
    (run / "dossier" / name).write_text("x", encoding="utf-8")

    reason = refusal(run).reason
    assert reason.isprintable()
    assert "file name" in reason


def test_four_gigabytes_are_refused_before_anything_is_read(run: Path) -> None:
    with (run / "model" / "model.skops").open("wb") as file:
        file.truncate(4 * 1024**3)  # holes: no disk is used

    assert "The files are 4,096 MB in all; 500 MB are allowed." in refusal(run).reason


def test_a_limit_of_the_reviewer_s_own_holds(run: Path) -> None:
    with pytest.raises(artefacts.Refused, match="1,000 bytes are allowed"):
        artefacts.inspect(run, limit=1000)


def test_more_files_than_a_model_has_are_refused(run: Path) -> None:
    for number in range(2001):
        (run / "dossier" / f"{number}.md").touch()

    assert "more than 2,000 files" in refusal(run).reason


@pytest.mark.parametrize("name", ["notes.txt", "code/train.py", "model.skops.old"])
def test_a_file_that_does_not_belong_to_the_model_is_refused(name: str, run: Path) -> None:
    path = run / "model" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x", encoding="utf-8")

    assert refusal(run).reason == f"'{name}' does not belong to a model of this kind."


@pytest.mark.parametrize("name", ["model.skops", "input_example.json", "requirements.txt"])
def test_a_file_that_is_missing_is_named(name: str, run: Path) -> None:
    (run / "model" / name).unlink()

    assert refusal(run).reason == f"'{name}' is missing."


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "There is no MLmodel file" in refusal(tmp_path).reason
    assert "There is no folder 'nowhere'" in refusal(tmp_path / "nowhere").reason


# --- the skops archive --------------------------------------------------------------------------


def rewrite(run: Path, do: Callable[[dict[str, bytes]], object]) -> None:
    """Write the model's archive again, with its members changed."""
    path = run / "model" / "model.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    do(members)
    path.write_bytes(_zipped(members))


def reschema(run: Path, do: Callable[[dict[str, Any]], object]) -> None:
    """Change the description in the model's archive."""

    def with_schema(members: dict[str, bytes]) -> None:
        schema = json.loads(members["schema.json"])
        do(schema)
        members["schema.json"] = json.dumps(schema).encode()

    rewrite(run, with_schema)


def _put(node: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    """Replace an attribute of the pipeline by another part."""
    return lambda schema: schema["content"]["content"].update(verbose=node)


SYSTEM = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1}
OF_STR = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}


def _partial(function: dict[str, Any]) -> dict[str, Any]:
    empty = OF_STR | {"__class__": "tuple", "__loader__": "TupleNode"}
    nothing = {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "content": {},
        "key_types": OF_STR,
    }
    content = {"func": function, "args": empty, "kwds": nothing, "namespace": nothing}
    return {
        "__class__": "partial",
        "__module__": "functools",
        "__loader__": "PartialNode",
        "content": content,
    }


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (SYSTEM, "os.system"),
        (SYSTEM | {"__loader__": "TypeNode"}, "os.system"),
        (_partial(SYSTEM), "os.system"),
        (
            SYSTEM | {"__loader__": "ObjectNode", "__class__": "Popen", "__module__": "subprocess"},
            "subprocess.Popen",
        ),
        (
            {
                "__class__": "Popen",
                "__module__": "subprocess",
                "__loader__": "ConstructorFromReduceNode",
                "content": OF_STR | {"__class__": "tuple", "__loader__": "TupleNode"},
            },
            "subprocess.Popen",
        ),
        (
            {
                "__class__": "methodcaller",
                "__module__": "operator",
                "__loader__": "OperatorFuncNode",
                "attrs": OF_STR | {"__class__": "tuple", "__loader__": "TupleNode"},
            },
            "operator.methodcaller",
        ),
    ],
)
def test_a_type_that_nobody_reviewed_is_named_and_refused(
    node: dict[str, Any], named: str, run: Path
) -> None:
    reschema(run, _put(node))

    refused = refusal(run)

    assert isinstance(refused, artefacts.CodeFound)
    assert f"'{named}'" in refused.reason


def test_a_part_that_stands_for_another_again_and_again_is_refused(run: Path) -> None:
    """Sixty lines that stand for 2 to the power of 60 parts: skops would walk through them for ever."""
    node: dict[str, Any] = OF_STR | {"__id__": 1000}
    for number in range(1001, 1060):
        again = {
            "__id__": node["__id__"],
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "ListNode",
        }
        node = OF_STR | {"__id__": number, "content": [node, again]}
    reschema(run, _put(node))

    assert "is not a file that skops wrote" in refusal(run).reason


SPOILT: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "leads out": (
        lambda members: members.update({"../../evil.npy": b"x"}),
        "leads out of the model's folder",
    ),
    "absolute": (lambda members: members.update({"/etc/evil": b"x"}), "leads out of the model's folder"),
    "carries rows": (lambda members: members.update({"patients.csv": b"1,2"}), "carries 'patients.csv'"),
    "no description": (lambda members: members.pop("schema.json"), "is not a file that skops wrote"),
    "description no JSON": (
        lambda members: members.update({"schema.json": b"{"}),
        "is not a file that skops wrote",
    ),
    "description too deep": (
        lambda members: members.update({"schema.json": b'{"a":' * 5000 + b"1" + b"}" * 5000}),
        "is not a file that skops wrote",
    ),
    "description of nothing": (
        lambda members: [members.clear(), members.update({"schema.json": b"{}"})],
        "skops cannot read",
    ),
    "protocol to come": (
        lambda members: members.update(
            {"schema.json": json.dumps(json.loads(members["schema.json"]) | {"protocol": 99}).encode()}
        ),
        "skops cannot read",
    ),
}


@pytest.mark.parametrize("name", list(SPOILT))
def test_an_archive_that_skops_did_not_write_is_refused(name: str, run: Path) -> None:
    do, said = SPOILT[name]
    rewrite(run, do)

    assert said in refusal(run).reason


def test_an_archive_that_grows_when_it_is_unpacked_is_refused(run: Path) -> None:
    path = run / "model" / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        with archive.open("zeros.npy", "w") as member:
            for _ in range(501):
                member.write(bytes(1024**2))

    assert path.stat().st_size < 1024**2
    assert "500 MB are allowed" in refusal(run).reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_members_of_one_name_is_refused(run: Path) -> None:
    with zipfile.ZipFile(run / "model" / "model.skops", "a") as archive:
        archive.writestr("schema.json", "{}")

    assert "is not a file that skops wrote" in refusal(run).reason


def test_another_byte_is_another_model(run: Path) -> None:
    before = artefacts.inspect(run).sha256
    reschema(run, lambda schema: schema.update(_skops_version="0"))

    assert artefacts.inspect(run).sha256 != before
