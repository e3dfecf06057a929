"""What people see: JupyterLab on week 1, a lesson, Formgrader's marks, MLflow's runs."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from civicml.cohort import Cohort, gradebook

pytest.importorskip("playwright", reason="no browser tests: the package playwright is not installed")


def looks_alive(page, artefacts: Path, name: str) -> None:
    """Keep a screenshot, and hold that it shows something and that no error is in the way."""
    picture = page.screenshot(path=artefacts / f"{name}.png")
    colours = Image.open(io.BytesIO(picture)).convert("RGB").getcolors(maxcolors=1 << 24)
    assert len(colours) > 50, f"{name}.png is nearly blank"
    most, _ = max(colours)
    assert most < 0.98 * sum(count for count, _ in colours), f"{name}.png is nearly one colour"
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".Toastify__toast--error").count() == 0


def table(page, row: str) -> list[list[str]]:
    """The rows of the page's table once `row` is in it, cell by cell."""
    page.wait_for_selector(f"tbody td:has-text('{row}')")
    rows = [text.split("\t") for text in page.locator("tbody tr").all_inner_texts()]
    return [[cell.strip() for cell in row] for row in rows]


def test_jupyterlab_opens_on_the_week_with_its_page_and_its_files(learners_page, artefacts: Path) -> None:
    page = learners_page
    page.wait_for_selector(".jp-MarkdownViewer h1")

    listed = page.locator(".jp-DirListing-item .jp-DirListing-itemText").all_inner_texts()
    assert "lab.ipynb" in listed
    assert sum(name.startswith("lesson") for name in listed) == 3
    assert page.locator(".jp-MarkdownViewer h1").inner_text().strip()
    assert page.locator("#jp-main-dock-panel").is_visible()
    looks_alive(page, artefacts, "learner_week")


def test_the_menu_leads_to_the_runs(learners_page, lab) -> None:
    page = learners_page
    page.click(".lm-MenuBar-itemLabel:text-is('Course')")
    page.wait_for_selector(".lm-Menu-itemLabel:text-is('My runs (MLflow)')")

    with page.context.expect_page() as opened:
        page.click(".lm-Menu-itemLabel:text-is('My runs (MLflow)')")

    assert opened.value.url.startswith(lab.mlflow)
    opened.value.close()


def test_a_lesson_opens_with_its_headings_and_its_plot(learners_page, artefacts: Path) -> None:
    page = learners_page
    page.dblclick(".jp-DirListing-item:has-text('lesson1_')")
    page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1")
    headings = page.locator(".jp-Notebook .jp-RenderedMarkdown").locator("h1, h2").all_inner_texts()
    looks_alive(page, artefacts, "learner_lesson")

    plot = page.locator(".jp-Notebook .jp-RenderedImage img").first
    plot.scroll_into_view_if_needed()
    plot.wait_for(state="visible")

    assert "What you will learn" in " ".join(headings)
    width, height = plot.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert width > 300
    assert height > 150
    looks_alive(page, artefacts, "learner_plot")


def test_formgrader_lists_the_week_with_the_gradebooks_marks(
    learners_page, lab, cohort: Cohort, artefacts: Path
) -> None:
    page = learners_page.context.new_page()
    standing = {one.learner.id: one for one in gradebook(cohort)}
    scores = [standing[learner].score for learner in ("ana", "ben")]
    assert scores == [6, 0], "ana's code is right, and a person has not read her memo yet"

    page.goto(f"{lab.server}/formgrader/gradebook")
    [week] = table(page, "week01")
    looks_alive(page, artefacts, "formgrader_marks")
    page.goto(f"{lab.server}/formgrader/gradebook/week01/lab")
    submissions = table(page, "Submission #1")
    page.goto(f"{lab.server}/formgrader/manage_assignments")
    assignments = table(page, "week01")
    source = page.content()
    page.close()

    assert week[0] == "week01"
    assert week[2:] == ["2", f"{sum(scores) / 2:g} / 10"], "submissions, and their mean mark"
    marks = sorted((re.search(r"[\d.]+ / [\d.]+", "\t".join(row)) or [""])[0] for row in submissions)
    assert marks == sorted(f"{score:g} / 10" for score in scores)
    assert assignments[0][0] == "week01"
    assert "released" in assignments[0]
    assert "IdentityProvider" not in source, "the page shows the server's configuration, and its token"


def test_mlflow_shows_the_learners_run(learners_page, lab, artefacts: Path) -> None:
    page = learners_page.context.new_page()
    page.goto(lab.mlflow)
    page.click("a:text-is('ana')")
    page.wait_for_selector("a:has-text('rule of thumb')")

    assert not page.get_by_text("Ask a question").is_visible(), "MLflow's assistant is in the way"
    looks_alive(page, artefacts, "mlflow_runs")
    page.click("a:has-text('rule of thumb')")
    page.wait_for_selector("text=found_in_forty")
    page.close()


def test_no_page_asked_for_anything_outside_this_machine(context) -> None:
    assert context.hosts - {""} == {"127.0.0.1"}
