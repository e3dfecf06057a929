"""The course's own capstones: their papers, how flawed ones are made, and what a review says of each."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest

from civicml import dossier
from civicml.datasets import build_sealed
from civicml.errors import CivicmlError
from civicml.review.exemplars import FOLDER, Change, assemble, exemplars, run
from civicml.review.reviewing import review

REPOSITORY = Path(__file__).parents[2]
GOOD = ("health", "justice", "transport")
FLAWED = ("flawed_card_mismatch", "flawed_leak", "flawed_unfair_threshold")


def test_there_is_a_good_one_for_each_domain_and_three_flawed_ones():
    known = exemplars(REPOSITORY)
    assert [name for name, fault in known.items() if fault is None] == list(GOOD)
    assert [name for name, fault in known.items() if fault is not None] == list(FLAWED)


@pytest.mark.parametrize("name", [*GOOD, *FLAWED])
def test_the_papers_lack_nothing_so_that_only_a_review_can_see_a_fault(name, tmp_path):
    folder = assemble(name, tmp_path / name, REPOSITORY)
    assert dossier.check(dossier.read(folder / "dossier")) == ()


@pytest.mark.parametrize("name", GOOD)
def test_figures_in_the_papers_are_those_of_the_notebook_as_it_is_kept(name):
    """The notebook says which version it handed in, and its papers are filled: no nought is left."""
    folder = REPOSITORY / FOLDER / name
    cells = json.loads((folder / "capstone.ipynb").read_text())["cells"]
    printed = "".join("".join(output.get("text", "")) for output in cells[-1]["outputs"])
    assert "version 1, as the dossier says: True" in printed
    assert "still lacks: 0" in printed
    assert all(figure.value > 0 for figure in dossier.figures(dossier.read(folder / "dossier")))


@pytest.mark.parametrize("name", FLAWED)
def test_a_flawed_one_is_its_reference_but_for_its_changes(name, tmp_path):
    fault = exemplars(REPOSITORY)[name]
    folder = assemble(name, tmp_path / "flawed", REPOSITORY)
    reference = REPOSITORY / FOLDER / fault.reference
    for path in sorted(
        path for path in reference.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ):
        kept = (folder / path.relative_to(reference)).read_bytes() == path.read_bytes()
        assert kept == (str(path.relative_to(reference)) not in {change.file for change in fault.changes})


@pytest.mark.parametrize(
    ("find", "says"), [("nowhere to be found", "there 0 times"), ("import", "there [0-9]+ times")]
)
def test_a_change_that_does_not_fit_is_one_sentence(find, says, tmp_path):
    root = tmp_path / "course"
    home = root / FOLDER
    shutil.copytree(REPOSITORY / FOLDER / "health", home / "health")
    (home / "flawed_x").mkdir()
    text = (REPOSITORY / FOLDER / "flawed_leak" / "fault.toml").read_text().partition("[[changes]]")[0]
    change = f'[[changes]]\nfile = "train.py"\nfind = "{find}"\nput = ""\n'
    (home / "flawed_x" / "fault.toml").write_text(text.replace('"justice"', '"health"') + change)
    with pytest.raises(CivicmlError, match=f"change 1: .*{says}"):
        assemble("flawed_x", tmp_path / "made", root)


def test_what_lies_between_two_marks_goes():
    change = Change(file="a", find="[[b]]", until="[[c]]", put="")
    assert change.made_in("[[a]]\n1\n[[b]]\n2\n[[c]]\n3\n") == "[[a]]\n1\n[[c]]\n3\n"


def test_an_unknown_capstone_is_named_with_those_there_are(tmp_path):
    with pytest.raises(CivicmlError, match="no capstone 'sport'; there are: flawed_card_mismatch"):
        assemble("sport", tmp_path / "sport", REPOSITORY)


@pytest.fixture(scope="module")
def cohort(this_course, briefs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    for brief in briefs.values():
        build_sealed(
            brief.data.dataset, "a secret of the tests, long enough", folder / "sealed" / brief.data.dataset
        )
    return folder


def reviewed(name, cohort, tmp_path, monkeypatch):
    """Run the capstone's notebook, which hands its model in, and review what was handed in."""
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("CIVICML_LEARNER", "ana")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = assemble(name, tmp_path / name, REPOSITORY)
    run(folder)
    (model,) = mlflow.MlflowClient(store).search_registered_models()
    return review(model.name, 1, cohort=cohort, root=REPOSITORY)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_has_no_critical_finding(name, cohort, tmp_path, monkeypatch):
    done = reviewed(name, cohort, tmp_path, monkeypatch)
    assert [part.name for part in done.parts if part.state == "not_done"] == []
    findings = [finding for part in done.parts for finding in part.findings]
    assert [finding for finding in findings if finding.severity == "critical"] == []
    assert {finding.part for finding in findings} <= {"audits"}


@pytest.mark.parametrize("name", FLAWED)
def test_the_fault_of_a_flawed_one_is_found_and_named(name, cohort, tmp_path, monkeypatch):
    fault = exemplars(REPOSITORY)[name]
    done = reviewed(name, cohort, tmp_path, monkeypatch)
    findings = {finding.code: finding for part in done.parts for finding in part.findings}
    assert fault.finding in findings, sorted(findings)
    assert (findings[fault.finding].part, findings[fault.finding].severity) == (fault.part, fault.severity)
