"""The default data type of torch, which belongs to the user's program, changes no answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fewact import methods
from fewact.classifier import FewShotClassifier
from fewact.lab import methods as lab_methods
from fewact.lab.methods.promises import check_method
from fewact.recordings.stream import Stream
from fewact.video import EveryNth, read_frames


@contextmanager
def float64() -> Iterator[None]:
    """Set the default to float64 inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def both(answer: Callable[[], Any]) -> tuple[Any, Any]:
    """Return an answer under float32 and under float64."""
    expected = answer()
    with float64():
        return answer(), expected


def answers(method: str, clips: dict[str, list[Path]], new: list[Path], folder: Path) -> list[Any]:
    """Return predictions of a classifier, of its copy that was saved, and events of a stream."""
    classifier = FewShotClassifier(method=method).fit(clips)
    classifier.save(folder / f"{method} {torch.get_default_dtype()}")
    again = FewShotClassifier.load(folder / f"{method} {torch.get_default_dtype()}")
    stream = Stream.of(classifier)
    events = [e for i, frame in enumerate(shown(new[0])) for e in stream.push(frame, i / 10)]
    predicted = [[one.to_dict() for one in each.predict(new)] for each in (classifier, again)]
    return [*predicted, [one.to_dict() for one in events + stream.close()]]


def shown(path: Path) -> Any:
    return read_frames(path, EveryNth(1))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fusion", "a2m2"])
def test_answers_to_real_clips_are_the_same(assets: Path, tmp_path: Path, method: str) -> None:
    folders = sorted((assets / "clips/utd5_rgb").iterdir())[:2]
    clips = {one.name: sorted(one.iterdir())[::20] for one in folders}
    new = [sorted(one.iterdir())[5] for one in folders]
    got, expected = both(lambda: answers(method, clips, new, tmp_path))
    assert got == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["molo", "a2m2", "otam", "protonet"])
def test_methods_keep_their_promises(name: str) -> None:
    with float64():
        assert not [one.error for one in check_method(methods.REGISTRY.get(name)) if one.error]
        assert all(p.dtype == torch.float32 for p in lab_methods.create(name).parameters())
