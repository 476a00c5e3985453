"""Each promise is found broken in a method that breaks it; methods of files and other packages."""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fewact.cli.app import main
from fewact.core.errors import ExtensionError, UnknownNameError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.evaluation.identity import method_facts
from fewact.lab.methods.base import TextMethod, TorchMethod, one_hot_mean
from fewact.lab.methods.common.inputs import class_text, of_videos
from fewact.lab.methods.promises import PROMISES, check_method
from fewact.methods import code_of
from fewact.methods.files import imported_file, method_of, place_in_file
from tests.refused import refused


@dataclass(frozen=True)
class Options:
    """Options.

    Args:
        frames: Frames of a video.
        scale: Factor of the logits.
    """

    frames: int = 4
    scale: float = 1.0


class Nearest(TorchMethod):
    """The method that keeps all promises."""

    Options = Options
    scoring = frozenset({"scale"})

    def requests(self, card: Any) -> Any:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Any) -> Any:
        (vectors,) = features.values()
        return {"mean": vectors.mean(-2)}

    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        return one_hot_mean(labels, n, nodes["mean"].dtype) @ nodes["mean"]

    def score(self, state: Any, nodes: Any) -> Any:
        difference = nodes["mean"][:, :, None] - state[:, None]
        return -self.options.scale * difference.square().sum(-1)


class Transposed(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        return super().score(state, nodes).mT


class ByPosition(Nearest):
    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        return nodes["mean"].unflatten(1, (-1, n)).mean(1)


class Centred(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        logits = super().score(state, nodes)
        return logits - logits.mean(1, keepdim=True)


class ByRow(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        logits = super().score(state, nodes)
        return logits * torch.arange(1, logits.shape[1] + 1)[:, None]


class ByColumn(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        return super().score(state, nodes) + torch.arange(state.shape[1])


class OverEpisodes(Nearest):
    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        found = super().support(nodes, labels, n)
        return found - found.mean(0, keepdim=True)


class OverVideos(Nearest):
    def encode(self, features: Any) -> Any:
        found = super().encode(features)["mean"]
        return {"mean": found - found.mean(0, keepdim=True)}


class Divides(Nearest):
    def encode(self, features: Any) -> Any:
        found = super().encode(features)["mean"]
        return {"mean": found / found.norm(dim=-1, keepdim=True)}


class Single(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        return super().score(state, nodes).float()


class Random(Nearest):
    def encode(self, features: Any) -> Any:
        found = super().encode(features)["mean"]
        return {"mean": found + torch.rand_like(found)}


class Detached(Nearest):
    def encode(self, features: Any) -> Any:
        return {"mean": super().encode(features)["mean"].detach()}


class Unseeded(Nearest):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.map = torch.nn.Linear(12, 12)


class Flipped(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        return -super().score(state, nodes)


class Keeps(Nearest):
    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        self.last = super().support(nodes, labels, n)
        return self.last


class KeepsInContainers(Nearest):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.cache: Any = {"means": []}
        self.part = torch.nn.Identity()
        self.tables = (torch.zeros(12), set())
        self.table = np.zeros(12)


class KeepsInAList(KeepsInContainers):
    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        self.cache["means"].append(super().support(nodes, labels, n))
        return self.cache["means"][-1]


class KeepsInAPart(KeepsInContainers):
    def support(self, nodes: Any, labels: Any, n: int) -> Any:
        self.part.last = super().support(nodes, labels, n)
        return self.part.last


class ChangesATensor(KeepsInContainers):
    def encode(self, features: Any) -> Any:
        self.tables[0].add_(1)
        return super().encode(features)


class ChangesAnArray(KeepsInContainers):
    def encode(self, features: Any) -> Any:
        self.table += 1
        return super().encode(features)


class WithAWeight(Nearest):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.weight = torch.nn.Parameter(torch.ones(12))


class OfTheBaseClasses(WithAWeight):
    def class_vectors(self, nodes: Any) -> Any:
        return super().class_vectors(nodes) * self.weight


class WithAGate(WithAWeight):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.gate = torch.nn.Parameter(torch.zeros(()))

    def encode(self, features: Any) -> Any:
        return {"mean": super().encode(features)["mean"] * (1 + self.gate * self.weight)}


class Fixed(WithAWeight):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.weight.requires_grad_(False)


class Changes(Nearest):
    def encode(self, features: Any) -> Any:
        (vectors,) = features.values()
        return super().encode({"vectors": vectors.detach().div_(2)})


class ChangesNodes(Nearest):
    def score(self, state: Any, nodes: Any) -> Any:
        nodes["mean"].mul_(2)
        return super().score(state, nodes)


class WithoutText(Nearest, TextMethod):
    def support(self, nodes: Any, labels: Any, n: int, text: Any = None) -> Any:
        return super().support(nodes, labels, n)


class Undescribed(Nearest):
    @dataclass(frozen=True)
    class Options:
        """Options."""

        frames: int = 4
        scale: float = 1.0


class Wrong(Nearest):
    scoring = frozenset({"frames", "scale"})


class OtherRows(Nearest):
    def bank_scorer(self, support: Any, query: Any, comparisons: int = 0) -> Any:
        def score(rows: Any, labels: Any, n: int, queries: Any) -> Any:
            own, asked = ({"mean": x["mean"][i]} for x, i in ((support, rows), (query, queries)))
            return self.score(self.support(own, labels.flip(1), n), asked)

        return score


class Named(Nearest, TextMethod):
    def support(self, nodes: Any, labels: Any, n: int, text: Any = None) -> Any:
        text = class_text(text, n, 12)
        nodes = nodes if "named" in nodes else self.with_text(nodes, of_videos(text, labels))
        return one_hot_mean(labels, n, nodes["named"].dtype) @ nodes["named"]

    def with_text(self, nodes: Any, text: Any) -> Any:
        return {"named": nodes["mean"] + text}


class NamedTwice(Named):
    def support(self, nodes: Any, labels: Any, n: int, text: Any = None) -> Any:
        nodes = {"mean": nodes["named" if "named" in nodes else "mean"]}
        return super().support(nodes, labels, n, text)


BROKEN = {
    "shapes": Transposed,
    "support_order": ByPosition,
    "alone": Centred,
    "query_order": ByRow,
    "class_names": ByColumn,
    "batches": OverEpisodes,
    "uneven_shots": ByPosition,
    "encoding_alone": OverVideos,
    "zero_features": Divides,
    "dtypes": Single,
    "deterministic": Random,
    "gradients": Detached,
    "initial_weights": Unseeded,
    "nothing_kept": Keeps,
    "inputs_unchanged": Changes,
    "text_methods": WithoutText,
    "once_a_video": OtherRows,
    "separable_classes": Flipped,
    "options_documented": Undescribed,
    "scoring_options": Wrong,
}


def broken(method: type[TorchMethod]) -> dict[str, str]:
    names = {promise.text: name for name, promise in PROMISES.items()}
    return {names[o.promise.text]: str(o.error) for o in check_method(method) if o.error}


def test_a_good_method_keeps_all_promises() -> None:
    assert broken(Nearest) == {}
    assert BROKEN.keys() == PROMISES.keys()


def test_a_video_that_meets_its_text_once_scores_the_same() -> None:
    assert broken(Named) == {}
    assert "with_text" in broken(NamedTwice)["once_a_video"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_one_sentence_that_says_where_to_look(name: str) -> None:
    error = broken(BROKEN[name])[name]
    promise = PROMISES[name]
    assert promise.text.removesuffix(".") in error
    assert promise.look in error
    assert "got " in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (KeepsInAList, "cache['means'], cache['means'][0]"),
        (KeepsInAPart, "part.last"),
        (ChangesATensor, "tables[0]"),
        (ChangesAnArray, "table"),
    ],
)
def test_what_is_kept_in_containers_and_parts_is_found(
    method: type[TorchMethod], names: str
) -> None:
    found = broken(method)
    assert found.keys() == {"nothing_kept"}
    assert f"(got {names})" in found["nothing_kept"]


def test_a_weight_that_no_loss_reaches_is_found() -> None:
    found = broken(WithAWeight)
    assert found.keys() == {"gradients"}
    assert found["gradients"].startswith("weight: ")
    assert "no gradient" in found["gradients"]


@pytest.mark.parametrize("method", [OfTheBaseClasses, WithAGate, Fixed])
def test_a_weight_of_the_base_classes_or_behind_a_gate_is_trained(
    method: type[TorchMethod],
) -> None:
    assert broken(method) == {}


def test_changed_nodes_are_named() -> None:
    assert 'node "mean" of queries' in broken(ChangesNodes)["inputs_unchanged"]


def test_a_score_with_the_wrong_sign_is_found() -> None:
    found = broken(Flipped)
    assert found.keys() == {"separable_classes"}
    assert "got 0 of 96 queries right, chance is 32" in found["separable_classes"]


def test_untrained_methods_need_not_be_right() -> None:
    class Untrained(Flipped):
        trained = False

    assert broken(Untrained) == {}


def test_a_transductive_method_may_use_other_queries() -> None:
    class Declared(Centred):
        transductive = True

    assert "alone" not in broken(Declared)


GOOD = """
from dataclasses import dataclass
from fewact import methods
from tests.lab.methods.test_checks import Nearest, Transposed

@methods.register("mine")
class Mine(Nearest):
    pass

class Other(Transposed):
    pass
"""


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))


@pytest.mark.usefixtures("own_registry")
def test_methods_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    name, method = method_of(file, "Other")
    assert (name, method.__name__) == ("Other", "Other")
    methods.REGISTRY._entries.pop("mine")
    with refused(ExtensionError, where=str(file), got="no name", expected="mine, Other"):
        method_of(file)
    methods.REGISTRY._entries.pop("mine")
    with refused(ExtensionError, got="mime", hint='"mine"'):
        method_of(file, "mime")
    file.write_text("import sys\n\nsys.exit()\n")
    with refused(ExtensionError, where="mine.py, line 3", got="SystemExit"):
        method_of(file)
    file.write_text("import fewact\n")
    with refused(ExtensionError, where="mine.py", expected="fewact.methods.base.Method"):
        method_of(file)
    file.write_text(
        "from fewact.methods.base import Method\n\nclass Mine(Method):\n"
        "    def requests(self, card): ...\n    def encode(self, features): ...\n"
        "    def support(self, nodes, labels, n): ...\n    def scores(self, state, nodes): ...\n"
    )
    with refused(ExtensionError, got="Mine without score"):
        method_of(file)
    with refused(ExtensionError, where="missing.py", expected="a file FILE.py"):
        method_of(tmp_path / "missing.py")


@pytest.mark.parametrize("path", ["mine.py", "./mine.py", "../{folder}/mine.py"])
def test_the_line_of_a_fault_is_named_for_a_relative_path(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("import fewact\n\nnothing_of_this_name\n")
    monkeypatch.chdir(tmp_path)
    with refused(ExtensionError, where="mine.py, line 3", got="NameError"):
        method_of(path.format(folder=tmp_path.name))


@pytest.mark.usefixtures("own_registry")
def test_a_file_that_is_edited_within_a_second_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"

    def value_of(text: str) -> float:
        file.write_text(
            "from fewact.methods.protonet import ProtoNet\n\n"
            f"class Mine(ProtoNet):\n    value = {text}\n"
        )
        os.utime(file, (1e9, 1e9))
        found: float = vars(method_of(file)[1])["value"]
        return found

    assert [value_of("1.5"), value_of("2.5")] == [1.5, 2.5]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.usefixtures("own_registry")
def test_files_of_one_name_in_two_folders_are_two_files(tmp_path: Path) -> None:
    files = [tmp_path / folder / "mine.py" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text(
            "from fewact.methods.protonet import ProtoNet\n\n"
            f"class {file.parent.name.title()}(ProtoNet):\n    def encode(self, features):\n"
            "        raise ZeroDivisionError\n"
        )
    made = [method_of(file)[1] for file in files]
    assert [imported_file(one) for one in made] == files
    for one, file in zip(made, files, strict=True):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        assert code_of(one) == f"mine.py, SHA-256 {sha256}"
        with pytest.raises(ZeroDivisionError) as error:
            one(one.Options()).encode({})
        assert place_in_file(error.value) == f"{file}, line 5"


@pytest.mark.usefixtures("own_registry")
def test_check_method_lists_promises(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    ended = run("check-method", str(file), "mine")
    assert ended.code == 0
    assert ended.out.endswith(f"mine: {len(PROMISES)} of {len(PROMISES)} promises kept\n")
    methods.REGISTRY._entries.pop("mine")
    ended = run("check-method", str(file), "Other")
    assert ended.code == 2
    assert "BROKEN  The logits of b episodes" in ended.out
    assert run("check-method", "otam", "--option", "smoothing=0.5").code == 0


def test_requests_are_a_tuple() -> None:
    class Bare(Nearest):
        def requests(self, card: Any) -> Any:
            return super().requests(card)[0]

    with refused(ExtensionError, got="FeatureRequest"):
        check_method(Bare)


def test_an_error_in_requests_breaks_promises() -> None:
    class Wrong(Nearest):
        def requests(self, card: Any) -> Any:
            return (self.options.nothing,)

    errors = [str(outcome.error) for outcome in check_method(Wrong) if outcome.error]
    assert any("has no attribute 'nothing'" in error for error in errors)


@pytest.mark.parametrize("level", ["auto", "middle"])
def test_options_that_follow_from_a_backbone_need_not_be_given(level: str) -> None:
    """A trained reduction needs the channels of its level, which vectors alone do not have."""
    options = {"moments.reduction": "linear", "moments.width": 8, "moments.level": level}
    outcomes = check_method(methods.REGISTRY.get("a2m2"), options)
    assert [outcome for outcome in outcomes if outcome.error] == []


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; return its exit code and its output."""

    def run(*arguments: str) -> SimpleNamespace:
        code = main(arguments)
        return SimpleNamespace(code=code, out=capsys.readouterr().out)

    return run


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a good method and one that cannot be imported."""
    info = tmp_path / "some_methods-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-methods\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[fewact.methods]\nnearest = some_methods:Mine\n"
        "bad = some_broken:Bad\notam = some_broken:O\n"
    )
    (tmp_path / "some_methods.py").write_text(
        "from tests.lab.methods.test_checks import Nearest\nclass Mine(Nearest): pass\n"
    )
    (tmp_path / "some_broken.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    vars(methods.REGISTRY).pop("_extensions", None)
    yield
    vars(methods.REGISTRY).pop("_extensions", None)


@pytest.mark.slow
@pytest.mark.usefixtures("package")
def test_methods_of_other_packages_are_found_by_entry_points(run: Any) -> None:
    assert methods.names()[-2:] == ("nearest", "bad")
    made = methods.create("nearest")
    assert methods.name_of(made) == "nearest"
    facts = method_facts(made)
    assert facts.name == "nearest"
    assert facts.package.startswith("some-methods 1.2, some_methods.py, SHA-256 ")
    assert method_facts(methods.create("otam")).package == ""
    assert type(methods.create("otam")).__module__ == "fewact.methods.otam"
    with refused(ExtensionError, where="bad, some-methods 1.2", got="ModuleNotFoundError"):
        methods.create("bad")
    with refused(UnknownNameError, hint='"nearest"'):
        methods.create("nearst")
    shown = " ".join(run("methods").out.split())  # of narrow columns
    assert "some-methods 1.2" in shown
    assert "cannot be imported" in shown
    assert run("--help").code == 0
