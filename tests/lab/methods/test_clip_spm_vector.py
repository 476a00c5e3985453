"""CLIP-SPM against vectors, stage by stage."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import TrainingBatch
from fewact.lab.methods.clip_spm import REGULARISATION, ClipSpm, distance
from fewact.lab.methods.common.inputs import of_videos
from tests.conftest import read_cases, vectors_folder
from tests.lab.methods.weights import load, tensors, transformer, under

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])


def create(**options: Any) -> ClipSpm:
    method = methods.create("clip_spm", **options)
    assert isinstance(method, ClipSpm)
    return method.eval()


def of_case(case: dict[str, Any], dtype: torch.dtype, **options: Any) -> ClipSpm:
    """The method with a case's weights."""
    params, given = case["params"], tensors(case["weights"])
    heads, (inner, d) = params["heads"], torch.tensor(case["weights"]["Tr_f"]["Wq"]).shape
    method = create(
        frames=len(case["inputs"]["query"][0]),
        vector_width=d,
        guide_weight=params["alpha"],
        slope=params["slope"],
        text_loss_weight=params["w_t"],
        consistency_weight=params["w_c"],
        text_gate=(len(given["gate_t_w1"]) + 0.5) / d,
        frame_gate=(len(given["gate_v_w1"]) + 0.5) / d,
        smoothing=params["lam"],
        eps=params["eps"],
        heads=heads,
        head_width=inner // heads,
        hidden=len(given["mlp_w1"]),
        **options,
    )
    names = {
        "hsmr.first": "conv1",
        "hsmr.second": "conv2",
        "spm.text_gate.first": ("gate_t", 1),
        "spm.text_gate.second": ("gate_t", 2),
        "spm.frame_gate.first": ("gate_v", 1),
        "spm.frame_gate.second": ("gate_v", 2),
        "spm.prompter.0": ("mlp", 1),
        "spm.prompter.3": ("mlp", 2),
    }
    state = {}
    for ours, theirs in names.items():
        stem, number = theirs if isinstance(theirs, tuple) else (theirs, "")
        state[f"{ours}.weight"] = given[f"{stem}_w{number}"]
        state[f"{ours}.bias"] = given[f"{stem}_b{number}"]
    state |= under("spm.transformer", transformer(case["weights"]["Tr_f"]))
    state |= under("padm.transformer", transformer(case["weights"]["Tr_p"]))
    load(method, state, but=("motion_weight",))
    return method.to(dtype)


def inputs_of(case: dict[str, Any], first: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A case's inputs; what it lacks is the first case's."""
    own = {name: value for name, value in case["inputs"].items() if not isinstance(value, str)}
    known = {**first["inputs"], **own}
    rows = known.pop("support_rows_of_released", None)
    if rows is not None:
        known["support"] = [first["inputs"]["support"][row] for row in rows]
    exact = {name: torch.as_tensor(np.asarray(value)) for name, value in known.items()}
    return {
        name: value.double() if value.is_floating_point() else value
        for name, value in exact.items()
    }


@pytest.mark.vectors("clip_spm.json")
@DTYPES
def test_clip_spm_vector(
    case: dict[str, Any],
    dtype: torch.dtype,
    compare: Callable[..., None],
    request: pytest.FixtureRequest,
) -> None:
    first = read_cases(vectors_folder(request.config) / "clip_spm.json")[0]
    inputs = inputs_of(case, first)
    case = {**case, "inputs": {name: value.tolist() for name, value in inputs.items()}}
    request = FeatureRequest("vectors", View(inputs["support"].shape[1]))
    leaky = case["params"]["prompt_source"] == "support+query"
    protocol = "joint" if case["params"]["anchor_queries"] else "support_anchors"
    if case["name"].startswith("one_query_at_a_time"):
        protocol = "inductive"
    options = {"losses": "paper", "mean_text": "all" if leaky else "support"}
    method = of_case(case, dtype, protocol=protocol, **options)
    batch = TrainingBatch(
        support={request: inputs["support"][None].to(dtype)},
        support_labels=inputs["labels"][None],
        query={request: inputs["query"][None].to(dtype)},
        query_labels=inputs["query_labels"][None],
        n=len(inputs["text_of_class"]),
        text=inputs["text_of_class"][None].to(dtype),
    )
    got = stages(method, batch) | losses(method, batch)
    compare(case, got, float32=dtype == torch.float32)


def stages(method: ClipSpm, batch: TrainingBatch) -> dict[str, torch.Tensor]:
    """Tensors on the way to the logits of one episode."""
    spm, padm, options = method.spm, method.padm, method.options
    nodes, asked = method.encode(batch.support), method.encode(batch.query)
    state = method.support(nodes, batch.support_labels, batch.n, text=batch.text)
    if method.options.mean_text == "all":
        # The released code lets the queries' true texts in when it scores, too; ours cannot.
        assert batch.text is not None
        every = torch.cat([batch.support_labels, batch.query_labels], 1)
        state = replace(state, prompt=of_videos(batch.text, every).mean(1))
    got = {"tbar": state.prompt, "S1": state.frames, "logits": method.score(state, asked)}
    got["that_s"], got["that_q"] = (spm.prompts(state.prompt, x["summary"]) for x in (nodes, asked))
    got["V1"] = spm.fuse(asked["gated"], got["that_q"])
    mean = state.member / state.member.sum(-1, keepdim=True)
    got["d1"] = distance(got["V1"], torch.einsum("bns,bstd->bntd", mean, state.frames), options)
    pull = got["V1"] if method.options.protocol == "joint" else None
    got["A"] = padm.anchors(state.frames, state.member, pull)
    got["g"] = got["A"].mean(1, keepdim=True)
    found = padm.together(state.frames, state.member, got["V1"], got["A"], attend=True)
    got |= {"A2": found.anchors, "S2": found.support, "g2": found.global_anchor, "V2": found.query}
    got["g"], got["g2"] = got["g"][:, 0], got["g2"][:, 0]
    got["d2"] = distance(found.query, found.prototypes, options)
    got["d3"] = distance(found.global_anchor, found.anchors, options)
    for side, features, gated in (("s", batch.support, nodes), ("q", batch.query, asked)):
        got[f"m_{side}"] = method.hsmr.motion(next(iter(features.values())))
        got[f"x_{side}"], got[f"m2_{side}"] = spm.fuse_both(gated["gated"], got[f"m_{side}"])
    single = {name: value[0] for name, value in got.items()}
    return single | {"g": got["g"], "g2": got["g2"], "d3": got["d3"][0]}


def losses(method: ClipSpm, batch: TrainingBatch) -> dict[str, torch.Tensor]:
    """The losses without the weights that they have in training, and as the vectors sum them."""
    q = batch.query_labels.shape[1]
    found = {name: q * loss for name, loss in method.losses(batch).items()}
    plain = {
        "loss_ce_sum": found["cross_entropy"],
        "L_mo": found["motion"] / REGULARISATION,
        "L_text": found["text"] / REGULARISATION,
        "L_cons": found["consistency"] / REGULARISATION,
    }
    released = (found["cross_entropy"] + found["motion"]) / 16
    return plain | {"loss_released": released, "loss_paper_form": sum(found.values()) / 16}
