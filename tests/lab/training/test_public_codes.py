"""Checkpoints of TRX, STRM, HyRSM, MoLo and CLIP-FSAR as their public codes save them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fewact.cli import main
from fewact.core.errors import WeightsError
from fewact.core.registry import Registry
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.evaluation import checkpoint
from fewact.lab.methods.base import support_state
from fewact.lab.networks import resnet
from fewact.lab.networks.torch_weights import tensors_of
from fewact.lab.training import public_code, published
from fewact.lab.training.public_code import CODES, PublicCheckpoint
from fewact.networks import catalogue
from fewact.networks.card import Level
from fewact.networks.catalogue import RESNET50
from tests.conftest import read_cases, vectors_folder
from tests.lab.training.test_published import TRANSFORMER, Resnet
from tests.refused import refused

Shapes = dict[str, tuple[int, ...]]


def layers(prefix: str, **sizes: tuple[int, ...]) -> Shapes:
    """Weight and bias of layers; ``__`` stands for a dot."""
    found: Shapes = {}
    for name, shape in sizes.items():
        layer = f"{prefix}.{name.replace('__', '.')}"
        found |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return found


def unbiased(prefix: str, names: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{prefix}.{name}.weight": shape for name in names.split()}


def tuples(i: int, size: int, d: int, e: int) -> Shapes:
    linear = layers(f"transformers.{i}", k_linear=(e, size * d), v_linear=(e, size * d))
    norms = layers(f"transformers.{i}", norm_k=(e,), norm_v=(e,))
    return {f"transformers.{i}.pe.pe": (1, 12, d), **linear, **norms}


def block(prefix: str, d: int, hidden: int, projections: str) -> Shapes:
    inner = 3 * d if projections == "to_qkv" else d
    return {
        **layers(f"{prefix}.layers.0", **{"0__norm": (d,), "0__fn__to_out__0": (d, d)}),
        **unbiased(f"{prefix}.layers.0.0.fn", projections, (inner, d)),
        **layers(f"{prefix}.layers.0", **{"1__net__0": (hidden, d), "1__net__3": (d, hidden)}),
    }


def doubled(i: int, inputs: int, outputs: int) -> Shapes:
    norm = f"up{i}.conv.double_conv.1"
    return {
        f"up{i}.conv.double_conv.0.weight": (outputs, inputs, 3, 3),
        **{f"{norm}.{n}": (outputs,) for n in ("weight", "bias", "running_mean", "running_var")},
        f"{norm}.num_batches_tracked": (),
    }


FIXED_HEADS = ("clip_fsar", "team")
FC = ("inp_fc", "out_fc")


def shapes(code: str, d: int, e: int, hidden: int) -> Shapes:
    """Names and shapes of the head of a public code: of width d, keys e, for 8 frames."""
    if code == "trx":
        return tuples(0, 2, d, e) | tuples(1, 3, d, e)
    if code == "strm":
        frame = {"Tok_MLP": (8, 8), "Bot_MLP": (d, d)}
        return {
            **tuples(0, 2, d, e),
            **layers("attn_pat", key_proj=(d, d), query_proj=(d, d), value_conv=(d, d)),
            **layers("attn_pat.Bot_MLP", inp_fc=(d // 2, d), hid_fc=(d // 2,) * 2),
            **layers("attn_pat.Bot_MLP", out_fc=(d, d // 2)),
            **{"attn_pat.gamma": (1,), "attn_pat.pe.pe": (1, 24, d), "fr_enrich.pe.pe": (1, 12, d)},
            **layers("fr_enrich", **{f"{n}__{f}": s for n, s in frame.items() for f in FC}),
        }
    if code == "clip_fsar":
        return {"scale": (1,), **block("context2", d, hidden, "to_q to_k to_v")}
    if code == "team":
        mlp = layers("DPM.mlp", inp_fc=(d, d), out_fc=(d, d))
        return {"DPM.AP": (1, 60, d), "DPM.pe.pe": (1, 12, d), **layers("DPM", ln=(d,)), **mlp}
    common: Shapes = {"pe.pe": (1, 20, d)}
    common |= {"classification_layer.weight": (64, d), "classification_layer.bias": (64,)}
    if code == "hyrsm":
        return {
            **common,
            **layers("temporal_atte_before", norm=(d,), fn__to_out__0=(d, d)),
            **unbiased("temporal_atte_before.fn", "to_qkv", (3 * d, d)),
            **unbiased("temporal_atte", "w_qs w_ks w_vs", (d, d)),
            **layers("temporal_atte", layer_norm=(d,), fc=(d, d)),
            **layers("layer2", **{"0": (d, 2 * d, 1)}),
        }
    return {
        **common,
        **{"class_token": (1, 1, d), "class_token_motion": (1, 1, d)},
        **{"scale": (1,), "scale_motion": (1,)},
        **block("temporal_atte_before", d, hidden, "to_qkv"),
        **block("temporal_atte_before_motion", d, hidden, "to_qkv"),
        **{"motion_reduce.weight": (d // 8, d, 3, 3, 3), "motion_reduce.bias": (d // 8,)},
        **{"motion_conv.weight": (d // 8, d // 8, 3, 3), "motion_conv.bias": (d // 8,)},
        **{"motion_up.weight": (d, d // 8, 1, 1), "motion_up.bias": (d,)},
        **{**doubled(1, d // 8, 128), **doubled(2, 128, 32), **doubled(3, 32, 16)},
        **layers("outc", conv=(3, 16, 1, 1)),
    }


class Torchvision(resnet.ResNet50):
    """ResNet-50 with one block a stage, and vectors of length 8."""

    defaults = replace(RESNET50, name="torchvision", input_size=(32, 32), vectors=8, maps=(8, 1, 1))

    def __init__(self, options: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            stage = resnet._stage
            patch.setattr(
                resnet,
                "_stage",
                lambda inputs, width, count, stride: stage(
                    inputs if inputs == 64 else 4 * max(1, inputs // 1024),
                    max(1, width // 256),
                    *(1, stride),
                ),
            )
            super().__init__(options)

    def describe(self) -> catalogue.Description:
        return self.defaults


@pytest.fixture(autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        entries = {**catalogue.NETWORKS._entries, "resnet": Resnet, "torchvision": Torchvision}
        patch.setattr(catalogue, "NETWORKS", Registry("backbone", entries))
        patch.setitem(public_code.NETWORK_OF_TENSOR, "attnpool.c_proj.weight", "resnet")
        patch.setitem(public_code.NETWORK_OF_TENSOR, "7.0.conv3.weight", "torchvision")
        yield


def encoder(code: str) -> dict[str, Tensor]:
    """Random weights of the image encoder, under the public code's names."""
    stages = {ours: theirs for theirs, ours in public_code.RESNET_PARTS.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if code == "clip_fsar":
            tensors = tensors_of(Resnet(None))
            return {name.replace("visual.", "backbone."): x for name, x in tensors.items()}
        tensors = Torchvision(resnet.ResNet50Options(2)).state_dict()
    split = ((*name.partition("."), x) for name, x in tensors.items())
    prefix = "resnet" if code in ("trx", "strm") else "backbone"
    return {f"{prefix}.{stages[stage]}.{name}": x for stage, _, name, x in split}


def random(code: str, **sizes: int) -> dict[str, Tensor]:
    """Random weights of a small head and its image encoder."""
    generator = torch.Generator().manual_seed(1)
    head = {
        name: torch.rand(shape, generator=generator)
        for name, shape in shapes(code, **{"d": 8, "e": 6, "hidden": 12, **sizes}).items()
    }
    return head | encoder(code)


def save(file: Path, code: str, tensors: dict[str, Tensor], cfg: dict[str, Any]) -> str:
    """Save a file as the public code does, with its optimiser; return the SHA-256."""
    parameter = nn.Parameter(torch.ones(2))
    optimiser = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(2)
    optimiser.step()
    content: dict[str, Any]
    if code in ("trx", "strm", "team"):
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [1000])
        parallel = {n.replace("resnet.", "resnet.module."): x for n, x in tensors.items()}
        parallel = {n.replace("attn_pat.", "attn_pat.module."): x for n, x in parallel.items()}
        content = {"iteration": 9, "model_state_dict": parallel, "scheduler": schedule.state_dict()}
        content["optimizer_state_dict"] = optimiser.state_dict()
    else:
        beside = {f"head.{name}": x for name, x in tensors.items()}
        content = {"epoch": 9, "model_state": beside, "optimizer_state": optimiser.state_dict()}
        content["cfg"] = json.dumps(cfg, indent=2)
    torch.save(content, file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def converted(
    folder: Path, code: str, tensors: dict[str, Tensor], cfg: dict[str, Any] | None = None
) -> checkpoint.Checkpoint:
    """Convert a file of the public code; without settings, one of safetensors."""
    if cfg is None:
        save_file(tensors, folder / "public.safetensors")
        published.convert(folder / "public.safetensors", folder / "run", "hmdb51")
    else:
        sha256 = save(folder / "public.pt", code, tensors, cfg)
        published.convert(folder / "public.pt", folder / "run", "hmdb51", sha256=sha256)
    return checkpoint.read(folder / "run")


@pytest.mark.parametrize("code", CODES[1:], ids=lambda code: code.method)
def test_names_and_shapes_of_the_published_size(code: public_code.Code) -> None:
    d = 512 if code.method == "clip_fsar" else 2048
    public = {
        name: torch.empty(shape, device="meta")
        for name, shape in shapes(code.method, d, 1152, 2048).items()
    }
    file = PublicCheckpoint("file", public, {})
    assert public_code.code_of(file) == code
    layout = code.layout(file, "hmdb51")
    with torch.device("meta"):
        method = methods.create(code.method, **layout.options)
    got = {name: x.squeeze().shape for name, x in file.head(layout).items()}
    unsaved = {n for n in tensors_of(method) if layout.initial and n.startswith(layout.initial)}
    expected = {n: x.squeeze().shape for n, x in tensors_of(method).items() if n not in unsaved}
    assert {n: s for n, s in got.items() if "num_batches" not in n} == expected
    defaults = methods.create(code.method).options  # the published sizes
    assert all(
        getattr(defaults, option) == value
        for option, value in layout.options.items()
        if option != "query_class"
    )


MATRICES = {"Wk": "k_linear.weight", "bk": "k_linear.bias", "Wv": "v_linear.weight"}
OF_TUPLES = {**MATRICES, "bv": "v_linear.bias", "ln_g": "norm_k.weight", "ln_b": "norm_k.bias"}
OF_PATCHES = {
    **{
        f"{kind}{n}": f"attn_pat.{layer}.{'weight' if kind == 'W' else 'bias'}"
        for n, layer in (("q", "query_proj"), ("k", "key_proj"), ("v", "value_conv"))
        for kind in "Wb"
    },
    **{
        f"{kind}{i}": f"attn_pat.Bot_MLP.{layer}.{'weight' if kind == 'm' else 'bias'}"
        for i, layer in ((1, "inp_fc"), (2, "hid_fc"), (3, "out_fc"))
        for kind in "mc"
    },
    "gamma": "attn_pat.gamma",
}
OF_FRAMES = {
    f"{kind}{i}": f"fr_enrich.{module}.{layer}.{'weight' if kind in 'tn' else 'bias'}"
    for module, kinds in (("Tok_MLP", "te"), ("Bot_MLP", "nf"))
    for i, layer in ((1, "inp_fc"), (2, "out_fc"))
    for kind in kinds
}
OF_TOKENS = {
    **{"ln_g": "ln.weight", "ln_b": "ln.bias"},
    **{f"w{i}": f"mlp.{layer}.weight" for i, layer in ((1, "inp_fc"), (2, "out_fc"))},
    **{f"b{i}": f"mlp.{layer}.bias" for i, layer in ((1, "inp_fc"), (2, "out_fc"))},
}
OF_TASKS = {"Wq": "w_qs.weight", "Wk": "w_ks.weight", "Wv": "w_vs.weight", "Wo": "fc.weight"}
OF_TASKS |= {"bo": "fc.bias", "ln_g": "layer_norm.weight", "ln_b": "layer_norm.bias"}


def named(prefix: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, Tensor]:
    return {f"{prefix}{new}": torch.tensor(values[name]) for name, new in names.items()}


def of_vector(code: str, case: dict[str, Any]) -> dict[str, Tensor]:
    """The vector's weights under the names of the public code, and an image encoder."""
    given = case["weights"]
    if code == "trx":
        parts = [named(f"transformers.{i}.", OF_TUPLES, given[f"card{2 + i}"]) for i in (0, 1)]
        return random(code) | parts[0] | parts[1]
    if code == "strm":
        own = named("transformers.0.", OF_TUPLES, given["trx"])
        own |= named("", OF_PATCHES, given["patch"]) | named("", OF_FRAMES, given["frame"])
        return random(code) | own | {"attn_pat.pe.pe": torch.ones(1, 6, 8)}
    if code == "team":
        tables = {"DPM.pe.pe": torch.ones(1, int(1.5 * len(case["inputs"]["query"][0])), 8)}
        tokens = {"DPM.AP": torch.tensor(given["tokens"])[None]}
        return random(code) | named("DPM.", OF_TOKENS, given) | tables | tokens
    if code == "hyrsm":
        intra, before = given["intra"], "temporal_atte_before."
        qkv = torch.cat([torch.tensor(intra[name]) for name in ("Wq", "Wk", "Wv")])
        names = {"ln_g": "norm.weight", "ln_b": "norm.bias", "Wo": "fn.to_out.0.weight"}
        own = named(before, {**names, "bo": "fn.to_out.0.bias"}, intra)
        own |= {f"{before}fn.to_qkv.weight": qkv} | named(
            "temporal_atte.", OF_TASKS, given["inter"]
        )
        own["layer2.0.weight"] = torch.tensor(given["fuse_w"])[..., None]
        return random(code) | own | {"layer2.0.bias": torch.tensor(given["fuse_b"])}
    names = {name: f"context2.layers.0.{theirs}" for theirs, name in TRANSFORMER.items()}
    return random(code) | named("", names, given)


def cases(config: pytest.Config, code: str) -> list[dict[str, Any]]:
    """The cases of the sizes that public codes save."""
    every = read_cases(vectors_folder(config) / f"{code}.json")
    return [case for case in every if case.get("note") != "other size"]


@pytest.mark.parametrize("code", ["trx", "strm", "hyrsm", "team", "clip_fsar"])
def test_logits_are_those_of_the_public_code(
    code: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for number, case in enumerate(cases(request.config, code)):
        params, inputs = case["params"], case["inputs"]
        folder = tmp_path / str(number)
        folder.mkdir()
        head = f"CNN_HyRSM_{5 if params.get('merge') else 1}shot"
        train = {"HEAD": params.get("heads"), "POSITION_A": params.get("A")}
        train |= {"POSITION_B": params.get("B"), "MERGE_BEFORE": params.get("merge_before")}
        cfg = {"VIDEO": {"HEAD": {"NAME": head}}, "TRAIN": train, "DATA": {"MEAN": [0.1, 0.2, 0.3]}}
        found = converted(folder, code, of_vector(code, case), cfg)
        # What the public code fixes and the vector does not; and for STRM, what it does not save.
        changes: dict[str, Any] = {"heads": params["heads"]} if code in FIXED_HEADS else {}
        changes |= {"query_class_weight": 0.0} if code == "strm" else {}
        method = found.method(**changes).double()
        suffix = "_patches" if code == "strm" else ""
        names = (f"support{suffix}", f"query{suffix}")
        sides = [torch.tensor(inputs[name], dtype=torch.float64)[None] for name in names]
        if code == "strm":
            sides = [side.mT.unflatten(-1, (2, 2)) for side in sides]
        level: Level = "maps" if code == "strm" else "vectors"
        support, query = (
            method.encode({FeatureRequest(level, View(x.shape[2])): x}) for x in sides
        )
        labels = torch.tensor(inputs["labels"])[None]
        n = int(labels.max()) + 1
        text = None
        if code == "clip_fsar":
            names_of = [inputs["support_class"][inputs["labels"].index(c)] for c in range(n)]
            text = torch.tensor(inputs["text_all"], dtype=torch.float64)[names_of][None]
        with torch.no_grad():
            got = method.score(support_state(method, support, labels, n, text), query)[0]
        expected = case["expected"]
        name = {"strm": "logits_trx", "clip_fsar": "logits_visual"}.get(code, "logits")
        torch.testing.assert_close(got, torch.tensor(expected[name]).double(), atol=1e-4, rtol=1e-5)
        mean = {"trx": (0.0,) * 3, "strm": (0.0,) * 3, "team": (0.45,) * 3}.get(
            code, (0.1, 0.2, 0.3)
        )
        assert found.backbone.model_copy(update={"device": "cpu"}).create().card.mean == mean


def test_each_tensor_of_molo_arrives(tmp_path: Path) -> None:
    public = random("molo", d=8)
    found = converted(tmp_path, "molo", public, {"TRAIN": {"LOGIT_BALANCE_COFF": 0.5}})
    assert found.header.options["motion_weight"] == 0.5
    block = "temporal_atte_before{}.layers.0.0.fn.to_qkv.weight"
    for theirs, ours in {
        block.format(""): "appearance.transformer.project.weight",
        block.format("_motion"): "motion.transformer.project.weight",
        "class_token_motion": "motion.token",
        "scale_motion": "motion.contrast_scale",
        "up3.conv.double_conv.1.running_var": "decoder.10.running_var",
        "outc.conv.weight": "decoder.12.weight",
        "motion_up.bias": "differences.restore.bias",
    }.items():
        torch.testing.assert_close(found.tensors[ours], public[theirs].view_as(found.tensors[ours]))


@pytest.mark.parametrize(
    ("code", "change", "says"),
    [
        ("trx", {"transformers.0.pe.pe": None}, "no transformers.0.pe.pe"),
        ("trx", {"transformers.1.k_linear.bias": None}, "attention.3.keys.bias"),
        ("trx", {"resnet.7.0.conv3.weight": None}, "no image encoder of TRX.*ResNet-50"),
        ("strm", {"transformers.1.k_linear.weight": (6, 24)}, "transformers.1.k_linear.weight"),
        ("strm", {"attn_pat.gamma": None}, r"weights of TRX.*unknown \(attn_pat"),
        ("hyrsm", {"temporal_atte.w_ks.weight": None}, "relation.inter.project.weight"),
        ("hyrsm", {"layer3.0.weight": (8, 8)}, r"unknown \(layer3.0.weight"),
        ("molo", {"up3.conv.double_conv.1.running_var": None}, "decoder.10.running_var"),
        ("clip_fsar", {"context2.layers.1.0.norm.weight": (8,)}, "layers.1.0.norm"),
    ],
)
def test_every_tensor_is_accounted_for(
    code: str, change: dict[str, tuple[int, ...] | None], says: str, tmp_path: Path
) -> None:
    given = {name: None if x is None else torch.ones(x) for name, x in change.items()}
    tensors = {name: x for name, x in {**random(code), **given}.items() if x is not None}
    with pytest.raises(WeightsError, match=says):
        converted(tmp_path, code, tensors)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_one_direction_is_refused(tmp_path: Path) -> None:
    with refused(WeightsError, got="TRAIN.SINGLE_DIRECT"):
        converted(tmp_path, "molo", random("molo"), {"TRAIN": {"SINGLE_DIRECT": True}})


def test_the_command_names_what_the_file_does_not_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "hyrsm.safetensors", tmp_path / "run"
    save_file(random("hyrsm"), file)
    assert main(["convert", str(file), "--benchmark", "ucf101", "-o", str(run)]) == 0
    said = capsys.readouterr().out
    assert "frames=8, heads=8, shot_aggregation=mean, feature_divisor=10.0" in said
    assert f"Next: fewact evaluate {run} --data ucf101_arn\n" in said
