"""Tables as text: columns, and where cells are broken."""

from fewact.core.text_table import printed_json, text_table


def test_a_table_fits_its_width_and_loses_no_word() -> None:
    summary = "classes are compared by " + " and ".join(f"part{i}" for i in range(20))
    rows = [("name", "paper", "flags", "summary"), ("a", "A Paper, CVPR 2020", "needs x", summary)]
    lines = text_table(rows, 60).splitlines()
    assert max(map(len, lines)) <= 60
    printed = {word for line in lines for word in line.split()}
    assert printed == {word for row in rows for cell in row for word in cell.split()}


def test_a_word_that_is_too_long_is_split() -> None:
    lines = text_table([("a", "accuracy", "file"), ("b", "9.0", "x" * 60)], 40).splitlines()
    assert lines[0].split() == ["a", "accuracy", "file"]
    assert "".join(line.split()[-1] for line in lines[1:]) == "x" * 60


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


def test_json_on_a_terminal_has_no_control() -> None:
    assert printed_json({"a\u202eb": "é\u200c 🏋️\u200d♀️ \x9b"}, indent=1) == (
        '{\n "a\\u202eb": "é\\u200c 🏋️\u200d♀️ \\u009b"\n}'
    )
