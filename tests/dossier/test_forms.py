"""The forms: every field says what it is for, and its example would do if it were not the example."""

import re
import tomllib
from pathlib import Path

import pytest

from civicml.dossier import check, read
from civicml.dossier.answers import faults
from civicml.dossier.forms import ORDER, form, forms
from civicml.dossier.starting import new, template
from civicml.errors import CivicmlError

EVERY = [
    pytest.param(question, id=f"{each.name}-{section.name}-{question.name}")
    for each in forms()
    for section, question in each.questions()
]


@pytest.mark.parametrize("question", EVERY)
def test_every_field_says_what_it_is_for_with_an_example_of_the_right_kind(question) -> None:
    assert len(question.ask.split()) >= 2
    assert not question.ask.endswith(".")
    for part in question.parts if question.is_rows else (question,):
        assert part.example is not None, f"{part.name} has no example"
        # The example is refused as an answer, for nothing but being the example.
        changed = f"{part.example} and more" if part.type in ("text", "prose") else part.example
        wrong = [says for _, says in faults(part, changed) if "the form's own example" not in says]
        assert wrong == []


@pytest.mark.parametrize("name", ORDER)
def test_keys_and_headings_are_unique_and_conditions_exist(name: str) -> None:
    each = form(name)
    sections = [section.name for section in each.sections]
    assert len(set(sections)) == len(sections)
    headings = [question.title for _, question in each.questions() if question.type == "prose"]
    assert len(set(headings)) == len(headings)
    for section in each.sections:
        keys = {question.name: question for question in section.fields}
        assert len(keys) == len(section.fields)
        for question in section.fields:
            assert question.needed_if is None or keys[question.needed_if].type == "yes/no"


def test_the_transparency_record_has_the_standards_sections_in_order() -> None:
    numbers = [section.number for section in form("transparency_record").sections if section.number]
    assert numbers == ["1", "2.1", "2.2", "2.3", "2.4.1", "2.4.2", "2.4.3", "2.4.4", "2.5"]


def test_all_nine_protected_characteristics_are_asked_for() -> None:
    [each] = [q for _, q in form("equality_analysis").questions() if q.type == "rows"]
    assert len(each.columns[0].choices) == 9


def test_a_new_dossier_is_valid_toml_with_the_title_and_lacks_everything_else(tmp_path) -> None:
    written = new(tmp_path / "mine", 'A "quoted" title \\ here')

    assert [path.name for path in written] == [each.file for each in forms()]
    facts = tomllib.loads(written[0].read_text(encoding="utf-8"))
    assert facts["dossier"]["title"] == 'A "quoted" title \\ here'
    problems = check(read(tmp_path / "mine"))
    assert {problem.file for problem in problems} == {path.name for path in written}
    assert not any("TOML" in problem.says or "no such" in problem.says for problem in problems)
    assert sum("nothing is filled in yet" in problem.says for problem in problems) == 7


def test_the_template_holds_every_question_and_example() -> None:
    for each in forms():
        text = template(each)
        for _, question in each.questions():
            assert question.ask[1:] in text
            assert str(question.example)[:30].strip("[{'") in text or question.is_rows or question.type in (
                "quantity", "yes/no", "list",
            )  # fmt: skip


@pytest.mark.parametrize("made", ["file", "full folder", "link"])
def test_what_is_there_already_is_left_alone(tmp_path, made: str) -> None:
    place = tmp_path / "mine"
    if made == "file":
        place.write_text("kept")
    elif made == "full folder":
        place.mkdir()
        (place / "notes.txt").write_text("kept")
    else:
        place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(CivicmlError, match="exists already"):
        new(place)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    assert not (place / "dossier.toml").exists()


def test_an_empty_folder_is_taken_and_a_missing_parent_is_named(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(new(tmp_path / "empty")) == 8
    with pytest.raises(CivicmlError, match="There is no folder"):
        new(tmp_path / "no" / "mine")


@pytest.mark.parametrize("title", ["two\nlines", "x" * 201, "turned \u202e round", "bell \x07"])
def test_a_title_is_one_readable_line(tmp_path, title: str) -> None:
    with pytest.raises(CivicmlError, match="one line"):
        new(tmp_path / "mine", title)
    assert list(tmp_path.iterdir()) == []


def test_the_handbook_lists_the_files() -> None:
    page = Path(__file__).parents[2] / "course" / "handbook" / "dossier.md"
    listed = re.findall(r"^\| `([a-z_.]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [each.file for each in forms()]
