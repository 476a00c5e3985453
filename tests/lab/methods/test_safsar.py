"""SAFSAR: a vector of its equations, its discriminator, and what training does to both."""

import json
from pathlib import Path

import pytest
import torch

from fewact.lab import methods
from fewact.lab.methods.base import TrainingBatch
from fewact.lab.methods.safsar import SAFSAR

VECTOR = Path(__file__).parents[2] / "vectors" / "safsar.json"


def slow(
    method: SAFSAR, query: list[float], classes: list[list[float]]
) -> tuple[list[float], float]:
    """Return the cosines of a query and the log-odds, with one head, number by number."""
    weights = {k: v.double().tolist() for k, v in method.state_dict().items()}

    def linear(name: str, x: list[float]) -> list[float]:
        rows, bias = weights[f"{name}weight"], weights[f"{name}bias"]
        return [
            sum(a * b for a, b in zip(r, x, strict=True)) + c
            for r, c in zip(rows, bias, strict=True)
        ]

    def norm(name: str, x: list[float]) -> list[float]:
        mean = sum(x) / len(x)
        std = (sum((a - mean) ** 2 for a in x) / len(x) + 1e-5) ** 0.5
        w, b = weights[f"join.{name}.weight"], weights[f"join.{name}.bias"]
        return [(a - mean) / std * c + d for a, c, d in zip(x, w, b, strict=True)]

    tokens, d = [query, *classes], len(query)
    qkv = [linear("join.self_attn.in_proj_", x) for x in tokens]
    out = []
    for x, own in zip(tokens, qkv, strict=True):
        dots = [sum(own[i] * k[d + i] for i in range(d)) / d**0.5 for k in qkv]
        weight = torch.tensor(dots, dtype=torch.float64).softmax(0).tolist()
        mixed = [sum(w * v[2 * d + i] for w, v in zip(weight, qkv, strict=True)) for i in range(d)]
        attended = linear("join.self_attn.out_proj.", mixed)
        y = norm("norm1", [a + b for a, b in zip(x, attended, strict=True)])
        hidden = [max(0.0, h) for h in linear("join.linear1.", y)]
        out.append(
            norm("norm2", [a + b for a, b in zip(y, linear("join.linear2.", hidden), strict=True)])
        )

    def cosine(a: list[float], b: list[float]) -> float:
        dot, aa, bb = (
            sum(p * q for p, q in zip(x, y, strict=True)) for x, y in ((a, b), (a, a), (b, b))
        )
        return dot / (aa * bb) ** 0.5

    cosines = [cosine(out[0], y) for y in out[1:]]
    best = out[1 + max(range(len(cosines)), key=cosines.__getitem__)]
    value = [a - b for a, b in zip(out[0], best, strict=True)]
    for layer in ("0.", "2.", "4."):
        value = [max(0.0, v) for v in linear(f"discriminator.{layer}", value)]
    return cosines, linear("discriminator.6.", value)[0]


def test_equals_its_equations_number_by_number() -> None:
    case = json.loads(VECTOR.read_text())
    method = SAFSAR(SAFSAR.Options(vector_width=4, heads=1, hidden=5, seed=3)).double().eval()
    support, query = (
        torch.tensor(case[k], dtype=torch.float64)[None] for k in ("support", "query")
    )
    state = method.support({"video": support}, torch.tensor([case["labels"]]), 3)
    with torch.no_grad():
        logits = method.score(state, {"video": query})[0]
        known = method.known(state, {"video": query})[0]
    means = case["means"]
    torch.testing.assert_close(state.prototypes[0], torch.tensor(means, dtype=torch.float64))
    for i, row in enumerate(case["query"]):
        cosines, odds = slow(method, row, means)
        torch.testing.assert_close(logits[i], torch.tensor(cosines, dtype=torch.float64))
        torch.testing.assert_close(known[i], torch.tensor(odds, dtype=torch.float64))


@pytest.mark.slow
def test_training_separates_known_queries_from_those_without_their_class() -> None:
    method = methods.create("safsar", vector_width=16, heads=2, hidden=32, frames=1).train()
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    (request,) = method.requests(None)  # type: ignore[arg-type]

    def batch() -> TrainingBatch:
        centres = torch.randn(8, 4, 1, 1, 16, generator=generator)
        support, query = (
            centres + 0.3 * torch.randn(8, 4, 2, 1, 16, generator=generator) for _ in range(2)
        )
        labels = torch.arange(4).repeat_interleave(2).expand(8, -1)
        return TrainingBatch(
            {request: support.flatten(1, 2)}, labels, {request: query.flatten(1, 2)}, labels, 4
        )

    first = {k: v.item() for k, v in method.losses(batch()).items()}
    for _ in range(150):
        losses = method.losses(batch())
        optimiser.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
    last = {k: v.item() for k, v in method.eval().losses(batch()).items()}
    assert set(last) == {"cross_entropy", "discriminator"}
    assert first["discriminator"] > 0.6 > 0.35 > last["discriminator"]
    assert last["cross_entropy"] < first["cross_entropy"]


def test_without_a_discriminator_nothing_is_rejected() -> None:
    method = methods.create("safsar", vector_width=16, discriminator=False)
    assert not method.rejects
