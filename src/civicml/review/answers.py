"""What a learner says about each finding of the round before: ``answers.toml`` in the dossier.

Gives the file to fill in, reads it, and says what is not answered. It must not know who decides.
"""

import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civicml.errors import CivicmlError
from civicml.review.findings import Finding

FILE = "answers.toml"
FEWEST_WORDS = 5
_MOST_BYTES = 100_000
_MOST_LETTERS = 2_000


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    finding: str
    changed: Annotated[str, Field(max_length=_MOST_LETTERS)]


class _Answers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    answer: list[_Answer] = []


def to_fill_in(findings: Iterable[Finding], of: str) -> str:
    """The text of an ``answers.toml`` with every finding in it and no answer.

    Args:
        findings: what is to be answered.
        of: which round it was, in words.
    """
    lines = [
        f"# Your answers to {of}. Keep this file in the dossier of your next version.",
        "# Say under each finding what you changed, or why it stays as it is: one sentence at least.",
    ]
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    for code, members in by_code.items():
        lines.append("")
        for finding in members:
            lines += [f"# {line}" for line in _wrapped(f"{finding.severity}: {finding.says}")]
        lines += [f"# {line}" for text in dict.fromkeys(one.do for one in members) for line in _wrapped(text)]
        lines += ["[[answer]]", f"finding = {_quoted(code)}", 'changed = ""']
    return "\n".join(lines) + "\n"


def read_answers(dossier: Path) -> dict[str, str]:
    """What was changed, by the finding's code; nothing if the dossier has no such file.

    Raises:
        CivicmlError: there is one and it cannot be read.
    """
    path = dossier / FILE
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise CivicmlError(
                f"{FILE} is larger than {_MOST_BYTES // 1000} kB; an answer is a sentence or two."
            )
        told = _Answers.model_validate(tomllib.loads(content.decode("utf-8-sig")))
    except OSError as error:
        raise CivicmlError(f"{FILE} cannot be opened: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CivicmlError(f"{FILE}: {place}: {first['msg'][:1].lower()}{first['msg'][1:]}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CivicmlError(f"{FILE} is not valid TOML in UTF-8: {error}.") from error
    answers: dict[str, str] = {}
    for one in told.answer:
        answers[one.finding] = f"{answers.get(one.finding, '')}\n{one.changed}".strip()
    return answers


def unanswered(open_findings: Sequence[Finding], answers: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings that no answer of at least ``FEWEST_WORDS`` words belongs to."""
    return tuple(f for f in open_findings if len(re.findall(r"\w+", answers.get(f.code, ""))) < FEWEST_WORDS)


def _wrapped(text: str) -> list[str]:
    shown = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return textwrap.wrap(shown, 96)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings escape in the same way
