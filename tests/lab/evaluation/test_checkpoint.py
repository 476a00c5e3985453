"""Options that a checkpoint's weights replace are refused; others change the method."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fewact.core.errors import OptionError
from fewact.core.options import flatten_options, option_names
from fewact.lab import methods
from fewact.lab.evaluation.checkpoint import Checkpoint, Header, TrainedOn
from fewact.lab.methods.promises.subject import make, other_option
from fewact.methods import REGISTRY
from fewact.methods.cards import made_up_card
from fewact.networks import BackboneSpec
from tests.refused import refused

INITIAL = {
    "a2m2": {"temperature", "seed"},  # of the options below
    "ridge": {"regularisation", "temperature"},
    "lda": {"temperature"},
    "clip_spm": {"motion_weight", "seed"},
    "clip_fsar": {"contrast_temperature", "seed"},
    **{
        name: {"seed"}
        for name in ("trx", "strm", "ta2n", "cpm", "safsar", "hyrsm", "molo", "team", "d2st")
    },
    "semantic_prompt": {"seed"},
}
"""Options that set nothing but initial weights, by method."""

OPTIONS: dict[str, dict[str, Any]] = {
    "a2m2": {"moments.reduction": "learned", "learn_temperature": True}
}


def checkpoint_of(method: Any, name: str) -> Checkpoint:
    header = Header(
        name=name,
        options=flatten_options(method.options),
        temperature=1.0,
        recipe="",
        backbone=BackboneSpec(weights=""),
        network_digest="",
        trained_on=TrainedOn(name="", sha256="", videos={}),
    )
    tensors = {key: value + 1 for key, value in method.state_dict().items()}
    return Checkpoint(Path("m"), header, tensors)


@pytest.mark.parametrize("name", methods.names())
def test_options_of_initial_weights_alone_are_refused(name: str) -> None:
    """Every option is changed by itself; those that remain usable keep the trained weights."""
    method = make(REGISTRY.get(name), made_up_card(), OPTIONS.get(name, {}))
    trained = checkpoint_of(method, name)
    refused = set()
    for option in option_names(type(method.options)):
        other = other_option(method, option)
        shapes, own = (
            {key: value.shape for key, value in one.state_dict().items()}
            for one in (method, other or method)
        )
        if other is None or shapes != own:
            continue
        value = flatten_options(other.options)[option]
        if option in INITIAL.get(name, ()):
            refused.add(option)
            with pytest.raises(OptionError, match=f'option "{option}": the option sets the init'):
                trained.method(**{option: value})
            continue
        changed = trained.method(**{option: value})
        assert changed.options == other.options
        for key, weight in changed.state_dict().items():
            assert torch.equal(weight, trained.tensors[key])
    assert refused == INITIAL.get(name, set())


def test_the_value_of_the_checkpoint_is_no_change() -> None:
    trained = checkpoint_of(methods.create("ridge", regularisation=0.5), "ridge")
    changed = trained.method(regularisation=0.5, unit_length=False)
    assert torch.equal(
        changed.state_dict()["log_regularisation"], trained.tensors["log_regularisation"]
    )
    with refused(OptionError, where='"regularisation"', got="0.1, for log_regularisation"):
        trained.method(unit_length=False, regularisation=0.1)


def test_options_that_are_valid_only_together_can_be_changed() -> None:
    trained = checkpoint_of(methods.create("a2m2"), "a2m2")
    changed = trained.method(**{"alignment.name": "cosine", "alignment.time_weight": 0.0})
    assert changed.options.alignment.name == "cosine"
