"""Part 1, what was handed in: which files, what opening it brings in, and whether it is what was logged.

It must not know what the model is good for.
"""

from civicml.review.evidence import Part, Table
from civicml.review.findings import Finding
from civicml.review.material import Material
from civicml.review.parts import part
from civicml.tracking.artefacts import Refused

MODEL_TAG = "civicml.model"


def refusal(error: Refused) -> Part:
    """The part for an artefact that was not opened."""
    finding = Finding("artefact-refused", "critical", "learner", "loads", error.reason, error.instead)
    return Part("loads", "Loads safely", "findings", f"Refused: {error.reason}", (), (), (finding,))


def loads(material: Material) -> Part:
    """What the files are, and what is wrong with how they were handed in."""
    facts, registry, fetched = material.facts, material.registry, material.handed_in
    files = tuple((str(file.path), round(file.size / 1024, 1), file.sha256[:12]) for file in facts.files)
    inputs = tuple((column.name, column.type, column.required) for column in facts.inputs)
    tables = [
        Table("Files of the model", ("file", "kilobytes", "SHA-256 begins"), files),
        Table("Inputs, by its signature", ("column", "type", "required"), inputs),
    ]
    if facts.types:
        brought = tuple((name,) for name in facts.types)
        tables.append(Table("What opening it brings in, all on the reviewed list", ("type",), brought))
    return part(
        "loads",
        f"A {facts.kind} model of {facts.size / 1024:,.0f} kB. It was read without running anything of it, "
        f"and opened in the sandbox in {material.opening_seconds:.1f} seconds.",
        tables=tables,
        findings=[
            *_opens(material),
            *_as_logged(material),
            *_current(registry.status, material, fetched.version),
        ],
    )


def _opens(material: Material) -> list[Finding]:
    error = material.error
    if error is None or material.opening_seconds > 0:
        return []
    says = f"In the sandbox the model {error.says}."
    do = "Open it yourself with artefacts.open_model in a fresh Python, and log what opens."
    return [Finding("does-not-open", "critical", "learner", "loads", says, do)]


def _as_logged(material: Material) -> list[Finding]:
    logged = material.handed_in.tags.get(MODEL_TAG)
    if logged == material.facts.sha256:
        return []
    says = (
        "The model's files are not those that were logged: their hash has changed since."
        if logged
        else "The run does not say which files were logged."
    )
    do = "Log the model again with artefacts.log_model in a new run, and register that run."
    return [Finding("files-changed", "critical", "learner", "loads", says, do)]


def _current(status: str, material: Material, version: int) -> list[Finding]:
    found = []
    if status != "FINISHED":
        says = f"The run that logged the model is not finished: MLflow says {status.lower()}."
        do = "Run the notebook from top to bottom, and register the run that it finishes."
        found.append(Finding("run-not-finished", "major", "learner", "loads", says, do))
    if material.registry.newest > version:
        says = f"This is version {version}; version {material.registry.newest} has been registered since."
        do = "Say which version is meant, and review the newest one."
        found.append(Finding("newer-version", "minor", "department", "loads", says, do))
    return found
