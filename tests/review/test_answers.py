"""The file in which a learner answers findings: made, filled in, read."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from civicml.errors import CivicmlError
from civicml.review.answers import FILE, read_answers, to_fill_in, unanswered

from .conftest import GAP, LEAK, TYPO  # isort: skip


def write(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_the_file_to_fill_in_has_each_finding_and_counts_as_no_answer(tmp_path: Path) -> None:
    text = to_fill_in((LEAK, GAP, TYPO), "round 1")
    assert LEAK.says.split(".")[0][:40] in text
    answers = read_answers(write(tmp_path, text))
    assert set(answers) == {LEAK.code, GAP.code, TYPO.code}
    assert unanswered((LEAK, GAP, TYPO), answers) == (LEAK, GAP, TYPO)


def test_findings_of_one_code_take_one_answer(tmp_path: Path) -> None:
    twice = (TYPO, replace(TYPO, says="The datasheet says 0.08, the run 0.11."))
    text = to_fill_in(twice, "round 1")
    assert text.count("[[answer]]") == 1
    assert "The card says 0.09" in text
    assert "The datasheet says 0.08" in text
    text = text.replace('changed = ""', 'changed = "Both now say what the run says."')
    assert unanswered(twice, read_answers(write(tmp_path, text))) == ()
    again = text + f'[[answer]]\nfinding = "{TYPO.code}"\nchanged = ""\n'
    assert unanswered(twice, read_answers(write(tmp_path, again))) == (), "an empty one takes nothing away"


@pytest.mark.parametrize("odd", ['a"b\\c', "naïve:£ \U0001f600", "x]\n[[answer]]", "tab\there\x07", "# no"])
def test_a_code_of_any_letters_survives_the_file(tmp_path: Path, odd: str) -> None:
    finding = replace(LEAK, code=odd, says=f"{odd}\n[[answer]]\nfinding = 'forged'", do=odd)
    text = to_fill_in((finding,), "round 1")
    assert [one["finding"] for one in tomllib.loads(text)["answer"]] == [odd]
    filled = text.replace('changed = ""', 'changed = "It was left out of the model."')
    assert unanswered((finding,), read_answers(write(tmp_path, filled))) == ()


@pytest.mark.parametrize(
    ("answer", "counts"),
    [("", False), ("done", False), ("ok ok ok ok", False), ("It is now left out.", True)],
)
def test_an_answer_is_a_sentence(answer: str, counts: bool) -> None:
    assert (unanswered((LEAK,), {LEAK.code: answer}) == ()) is counts


def test_a_dossier_without_the_file_answers_nothing(tmp_path: Path) -> None:
    assert read_answers(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "answer = 3", "[[answer]]\nfinding = 1\nchanged = ''", "[[answer]]\nfinding = 'a'",
        "other = 1", "= broken",
        "[[answer]]\nfinding = 'a'\nchanged = '" + "long " * 1000 + "'", "#" * 200_000, "a = " + "[" * 90_000,
    ],
)  # fmt: skip
def test_a_file_that_says_something_else_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(CivicmlError, match=r"answers\.toml"):
        read_answers(write(tmp_path, text))


def test_a_link_or_a_pipe_in_its_place_is_not_followed(tmp_path: Path) -> None:
    import os

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / FILE).symlink_to("/etc/hostname")
    with pytest.raises(CivicmlError, match="cannot be opened"):
        read_answers(tmp_path / "a")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / FILE)
    assert read_answers(tmp_path / "b") == {}
