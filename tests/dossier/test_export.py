"""The page, the published table, and the commands."""

import csv
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from civicml.dossier import check, export, page, read
from civicml.errors import CivicmlError


class Outline(HTMLParser):
    """Headings, ids, links inside the page, and cells that are headings without a direction."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.lost: list[str] = []
        self.outside: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        if tag[0] == "h" and tag[1:].isdigit():
            self.levels.append(int(tag[1:]))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and given.get("href", "").startswith("#"):
            self.targets.append(given["href"][1:])
        if tag == "th" and given.get("scope") not in ("row", "col"):
            self.lost.append(self.get_starttag_text() or "")
        if given.get("src") or tag == "link":
            self.outside.append(self.get_starttag_text() or "")
        if tag not in ("meta", "br", "hr", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_has_an_outline(example) -> None:
    html = page(read(example))
    outline = Outline(html)

    assert outline.open == []
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    steps = [after - before for before, after in zip(outline.levels, outline.levels[1:], strict=False)]
    assert max(steps) == 1, "no level of heading is left out"
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.targets) <= set(outline.ids)
    assert outline.lost == []
    assert outline.outside == []
    assert '<html lang="en-GB">' in html


def test_the_page_says_what_was_answered(example) -> None:
    html = page(read(example))
    for said in (
        "6.5312",
        "40 calls a working day, highest risk first",
        "8 May 2026",
        "252,947 appointments",
    ):
        assert said in html
    for title in ("Model card", "Datasheet", "Transparency record", "Impact screening", "Equality analysis"):
        assert f">{title}</h2>" in html
    assert "draft" not in html.lower().partition("<main")[0]
    assert "Not answered" not in html


def test_a_draft_says_that_it_is_one_and_what_is_missing(dossier, tmp_path) -> None:
    dossier.change("model_card.md", "version = 2", 'version = ""')
    (dossier.path / "field_trial.md").unlink()
    html = page(read(dossier.path), check(read(dossier.path)))
    assert "A draft: 2 things are still to be put right." in html
    assert "Not answered" in html


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_the_table_has_the_standards_order_and_says_where_its_wording_is_not_known(example, tmp_path) -> None:
    [written] = export(example, table_to=tmp_path / "record.csv")
    table = rows(written)

    numbers = [row[0] for row in table if row[0]]
    order = ["1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4.1", "2.4.2", "2.4.3", "2.4.4", "2.5"]
    assert list(dict.fromkeys(numbers)) == order
    assert [row[2] for row in table if row[0] == "2.4.2"] == [
        "Model name", "Model version", "Model task", "Model input", "Model output", "Model architecture",
        "Datasets and purposes", "Model performance",
    ]  # fmt: skip
    assert [row[0] for row in table if row[4]] == ["2.4.4"]
    [performance] = [row[3] for row in table if row[2] == "Model performance"]
    assert performance.startswith(
        "found_per_40: 6.53 missed appointments found in forty calls, a day (interval 6.09"
    )
    assert {row[3] for row in table if row[2].startswith("Third party")} == {"No third party is involved"}


def test_nothing_in_the_table_runs_in_a_spreadsheet(dossier, tmp_path) -> None:
    dossier.change(
        "transparency_record.md", '"Population Health Analytics"', "'=HYPERLINK(\"https://x.example\")'"
    )
    dossier.prose(
        "transparency_record.md", "Training", "+1+cmd|' /C calc'!A0 " + "and then many other words " * 8
    )
    [written] = export(dossier.path, table_to=tmp_path / "record.csv", draft=True)
    cells = [cell for row in rows(written) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)


def test_an_incomplete_dossier_is_not_exported_and_what_was_there_stays(dossier, tmp_path) -> None:
    dossier.change("model_card.md", "version = 2", 'version = ""')
    (tmp_path / "page.html").write_text("before")
    with pytest.raises(CivicmlError, match=r"is not complete: model_card.md, \[model\] version: is empty"):
        export(dossier.path, page_to=tmp_path / "page.html", table_to=tmp_path / "record.csv")
    assert (tmp_path / "page.html").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dossier", "page.html"]


def test_both_files_or_none(example, tmp_path) -> None:
    with pytest.raises(CivicmlError, match="There is no folder"):
        export(example, page_to=tmp_path / "page.html", table_to=tmp_path / "none" / "record.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CivicmlError, match="is a folder"):
        export(example, page_to=tmp_path / "page.html", table_to=tmp_path / "folder.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize("name", ["page", "page.md", "page.pdf"])
def test_a_page_never_takes_the_place_of_a_document(dossier, name: str) -> None:
    with pytest.raises(CivicmlError, match=r"must end in \.html"):
        export(dossier.path, page_to=dossier.path / name)


def test_a_link_at_the_target_is_replaced_and_not_followed(example, tmp_path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "page.html").symlink_to(tmp_path / "kept.txt")
    export(example, page_to=tmp_path / "page.html")
    assert (tmp_path / "kept.txt").read_text() == "kept"
    assert not (tmp_path / "page.html").is_symlink()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "civicml", "dossier", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_from_an_empty_folder_to_a_page(example, tmp_path) -> None:
    begun = command("new", tmp_path / "mine", "--title", "Late buses")
    assert begun.returncode == 0
    assert len(list((tmp_path / "mine").iterdir())) == 8

    checked = command("check", tmp_path / "mine")
    assert checked.returncode == 1
    assert "dossier.toml, [dossier] organisation: is empty; write" in checked.stdout
    assert checked.stderr.startswith("civicml: ")
    assert checked.stderr.count("\n") == 1

    assert "complete. A review will look up 10 metrics" in command("check", example).stdout
    made = command("export", example, "--to", tmp_path / "d.html", "--atrs", tmp_path / "d.csv")
    assert made.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "d.html", "d.csv"}


@pytest.mark.parametrize(
    "arguments",
    [["check", "none"], ["export", "none", "--to", "a.html"], ["export", "."], ["new", "."]],
)
def test_bad_use_of_a_command_is_one_sentence(arguments, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").write_text("")
    failed = command(*arguments)
    assert failed.returncode == 1
    assert failed.stderr.startswith("civicml: ")
    assert failed.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["something"]
