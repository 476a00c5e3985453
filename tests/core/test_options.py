"""Descriptions of options, from docstrings."""

import pytest

from fewact.core.options import option_descriptions


@pytest.mark.parametrize(
    ("docstring", "said"),
    [
        (
            "Options.\n\nArgs:\n    a: One\n        and more.\n    b: ``two``.",
            {"a": "One and more.", "b": '"two".'},
        ),
        ("Options.\n\nArgs:\n    a: One: two.\n\nReturns:\n    c: three.", {"a": "One: two."}),
        ("Options.", {}),
    ],
)
def test_descriptions_come_from_the_docstring(docstring: str, said: dict[str, str]) -> None:
    assert option_descriptions(type("Options", (), {"__doc__": docstring})) == said


def test_inherited_options_are_described_where_they_are_defined() -> None:
    base = type("Base", (), {"__doc__": "Base.\n\nArgs:\n    a: One.\n    b: Two."})
    own = type("Own", (base,), {"__doc__": "Own.\n\n    Args:\n        b: Three.\n    "})
    assert option_descriptions(own) == {"a": "One.", "b": "Three."}
