"""Networks that are built from a name and sizes, so that a file need hold numbers only.

Another architecture is added here, reviewed like any code of the course, and not by a learner's file.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.refusing import Refused

if TYPE_CHECKING:
    from torch import nn

_MOST_PARAMETERS = 100_000_000
Width = Annotated[int, Field(ge=1, le=100_000)]


class Mlp(BaseModel):
    """Layers one after another: linear, ReLU, dropout; then one linear score."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    architecture: Literal["mlp"] = "mlp"
    inputs: Width
    hidden: Annotated[list[Width], Field(max_length=20)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def parameters(self) -> int:
        """How many numbers the network has."""
        widths = [self.inputs, *self.hidden, 1]
        return sum((before + 1) * after for before, after in pairwise(widths))

    def build(self) -> "nn.Module":
        """The network, with PyTorch's own first weights; (rows, inputs) in, (rows, 1) logits out."""
        from torch import nn

        layers: list[nn.Module] = []
        width = self.inputs
        for wider in self.hidden:
            layers += [nn.Linear(width, wider), nn.ReLU(), nn.Dropout(self.dropout)]
            width = wider
        return nn.Sequential(*layers, nn.Linear(width, 1))


class ResidualMlp(BaseModel):
    """Blocks that each add to their input: normalise, linear, ReLU, dropout, linear; then a linear score."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    architecture: Literal["residual_mlp"] = "residual_mlp"
    inputs: Width
    width: Width
    blocks: Annotated[int, Field(ge=1, le=50)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def parameters(self) -> int:
        """How many numbers the network has."""
        block = 2 * self.width * (self.width + 1) + 2 * self.width
        return (self.inputs + 1) * self.width + self.blocks * block + self.width + 1

    def build(self) -> "nn.Module":
        """The network, with PyTorch's own first weights; (rows, inputs) in, (rows, 1) logits out."""
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, width: int, dropout: float) -> None:
                super().__init__()
                self.change = nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, width),
                    nn.ReLU(),
                    nn.Dropout(dropout),
                    nn.Linear(width, width),
                )

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                changed: torch.Tensor = rows + self.change(rows)
                return changed

        blocks = [Block(self.width, self.dropout) for _ in range(self.blocks)]
        return nn.Sequential(nn.Linear(self.inputs, self.width), *blocks, nn.Linear(self.width, 1))


ARCHITECTURES: dict[str, type[Mlp] | type[ResidualMlp]] = {"mlp": Mlp, "residual_mlp": ResidualMlp}


def sized(architecture: str, sizes: object) -> Mlp | ResidualMlp:
    """An architecture with its sizes, checked.

    Raises:
        Refused: there is no such architecture, or the sizes do not fit it or are too large.
    """
    kind = ARCHITECTURES.get(architecture)
    if kind is None:
        raise Refused(
            f"There is no architecture '{architecture[:40]}'.",
            f"Use one of: {', '.join(sorted(ARCHITECTURES))}.",
        )
    try:
        found = kind.model_validate(sizes)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise Refused(
            f"The sizes do not fit the architecture '{architecture}': {place}: {problem['msg']}.",
            f"It takes: {', '.join(name for name in kind.model_fields if name != 'architecture')}.",
        ) from None
    if found.parameters() > _MOST_PARAMETERS:
        raise Refused(
            f"The network would have {found.parameters():,} parameters; {_MOST_PARAMETERS:,} are allowed.",
            "Use fewer or narrower layers.",
        )
    return found


def build(architecture: str, **sizes: object) -> "nn.Module":
    """A network to train: ``build("mlp", inputs=12, hidden=[32, 16])``.

    It takes float32 rows of shape (rows, inputs) and gives one logit a row, (rows, 1).

    Raises:
        CivicmlError: there is no such architecture, the sizes do not fit it, or PyTorch is not installed.
    """
    found = sized(architecture, sizes)
    try:
        return found.build()
    except ModuleNotFoundError:
        raise CivicmlError("PyTorch is not installed here.") from None
