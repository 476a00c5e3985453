"""Threads that score, and states that are computed when they are needed."""

from pathlib import Path

import pytest
import torch

from fewact import FewShotClassifier
from fewact.classifier import fitted
from fewact.classifier.few_shot import fitted_of
from fewact.data import list_clips


def test_one_core_scores_few_clips(
    examples: FewShotClassifier, actions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, threads, score = list_clips(actions)[0], [], fitted._score

    def counted(*arguments):
        threads.append(torch.get_num_threads())
        return score(*arguments)

    monkeypatch.setattr(fitted, "_score", counted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        few = examples.predict(clip)
        monkeypatch.setattr(fitted, "FEW_CLIPS", 0)
        assert examples.predict(clip).label == few.label
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 2]


def test_pair_similarities_need_no_state_of_each_clip(
    examples: FewShotClassifier, actions: Path
) -> None:
    examples.predict(list_clips(actions)[0])
    by_clip = fitted_of(examples).by_clip
    assert "state" not in vars(by_clip)
    own = by_clip.score({name: value[None] for name, value in by_clip.nodes.items()})
    assert own.argmax(-1).tolist() == list(range(len(own)))
