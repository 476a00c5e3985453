"""Which videos a batch holds."""

from collections import Counter

from fewact.lab.training.batches import drawing
from fewact.lab.training.recipe import ClassifyStage, EpisodesStage
from tests.lab.training.made_up import split_list

VIDEOS = split_list("train", range(6))


def classify(size: int) -> ClassifyStage:
    return ClassifyStage(kind="classify", inputs="stored", steps=1, lr=1, batch=size)


def labels(positions: tuple[int, ...]) -> Counter[str]:
    return Counter(VIDEOS.videos[position].label for position in positions)


def test_classes_are_balanced_whatever_the_size() -> None:
    for size in (1, 4, 6, 8, 13, 40):
        draw = drawing(VIDEOS, classify(size), seed=0, number=0, groups="none")
        drawn = [draw(i).positions for i in range(30)]
        assert all(len(positions) == size for positions in drawn)
        for positions in drawn:
            counts = [labels(positions)[label] for label in VIDEOS.classes]
            assert max(counts) - min(counts) <= 1
        if size == 8:  # none twice where a class has enough
            assert all(len(set(positions)) == size for positions in drawn)
        assert len(labels(tuple(p for positions in drawn for p in positions))) == 6


def test_episodes_stand_class_by_class_support_first() -> None:
    stage = EpisodesStage(
        kind="episodes", inputs="stored", steps=1, lr=1, batch=2, ways=3, shots=2, queries=1
    )
    draw = drawing(VIDEOS, stage, seed=0, number=1, groups="none")
    drawn = draw(5)
    assert (drawn.number, drawn.ways, drawn.shots, drawn.queries) == (5, 3, 2, 1)
    assert len(drawn.positions) == 2 * 9
    for episode in (drawn.positions[:9], drawn.positions[9:]):
        names = [VIDEOS.videos[position].label for position in episode]
        assert names[0:6:2] == names[1:6:2] == names[6:]
        assert len(set(names)) == 3
        assert len(set(episode)) == 9
    assert draw(5) == drawn
    assert draw(6).positions != drawn.positions


def test_seed_and_stage_draw_others() -> None:
    for stage in (classify(5), EpisodesStage(kind="episodes", inputs="stored", steps=1, lr=1)):
        found = {
            drawing(VIDEOS, stage, seed=seed, number=number, groups="none")(0).positions
            for seed in (0, 1)
            for number in (0, 1)
        }
        assert len(found) == 4
