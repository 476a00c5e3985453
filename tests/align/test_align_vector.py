"""The aligners against vectors: OTAM, Bi-MHM, the diagonal, and the assignment of prototypes."""

import pytest
import torch

from fewact import align
from tests import both as arrays
from tests.align.accumulator import accumulator

PRECISIONS = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def _tensors(case, dtype):
    return {
        name: torch.as_tensor(value) if "labels" in name else torch.tensor(value, dtype=dtype)
        for name, value in case["inputs"].items()
    }


def _by_class(values, labels):
    """Means over the shots of each class, classes in increasing order: (s …) → (n …)."""
    return torch.stack([values[labels == label].mean(0) for label in labels.unique()])


def _distances(query, support, eps, aligner, **options):
    """(q s) distances, and (q n) to the class means of frames or averaged over a class's shots."""
    cost = arrays.both(align.cosine_cost)(query[:, None], support[None], eps)  # (q s t u)
    return arrays.both(aligner)(cost, plan=False, **options).value


def _episode_scores(inputs, eps, aligner, **options):
    query, support, labels = inputs["query"], inputs["support"], inputs["labels"]
    distance = _distances(query, support, eps, aligner, **options)
    to_means = _distances(query, _by_class(support, labels), eps, aligner, **options)
    return distance, -_by_class(distance.T, labels).T, -to_means


@pytest.mark.vectors("otam.json")
@PRECISIONS
def test_otam_vector(case, compare, dtype):
    inputs = _tensors(case, dtype)
    lam = case["params"]["lambda"]
    lam = 0.0 if isinstance(lam, str) else lam  # "to 0 (hard minimum)"
    if "cost" in inputs:
        cost = inputs["cost"].requires_grad_()
        one_way = arrays.both(align.otam)(cost, lam, bidirectional=False)
        (gradient,) = torch.autograd.grad(one_way.value, cost)
        torch.testing.assert_close(one_way.plan, gradient, atol=0, rtol=0)
        got = {
            "one_way": one_way.value,
            "one_way_transposed": align.otam(cost.mT, lam, bidirectional=False).value,
            "both": align.otam(cost, lam).value,
            "accumulator": accumulator(cost, lam),
            "grad_one_way_wrt_cost": gradient,
        }
    else:
        eps = case["params"]["eps"]
        both, shots, means = _episode_scores(inputs, eps, align.otam, smoothing=lam)
        query, support = inputs["query"], inputs["support"]
        got = {
            "distance_one_way": _distances(
                query, support, eps, align.otam, smoothing=lam, bidirectional=False
            ),
            "distance_both": both,
            "logits_average_over_shots": shots,
            "logits_to_class_mean_frames": means,
        }
    compare(case, got, float32=dtype == torch.float32)


def _both_reductions(inputs, eps, aligner):
    """Distances and scores by name, as sums and as means."""
    scores = {}
    for reduction in ("sum", "mean"):
        distance, shots, means = _episode_scores(inputs, eps, aligner, reduction=reduction)
        scores[f"distance_{reduction}"] = distance
        scores[f"logits_{reduction}_average_over_shots"] = shots
        scores[f"logits_{reduction}_to_class_mean_frames"] = means
    return scores


@pytest.mark.vectors("bi_mhm.json")
@PRECISIONS
def test_bi_mhm_vector(case, compare, dtype):
    inputs = _tensors(case, dtype)
    if "cost" in inputs:
        cost = inputs["cost"]
        got = {name: align.bi_mhm(cost, reduction=name).value for name in ("sum", "mean")}
    else:
        got = _both_reductions(inputs, case["params"]["eps"], align.bi_mhm)
    compare(case, got, float32=dtype == torch.float32)


@pytest.mark.vectors("protonet.json")
@PRECISIONS
def test_diagonal_vector(case, compare, dtype):
    if "distance_mean" not in case["expected"]:
        pytest.skip("no alignment: pooled rules belong to the method")
    got = _both_reductions(_tensors(case, dtype), case["params"]["eps"], align.diagonal)
    compare(case, got, float32=dtype == torch.float32)


@pytest.mark.vectors("cpm.json")
@PRECISIONS
def test_prototype_matching_vector(case, compare, dtype):
    inputs = _tensors(case, dtype)

    def similarity(group, aligner):
        query, support = inputs[f"{group}_query"], inputs[f"{group}_support"]
        return 1 - _distances(query, support, 0, aligner)

    same, assigned = similarity("global", align.diagonal), similarity("focused", align.hungarian)
    got = {"global": same, "focused": assigned, "total": same + assigned}
    compare(case, got, float32=dtype == torch.float32)
