"""What the documents say of the same thing, and the figures that a review looks up."""

from decimal import Decimal

import pytest

from civicml.dossier import Figure, figures, read


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        (
            "monitoring_plan.md",
            '"capstone-health-missed-appointments"',
            '"capstone-health-other"',
            "model name",
        ),
        ("field_trial.md", "version = 2", "version = 3", "model version"),
        ("model_card.md", '"5d0c7a1e', '"00000000', "run id"),
        ("datasheet.md", '"e8b25f32', '"00000000', "dataset hash"),
        ("transparency_record.md", 'source = "gp_appointments"', 'source = "ae_attendances"', "dataset"),
        ("equality_analysis.md", "value = 40", "value = 60", "threshold"),
        ("field_trial.md", "calls a working day", "calls a week", "threshold"),
        ("impact_screening.md", "personal_data = true", "personal_data = false", "personal data"),
        ("field_trial.md", '"Chief Medical Officer"', '"Chief Executive"', "senior responsible owner"),
    ],
)
def test_what_is_shared_must_agree(dossier, file: str, old: str, new: str, what: str) -> None:
    problem = dossier.change(file, old, new).problem()
    assert problem.startswith(f"{file}, [")
    assert f"the {what} is " in problem
    assert problem.endswith("make them agree.")


def test_an_answer_that_is_no_answer_contradicts_nothing(dossier) -> None:
    assert "is empty" in dossier.change("field_trial.md", "version = 2", 'version = ""').problem()


@pytest.mark.parametrize("written", ["6.5", "6.53", "6.531", "7"])
def test_one_figure_may_be_rounded_differently(dossier, written: str) -> None:
    card = dossier.change("transparency_record.md", "value = 6.53\n", f"value = {written}\n")
    problems = [problem for problem in card.problems() if "found_per_40 is" in problem]
    assert problems == []


def test_one_figure_with_two_values_is_named_with_both_places(dossier) -> None:
    problem = dossier.change("transparency_record.md", "value = 6.53\n", "value = 6.83\n").problem()
    assert problem.startswith(
        "transparency_record.md, [model] performance, block 1: found_per_40 is 6.83 here"
    )
    assert "6.5312 in model_card.md, [performance] figures, block 1" in problem


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("field_trial.md", "ends = 2026-08-28", "ends = 2026-05-28", "the trial ends before it begins"),
        ("datasheet.md", "from = 2024-10-01", "from = 2026-10-01", "the data ends before it begins"),
        (
            "model_card.md",
            "trained_on = 2026-04-20",
            "trained_on = 2026-03-20",
            "trained before its data ends",
        ),
        (
            "model_card.md",
            "trained_on = 2026-04-20",
            "trained_on = 2026-06-20",
            "the dossier is older than its model",
        ),
        (
            "monitoring_plan.md",
            "review_on = 2026-11-02",
            "review_on = 2026-01-02",
            "the review is before the dossier",
        ),
    ],
)
def test_dates_follow_each_other(dossier, file: str, old: str, new: str, says: str) -> None:
    assert says in dossier.change(file, old, new).problem()


def test_nobody_checks_their_own_work(dossier) -> None:
    same = 'assurer = "data scientist, population health analytics"'
    old = 'assurer = "Analytical assurer, Performance and Assurance"'
    assert "is the analyst as well" in dossier.change("dossier.toml", old, same).problem()


def test_figures_come_out_with_their_digits_and_their_places(example) -> None:
    found = figures(read(example))

    assert found[0] == Figure(
        file="model_card.md",
        place="[performance] figures, block 1",
        metric="found_per_40",
        value=Decimal("6.5312"),
        unit="missed appointments found in forty calls, a day",
        low=Decimal("6.0859"),
        high=Decimal("6.9766"),
        of="128 working days from October 2025 to March 2026",
    )
    assert {figure.file for figure in found} == {
        "model_card.md", "transparency_record.md", "equality_analysis.md", "monitoring_plan.md",
    }  # fmt: skip


def test_a_figure_without_a_name_or_a_value_is_left_out(dossier) -> None:
    before = len(figures(read(dossier.path)))
    dossier.change("model_card.md", "value = 6.5312", 'value = ""')
    assert len(figures(read(dossier.path))) == before - 1


@pytest.mark.parametrize(
    ("written", "measured", "agrees"),
    [
        ("6.53", 6.53125, True),
        ("6.5312", 6.53125, True),
        ("6.5313", 6.53125, True),
        ("6.54", 6.53125, False),
        ("7", 6.53125, True),
        ("0.64", 0.6349, False),
        ("0.640", 0.6404, True),
        ("-0.10", -0.1049, True),
        ("6.53", float("nan"), False),
        ("6.53", float("inf"), False),
    ],
)
def test_a_figure_agrees_with_what_it_is_a_rounding_of(written: str, measured: float, agrees: bool) -> None:
    figure = Figure("f", "p", "m", Decimal(written), "u", None, None, "o")
    assert figure.agrees_with(measured) is agrees
