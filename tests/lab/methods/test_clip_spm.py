"""CLIP-SPM: what its note promises."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from fewact import align
from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods import clip_spm
from fewact.lab.methods.base import TrainingBatch
from fewact.lab.methods.clip_spm import PRESETS, ClipSpm, distance, refine
from tests.lab.methods.text_episodes import REQUEST, D, T, score
from tests.methods.made_up import drawn
from tests.refused import refused

PROTOCOLS = ("inductive", "joint", "support_anchors", "support_anchors_inductive")
SMALL = {"vector_width": D, "heads": 2, "head_width": 5, "hidden": 12}


def create(**options: Any) -> ClipSpm:
    method = methods.create("clip_spm", **options)
    assert isinstance(method, ClipSpm)
    return method.eval()


def small(**options: Any) -> ClipSpm:
    return create(**{**SMALL, **options}).double()


def an_episode(b: int = 1, n: int = 3, k: int = 2, q: int = 4) -> tuple[Any, ...]:
    """Support, queries, labels and texts."""
    labels = [c for _ in range(k) for c in range(n)]
    support, query = drawn(b, n * k, T, D), drawn(b, q, T, D, seed=1)
    return support, query, labels, drawn(b, n, D, seed=2)


def a_batch(method: ClipSpm, b: int, q: int = 4) -> TrainingBatch:
    support, query, labels, text = an_episode(b, q=q)
    asked = torch.arange(q).remainder(3).expand(b, -1)
    own = torch.tensor([labels] * b)
    return TrainingBatch({REQUEST: support}, own, {REQUEST: query}, asked, 3, text)


def test_how_many_episodes_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    episode = an_episode(5)
    for protocol in PROTOCOLS:
        method = small(protocol=protocol)
        expected = score(method, *episode)
        monkeypatch.setattr(clip_spm, "TOKENS_PER_CHUNK", 1)
        torch.testing.assert_close(score(method, *episode), expected)
        monkeypatch.undo()


def test_only_protocols_that_say_so_let_queries_see_each_other() -> None:
    support, query, labels, text = an_episode()
    for protocol in PROTOCOLS:
        method = small(protocol=protocol)
        together = score(method, support, query, labels, text)
        alone = torch.cat([score(method, support, x, labels, text) for x in query.split(1, 1)], 1)
        assert method.transductive == (protocol in ("joint", "support_anchors"))
        assert method.transductive == bool((together - alone).abs().max() > 1e-3)


def test_protocols_agree_on_a_query_alone() -> None:
    support, query, labels, text = an_episode(q=1)
    found = {
        protocol: score(small(protocol=protocol), support, query, labels, text)
        for protocol in PROTOCOLS
    }
    torch.testing.assert_close(found["inductive"], found["joint"])
    torch.testing.assert_close(found["support_anchors"], found["support_anchors_inductive"])
    assert not torch.allclose(found["joint"], found["support_anchors"])


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gradients_of_scores(protocol: str) -> None:
    method = small(protocol=protocol, frames=3, vector_width=4, hidden=3, head_width=2)
    request, labels = FeatureRequest("vectors", View(3)), torch.tensor([[0, 1]])
    given = drawn(1, 2, 3, 4), drawn(1, 2, 3, 4, seed=1), drawn(1, 2, 4, seed=2)

    def run(support: torch.Tensor, query: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        state = method.support(method.encode({request: support}), labels, 2, text=text)
        return method.score(state, method.encode({request: query}))

    assert torch.autograd.gradcheck(run, [x.requires_grad_() for x in given])


def test_the_global_anchor_says_the_same_of_all_queries() -> None:
    support, query, labels, text = an_episode()
    method = small(protocol="joint")
    nodes, asked = (method.encode({REQUEST: x}) for x in (support, query))
    state = method.support(nodes, torch.tensor([labels]), 3, text=text)
    assert state.prompt is not None
    fused = method.spm.fuse(asked["gated"], method.spm.prompts(state.prompt, asked["summary"]))
    assert method.padm is not None
    found = refine(method.padm, method.options, state.frames, state.member, fused)
    assert distance(found.global_anchor, found.anchors, method.options).shape == (1, 1, 3)


def test_balanced_queries_make_the_same_prompt_of_all_texts() -> None:
    for q, same in (3, True), (6, True), (4, False):
        found = []
        for source in ("support", "all"):
            method = small(mean_text=source)
            found.append(method.losses(a_batch(method, 2, q))["cross_entropy"])
        assert torch.allclose(*found) == same


def test_nothing_of_a_querys_text_reaches_its_score() -> None:
    support, query, labels, text = an_episode()
    for source in ("support", "all"):
        method = small(mean_text=source)
        got = score(method, support, query, labels, text)
        torch.testing.assert_close(got, score(small(), support, query, labels, text))


def test_the_motion_module_reaches_no_logit() -> None:
    episode, method = an_episode(), small()
    expected = score(method, *episode)
    for weight in method.hsmr.parameters():
        torch.nn.init.normal_(weight)
    assert torch.equal(score(method, *episode), expected)


def idle(transformer: torch.nn.Module) -> None:
    """Make a transformer change nothing."""
    for layer in (transformer.out, transformer.narrow):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)


def untouched(support: torch.Tensor, query: torch.Tensor, labels: list[int]) -> torch.Tensor:
    """Logits of frames that no transformer changes: (1 s t d), (1 q t d), (s) → (1 q n)."""
    own, n = torch.tensor(labels), max(labels) + 1
    prototypes = torch.stack([support[0, own == c].mean(0) for c in range(n)])
    first = align.otam(align.pairwise_cosine_cost(query, prototypes[None])).value
    third = []
    for video in query[0]:
        anchors = torch.stack(
            [torch.cat([support[0, own == c], video[None]]).mean(0) for c in range(n)]
        )
        cost = align.pairwise_cosine_cost(anchors.mean(0)[None, None], anchors[None])
        third.append(align.otam(cost).value[0, 0])
    return -(1.5 * first + torch.stack(third))


def test_idle_parts_leave_otam_on_gated_frames() -> None:
    support, query, labels, text = an_episode()
    method = small(guide_weight=0.0)
    idle(method.spm.transformer)
    idle(method.padm.transformer)
    gate = method.spm.frame_gate
    expected = untouched(gate(support) * support, gate(query) * query, labels)
    torch.testing.assert_close(score(method, support, query, labels, text), expected)


def test_linear_motion_is_a_mean_over_time() -> None:
    method, frames = small(), drawn(2, T, D)
    filtered = method.hsmr.second(method.hsmr.first(frames.mT)).mT
    weights = torch.full((T, 1), 1 / (T - 1), dtype=torch.float64)
    weights[[0, -1]] /= 2
    torch.testing.assert_close(method.hsmr.motion(frames), (weights * (filtered - frames)).sum(1))


def as_it_is(method: ClipSpm) -> None:
    """Make Φ the identity."""
    for layer in (method.hsmr.first, method.hsmr.second):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)


def test_linear_motion_sees_no_motion_where_its_filter_is_the_identity() -> None:
    for kind, blind in ("linear", True), ("nonlinear", False), ("ordered", False):
        method = small(motion=kind)
        as_it_is(method)
        assert bool(method.hsmr.motion(drawn(2, T, D)).abs().max() < 1e-9) == blind


def test_which_motion_sees_the_order_of_middle_frames() -> None:
    frames = drawn(2, T, D)
    swapped = frames[:, [0, 1, 2, 4, 3, 5, 6, 7]]
    for kind, blind in ("linear", True), ("nonlinear", False):
        motion = small(motion=kind).hsmr.motion
        assert torch.allclose(motion(frames), motion(swapped)) == blind


def test_ordered_motion_is_the_change_between_the_ends() -> None:
    method, frames = small(motion="ordered"), drawn(2, T, D)
    motion = method.hsmr.motion
    between = frames.clone()
    between[:, 3:-3] = drawn(2, T - 6, D, seed=1)
    torch.testing.assert_close(motion(between), motion(frames))
    as_it_is(method)
    torch.testing.assert_close(motion(frames), (frames[:, -1] - frames[:, 0]) / (T - 1))
    torch.testing.assert_close(motion(frames.flip(1)), -motion(frames))


def test_one_frame_has_no_motion() -> None:
    assert (small().hsmr.motion(drawn(2, 1, D)) == 0).all()


def test_a_prompt_sees_one_number_or_the_mean_frame() -> None:
    frames = drawn(1, 2, T, D)
    other = frames + drawn(D, seed=3)
    # Both videos have the same mean over all their numbers.
    other += (frames.mean((2, 3)) - other.mean((2, 3)))[..., None, None]
    for prompt, blind in ("scalar", True), ("vector", False):
        spm = small(prompt=prompt).spm
        made = [spm.prompts(drawn(1, D, seed=4), spm.summary(x)) for x in (frames, other)]
        assert torch.allclose(*made) == blind


def test_losses_are_means_over_episodes() -> None:
    method = small(losses="paper")
    batch = a_batch(method, 3)
    whole = method.losses(batch)
    assert set(whole) == {"cross_entropy", "motion", "text", "consistency"}
    each = []
    for b in range(3):
        cut = slice(b, b + 1)
        each.append(
            method.losses(
                TrainingBatch(
                    {REQUEST: batch.support[REQUEST][cut]},
                    batch.support_labels[cut],
                    {REQUEST: batch.query[REQUEST][cut]},
                    batch.query_labels[cut],
                    3,
                    None if batch.text is None else batch.text[cut],
                )
            )
        )
    for name, value in whole.items():
        torch.testing.assert_close(value, torch.stack([one[name] for one in each]).mean())


def test_released_losses_are_two_and_mu_weighs_motion() -> None:
    method = small()
    batch = a_batch(method, 2)
    found = method.losses(batch)
    assert set(found) == {"cross_entropy", "motion"}
    assert not method.motion_weight.requires_grad
    half = small(motion_weight=0.5)
    torch.testing.assert_close(half.losses(batch)["motion"], found["motion"] / 2)
    fitted = small(learn_motion_weight=True)
    fitted.losses(batch)["motion"].backward()
    assert fitted.motion_weight.grad is not None
    assert fitted.motion_weight.grad > 0


def test_presets_fill_what_is_not_given() -> None:
    assert create(preset="ssv2-full").options.tuned == PRESETS["ssv2-full"]
    given = create(preset="ucf101", guide_weight=0.5, text_loss_weight=0.1, losses="paper", **SMALL)
    expected = replace(PRESETS["ucf101"], guide_weight=0.5, text_loss_weight=0.1)
    assert given.options.tuned == expected
    assert given.spm.guide_weight == 0.5
    assert given.spm.text_gate.first.out_features == 2 * D
    assert small(preset="ssv2-full").spm.text_gate.first.out_features == 12


def test_parts_are_left_out_together() -> None:
    episode = an_episode()
    support, query, labels, _ = episode
    nothing = small(without=["padm", "hsmr", "spm"])
    assert nothing.options.without == ("hsmr", "spm", "padm")
    assert (nothing.uses_text, nothing.transductive) == (False, False)
    nodes, asked = (nothing.encode({REQUEST: x}) for x in (support, query))
    state = nothing.support(nodes, torch.tensor([labels]), 3)
    mean = torch.stack([support[0, torch.tensor(labels) == c].mean(0) for c in range(3)])
    otam = align.otam(align.pairwise_cosine_cost(query, mean[None])).value
    torch.testing.assert_close(nothing.score(state, asked), -otam / 2)
    spm = small(without=["hsmr", "padm"])
    torch.testing.assert_close(score(spm, *episode), score(small(without="padm"), *episode))
    assert set(spm.losses(a_batch(spm, 2))) == {"cross_entropy"}
    for wrong in ("nothing", ["hsmr", "all"], 3):
        with refused(OptionError, where="without"):
            small(without=wrong)


def test_what_each_part_is_needed_for() -> None:
    episode = an_episode()
    support, query, labels, _ = episode
    whole, batch = small(), a_batch(small(), 2)
    less = {part: small(without=part) for part in ("hsmr", "spm", "padm")}
    assert {part: method.uses_text for part, method in less.items()} == {
        "hsmr": True,
        "spm": False,
        "padm": True,
    }
    assert set(less["hsmr"].losses(batch)) == {"cross_entropy"}
    drawn_whole = whole.state_dict()
    for method in less.values():
        kept = method.state_dict()
        assert set(kept) < set(drawn_whole)
        assert all(torch.equal(value, drawn_whole[name]) for name, value in kept.items())
    torch.testing.assert_close(score(less["hsmr"], *episode), score(whole, *episode))
    idle(less["spm"].padm.transformer)
    nodes, asked = (less["spm"].encode({REQUEST: x}) for x in (support, query))
    state = less["spm"].support(nodes, torch.tensor([labels]), 3)
    torch.testing.assert_close(less["spm"].score(state, asked), untouched(support, query, labels))
    nodes, asked = (whole.encode({REQUEST: x}) for x in (support, query))
    state = whole.support(nodes, torch.tensor([labels]), 3, text=episode[3])
    fused = whole.spm.fuse(asked["gated"], whole.spm.prompts(state.prompt, asked["summary"]))
    mean = torch.stack([state.frames[0, torch.tensor(labels) == c].mean(0) for c in range(3)])
    first = align.otam(align.pairwise_cosine_cost(fused, mean[None])).value
    torch.testing.assert_close(score(less["padm"], *episode), -first / 2)
