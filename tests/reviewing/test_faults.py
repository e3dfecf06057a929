"""Faults that an aggregate hides, and papers that say something else than the run, are found and named."""

import mlflow
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from civicml import dossier, tracking
from civicml.review import Review
from civicml.tracking import artefacts

from .conftest import NAMES, TRAIN


def codes(done: Review, severity: str = "") -> set[str]:
    return {finding.code for finding in done.findings if severity in ("", finding.severity)}


def test_one_site_that_a_model_passes_over_is_named_though_the_whole_looks_well(course):
    learn = course.data.before
    forgotten = learn["missed"] & (learn["practice"] != "D")
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["mode", "practice"]), (StandardScaler(), ["age", "wait"])
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=500)).fit(learn[NAMES], forgotten)
    done = course.review(course.hand_in(model, NAMES, metrics={"recall_at_capacity": 0.4}))
    assert "underserved:practice=D" in codes(done, "critical")
    assert not any(code.startswith(("underserved:sex", "underserved:home")) for code in codes(done))


def test_a_higher_threshold_for_one_group_is_named_though_the_scores_are_sound(course):
    params = {"threshold": 0.25, "threshold_female": 0.6}
    done = course.review(course.hand_in(course.fitted(), NAMES, params=params))
    assert "thresholds-differ" in codes(done, "major")
    assert "underserved:at-threshold:sex=female" in codes(done, "critical")
    assert not any(code.startswith("underserved:sex") for code in codes(done))


@pytest.fixture(scope="module")
def with_papers(course, tmp_path_factory):
    """A model handed in with papers: one figure as the run has it, one otherwise, one that no run has."""
    place = tmp_path_factory.mktemp("papers")
    folder = place / "dossier"
    dossier.new(folder, "Calls")
    card = folder / "model_card.md"
    text = card.read_text()
    block = '[[performance.figures]]\nmetric = "{}"\nvalue = {}\nunit = "share"\nof = "the hold-out"\n\n'
    quoted = "".join(
        block.format(*one)
        for one in (("roc_auc", "0.72"), ("recall_at_capacity", "0.61"), ("made_up", "0.5"))
    )
    start = text.index("[[performance.figures]]")
    end = text.index("\n+++", start)
    following = text.find("\n[", text.index("\nof =", start))
    card.write_text(text[:start] + quoted + text[following if 0 < following < end else end :])
    source = place / "train.py"
    source.write_text(TRAIN)
    with tracking.start("week12", run_name="papers") as run:
        mlflow.log_metrics({"roc_auc": 0.7204, "recall_at_capacity": 0.41})
        artefacts.log_model(
            course.fitted(), example=course.data.before[NAMES].head(8), data=course.data.data_hash, seed=7,
            source=source, dossier=folder,
        )  # fmt: skip
    return course.review(artefacts.register(run.info.run_id, domain="health", name="calls"))


def test_a_figure_that_the_run_has_otherwise_or_not_at_all_is_named(with_papers):
    assert "figure-differs:recall_at_capacity" in codes(with_papers, "critical")
    assert "figure-not-in-run:made_up" in codes(with_papers, "major")
    assert not any(code.endswith(":roc_auc") for code in codes(with_papers))
    table = with_papers.part("paperwork").tables[0]
    assert [row[-1] for row in table.rows] == [True, False, False]


def test_what_the_papers_lack_is_listed_and_not_marked_in_silence(with_papers):
    part = with_papers.part("paperwork")
    assert {"incomplete:model_card", "incomplete:datasheet"} <= codes(with_papers, "major")
    assert len(part.tables[1].rows) >= 8
