"""Tests of the errors."""

import copy
import pickle

import pytest

from fewact.core.errors import (
    AlignmentError,
    DataError,
    FewactError,
    ModelError,
    OptionError,
    UserError,
    VideoError,
)


@pytest.mark.parametrize(
    "error",
    [
        DataError("no clips", where="clips", got="0", expected="one", hint="Add a clip."),
        ModelError("damaged"),
        OptionError("negative", where="shots", got="-1"),
        VideoError("a.mp4", "is cut off", expected="a video file", hint="Copy it again."),
        AlignmentError("a weight is negative", index=(1, 2), got="-1"),
    ],
)
def test_errors_pass_between_processes_and_are_copied(error: FewactError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_an_error_of_a_video_names_its_file() -> None:
    error = VideoError("a.mp4", "is cut off", hint="Copy it again.")
    assert isinstance(error, UserError)
    assert str(error) == "a.mp4: is cut off. Copy it again."


def test_a_part_that_is_a_sentence_adds_no_second_full_stop() -> None:
    inner = DataError("it is damaged", hint="Copy it again.")
    outer = ModelError(f"cannot be built: {inner}", expected="one of a, b.", hint="Teach again.")
    assert str(outer) == (
        "cannot be built: it is damaged. Copy it again; expected: one of a, b. Teach again."
    )
    assert str(OptionError("no values", expected="A,B ...")) == "no values; expected: A,B ..."
    asking = DataError("no such name", hint='Did you mean "b"?')
    assert str(ModelError(f"cannot be built: {asking}", hint="Teach again.")) == (
        'cannot be built: no such name. Did you mean "b"? Teach again.'
    )
    assert str(VideoError("a.mp4", f"{inner}", hint="Ask.")) == (
        "a.mp4: it is damaged. Copy it again. Ask."
    )
