"""Tables as text: columns, and where cells are broken."""

import pytest

from fewact.core.text_table import text_table


def test_a_wide_column_gets_the_space_that_saves_most_lines() -> None:
    summary = "classes are compared by " + " and ".join(f"part{i}" for i in range(20))
    rows = [("name", "paper", "flags", "summary"), ("a", "A Paper, CVPR 2020", "needs x", summary)]
    lines = text_table(rows, 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 1 + len(summary) // 40 + 1
    printed = {word for line in lines for word in line.split()}
    assert printed == {word for row in rows for cell in row for word in cell.split()}


def test_a_table_that_is_too_narrow_for_its_words_splits_the_longest() -> None:
    lines = text_table([("a", "accuracy", "file"), ("b", "9.0", "x" * 60)], 40).splitlines()
    assert lines[0].split() == ["a", "accuracy", "file"]
    assert [line.split()[-1] for line in lines[1:]] == ["x" * 27, "x" * 27, "x" * 6]


def test_many_columns_are_as_narrow_as_they_can_be() -> None:
    assert text_table([tuple(map(str, range(40)))], 30).count("\n") > 0


def test_an_interval_is_not_broken():
    table = text_table(
        [("method", "accuracy", "note"), ("a" * 20, "66.7 ± 4.05", "word " * 40)], 50
    )
    assert "66.7 ± 4.05" in table


def test_a_long_name_is_not_broken_and_leaves_the_row_on_one_line():
    rows = [("path", "true", "predicted"), ("/folder" * 20, "someone waves", "(none)")]
    lines = text_table(rows, 100).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["path", "/folder" * 20]
    assert lines[1].endswith("someone waves  (none)")


LABEL = "fusion cameras=moving intra_class_weight=0.25"
RESULT = ("76.8 ± 2.54", "62.0 to 90.0", "5-way 1-shot, 1 query, 200 episodes", 2 * "mobilenet_v2:")
HEADER = ("method", "accuracy", "class interval", "episodes", "features")


@pytest.mark.parametrize("width", [70, 80, 100])
@pytest.mark.parametrize("more", ["", " motion_frames=16", " weights=1.0,1.5,0.5,0.5,0.75,1.0,1.0"])
def test_a_long_label_is_broken_at_spaces_and_after_punctuation(more: str, width: int) -> None:
    label = LABEL + more
    lines = text_table([HEADER, (label, *RESULT)], width, copied_names=False).splitlines()
    assert max(map(len, lines)) <= width
    column = [line[: lines[0].index("accuracy")] for line in lines[1:]]
    pieces = [piece for line in column for piece in line.split()]
    assert "".join(pieces) == label.replace(" ", "")
    assert all(piece.endswith(("_", "=", ",")) or f"{piece} " in f"{label} " for piece in pieces)
    assert "76.8 ± 2.54" in "\n".join(lines)


def test_a_word_that_is_too_long_is_broken_after_punctuation() -> None:
    rows = [("a", "file"), ("b", "/data/some_features/mobilenet.npz:ucf")]
    lines = text_table(rows, 20).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == [
        "/data/some_",
        "features/",
        "mobilenet.npz:ucf",
    ]
