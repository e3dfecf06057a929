"""The page of feedback: what it says of each question, and what it keeps out."""

import base64
import re
from datetime import UTC, datetime
from html import unescape

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from civicml.cohort.feedback import QuestionMark, ReturnedMarks
from civicml.cohort.feedback_page import feedback_page

MADE = datetime(2026, 1, 22, 9, 30, tzinfo=UTC)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode()
RIGHT = "def total(values):\n    return sum(values)"


def graded(notebook, *, course="A course", **extra) -> str:
    """The page's HTML for a notebook whose marks are given as name=(score, most[, comment])."""
    marks = {name: value for name, value in extra.items() if isinstance(value, tuple)}
    other = {name: value for name, value in extra.items() if not isinstance(value, tuple)}
    questions = tuple(QuestionMark(n, v[0], v[1], v[2] if len(v) > 2 else "") for n, v in marks.items())
    score, most = (sum(getattr(q, part) for q in questions) for part in ("score", "max_score"))
    facts = {"late_penalty": 0.0, "complete": True, "problem": ""} | {
        name: other.pop(name) for name in ("late_penalty", "complete", "problem") if name in other
    }
    returned = ReturnedMarks(
        learner="ann", week="week01", score=score, max_score=most, returned=MADE.isoformat(),
        questions=questions, **facts,
    )  # fmt: skip
    return feedback_page(notebook, returned, course=course, title="Week 1: Tiny", made=MADE, **other)


def words(page: str) -> str:
    """What a reader reads."""
    main = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


@pytest.fixture
def lab(tiny):
    """The tiny lab as it was run: ``lab(q1=outputs of the answer, q1_test=outputs of its test)``."""

    def make(answers=None, **outputs):
        notebook = new_notebook(cells=nbformat.from_dict(tiny.lab_cells()))
        tiny.fill(notebook, tiny.RIGHT | (answers or {}))
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in outputs:
                cell.outputs = outputs[name]
        return notebook

    return make


def error(name: str, text: str, *lines: str):
    return new_output("error", ename=name, evalue=text, traceback=list(lines) or [f"{name}: {text}"])


def test_all_right_says_so_and_gives_no_advice(lab):
    page = words(graded(lab(), q1_test=(4, 4), q2_visible=(2, 2), q2_hidden=(2, 2), q3=(2, 2, "Clear.")))
    assert "10 of 10 points" in page
    assert page.count("Right ·") == 3
    assert "Your marker says Clear." in page
    assert "What to try next" not in page
    assert "Start here" not in page


def test_a_visible_test_that_fails_is_told_with_its_message(lab):
    failed = error("AssertionError", "1 + 2 is 3, you returned 4", "----> 1 assert total([1, 2]) == 3")
    page = words(graded(lab(q1_test=[failed]), q1_test=(0, 4), q2_visible=(2, 2), q2_hidden=(2, 2)))
    assert "A test does not pass 1 + 2 is 3, you returned 4 What to try next: The test is below" in page
    assert "“1. Add up” is the first to look at again." in page


def test_a_hidden_test_that_fails_is_told_without_its_text(lab):
    failed = error(
        "AssertionError", "Try a longer list; yours adds up to 3", "----> 4 assert total(secret_case)"
    )
    html = graded(lab(q1_test=[failed]), q1_test=(0, 4))
    page = words(html)
    assert "A test that you cannot see does not pass Try a longer list; yours adds up to 3" in page
    assert "secret_case" not in page
    assert "10, 20, 30, 40" not in page
    assert "Hidden tests ran here" in page


def test_what_the_engine_says_comes_before_what_the_output_says(lab):
    failed = error("KeyError", "'secret'", "----> 4 total(secret_case)")
    notebook = lab(q1_test=[failed])
    test = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "q1_test")
    test.metadata["civicml_message"] = "Your code raised KeyError in a hidden test."
    page = words(graded(notebook, q1_test=(0, 4)))
    assert "Your code raised KeyError in a hidden test." in page


def test_an_answer_that_stops_is_named_before_its_tests(lab):
    stopped = error("NameError", "name 'vlaues' is not defined", "Cell In[2], line 2, in total(values)")
    failed = error("NameError", "name 'total' is not defined")
    page = words(graded(lab(q1=[stopped], q1_test=[failed]), q1_test=(0, 4)))
    assert (
        "Your own cell stops, so its tests cannot pass NameError: name 'vlaues' is not defined (line 2"
        in page
    )
    assert "A test does not pass" not in page


def test_nothing_answered_is_called_that(lab):
    nothing = error("NotImplementedError", "Replace this line")
    page = words(graded(lab(q1_test=[nothing]), q1_test=(0, 4), q3=(0, 2, "No response.")))
    assert page.count("Not answered ·") == 2
    assert "“1. Add up” is the first that is not answered." in page
    assert "No response." not in page


def test_part_of_the_points_and_no_verdict_have_their_own_words(lab):
    void = error("NoVerdict", "")
    page = words(graded(lab(q2_visible=[void]), q1_test=(1.5, 4), q2_visible=(0, 2)))
    assert "1.5 of 4 points" in page
    assert "Some of the tests did not pass" in page
    assert "This could not be tested" in page


def test_a_cell_of_nobody_that_stops_is_where_to_start(lab):
    notebook = lab()
    notebook.cells[1].outputs = [error("FileNotFoundError", "no such file: data.csv")]
    page = words(graded(notebook, q1_test=(0, 4)))
    assert "Start here. The cell that begins 'numbers = [3, 1, 2]' stops. FileNotFoundError" in page
    assert "numbers = [ 3 , 1 , 2 ]" in page.split("The rest of your notebook")[1]


def test_late_unfinished_and_ungraded_work_is_said_at_the_top(lab):
    page = words(
        graded(lab(), q1_test=(4, 4), late_penalty=1.0, complete=False, problem="It was a photograph.")
    )
    assert "3 of 4 points" in page
    assert "You earned 4 points. 1 were taken off because the work came late." in page
    assert "a person still has to mark some of it" in page
    assert "Nothing could be graded. It was a photograph." in page


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<table onclick='alert(1)'><tr><td><a href='javascript:alert(1)'>here</a></td></tr></table>",
    "<table><tr><td><iframe src='https://example.org'></iframe>x</td></tr></table>",
    "<table><style>body{display:none}</style><tr><td style='position:fixed'>x</td></tr></table>",
    "<svg onload=alert(1)><table></table></svg>",
    "</pre></main><form action='https://example.org'><input name=password></form><table></table>",
    "<meta http-equiv=refresh content='0;url=https://example.org'><table></table>",
]

TAGS = set(
    """a b body br code details div em figure footer h header img li main p pre section span strong summary
    table tbody td th thead tr ul""".split()  # noqa: SIM905 - sixty quotes would not make it clearer
)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "where", ["html", "markdown", "text", "stream", "error", "prose", "comment", "image"]
)
def test_nothing_that_was_displayed_can_act_on_the_reader(lab, hostile, where):
    outputs = {
        "html": new_output("display_data", {"text/html": hostile}),
        "markdown": new_output("display_data", {"text/markdown": f"{hostile}\n\n[x](javascript:alert(1))"}),
        "text": new_output("execute_result", {"text/plain": hostile}),
        "stream": new_output("stream", name="stdout", text=hostile),
        "error": error(hostile, hostile, hostile),
        "image": new_output("display_data", {"image/png": PNG, "text/plain": hostile}),
    }
    answers = {"q3": hostile} if where == "prose" else {}
    notebook = lab(answers, q1=[outputs[where]] if where in outputs else [])
    comment = hostile if where == "comment" else ""
    html = graded(notebook, q1_test=(0, 4, comment), course=hostile)
    body = html[html.index("<body") :]
    tags = set(re.findall(r"<([a-zA-Z]+)", body))
    assert tags <= TAGS
    inside = re.findall(r"<[^>]+>", body)
    bare = [re.sub(r'"[^"]*"', "", tag) for tag in inside]
    assert not [tag for tag in bare if re.search(r"\son\w+=|javascript:|position|url\(", tag, re.IGNORECASE)]
    assert not re.search(r'(href|src|action)="(?!#|data:image/)', body)
    assert all(tag.startswith('<img src="data:image/') for tag in inside if tag.startswith("<img"))


def test_tables_and_pictures_are_kept(lab):
    table = (
        "<div><style scoped>x</style><table border='1' class='dataframe'><tr><th>a</th></tr></table></div>"
    )
    shown = [
        new_output("display_data", {"text/html": table, "text/plain": "   a"}),
        new_output("display_data", {"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"}),
        new_output("display_data", {"image/png": "bm90IGEgcGljdHVyZQ==", "text/plain": "<Figure>"}),
    ]
    html = graded(lab(q1=shown), q1_test=(4, 4))
    assert "<th>a</th>" in html
    assert f'<img src="data:image/png;base64,{PNG}" alt="&lt;Figure size 640x480 with 1 Axes&gt;">' in html
    assert "A picture is left out: it is not a PNG." in html


def test_endless_output_is_cut_and_said(lab):
    many = [new_output("stream", name="stdout", text="x" * 9_000) for _ in range(40)]
    page = words(graded(lab(q1=many), q1_test=(4, 4)))
    assert page.count("4,000 more characters") == 30
    assert "10 more outputs are left out" in page


def test_what_a_cell_showed_after_hidden_tests_is_as_it_was_handed_in(lab):
    run, saved = lab(), lab()
    for notebook, said in ((run, "called with 7, 5, 7, 6"), (saved, "as saved")):
        notebook.cells.append(new_code_cell("print(seen)", outputs=[new_output("stream", text=said)]))
    run.cells[-1].metadata["civicml_after_tests"] = True
    page = words(graded(run, q1_test=(4, 4), handed_in=saved))
    assert "As it was when you handed it in: as saved" in page
    assert "called with" not in page
    assert "called with" not in words(graded(run, q1_test=(4, 4)))


def test_control_characters_and_colours_are_taken_out(lab):
    said = "\x1b[31mred\x1b[0m\x07\x00 \u202eabc"
    html = graded(lab(q1=[new_output("stream", name="stdout", text=said)]), q1_test=(4, 4))
    assert "red abc" in words(html)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", html)


def test_the_page_can_be_found_ones_way_in_without_eyes(lab):
    html = graded(lab(), q1_test=(4, 4), q2_visible=(0, 2), q2_hidden=(0, 2), q3=(1, 2, "Who?"))
    assert '<html lang="en-GB">' in html
    assert html.count("<h1") == 1
    anchors = re.findall(r'<a[^>]* href="#([\w-]+)"', html)
    assert anchors == ["main", "question-1", "question-2", "question-3"]
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    assert len(re.findall(r'<th scope="col"', html)) == 3


def test_a_notebook_without_questions_has_a_page_too():
    notebook = new_notebook(cells=[new_markdown_cell("# Mine"), new_code_cell("1 + 1")])
    page = words(graded(notebook, problem="It is not this lab."))
    assert "It is not this lab." in page
    assert "1 + 1" in page
