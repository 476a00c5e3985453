"""Names of classes."""

import pytest

from fewact.classifier.names import check_label, existing_class
from fewact.core.errors import DataError


def test_labels_are_normalised_and_checked() -> None:
    assert check_label("ho\u0308he 跳跃") == "höhe 跳跃"
    assert check_label(" clap \t") == "clap"
    for label in ("", "  ", "a\nb"):
        with pytest.raises(DataError, match="not a class name"):
            check_label(label)
    with pytest.raises(DataError, match="reserved for clips of no class"):
        check_label("None")


def test_an_existing_class_is_found_without_the_spaces_around_its_name() -> None:
    assert existing_class(" wave", ["clap", "wave"]) == "wave"
    assert existing_class("wave ", ["wave", "wave "]) == "wave "
    with pytest.raises(DataError) as refused:
        existing_class("wave", ["Wave"])
    assert refused.value.hint == 'Did you mean "Wave"?'
