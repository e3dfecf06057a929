"""Rules that lessons and labs share: each is broken once and gives its own sentence."""

import pytest

from .conftest import code, picture, printed, text

LESSON = "lesson1_sums.ipynb"


def cells(files, name=LESSON):
    return files[name].cells


def test_a_week_that_keeps_every_rule_has_no_problem(problems_of):
    assert problems_of() == []


def source(position: int, new: str):
    """A change: the lesson's cell at `position` gets the text `new`."""
    return lambda files: cells(files)[position - 1].update(source=new)


def appended(position: int, more: str):
    def change(files):
        cells(files)[position - 1].source += more

    return change


def changed(position: int, **values):
    return lambda files: cells(files)[position - 1].update(**values)


def output(position: int, *outputs):
    return changed(position, outputs=list(outputs))


def timed(files, position: int, began: str, ended: str):
    cells(files)[position - 1].metadata["execution"] = {
        "iopub.execute_input": f"2026-11-02T09:{began}Z",
        "shell.execute_reply": f"2026-11-02T09:{ended}Z",
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: files.update({LESSON: ["{}"]}), "it is not a notebook that can be read: 'cells'."),
        (lambda files: files.update({LESSON: ["words"]}), "it is not a notebook that can be read: "),
        (
            lambda files: files[LESSON].update(nbformat_minor=4),
            "it is in notebook format 4.4; save it as 4.5.",
        ),
        (
            lambda files: files[LESSON].metadata.kernelspec.update(name="ir"),
            "its kernel is 'ir'; every learner has",
        ),
        (lambda files: cells(files)[3].pop("id"), "cell 4: it has no cell id"),
        (changed(4, id="cell-0"), "cell 4: it has the same cell id, 'cell-0', as cell 1."),
        (changed(4, cell_type="rubbish"), "it is not a valid notebook: "),
        (
            changed(5, execution_count=7),
            "cell 5: it was run as number 7, and it is the notebook's code cell 1",
        ),
        (changed(7, execution_count=None), "cell 7: it was run never, and it is the notebook's code cell 2"),
        (source(1, "Words"), "it has no title"),
        (appended(4, "\n\n# Again"), "cell 4: 'Again' is a second heading of the first level."),
        (source(1, "## Before\n\n# After"), "cell 1: the title 'After' must come first."),
        (appended(4, "\n\n#### Deep"), "cell 4: 'Deep' skips from heading level 2 to 4."),
        (output(7, picture(alt=None)), "cell 7: its picture has no alternative text (metadata 'alt')."),
        (output(7, picture(alt=" ")), "cell 7: its picture has no alternative text (metadata 'alt')."),
        (appended(8, "\n\n![](bars.png)"), "cell 8: the picture 'bars.png' has no alternative text."),
        (appended(8, "\n\n<img src='bars.png'>"), "cell 8: it shows an <img> without alternative text."),
        (appended(8, "\n\nSee /home/ada/sums.csv here."), "cell 8: '/home/ada' is a path of one machine."),
        (
            output(5, printed("wrote /tmp/x1y2/sums.csv")),
            "cell 5: its output shows '/tmp/x1y2', a path of one",
        ),
        (source(5, r"open('C:\\Users\\ada')"), r"cell 5: 'C:\\Users' is a path of one machine."),
        (
            source(5, "connect('sqlite:////tmp/mlflow.db')"),
            "cell 5: '////tmp/mlflow.db' is a path of one machine.",
        ),
        (source(5, "def"), "cell 5: it is not valid Python."),
        (source(5, "import requests"), "cell 5: it imports 'requests', which talks to the network."),
        (
            source(5, "from urllib import request"),
            "cell 5: it imports 'urllib.request', which talks to the network.",
        ),
        (
            source(5, "from sklearn.datasets import fetch_openml"),
            "cell 5: it imports 'sklearn.datasets.fetch_openml'",
        ),
        (
            source(5, "pd.read_csv('https://example.org/a.csv')"),
            "cell 5: it uses the address 'https://example.org/a.csv'",
        ),
        (
            source(5, "SOURCE = 'https://example.org/a.csv'"),
            "cell 5: it uses the address 'https://example.org/a.csv'",
        ),
        (source(5, "%pip install pandas"), "cell 5: it calls 'pip'; nothing may be installed"),
        (source(5, "!pip install pandas"), "cell 5: it calls 'pip'; nothing may be installed"),
        (source(5, "files = !curl example.org"), "cell 5: it calls 'curl'; nothing may be installed"),
        (
            lambda files: timed(files, 5, "00:00.5", "00:21.5"),
            "cell 5: it took 21 s; no cell may take over 20 s.",
        ),
    ],
)
def test_a_broken_rule_gives_one_sentence_with_its_place(problems_of, change, sentence):
    problems = problems_of(change)
    assert len(problems) == 1, problems
    place, found = problems[0].split(": ", 1)
    assert place.split(",")[0] == LESSON
    assert sentence in f"{place.removeprefix(LESSON).removeprefix(', ')}: {found}"


@pytest.mark.parametrize(
    "change",
    [
        source(5, "print('https://example.org')  # where it comes from: https://example.org"),
        source(5, "mlflow.set_tracking_uri('http://localhost:5000')"),
        source(5, '"""See https://example.org."""'),
        source(5, "assert sums, 'https://example.org tells why'"),
        source(5, "open('data/tmp/sums.csv')"),
        source(5, "%timeit 1 + 2"),
        appended(8, "\n\nSee <https://example.org/home/page> and the and/or rule."),
        appended(8, "\n\n```python\n# a comment is no heading\n```"),
    ],
)
def test_what_only_looks_like_a_broken_rule_passes(problems_of, change):
    assert problems_of(change) == []


def test_a_notebook_that_takes_over_a_minute_is_named(problems_of):
    def change(files):
        cells(files)[4:5] = [code(f"print({n})", printed(f"{n}\n")) for n in (1, 2, 3, 4)]
        for number, cell in enumerate(c for c in cells(files) if c.cell_type == "code"):
            cell.update(id=f"code-{number}", execution_count=number + 1)
        for position in (5, 6, 7, 8):
            timed(files, position, "00:00", "00:16")

    assert f"{LESSON}: it took 64 s; no notebook may take over 60 s." in problems_of(change)


def test_a_stored_error_is_named_unless_the_cell_says_that_it_raises(problems_of):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}

    def change(files):
        cells(files)[4].outputs = [dict(error)]

    def declared(files):
        change(files)
        cells(files)[4].metadata["tags"] = ["raises-exception"]

    assert problems_of(change) == [f"{LESSON}, cell 5: its stored output is an error, ValueError."]
    assert declared is not change


def test_a_notebook_without_any_output_was_not_saved_after_it_ran(problems_of):
    def change(files):
        for cell in cells(files, "lab.ipynb"):
            if cell.cell_type == "code":
                cell.outputs = []

    assert problems_of(change) == [
        "lab.ipynb: no output is stored in it: run it and save it with its outputs."
    ]


def test_a_picture_needs_a_sentence_after_it(problems_of):
    def change(files):
        cells(files, "lab.ipynb")[1].outputs = [picture()]
        cells(files, "lab.ipynb").insert(2, text("## Only a heading of several words here"))
        cells(files, "lab.ipynb")[2].id = "another"

    assert problems_of(change) == ["lab.ipynb, cell 2: no sentence follows its picture to say what it shows."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: files.pop("README.md"), "'README.md' is missing."),
        (lambda files: files.pop("lab.ipynb"), "'lab.ipynb' is missing."),
        (
            lambda files: files.pop("lesson2_sums.ipynb"),
            "there must be three lessons, lesson1_… to lesson3_…; found lesson1_sums.ipynb, lesson3_",
        ),
        (
            lambda files: files.update({"scratch.ipynb": files.pop("lesson3_sums.ipynb")}),
            "there must be three lessons",
        ),
    ],
)
def test_a_week_has_three_lessons_a_lab_and_a_readme(problems_of, change, sentence):
    assert any(sentence in problem for problem in problems_of(change))


def test_a_notebook_that_is_neither_a_lesson_nor_the_lab_is_named(problems_of):
    def change(files):
        files["scratch.ipynb"] = files[LESSON]

    assert problems_of(change) == ["scratch.ipynb: it is neither a lesson ('lesson1_….ipynb') nor the lab."]
