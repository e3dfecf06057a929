"""A network is reviewed as any other model, and made again from its source."""

import pytest

TRAIN = """
import numpy as np
from sklearn.preprocessing import StandardScaler

from civicml.review.brief import load_brief
from civicml.tracking.artefacts import Network, build


def train(tables, seed):
    import torch

    torch.manual_seed(seed)
    brief = load_brief("health")
    learn = brief.before_holdout(brief.frame(tables))
    prepare = StandardScaler().fit(learn[["age", "wait"]])
    rows = torch.tensor(np.asarray(prepare.transform(learn[["age", "wait"]])), dtype=torch.float32)
    outcome = torch.tensor(learn["missed"].to_numpy(), dtype=torch.float32)
    sizes = {"inputs": 2, "hidden": [4]}
    network = build("mlp", **sizes)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
    for _ in range(60):
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(rows).reshape(-1), outcome)
        loss.backward()
        optimiser.step()
    return Network("mlp", sizes, network, prepare)
"""


def test_a_network_is_measured_and_made_again(course):
    pytest.importorskip("torch")
    scope: dict = {}
    exec(TRAIN, scope)
    model = scope["train"](course.data.tables, 7)
    done = course.review(course.hand_in(model, ["age", "wait"], train=TRAIN))
    assert [part.name for part in done.parts if part.state == "not_done"] == ["paperwork"]
    assert done.part("reproduces").state == "clear", done.part("reproduces").summary
    assert done.part("evaluates").tables
