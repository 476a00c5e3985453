"""Recipes: those that are shipped, and what is refused in one's own."""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue

from fewact import networks
from fewact.core.errors import (
    EpisodeError,
    OptionError,
    RecipeError,
    ShapeError,
    TrainingError,
    UnknownNameError,
)
from fewact.lab.benchmarks.benchmarks import variants
from fewact.lab.methods import stand_in
from fewact.lab.training import names, read, text_of, train
from fewact.lab.training.learner import make_learner
from fewact.lab.training.loop import weighted
from fewact.lab.training.optimising import make_optimiser
from fewact.lab.training.recipe import EpisodesStage, Recipe, adaptations
from tests.lab.networks.text.made_up import Letters
from tests.lab.training.made_up import CLASSIFY, EPISODES, data_of, motions_data, recipe_of
from tests.refused import refused

IDENTITY = ("name", "summary", "data", "extends", "like")
RUN = (
    pytest.param("a2m2-clips-linear-lite0"),
    pytest.param("trx-motions-resnet50"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "a2m2-motions-resnet50",
            "clip_fsar-ucf101-clip-vit-b16",
            "clip_spm-ucf101-clip-vit-b16",
            "clip_spm-clips-lite0",
            "hyrsm-motions-resnet50",
            "lda-motions-resnet50",
            "molo-motions-resnet50",
            "otam-motions-resnet50",
            "protonet-motions-resnet50",
            "ridge-motions-resnet50",
            "simpleshot-motions-resnet50",
            "a2m2-clips-lite0",
            "a2m2-motions-lite0",
            "clip_spm-motions-lite0",
            "cpm-hmdb51-resnet50",
            "d2st-motions-resnet50",
            "strm-kinetics100-resnet50",
            "ta2n-ucf101-resnet50",
            "team-motions-resnet50",
        )
    ),
)
"""One recipe of each method, on features and on clips, and further stages. Other adaptations change
numbers of the same recipes."""

FROZEN: dict[str, str] = json.loads((Path(__file__).parent / "recipes.json").read_text())
"""Hash of all values of each adapted recipe, when each had a file of its own."""

ADAPTED = [str(recipe) for name in names() for recipe in adaptations(name)]


def test_adapted_recipes_set_the_values_that_they_have_always_set() -> None:
    assert set(FROZEN) <= set(ADAPTED)
    for name, digest in FROZEN.items():
        values = json.loads(read(name).model_dump_json(exclude={"summary"}))
        for stage in values["stages"]:
            if stage.get("loss_weights", {}).get("base_class") == 0:
                del stage["loss_weights"]["base_class"]  # as by default
        text = json.dumps(values, sort_keys=True).encode()
        assert hashlib.sha256(text).hexdigest()[:16] == digest, name


def test_a_recipe_is_adapted_by_its_name_or_by_options() -> None:
    named = read("trx-hmdb51-resnet50")
    assert (
        named == read("trx-hmdb51") == read("trx", data="hmdb51") == read("trx", data="hmdb51_arn")
    )
    assert read("trx") == read("trx-ssv2-full-resnet50") == read("trx", data="my/clips")
    both = read("a2m2", data="ucf101", backbone="clip-rn50")
    assert both == read("a2m2-ucf101-clip-rn50")
    assert both.backbone.requested.keys() == {"name", "weights", "resize"}
    assert read("lda-hmdb51").stages == read("a2m2-hmdb51").stages
    with refused(RecipeError, where="trx", got="videomae"):
        read("trx", backbone="videomae")
    with refused(RecipeError, where="lda", got="clip-vit-b16"):
        read("lda", backbone="clip-vit-b16")  # the settings of a2m2 are not those of lda


STATED = {
    "a2m2": {"frames", "moments.lengths", "alignment.name", "alignment.weights", "name", "kind"},
    "cpm": {"global_prototypes", "focused_prototypes"},
    "protonet": {"shot_aggregation"},
    "simpleshot": {"centre", "unit_length"},
}
"""Values that papers state, by method: eight frames, three scales, exact transport, weights by the
other video, ResNet-50, two stages; two groups of prototypes; class means; CL2N."""

STATED_OF = {"a2m2": {"freeze_bn"}}
"""Values that a paper states of some data sets."""


@pytest.mark.parametrize("name", names())
def test_marks_are_true_and_explained(name: str) -> None:
    lines = text_of(name).splitlines()
    header = " ".join(line for line in lines if line.startswith("#"))
    values = [line for line in lines if " = " in line and not line.startswith("#")]
    used = {
        mark for line in values for mark in re.findall(r"\[([PCIMS])\]", line.partition("#")[2])
    }
    assert used <= set(re.findall(r"\[([PCIMS])\]", header)), name
    stated = {
        re.sub(r"^(stages\.\d|backbone)\.", "", line.partition(" = ")[0])
        for line in values
        if "# [P]" in line
    }
    assert stated <= STATED.get(name.partition("-")[0], set()) | STATED_OF.get(name, set())


PERRETT, ALIBABA = (
    ("clip_spm", "strm", "ta2n", "trx"),
    ("clip_fsar", "cpm", "d2st", "hyrsm", "molo"),
)
"""Methods by the family of public code whose frames they are trained and tested on."""

OURS = ("lite0", "dinov2", "vjepa2")
"""Networks of which no public code of a method reads frames."""


@pytest.mark.parametrize("method", [*PERRETT, *ALIBABA])
def test_one_family_of_code_reads_frames_by_the_same_rules(method: str) -> None:
    for name in ADAPTED:
        if name.startswith(f"{method}-") and not name.endswith(OURS):
            backbone = read(name).backbone
            expected = ("centre-crop", "perrett")
            if method in ALIBABA:
                expected = ("squash-crop", "window:35" if "kinetics100" in name else "blocks")
            assert (backbone.resize, backbone.sampler) == expected, name


def test_a_test_sees_as_much_of_a_frame_as_training() -> None:
    for recipe in map(read, FROZEN):
        low, high = recipe.augment.area
        if low == high < 1:  # a crop of one size at a random place
            assert recipe.backbone.resize in ("centre-crop", "squash-crop")


LISTS = {
    "kinetics100_alibaba": ("clip_fsar", "d2st", "hyrsm", "molo"),
    "kinetics100_cmn_clip-spm": ("clip_spm",),
    "ssv2-full_otam": ("clip_spm", "otam", "ta2n"),
    "ssv2-full_trx": ("clip_fsar", "hyrsm", "molo", "strm", "trx"),
}
"""Methods by the list of videos that their public code reads."""


@pytest.mark.parametrize("data", LISTS)
def test_recipes_name_the_list_of_a_methods_public_code(data: str) -> None:
    for method in LISTS[data]:
        own = [name for name in ADAPTED if name.startswith(f"{method}-{data.partition('_')[0]}-")]
        assert own
        assert {read(name).data for name in own} == {data}


GAMMA = {"hmdb51": 0.15, "ucf101": 0.15, "kinetics100": 0.4, "ssv2-small": 0.15, "ssv2-full": 0.6}
"""Weight of the base classes in the public code of HyRSM."""


@pytest.mark.parametrize("key", GAMMA)
def test_losses_of_hyrsm_are_divided_by_four_whatever_the_step(key: str) -> None:
    (stage,) = read(f"hyrsm-{key}-resnet50").stages
    assert isinstance(stage, EpisodesStage)
    losses = {"cross_entropy": torch.tensor(1.0), "base_class": torch.tensor(1.0)}
    found = {name: float(x) / stage.accumulate for name, x in weighted(losses, stage).items()}
    assert found == pytest.approx({"cross_entropy": 1 / 4, "base_class": GAMMA[key] / 4})
    assert stage.accumulate == (2 if key == "hmdb51" else 4)


def test_the_sum_over_queries_is_that_of_all_ways() -> None:
    stage = read("trx-ssv2-full-resnet50").stages[0]
    losses = weighted({"cross_entropy": torch.tensor(0.5)}, stage)
    assert losses == {"cross_entropy": 0.5 * 5 * 5}  # five ways of five queries
    mean = stage.model_copy(update={"query_loss": "mean"})
    assert weighted({"cross_entropy": torch.tensor(0.5)}, mean) == {"cross_entropy": 0.5}


@pytest.mark.parametrize("name", names())
def test_each_value_of_a_shipped_recipe_says_where_it_comes_from(name: str) -> None:
    for line in text_of(name).splitlines():
        match = re.match(r"([\w.-]+) = ", line)
        if match and match[1] not in IDENTITY:
            assert re.search(r"  *# .*(\[[PIMC]\]|ours|its public code|A²M²-Net)", line), line


def test_shipped_recipes_are_read() -> None:
    for name in FROZEN:
        recipe = read(name)
        assert recipe.name == name
        assert recipe.data in ("motions", "CLIPS") or variants(recipe.data) == (recipe.data,)
        assert stand_in(recipe.method.name, recipe.method.options).options
        assert isinstance(recipe.stages[-1], EpisodesStage)


@pytest.mark.parametrize("channels", [112, 1280])
def test_numbers_that_do_not_fit_the_backbone_are_refused(channels: int) -> None:
    level = {112: "maps", 1280: "middle"}[channels]
    options = {"moments.level": level, "moments.in_channels": channels}
    recipe = read(
        "a2m2-motions-lite0", {f"method.options.{name}": value for name, value in options.items()}
    )
    with pytest.raises(
        ShapeError, match=r'option "moments.in_channels".*expected: ' + f"{channels}"
    ):
        make_learner(recipe, motions_data(), torch.device("cpu"))


def shortened(recipe: Recipe) -> Recipe:
    """The same at the size of the tiny network, for a few steps."""
    options: dict[str, JsonValue] = {**recipe.method.options, "frames": 4}
    if recipe.method.name == "a2m2":
        options["moments.width"] = 4
    small = {"heads": 2, "hidden": 8, "head_width": 4, "key_width": 8}
    options |= {name: value for name, value in small.items() if name in options}
    stages = [
        stage.model_copy(
            update={
                "steps": 1,
                "batch": min(stage.batch, 4),
                "accumulate": min(stage.accumulate, 2),
            }
        )
        for stage in recipe.stages
    ]
    few = {"ways": 3, "shots": 1, "queries": 1}
    stages = [s.model_copy(update=few) if isinstance(s, EpisodesStage) else s for s in stages]
    return recipe.model_copy(
        update={
            "method": recipe.method.model_copy(update={"options": options}),
            "backbone": recipe.backbone.model_copy(
                update={"name": "tiny", "weights": "random", "options": {}}
            ),
            "stages": tuple(stages),
            "text": recipe.text.model_copy(update={"encoder": "minilm"}),
            "validation": recipe.validation.model_copy(update={"ways": 3, "shots": 1, "count": 4}),
            "augment": recipe.augment.model_copy(update={"read_size": 40}),
        }
    )


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", RUN)
def test_shipped_recipes_run_from_end_to_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "create_text", lambda *_, **__: Letters())
    recipe = shortened(read(name))
    trained = train(recipe, motions_data(recipe.data), tmp_path / "run", device="cpu")
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert trained.best.stage in range(len(recipe.stages))


@pytest.mark.parametrize("name", [name for name in FROZEN if name.startswith("clip_spm-")])
def test_clip_spm_is_trained_in_the_proportions_of_its_public_code(name: str) -> None:
    recipe = read(name)
    if not recipe.backbone.name.startswith("clip"):
        return
    (stage,) = recipe.stages
    assert isinstance(stage, EpisodesStage)
    assert (stage.optimiser, stage.betas, stage.schedule) == ("adam", (0.5, 0.999), "constant")
    assert (stage.query_loss, stage.accumulate, stage.queries) == ("sum", 16, 4)
    many = recipe.data.startswith(("ssv2", "motions"))
    assert stage.steps == (100_010 if many else 20_010) // 16
    key = re.sub("-clip-.*", "", name.removeprefix("clip_spm-"))
    five = name.endswith("rn50") and key != "ssv2-small"
    assert (stage.shots, recipe.validation.shots) == ((5, 5) if five else (1, 1))
    assert recipe.method.options["preset"] == ("ssv2-small" if key == "motions" else key)


def test_the_decays_of_adam_reach_it() -> None:
    learner = make_learner(recipe_of(EPISODES), data_of(), torch.device("cpu"))
    stage = recipe_of(EPISODES | {"optimiser": "adam", "betas": [0.5, 0.9]}).stages[0]
    assert make_optimiser(learner, stage).param_groups[0]["betas"] == (0.5, 0.9)


def test_a_recipe_of_ones_own_extends_another(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'extends = "a2m2-ucf101-resnet50"\nname = "mine"\nseed = 5\n'
        "[method.options]\nmoments.width = 64\n[validation]\nevery = 10\n"
    )
    other = tmp_path / "other.toml"
    other.write_text('extends = "mine.toml"\nname = "other"\n[method]\nname = "otam"\n')
    usual, recipe = read("a2m2-ucf101-resnet50"), read(mine)
    assert (recipe.name, recipe.seed, recipe.validation.every) == ("mine", 5, 10)
    assert recipe.method.options == {
        **usual.method.options,
        "moments": {**usual.method.options["moments"], "width": 64},
    }
    assert recipe.stages == usual.stages
    assert read(other).method.options == {}
    mine.write_text(mine.read_text().replace("a2m2-ucf101-resnet50", "other.toml"))
    with refused(RecipeError, where="mine.toml"):
        read(other)


def test_changes_by_dotted_name_and_a_saved_copy(tmp_path: Path) -> None:
    changes = {"stages.1.lr": 0.5, "method.options.alignment.name": "otam", "seed": 3}
    recipe = read("a2m2-hmdb51-resnet50", changes)
    assert recipe.stages[1].lr == 0.5
    assert recipe.stages[0] == read("a2m2-hmdb51-resnet50").stages[0]
    assert (recipe.method.options["alignment"]["name"], recipe.seed) == ("otam", 3)
    saved = tmp_path / "recipe.json"
    saved.write_text(recipe.model_dump_json())
    assert read(saved) == recipe
    with refused(RecipeError, got="stages.7.lr"):
        read("a2m2-hmdb51-resnet50", {"stages.7.lr": 1})


def steps(**values: Any) -> dict[str, Any]:
    """Return changes of a stage to the schedule ``steps`` with these values."""
    return {f"stages.1.{name}": value for name, value in {"schedule": "steps", **values}.items()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stages.0.stesp": 3}, r'stages\.0\.stesp: .*Did you mean "steps"'),
        ({"validation.episodes": 3}, r"validation\.episodes: unknown name"),
        ({"sede": 3}, r'sede: unknown name .*Did you mean "seed"'),
        ({"stages.0.steps": "many"}, r"stages\.0\.steps: invalid value .*'many'.*a valid integer"),
        ({"stages.0.lr": -1}, r"stages\.0\.lr.*greater than or equal to 0"),
        ({"stages.0.kind": "learn"}, "stages"),
        ({"stages.0.shots": 1}, r"stages\.0\.shots"),
        ({"stages": []}, "stages"),
        ({"seed": 1.5}, "seed"),
        ({"augment.area": [0.5, 2.0]}, r"augment\.area\.1"),
        ({"stages.0.milestones": [3]}, r"stages\.0: schedule cosine has no milestones"),
        ({"stages.1.factors": [0.1]}, r"stages\.1: schedule constant has no factors"),
        ({"stages.1.factor": 0.5}, r"stages\.1: schedule constant has no factor;"),
        ({"stages.1.schedule": "steps"}, r"stages\.1: schedule steps needs milestones"),
        (steps(milestones=[3], factors=[0.5, 0.1]), "2 factors for 1 milestones"),
        (steps(milestones=[3, 6], factors=[0.5]), "1 factors for 2 milestones"),
        ({"stages.0.lr": math.inf}, r"stages\.0\.lr.*got inf.*finite number"),
        ({"stages.0.clip_norm": math.inf}, r"stages\.0\.clip_norm.*got inf.*finite number"),
        ({"largest_loss": math.inf}, r"largest_loss.*got inf.*finite number"),
        ({"method.options.eps": math.inf}, r"method\.options: a number is not finite"),
        (steps(milestones=[6, 3], factors=[0.1, 0.5]), "milestones must rise"),
        (steps(milestones=[3, 3]), "milestones must rise"),
        (steps(milestones=[3], factor=0.5, factors=[0.5]), "instead of factor"),
    ],
)
def test_what_is_refused_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        read("a2m2-hmdb51-resnet50", changes)


def test_a_misspelt_name_comes_before_the_value_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    stage = '[[stages]]\nkind = "episodes"\ninputs = "stored"\nstep = 4\nlr = 0.1\n'
    file.write_text(f'extends = "a2m2-clips-linear-lite0"\n{stage}')
    with refused(RecipeError, where="mine.toml", got="4", hint='Did you mean "steps"'):
        read(file)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with refused(UnknownNameError, hint='Did you mean "a2m2-hmdb51-resnet50"'):
        read("a2m2-hmdb51-resnet5")
    with refused(RecipeError, where="no.toml"):
        read(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with refused(RecipeError, where="bad.toml", what="not a recipe"):
        read(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"method": {"name": "a2m2", "options": {"framse": 4}}}, OptionError),
        ({"method": {"name": "protonet", "options": {"frames": 4}}}, RecipeError),
        ({"stages": [CLASSIFY, EPISODES | {"freeze": ["methd.*"]}]}, RecipeError),
        ({"stages": [CLASSIFY, EPISODES | {"groups": [{"match": "x", "lr": 1}]}]}, RecipeError),
        ({"stages": [CLASSIFY, EPISODES | {"ways": 7}]}, EpisodeError),
        ({"stages": [CLASSIFY | {"inputs": "frames"}]}, TrainingError),
    ],
)
def test_refused_before_anything_is_written(
    changes: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    recipe = recipe_of(EPISODES, **changes)
    with pytest.raises(error):
        train(recipe, data_of(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
