"""What a learner gets back of a review: the decision with its findings, and a file for the answers.

Reads what everybody may read of one's own run. It must not know the cohort's record.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from civicml import tracking
from civicml.cohort.directory import write_text
from civicml.errors import CivicmlError
from civicml.review.answers import FILE
from civicml.review.registry import REVIEW_FOLDER, valid_name

_BACK = ("returned", "rejected")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for two small files


@dataclass(frozen=True)
class SentBack:
    """What a version came back with.

    Attributes:
        letter: the decision and the findings, in Markdown.
        answers: the file to fill in.
        new: whether it was written now; one that was there is left as it is.
    """

    letter: str
    answers: Path
    new: bool


def fetch_findings(model: str, dossier: Path) -> SentBack:
    """Get what the newest version that was sent back came with, and put ``answers.toml`` into the dossier.

    Raises:
        CivicmlError: no version was sent back, `dossier` is no folder, or the registry cannot be read.
    """
    if not dossier.is_dir():
        raise CivicmlError(f"There is no folder '{dossier}'; name your dossier with --to.")
    with tracking._open_store() as (_, client), tempfile.TemporaryDirectory(prefix="civicml-") as place:
        versions = client.search_model_versions(f"name = '{valid_name(model)}'")
        back = [one for one in versions if one.tags.get("civicml.state") in _BACK]
        if not back:
            raise CivicmlError(f"No version of '{model}' was sent back.")
        newest = max(back, key=lambda one: int(one.version))
        folder = f"{REVIEW_FOLDER}/round-{newest.tags['civicml.round']}"
        texts = {
            name: Path(client.download_artifacts(str(newest.run_id), f"{folder}/{name}", place)).read_text(
                encoding="utf-8"
            )
            for name in ("decision.md", FILE)
        }
    path = dossier / FILE
    new = not path.exists()
    if new:
        write_text(path, texts[FILE])
    return SentBack(texts["decision.md"], path, new)
