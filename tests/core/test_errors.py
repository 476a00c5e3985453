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
    did_you_mean,
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


def test_marks_that_change_the_direction_of_text_are_escaped() -> None:
    error = DataError(
        "no \u202eclass", where="a\u2066.mp4", got="b\u200e", hint="Use c\u061c.\nTwice."
    )
    assert str(error) == ("a\\u2066.mp4: no \\u202eclass (got b\\u200e). Use c\\u061c.\nTwice.")
    assert error.got == "b\u200e"


@pytest.mark.parametrize("name", ["\u00dcbung 0.mp4", "U\u0308bung 0.mp4"])
def test_the_given_name_is_never_proposed(name: str) -> None:
    assert did_you_mean(name, ["U\u0308bung 0.mp4", "\u00dcbung 0.mp4"]) == ""
    assert did_you_mean(name, ["U\u0308bung 1.mp4"]) == 'Did you mean "U\u0308bung 1.mp4"?'
