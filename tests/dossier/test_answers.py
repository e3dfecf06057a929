"""What one answer must be: the sentence names file, section and field, and says what to write."""

from pathlib import Path

import pytest

from civicml.dossier.forms import form


def test_the_example_dossier_is_complete(dossier) -> None:
    assert dossier.problems() == []


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        (
            'commissioner = "Head of Primary Care Access"',
            'commissioner = ""',
            "commissioner",
            "is empty; write the role",
        ),
        ('commissioner = "Head of Primary Care Access"\n', "", "commissioner", "is missing; write the role"),
        ('"Head of Primary Care Access"', '"\u200d "', "commissioner", "says nothing"),
        ('"Head of Primary Care Access"', '"TBC"', "commissioner", "'TBC' is no answer"),
        ('"Head of Primary Care Access"', '"N/A"', "commissioner", "'N/A' is no answer"),
        ('"Head of Primary Care Access"', '"Head, TBC"', "commissioner", "'TBC' stands for something"),
        ('"Head of Primary Care Access"', '"[insert role]"', "commissioner", "stands for something"),
        (
            '"Head of Primary Care Access"',
            '"Head of Network Operations"',
            "commissioner",
            "the form's own example",
        ),
        ('"Head of Primary Care Access"', '"Dr Amina Okafor"', "commissioner", "looks like a person"),
        (
            '"Head of Primary Care Access"',
            '"a.okafor@northmoor.example"',
            "commissioner",
            "looks like a person",
        ),
        ('"Head of Primary Care Access"', "12", "commissioner", "is a number and not text"),
        (
            '"Head of Primary Care Access"',
            '"turned \\u202e round"',
            "commissioner",
            "invisible character (U+202E)",
        ),
        ("date = 2026-05-08", 'date = "2026-05-08"', "date", "the text '2026-05-08' and not a date"),
        ("date = 2026-05-08", "date = 2026-05-08T09:00:00", "date", "a date with a time and not a date"),
        ("date = 2026-05-08", "date = 1970-01-01", "date", "not a date of this century"),
    ],
)
def test_one_answer_that_is_none(dossier, old: str, new: str, place: str, says: str) -> None:
    problem = dossier.change("dossier.toml", old, new).problem()
    assert problem.startswith("dossier.toml, [")
    assert place in problem
    assert says in problem


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("model_card.md", "version = 2", "version = true", "is 'true' and not a whole number"),
        ("model_card.md", "version = 2", "version = 0", "is 0 and not a whole number"),
        ("model_card.md", '"5d0c7a1e94b24f3f8a6be2c1907d4e38"', '"latest"', "is not a run id: 32"),
        ("datasheet.md", '"e8b25f32', '"E8B25F32', "is not a content hash"),
        ("model_card.md", '"capstone-health-missed-appointments"', '"My Model"', "is not a registered name"),
        (
            "model_card.md",
            "rows = { value = 76245, unit = ",
            "rows = 76245 # ",
            "is a number, without a unit",
        ),
        ("model_card.md", "value = 76245", 'value = "many"', "the text 'many' and not a number"),
        (
            "model_card.md",
            '"appointments on a list, October 2024 to September 2025"',
            '"76"',
            "names no unit",
        ),
        (
            "model_card.md",
            "value = 6.5312",
            'value = "6.5312"',
            "block 1 value: is the text '6.5312' and not a number",
        ),
        ("model_card.md", "value = 6.5312", "value = nan", "is a number and not a number"),
        ("model_card.md", "low = 6.0859", "low = 6.9", "outside its interval"),
        ("model_card.md", "low = 6.0859", 'low = ""', "an interval has two ends"),
        ("model_card.md", 'metric = "auc"\n', "", "block 2 metric: is missing"),
        ("model_card.md", 'metric = "auc"', 'measure = "auc"', "there is no field 'measure'"),
        ("field_trial.md", "power = 0.89", "power = 89", "is not a share between 0 and 1"),
        (
            "datasheet.md",
            "personal_data = true",
            'personal_data = "yes"',
            "the text 'yes' and not true or false",
        ),
        (
            "transparency_record.md",
            '"analytics@northmoor.example"',
            '"see our site"',
            "is not an e-mail address",
        ),
        (
            "transparency_record.md",
            '"https://www.northmoor',
            '"javascript:x//www.northmoor',
            "is not a web address",
        ),
        (
            "transparency_record.md",
            "third_party = false",
            "third_party = true",
            "third_party_name: is missing",
        ),
        (
            "transparency_record.md",
            "region =",
            "regoin =",
            "there is no field 'regoin' in this form; do you mean 'region'",
        ),
        ("equality_analysis.md", 'characteristic = "race"', 'characteristic = "sex"', "'race' is missing"),
        (
            "equality_analysis.md",
            'characteristic = "race"',
            'characteristic = "ethnicity"',
            "not one of age, disability",
        ),
        ("monitoring_plan.md", "act_at = 4.5", "act_at = 6.5", "you look before you act"),
        ("impact_screening.md", 'reference = "DPIA-2026-031"', 'reference = ""', "reference: is empty"),
    ],
)
def test_each_kind_of_answer_is_held_to_its_kind(dossier, file: str, old: str, new: str, says: str) -> None:
    problems = dossier.change(file, old, new).problems()
    assert any(problem.startswith(file) and says in problem for problem in problems), problems


PICTURE = "Used by the lead at noon, ![plan](https://x.example/a.png) for calls. "
OWN_EXAMPLE = form("model_card").headings["Intended use"].example


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty; write who uses it"),
        ("<!-- Only the comment of the template. -->", "is empty"),
        ("TBC", "'TBC' is no answer"),
        ("The call team uses it.", "has 5 words and says too little (at least 20)"),
        ("list " * 60, "repeats 1 words"),
        ("Lorem ipsum dolor sit amet, " + "consectetur " * 30, "'Lorem ipsum' stands for something"),
        ("Used by the team, " + "many different words " * 8 + "<insert team>.", "stands for"),
        (PICTURE + "many different words " * 8, "holds a picture"),
        (f"We add: {OWN_EXAMPLE}", "the form's own example"),
        ("A word and another one. " * 1_000, "at most 20,000 are read here"),
    ],
)
def test_prose_that_says_nothing(dossier, text: str, says: str) -> None:
    problem = dossier.prose("model_card.md", "Intended use", text).problem()
    assert problem.startswith("model_card.md, 'Intended use': ")
    assert says in problem


def test_the_same_words_below_two_headings(dossier) -> None:
    text = (
        "Ninety minutes with the analyst before the first list. " * 2 + "Again each year, for every caller."
    )
    dossier.prose("transparency_record.md", "Training", text)
    problem = dossier.prose("transparency_record.md", "Human review", text.upper()).problem()
    assert "'Training': says the same as 'Human review'" in problem


def test_a_heading_that_is_not_asked_for_is_named_with_its_line(dossier) -> None:
    problems = dossier.change("model_card.md", "## Limits", "## Limit").problems()
    assert "there is no heading 'Limit' in this form; do you mean 'Limits'" in problems[0]
    line = (dossier.path / "model_card.md").read_text(encoding="utf-8").split("\n").index("## Limit") + 1
    assert problems[0].startswith(f"model_card.md, line {line}:")
    assert "'Limits': is missing" in problems[1]


def test_headings_in_code_and_deeper_ones_belong_to_the_prose(dossier) -> None:
    text = "### By practice\n\n```\n## not a heading\n```\n\n" + (
        "The list is weaker at practices that changed their system, and nobody has judged it on a summer yet."
    )
    assert dossier.prose("model_card.md", "Limits", text).problems() == []


def test_too_few_signs_need_no_reason_and_many_do(dossier) -> None:
    dossier.change("impact_screening.md", "assessment_needed = true", "assessment_needed = false")
    problem = dossier.problem()
    assert "4 signs are true (scoring, sensitive_data, large_scale, vulnerable_people)" in problem
    reason = 'why_not = "Assessed in DPIA-2025-007, and nothing has changed since"'
    assert dossier.change("impact_screening.md", 'why_not = ""', reason).problems() == []


def test_all_that_is_wrong_is_said_at_once(dossier) -> None:
    dossier.change("dossier.toml", "date = 2026-05-08", 'date = ""')
    dossier.change("model_card.md", "version = 2", 'version = ""')
    (dossier.path / "field_trial.md").unlink()
    assert [problem.partition(":")[0] for problem in dossier.problems()] == [
        "dossier.toml, [dossier] date",
        "model_card.md, [model] version",
        "field_trial.md",
    ]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(dossier) -> None:
    for path in Path(dossier.path).iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert dossier.problems() == []
