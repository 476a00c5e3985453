"""Data and comparisons of the training benchmarks."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import similar_classes_trained as similar
from benchmarks.training import batch_norms, clip_spm_background, paper_form
from benchmarks.training.ablation_variants import (
    ALIGNMENTS,
    CLAIMS,
    CLIP_MEAN,
    FORMS,
    MOMENTS,
    PLAIN,
    moments_of,
    options_of,
)
from benchmarks.training.clip_spm_ablation import STEPS, tables
from benchmarks.training.clip_spm_ablation_work import HEAD, ROWS, SHOTS
from benchmarks.training.clips import SIZES, split_by_class
from benchmarks.training.modality_gap import gap
from benchmarks.training.node_weights import on_pauses, pauses
from benchmarks.training.settings import CHECKPOINT, HOW, SETTINGS
from fewact import backbones, methods
from fewact.evaluation import RunOptions, evaluate_method
from fewact.synthetic import motions
from fewact.training import TrainingData, read
from tests.evaluation.episodes.made_up import videos_of
from tests.evaluation.made_up import Constant, Nearest, problem


def test_splits_have_disjoint_classes() -> None:
    videos = videos_of(classes=27, each=2)
    split = split_by_class(videos, 0)
    lists = (split.train, split.val, split.test)
    assert tuple(len(one.classes) for one in lists) == SIZES
    assert set().union(*(one.classes for one in lists)) == set(videos.classes)
    assert TrainingData(split.train, split.val)
    assert split_by_class(videos, 0) == split
    assert split_by_class(videos, 1).test.classes != split.test.classes
    unsplit = {replace(v, split=None) for one in lists for v in one.videos}
    assert unsplit == set(videos.videos)


@pytest.mark.parametrize("name", MOMENTS)
def test_alignments_change_scoring_options_only(name: str) -> None:
    recipe = read("a2m2-motions-lite0", options_of(MOMENTS[name]))
    kind = methods.REGISTRY.get("a2m2")
    for how in ALIGNMENTS.values():
        assert set(how) | set(PLAIN) <= kind.scoring
        options = {**recipe.method.options, **PLAIN, **how, "moments.in_channels": 112}
        assert methods.create("a2m2", **options)


def test_claims_compare_two_measured_pairs() -> None:
    for better, worse in CLAIMS.values():
        assert better != worse
        assert all(form in FORMS and how in ALIGNMENTS for form, how in (better, worse))


@pytest.mark.parametrize("clip_mean", CLIP_MEAN)
def test_all_moments_treat_the_clip_mean_alike(clip_mean: str) -> None:
    subtracted = {
        read("a2m2-motions-lite0", options_of(MOMENTS[moments_of(form, clip_mean)])).method.options[
            "moments"
        ]["subtract_clip_mean"]
        for form in FORMS
    }
    assert subtracted == {CLIP_MEAN[clip_mean]}


@pytest.mark.parametrize("setting", paper_form.SETTINGS, ids=", ".join)
def test_the_papers_form_is_trained_as_its_page_says(setting: paper_form.Setting) -> None:
    stage, clip_mean, moments = setting
    recipe = paper_form.recipe_of(setting, 3)
    options = methods.create("a2m2", **recipe.method.options).options
    assert options.moments.reduction == "learned"
    assert options.moments.level == {"last stage": "maps", "stride 16": "middle"}[stage]
    assert options.moments.subtract_clip_mean is (clip_mean == "subtracted")
    assert options.moments.descriptor == moments
    assert (options.alignment.name, options.alignment.time_weight) == ("emd", 0)
    assert (options.shot_aggregation, options.intra_class_weight) == ("prototype", 0)
    assert [one.kind for one in recipe.stages] == ["classify", "episodes"]
    assert recipe.seed == 3


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_score_one_checkpoint(name: str) -> None:
    recipe = read("a2m2-motions-lite0", options_of(MOMENTS[CHECKPOINT]))
    options = {**recipe.method.options, "moments.in_channels": 128}  # as of a backbone
    first = methods.create("a2m2", **options)
    for how in HOW:
        changes = {**PLAIN, **SETTINGS[name].options, **ALIGNMENTS[how]}
        method = methods.create("a2m2", **{**options, **changes})
        assert method.state_dict().keys() == first.state_dict().keys()


def test_weight_on_pauses() -> None:
    benchmark = motions("misaligned", videos=1, size=32)
    ids = [video.id for video in benchmark.videos.of("val").videos]
    paused = pauses(benchmark, ids, (1, 4))
    assert paused.shape == (len(ids), 10)
    torch.testing.assert_close(paused[:, 8], paused[:, :4].mean(1))
    frames = benchmark.truth(ids[0]).pause
    chosen = [frames[int((k + 0.5) * len(frames) / 8)] for k in range(8)]
    assert paused[0, :8].tolist() == chosen
    nodes = torch.eye(10).repeat(len(ids), 1, 1)
    pairs = np.array([[0, 1], [2, 3]])
    uniform = on_pauses(nodes, paused, pairs, "uniform")
    torch.testing.assert_close(uniform, paused[[0, 2]].mean(1))
    nodes[1] = nodes[1, :1]  # the other video shows the first window alone
    cross = on_pauses(nodes, paused, pairs[:1], "cross")
    torch.testing.assert_close(cross, paused[:1, 0], rtol=0, atol=0.02)


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_clip_spm_has_one_part_more(name: str) -> None:
    method = methods.create("clip_spm", **HEAD, **ROWS[name], vector_width=64)
    assert not method.trained
    left_out = [set(ROWS[row].get("without", ())) for row in list(ROWS)[:4]]
    assert [len(one) for one in left_out] == [3, 2, 1, 0]
    assert all(after < before for before, after in itertools.pairwise(left_out))
    assert all({row, other} <= set(ROWS) for row, other in STEPS.values())


def test_rows_that_were_not_run_are_not_shown() -> None:
    rows, result = ("baseline", "+ HSMR"), evaluate_method(Nearest(), *problem(count=20))
    first = {(row, shots): result for row in rows for shots in SHOTS}
    second = {key: value for key, value in first.items() if key[0] == "baseline"}
    assert tables([first], rows).count("+ HSMR") == 2
    shown = tables([first, second], rows)
    assert "+ HSMR (first seed)" in shown
    assert "PADM" not in shown


def test_the_gap_is_between_the_means_of_unit_vectors() -> None:
    texts = torch.eye(4)[None, :2] * 3  # (1 2 4)
    same = gap(texts, 5 * texts)
    assert (same.distance.item(), same.nearest.item()) == (pytest.approx(0, abs=1e-6), 100)
    other = gap(texts, torch.eye(4)[None, 2:])
    assert other.distance.item() == pytest.approx(1)
    swapped = gap(texts, texts.flip(1))
    assert (swapped.distance.item(), swapped.nearest.item()) == (pytest.approx(0, abs=1e-6), 0)


@pytest.mark.parametrize("norms", batch_norms.NORMS)
def test_only_the_norms_differ_between_trainings_of_the_papers_form(norms: str) -> None:
    batch_norms.register()
    recipe = read(str(batch_norms.RECIPE), {"stages.0.freeze_bn": batch_norms.NORMS[norms]})
    options = methods.create("a2m2", **recipe.method.options).options
    assert (options.moments.level, options.moments.reduction) == ("maps", "learned")
    assert not options.moments.subtract_clip_mean
    (stage,) = recipe.stages
    assert (stage.inputs, stage.freeze_bn) == ("frames", batch_norms.NORMS[norms])
    other = read(str(batch_norms.RECIPE), {"stages.0.freeze_bn": "all"}).stages[0]
    assert stage.model_copy(update={"freeze_bn": "all"}) == other


def test_running_statistics_move_by_a_tenth_a_step() -> None:
    batch_norms.register()
    name = batch_norms.Tenth.defaults.name
    network = backbones.create(name, weights="random", engine="torch").network
    momenta = {one.momentum for one in network.modules() if isinstance(one, nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_a_row_is_spared_what_the_baseline_loses_more() -> None:
    right, wrong = (
        evaluate_method(method, *problem(count=20)) for method in (Nearest(), Constant())
    )
    found = {
        (row, test, 1): wrong if row == "baseline" and test != clip_spm_background.CLEAN else right
        for row in clip_spm_background.ROWS
        for test in clip_spm_background.TESTED
    }
    difference, half = clip_spm_background.spared(found, "+ HSMR", "all clips", 1)
    assert difference == pytest.approx(right.accuracy - wrong.accuracy)
    assert half >= 0
    assert clip_spm_background.spared(found, "baseline", "all clips", 1) == (0, 0)


def test_pairs_of_heads_on_stored_vectors_are_read_from_their_folder(tmp_path: Path) -> None:
    for name, method in (("ProtoNet_not_trained", Constant()), ("without_SPM", Nearest())):
        for seed in range(2):
            file = tmp_path / "clips" / f"seed{seed}" / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            evaluate_method(method, *problem(count=40), run=RunOptions(output=file))
    found = similar.of_clip_spm(tmp_path)
    assert set(found.seeds) == {0, 1}
    shown = "\n".join(similar.rows(found))
    assert shown.count("| without SPM |") == shown.count("| ProtoNet not trained |") == 1
    assert "Seed 1:" in shown
