"""Stored nodes give the result that computed ones give, byte for byte."""

import dataclasses
from typing import Any

from fewact.features.store import EntrySet
from fewact.lab import methods
from fewact.lab.evaluation import evaluate_method, to_text
from fewact.lab.evaluation.encode import Encodings
from fewact.lab.evaluation.stored_nodes import StoredEncodings, node_facts, store_nodes
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.store.stored import StoredFeatures, choose_card
from fewact.methods.files import method_of
from tests.lab.store.store_of_vectors import card

MOMENTS = {"level": "vectors", "lengths": [1, 2]}


def made() -> Any:
    return methods.create("a2m2", frames=4, moments=MOMENTS)


def test_stored_nodes_change_no_result(store, videos, episodes, monkeypatch) -> None:
    source = StoredFeatures(store, videos, card())
    right = evaluate_method(made(), Encodings(source), videos, episodes)
    assert to_text(evaluate_method(made(), StoredEncodings(source), videos, episodes)) == to_text(
        right
    )
    done: list[tuple[int, int]] = []
    assert store_nodes(made(), source, progress=lambda *one: done.append(one)) == 48
    assert done[-1] == (48, 48)
    files = {path for path in store.folder.rglob("*") if path.is_file()}
    method = made()
    monkeypatch.setattr(method, "encode", None)
    assert to_text(evaluate_method(method, StoredEncodings(source), videos, episodes)) == to_text(
        right
    )
    assert store_nodes(method, source) == 48
    assert {path for path in store.folder.rglob("*") if path.is_file()} == files


def test_stored_nodes_are_read_once_for_methods_that_only_score_otherwise(
    store, videos, episodes, monkeypatch
) -> None:
    source = StoredFeatures(store, videos, card())
    store_nodes(made(), source)
    read: list[str] = []
    real = EntrySet.read
    monkeypatch.setattr(EntrySet, "read", lambda one, key: read.append(key) or real(one, key))
    encodings = StoredEncodings(source)
    for alignment in ("emd", "diagonal", "cosine"):
        method = methods.create("a2m2", frames=4, moments=MOMENTS, alignment={"name": alignment})
        evaluate_method(method, encodings, videos, episodes)
    assert len(read) == len(episodes.needed)


def test_missing_nodes_are_encoded(store, videos, episodes) -> None:
    few = dataclasses.replace(videos, videos=videos.videos[:5])
    store_nodes(made(), StoredFeatures(store, few, card()))
    source = StoredFeatures(store, videos, card())
    right = evaluate_method(made(), Encodings(source), videos, episodes)
    assert to_text(evaluate_method(made(), StoredEncodings(source), videos, episodes)) == to_text(
        right
    )
    store_nodes(made(), source)
    nodes = store.find(node_facts(made(), source))
    assert nodes is not None
    assert len(nodes) == 48


def test_another_encoding_has_another_set_of_nodes(store, videos) -> None:
    source = StoredFeatures(store, videos, card())
    store_nodes(made(), source)
    others = (
        methods.create("a2m2", frames=4, moments={**MOMENTS, "lengths": [1]}),
        methods.create("protonet", frames=4),
    )
    for method in others:
        assert store.find(node_facts(method, source)) is None
    assert "package" not in node_facts(made(), source)["method"]
    same = methods.create("a2m2", frames=4, moments=MOMENTS, alignment={"name": "otam"})
    assert store.find(node_facts(same, source)) is not None
    assert choose_card(store).digest == card().digest, "sets of nodes are no features"


def test_other_code_of_a_custom_method_has_another_set_of_nodes(store, videos, tmp_path) -> None:
    source = StoredFeatures(store, videos, card())

    def edited(factor: int) -> Any:
        file = tmp_path / f"custom{factor}.py"
        file.write_text(
            "from fewact.methods.protonet import ProtoNet\n\n"
            "class Custom(ProtoNet):\n    def encode(self, features):\n"
            f"        return {{n: {factor} * x for n, x in super().encode(features).items()}}\n"
        )
        _, custom = method_of(file)
        return on_tensors(custom(custom.Options(frames=4)))

    store_nodes(edited(1), source)
    assert store.find(node_facts(edited(1), source)) is not None
    assert store.find(node_facts(edited(2), source)) is None
