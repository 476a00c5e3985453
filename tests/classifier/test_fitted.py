"""States that are computed when they are needed."""

from pathlib import Path

from fewact import FewShotClassifier
from fewact.data import list_clips


def test_pair_similarities_need_no_state_of_each_clip(
    examples: FewShotClassifier, actions: Path
) -> None:
    examples.predict(list_clips(actions)[0])
    by_clip = examples.fitted_.by_clip
    assert "state" not in vars(by_clip)
    own = by_clip.score({name: value[None] for name, value in by_clip.nodes.items()})
    assert own.argmax(-1).tolist() == list(range(len(own)))
