import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fewact.classifier.examples import Examples, join
from fewact.classifier.names import Example


def one(name: str, label: str, value: float = 0.0, start: float | None = None) -> Examples:
    return Examples(
        (Example(name, label, start),), {"x": np.full((1, 2), value, np.float32)}, (None,)
    )


PARTS = [
    one("b 2.mp4", "wave"),
    one("B 10.mp4", "wave"),
    one("a.mp4", "wave", 1.0),
    one("a.mp4", "wave", 2.0),
    one("a.mp4", "wave", 2.0, start=3.0),
    one("copy/a.mp4", "wave", 1.0),
    one("z.mp4", "clap"),
]


@given(st.permutations(PARTS), st.integers(1, len(PARTS) - 1))
def test_the_order_does_not_depend_on_how_clips_were_joined(
    parts: list[Examples], split: int
) -> None:
    at_once, expected = join(parts), join(PARTS)
    in_two = join([join(parts[:split]), join(parts[split:])])
    for got in (at_once, in_two):
        assert got.clips == expected.clips
        assert np.array_equal(got.nodes["x"], expected.nodes["x"])
    assert [clip.name for clip in expected.clips[:1]] == ["z.mp4"]
    assert [clip.name for clip in expected.clips[-2:]] == ["b 2.mp4", "B 10.mp4"]


@given(st.permutations(range(4)))
def test_the_order_does_not_depend_on_folders(order: list[int]) -> None:
    values = [0.5, 0.1, 0.7, 0.3]
    plain = join(one(f"{i}.mp4", "a", v) for i, v in enumerate(values))
    folders = ["", "x/", "a/b/", "Z/"]
    moved = join(one(f"{folders[order[i]]}{i}.mp4", "a", v) for i, v in enumerate(values))
    assert np.array_equal(plain.nodes["x"], moved.nodes["x"])


def test_nodes_stay_with_their_clips() -> None:
    names = [f"{i}.mp4" for i in range(12)]
    parts = [one(name, "ab"[i % 2], float(i)) for i, name in enumerate(names)]
    random.Random(3).shuffle(parts)
    examples = join(parts)
    assert [f"{int(row[0])}.mp4" for row in examples.nodes["x"]] == [c.name for c in examples.clips]
    assert examples.classes == ("a", "b")
    assert examples.labels.tolist() == [0] * 6 + [1] * 6
    some = examples.select([7, 2])
    assert [int(row[0]) for row in some.nodes["x"]] == [int(c.name[:-4]) for c in some.clips]


def test_all_clips_in_their_order_are_not_copied() -> None:
    examples = join(PARTS)
    assert examples.select(range(len(PARTS))) is examples
    assert examples.select([1, 0, *range(2, len(PARTS))]) is not examples


def test_durations_that_are_not_known_are_left_out() -> None:
    clips = tuple(Example(f"{i}.mp4", "a", duration=known) for i, known in enumerate((2.5, None)))
    assert Examples(clips, {"x": np.zeros((2, 1), np.float32)}, (None, None)).durations == (2.5,)


def test_classes_are_in_natural_order() -> None:
    assert join(one("x", label) for label in ("b10", "B9", "a")).classes == ("a", "B9", "b10")


def test_a_repeated_clip_has_the_same_class_name_and_content() -> None:
    examples = join(PARTS)
    assert examples.repeated(one("elsewhere/a.mp4", "wave", 1.0)) == ["elsewhere/a.mp4"]
    assert examples.repeated(one("a.mp4", "wave", 9.0)) == []
    assert examples.repeated(one("a.mp4", "clap", 1.0)) == []
    assert examples.repeated(one("c.mp4", "wave", 1.0)) == []
    assert examples.repeated(one("a.mp4", "wave", 1.0, start=1.0)) == []


def test_a_copy_is_found_under_another_name_and_class() -> None:
    examples = join(PARTS)
    for name, label in (("copy.mp4", "wave"), ("a.mp4", "clap")):
        ((new, old),) = examples.copies(one(name, label, 1.0))
        assert (new.name, old.name, old.label) == (name, "a.mp4", "wave")
    assert examples.copies(one("a.mp4", "wave", 9.0)) == []


def test_a_copy_is_found_where_a_node_is_a_number_that_many_clips_share() -> None:
    def shared(part: Examples) -> Examples:
        numbers = np.zeros(len(part.clips), np.float32)
        return Examples(part.clips, {**part.nodes, "n": numbers}, part.origins)

    ((_, old),) = shared(join(PARTS)).copies(shared(one("copy.mp4", "clap", 1.0)))
    assert old.name == "a.mp4"


def test_equal_clips_are_found_once_each() -> None:
    clips = [one("a.mp4", "wave", 1.0), one("b.mp4", "wave", 2.0), one("c.mp4", "clap", 3.0)]
    examples = join(clips)
    assert examples.copies() == []
    copies = [one("copy.mp4", "wave", 1.0), one("other.mp4", "clap", 1.0)]
    examples = join([*clips, *copies])
    found = [(new.name, old.name) for new, old in examples.copies()]
    assert found == [("a.mp4", "other.mp4"), ("copy.mp4", "other.mp4")]


def test_clips_of_no_class_are_last_and_are_split_off_without_a_copy() -> None:
    joined = join([one("1.mp4", label, i) for i, label in enumerate(["wave", "none", "clap"])])
    assert [clip.label for clip in joined.clips] == ["clap", "wave", "none"]
    inside, outside = joined.of_classes, joined.of_no_class
    assert outside is not None
    for some, expected in ((inside, [2, 0]), (outside, [1])):
        assert some.nodes["x"][:, 0].tolist() == expected
        assert np.shares_memory(some.nodes["x"], joined.nodes["x"])
    before = joined.select([0, 2, 1])  # as models were saved before
    inside, outside = before.of_classes, before.of_no_class
    assert outside is not None
    assert [clip.label for clip in inside.clips] == ["clap", "wave"]
    assert outside.nodes["x"][:, 0].tolist() == [1]
