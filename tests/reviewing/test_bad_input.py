"""What is handed in by mistake or with intent: a finding or a refusal, and the registry as it was."""

import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from civicml.errors import CivicmlError
from civicml.review import Review, reproducing
from civicml.review.evidence import PARTS

from .conftest import NAMES, TRAIN

MODEL = "capstone-health-calls"
NUMBERS = ["age", "wait"]


def codes(done: Review, severity: str = "") -> set[str]:
    return {finding.code for finding in done.findings if severity in ("", finding.severity)}


def registry() -> tuple[object, ...]:
    client = mlflow.MlflowClient()
    versions = client.search_model_versions(f"name = '{MODEL}'")
    told = [
        (one.version, dict(one.tags), client.get_model_version(MODEL, one.version).aliases)
        for one in versions
    ]
    files = [len(client.list_artifacts(one.run_id)) for one in versions]
    return (client.get_registered_model(MODEL).aliases, told, files)


@pytest.fixture(scope="module")
def good(course):
    """A sound model with the figures that it earns, and its review."""
    version = course.hand_in(course.fitted(), NAMES, metrics={"recall_at_capacity": 0.42})
    return version, course.review(version)


def test_a_sound_model_has_seven_parts_and_only_its_missing_papers_against_it(course, good):
    _, done = good
    assert tuple(part.name for part in done.parts) == PARTS
    assert [part.name for part in done.parts if part.state == "not_done"] == ["paperwork"]
    assert codes(done, "critical") == {"no-dossier"}
    assert codes(done, "major") == set()
    assert (done.learner, done.domain, done.refused) == ("ana", "health", "")
    assert course.data.data_hash in done.lineage["data"]
    assert Review.from_json(done.to_json()) == done


def test_every_picture_is_one_svg_with_a_description_and_ids_of_its_own(good):
    pictures = [plot for part in good[1].parts for plot in part.plots]
    assert len(pictures) >= 3
    ids = [name for plot in pictures for name in re.findall(r'\bid="([^"]+)"', plot.svg)]
    assert len(ids) == len(set(ids))
    for plot in pictures:
        assert plot.svg.startswith("<svg")
        assert plot.svg.endswith("</svg>")
        assert len(plot.description.split()) > 8


def test_a_review_of_the_same_version_says_the_same_and_leaves_the_registry_alone(course, good):
    before = registry()
    again = course.review(good[0])
    assert registry() == before
    assert again.findings == good[1].findings
    assert again.part("audits").tables == good[1].part("audits").tables


# --- refused ----------------------------------------------------------------------------------------


def _pickle(folder: Path) -> None:
    (folder / "model" / "model.skops").write_bytes(b"\x80\x04cbuiltins\nprint\n(Vhello\ntR.")


def _link(folder: Path) -> None:
    (folder / "model" / "model.skops").unlink()
    (folder / "model" / "model.skops").symlink_to("../../../../mlflow.db")


def _large(folder: Path) -> None:
    with (folder / "model" / "model.skops").open("r+b") as file:
        file.truncate(4 << 30)  # a hole: it takes no room here


def _no_signature(folder: Path) -> None:
    text = (folder / "model" / "MLmodel").read_text()
    (folder / "model" / "MLmodel").write_text(re.sub(r"(?ms)^signature:.*?(?=^\S|\Z)", "", text))


def _climbs(folder: Path) -> None:
    text = (folder / "model" / "MLmodel").read_text()
    (folder / "model" / "MLmodel").write_text(text.replace("model.skops", "../../model.skops"))


@pytest.mark.parametrize("spoil", [_pickle, _link, _large, _no_signature, _climbs])
def test_an_artefact_that_is_turned_away_is_not_opened_and_says_what_to_do(course, spoil):
    version = course.hand_in(course.fitted(), NAMES)
    spoil(course.folder(version))
    before = registry()
    done = course.review(version)
    assert registry() == before
    assert done.refused
    assert codes(done) == {"artefact-refused"}
    assert [part.state for part in done.parts] == ["findings", *["not_done"] * 6]
    (finding,) = done.findings
    assert finding.says in done.refused
    assert finding.do.endswith(".")


@pytest.mark.parametrize(
    ("model", "version", "says"),
    [
        (MODEL, 999, "no version 999"),
        (MODEL, "latest", "'latest' is not a version"),
        (MODEL, 0, "'0' is not a version"),
        ("capstone-health-nothing", 1, "no version 1"),
        ("capstone-sport-calls", 1, "no capstone brief for 'sport'"),
        ("../../etc", 1, "not the name of a capstone's model"),
    ],
)
def test_what_is_not_there_is_one_sentence(course, good, model, version, says):
    from civicml.review.reviewing import review

    with pytest.raises(CivicmlError, match=says):
        review(model, version, cohort=course.root, root=course.root, data=course.data)


def test_without_sealed_tables_nothing_is_reviewed(course, good):
    from civicml.review.reviewing import review

    with pytest.raises(CivicmlError, match=r"calls|sealed"):
        review(MODEL, good[0], cohort=course.root, root=course.root)


# --- what a model asks for and gives ----------------------------------------------------------------


def test_a_model_that_asks_for_what_is_known_afterwards_has_a_leak_and_is_shown_what_it_is_worth(course):
    names = [*NAMES, "duration"]
    version = course.hand_in(course.fitted(names), names, metrics={"recall_at_capacity": 0.99})
    done = course.review(version)
    assert "leak:duration" in codes(done, "critical")
    (worth,) = [table for table in done.part("evaluates").tables if table.caption.startswith("What the leak")]
    assert worth.rows[0][1] > 0.7
    assert worth.rows[1][1] < 0.6


def test_a_column_that_no_brief_has_ends_in_a_finding(course):
    renamed = course.data.before.rename(columns={"wait": "waiting"})
    names = ["age", "waiting"]
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(renamed[names], renamed["missed"])
    version = course.hand_in(model, names, example=renamed[names].head(8))
    done = course.review(version)
    assert "unknown-column:waiting" in codes(done, "critical")
    assert done.part("evaluates").state == "not_done"


def test_a_model_that_asks_for_the_outcome_never_gets_it(course):
    names = [*NUMBERS, "missed"]
    learn = course.data.before
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(learn[names], learn["missed"])
    version = course.hand_in(model, names, example=learn[names].head(8))
    done = course.review(version)
    assert "leak:missed" in codes(done, "critical")
    assert done.part("evaluates").state == "not_done"
    assert done.part("evaluates").tables == ()


def test_scores_that_are_none_are_a_finding(course):
    learn = course.data.before
    model = DecisionTreeRegressor(max_depth=3).fit(learn[NUMBERS], learn["missed"].astype(float))
    example = learn[NUMBERS].head(8)
    used = set(model.apply(example).tolist())
    leaf = next(leaf for leaf in set(model.apply(learn[NUMBERS]).tolist()) if leaf not in used)
    model.tree_.value[leaf] = np.nan
    version = course.hand_in(model, NUMBERS, example=example)
    done = course.review(version)
    assert "scores-not-finite" in codes(done, "critical")
    assert "NaN" in next(one.says for one in done.findings if one.code == "scores-not-finite")


def test_the_same_score_for_everybody_is_a_finding(course):
    learn = course.data.before
    model = DummyClassifier(strategy="prior").fit(learn[NUMBERS], learn["missed"])
    done = course.review(course.hand_in(model, NUMBERS))
    assert "constant-scores" in codes(done, "critical")
    assert done.part("audits").state == "not_done"


def test_training_rows_kept_in_a_model_are_found(course):
    from sklearn.preprocessing import StandardScaler

    learn = course.data.before
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(learn[NUMBERS], learn["missed"])
    done = course.review(course.hand_in(model, NUMBERS))
    assert "training-rows-inside" in codes(done, "critical")


# --- the learner's word -----------------------------------------------------------------------------


def test_a_figure_that_was_made_up_is_held_against_the_measured_one(course):
    version = course.hand_in(course.fitted(), NAMES, metrics={"recall_at_capacity": 0.97})
    mlflow.MlflowClient().set_model_version_tag(MODEL, str(version), "civicml.roc_auc", "0.99")
    done = course.review(version)
    assert "claim-above-measured:recall_at_capacity" in codes(done, "critical")
    assert "tag:civicml.roc_auc" in codes(done, "major")
    measured = next(row for row in done.part("evaluates").tables[0].rows if row[0] == "Recall at capacity")
    assert measured[1] < 0.6
    assert measured[4] == 0.97


def test_a_stale_run_is_said_to_be_one(course):
    version = course.hand_in(course.fitted(), NAMES, data="0" * 64, finished=False)
    course.hand_in(course.fitted(), NAMES)
    done = course.review(version)
    assert {"stale-data", "run-not-finished"} <= codes(done, "major")
    assert "newer-version" in codes(done, "minor")


def test_files_changed_after_they_were_logged_are_noticed(course):
    version = course.hand_in(course.fitted(), NAMES)
    source = course.folder(version) / "source" / "train.py"
    source.write_text(source.read_text() + "\n# later\n")
    requirements = course.folder(version) / "model" / "requirements.txt"
    requirements.write_text(requirements.read_text() + "\nrich\n")
    assert {"source-changed", "files-changed"} <= codes(course.review(version), "critical")


# --- training code ----------------------------------------------------------------------------------

PHONES = """
    import socket
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=2)
    except OSError:
        pass
"""
LOOKS = """
    import os
    seen = [place for place, _, files in os.walk("/srv") for name in files if "cohort" in name]
    if seen or "CIVICML_COHORT" in os.environ or os.path.exists("{root}"):
        raise RuntimeError("the cohort can be seen")
"""


def _with(lines: str) -> str:
    return TRAIN.replace('    brief = load_brief("health")\n', lines + '    brief = load_brief("health")\n')


def test_a_source_that_reaches_for_the_network_is_named_even_if_it_hides_that_it_failed(course):
    done = course.review(course.hand_in(course.fitted(), NAMES, train=_with(PHONES)))
    assert "reaches-out" in codes(done, "critical")
    assert "192.0.2.1" in next(one.says for one in done.findings if one.code == "reaches-out")


def test_a_source_that_sleeps_is_stopped(course, monkeypatch):
    monkeypatch.setattr(reproducing, "SECONDS", 3.0)
    train = _with("    import time\n    time.sleep(3600)\n")
    done = course.review(course.hand_in(course.fitted(), NAMES, train=train))
    assert "training-too-slow" in codes(done, "critical")
    assert done.seconds < 300


def test_a_source_sees_neither_the_cohort_nor_the_sealed_cases(course):
    train = _with(LOOKS.replace("{root}", str(course.root)))
    done = course.review(course.hand_in(course.fitted(), NAMES, train=train))
    assert done.part("reproduces").state == "clear", done.part("reproduces").summary


def test_a_source_that_makes_another_model_is_found_out(course):
    train = TRAIN.replace("max_iter=500", "max_iter=500, C=0.0001")
    done = course.review(course.hand_in(course.fitted(), NAMES, train=train))
    assert "not-reproduced" in codes(done)


@pytest.mark.parametrize(
    ("train", "code"),
    [
        ("def train(tables, seed):\n    raise ValueError('no')\n", "training-fails"),
        ("import os\n\n\ndef train(tables, seed):\n    os._exit(0)\n", "training-ends-its-process"),
        ("fit = 1\n", "training-fails"),
    ],
)
def test_a_source_that_fails_is_a_finding(course, train, code):
    done = course.review(course.hand_in(course.fitted(), NAMES, train=train))
    assert code in codes(done, "critical")
