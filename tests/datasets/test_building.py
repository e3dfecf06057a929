"""Building: once, whole or not at all, in bounded memory, and said plainly where the disk refuses."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from civicml.datasets import (
    build,
    build_raw,
    build_sealed,
    content_hash,
    export_published,
    load,
    load_sealed,
)
from civicml.datasets.building import built
from civicml.datasets.catalogue import find_dataset
from civicml.datasets.tables import read_tables
from civicml.errors import CivicmlError

SECRET = "a secret of thirty-two characters"


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock")


def hash_of(folder: Path) -> str:
    return content_hash(read_tables(folder, find_dataset("tiny").schema, "any"))


def load_in_a_process(**environment: str) -> subprocess.Popen:
    program = """if True:
        from civicml.datasets import content_hash, load
        print("ready", flush=True)
        print(content_hash(load("tiny")))
    """
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_second_load_builds_nothing(tiny, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("TINY_LOG", str(log))
    first, second = load("tiny"), load("tiny")
    assert content_hash(first) == content_hash(second)
    assert log.read_text() == "building\n"


def test_a_changed_recipe_is_built_again(tiny, tmp_path):
    before = content_hash(load("tiny"))
    recipe = tiny / "datasets" / "nowhere" / "tiny" / "recipe.py"
    recipe.write_text(recipe.read_text().replace("ROWS = 1_000", "ROWS = 999"))
    assert content_hash(load("tiny")) != before
    assert len(load("tiny").people) == 999


def test_old_builds_do_not_pile_up(tiny, tmp_path):
    recipe = tiny / "datasets" / "nowhere" / "tiny" / "recipe.py"
    for rows in range(100, 107):
        recipe.write_text(recipe.read_text() + f"\nROWS = {rows}\n")
        load("tiny")
    builds = list((tmp_path / "cache" / "tiny").glob("published-*"))
    assert 1 <= len(builds) <= 3
    assert len(load("tiny").people) == 106


def test_two_processes_at_once_build_once(tiny, tmp_path):
    log, gate = tmp_path / "log", tmp_path / "gate"
    os.mkfifo(gate)
    processes = [load_in_a_process(TINY_LOG=str(log), TINY_GATE=str(gate)) for _ in range(2)]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n", "ready\n"]
        gate.write_text("go on")  # waits until one of them is in the middle of building
        said = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0] != ""
    assert log.read_text() == "building\n"


def test_an_interrupted_build_leaves_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_STOP", "interrupt")
    with pytest.raises(KeyboardInterrupt):
        load("tiny")
    assert everything_in(tmp_path / "cache") == ["tiny"]
    with pytest.raises(KeyboardInterrupt):
        build("tiny", tmp_path / "out" / "here")
    assert everything_in(tmp_path / "out") == []
    monkeypatch.delenv("TINY_STOP")
    assert len(load("tiny").people) == 1_000


def test_what_a_killed_build_left_is_cleared_by_the_next(tiny, tmp_path):
    killed = load_in_a_process(TINY_STOP="kill")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    home = tmp_path / "cache" / "tiny"
    assert list(home.glob(".building-*"))
    assert not list(home.glob("published-*"))
    assert len(load("tiny").people) == 1_000
    assert not list(home.glob(".building-*"))


@pytest.mark.parametrize("place", ["in-the-way/cache", "/sys/civicml"])
def test_a_cache_that_cannot_be_written_is_said_in_one_sentence(tiny, tmp_path, monkeypatch, place):
    """A file where the directory should be, and a file system that nobody can write to, root included."""
    (tmp_path / "in-the-way").write_text("")
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / place))
    with pytest.raises(CivicmlError) as caught:
        load("tiny")
    assert "cannot be written" in str(caught.value)
    assert "set CIVICML_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said_in_one_sentence_and_nothing_is_left(tiny, tmp_path):
    full = subprocess.run(
        [sys.executable, "-m", "civicml", "datasets", "build", "tiny"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000)),  # no file over 1 kB
    )
    assert full.returncode == 1
    assert full.stderr.startswith("civicml: Tables cannot be written to")
    assert "File too large" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert everything_in(tmp_path / "cache") == ["tiny"]


def test_a_built_cache_is_read_without_writing(tiny, tmp_path, monkeypatch):
    load("tiny")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    load("tiny")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before


def test_one_seed_gives_one_table(tiny, tmp_path):
    build("tiny", tmp_path / "one", rows=500)
    build("tiny", tmp_path / "two", rows=500)
    assert hash_of(tmp_path / "one") == hash_of(tmp_path / "two")


def test_the_sealed_layer_has_the_world_of_the_published_and_rows_of_its_own(tiny, tmp_path):
    build_sealed("tiny", SECRET, tmp_path / "sealed")
    build_sealed("tiny", SECRET.encode(), tmp_path / "again")
    build_sealed("tiny", SECRET + ".", tmp_path / "other")
    hashes = [hash_of(tmp_path / name) for name in ("sealed", "again", "other")]
    assert hashes[0] == hashes[1]
    assert len({*hashes, content_hash(load("tiny"))}) == 3
    sealed = read_tables(tmp_path / "sealed", find_dataset("tiny").schema, "sealed")
    assert sealed.people["shift"].iloc[0] == load("tiny").people["shift"].iloc[0]


TRUTH = """
    [tables.truth]
    description = "Who was really ill."
    only_sealed = true

    [tables.truth.columns]
    really_ill = { type = "yes/no", missing = false, description = "As the doctor saw it." }
"""


def tell_the_truth(tiny: Path, when: str) -> None:
    """Add a table of truths to the tiny dataset, published `when` its streams are so."""
    folder = tiny / "datasets" / "nowhere" / "tiny"
    with (folder / "schema.toml").open("a") as schema:
        schema.write(textwrap.dedent(TRUTH))
    recipe = folder / "recipe.py"
    truth = "{'truth': people[['ill']].set_axis(['really_ill'], axis=1)}"
    more = f"    if {when}:\n        yield {truth}\n\ndef measure"
    recipe.write_text(recipe.read_text().replace("def measure", more))


def test_truth_is_in_the_sealed_layer_and_in_no_other(tiny, tmp_path, monkeypatch):
    tell_the_truth(tiny, "streams.sealed")
    cohort = tmp_path / "cohort"
    build_sealed("tiny", SECRET, cohort / "sealed" / "tiny")
    monkeypatch.setenv("CIVICML_COHORT", str(cohort))
    assert list(load_sealed("tiny")) == ["people", "truth"]
    assert list(load("tiny")) == ["people"]
    assert "truth" not in find_dataset("tiny").schema.tables
    export_published("tiny", tmp_path / "kit")
    assert not list((tmp_path / "kit").glob("truth*"))


def test_a_recipe_that_publishes_the_truth_is_stopped(tiny, tmp_path):
    tell_the_truth(tiny, "True")
    with pytest.raises(CivicmlError, match="a table 'truth', which this layer must not hold"):
        load("tiny")
    assert not list((tmp_path / "cache").rglob("*.parquet"))


def test_the_sealed_layer_is_for_its_owner_only(tiny, tmp_path):
    made = build_sealed("tiny", SECRET, tmp_path / "sealed")
    assert made.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.folder.iterdir()} == {0o600}


def test_the_public_secret_does_not_open_the_seal(tiny, tmp_path):
    from civicml.datasets.building import PUBLIC_SECRET

    build_sealed("tiny", PUBLIC_SECRET, tmp_path / "sealed")
    assert hash_of(tmp_path / "sealed") != content_hash(load("tiny"))


@pytest.mark.parametrize("seed", ["", "1234", b"short"])
def test_a_seed_that_could_be_guessed_is_refused(tiny, tmp_path, seed):
    with pytest.raises(CivicmlError, match="at least 16 characters"):
        build_sealed("tiny", seed, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()


def test_the_raw_layer_is_built_on_request_and_keeps_names(tiny, tmp_path):
    made = build_raw("tiny", tmp_path / "raw")
    assert made.rows == {"people": 1_000}
    assert built(find_dataset("tiny"), "raw").name.startswith("raw-")


def test_a_destination_that_exists_is_left_alone(tiny, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("precious")
    with pytest.raises(CivicmlError, match="exists already"):
        build("tiny", tmp_path / "mine")
    assert (tmp_path / "mine" / "work.txt").read_text() == "precious"


def test_no_rows_is_no_dataset(tiny, tmp_path):
    with pytest.raises(CivicmlError, match="at least one row"):
        build("tiny", tmp_path / "none", rows=0)


def test_a_recipe_without_a_part_is_refused(tiny):
    recipe = tiny / "datasets" / "nowhere" / "tiny" / "recipe.py"
    recipe.write_text(recipe.read_text().replace("def measure", "def count"))
    with pytest.raises(CivicmlError, match="has no 'measure'"):
        load("tiny")


def test_loading_a_recipe_changes_neither_the_import_path_nor_its_folder(tiny):
    before = list(sys.path)
    load("tiny")
    assert sys.path == before
    assert not list((tiny / "datasets").rglob("__pycache__"))
    assert "datasets" not in sys.modules


def test_building_holds_one_chunk_at_a_time(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_LOG", str(tmp_path / "log"))
    recipe = tiny / "datasets" / "nowhere" / "tiny" / "recipe.py"
    recipe.write_text(
        recipe.read_text()
        + textwrap.dedent("""
            import weakref

            whole = generate

            def generate(streams, rows):
                chunks, alive = [], []
                for number in range(20):
                    frame = next(whole(streams, rows))["people"]
                    chunks.append(weakref.ref(frame))
                    yield {"people": frame}
                    del frame
                    alive.append(sum(chunk() is not None for chunk in chunks))
                Path(os.environ["TINY_LOG"]).write_text(str(max(alive)))
        """)
    )
    build("tiny", tmp_path / "out", rows=2_000)
    assert int((tmp_path / "log").read_text()) <= 1


def test_a_million_rows_stay_far_below_the_limit(tmp_path):
    """The limit is 2 GiB at ten million rows, which takes half a minute: benchmarks/recipes.py 10000000."""
    program = (
        "import re, sys; from pathlib import Path; from civicml.datasets import build; "
        "made = build('gp_appointments', Path(sys.argv[1]), rows=1_000_000); "
        # getrusage would count the process that started this one, which holds every table that tests loaded.
        r"most = re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1]; "
        "print(made.rows['appointments'], most)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "big")], capture_output=True, text=True, check=True
    )
    rows, kibibytes = map(int, run.stdout.split())
    assert rows >= 1_000_000
    assert kibibytes < 700 * 1024
