import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.lab.benchmarks import benchmark, benchmark_names
from fewact.lab.networks.text import words

# Where the published prompt itself joins words, or splits or spells them otherwise.
PUBLISHED_OTHERWISE = {"draw_sword", "ride_bike", "shake_hands", "shoot_bow"}
PUBLISHED_OTHERWISE |= {"BlowDryHair", "WalkingWithDog", "CuttingInKitchen"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ApplyEyeMakeup", "Apply Eye Makeup"),
        ("brush_hair", "brush hair"),
        ("riding_a_bike", "riding a bike"),
        ("YoYo", "Yo Yo"),
        ("USBStick", "USB Stick"),
        ("push-up", "push-up"),
        ("  two   words ", "two words"),
        ("Moving [part] of [something]", "Moving [part] of [something]"),
    ],
)
def test_names_in_words(name, expected):
    assert words(name) == expected


def test_placeholders_are_filled_on_request():
    name = "Moving [part] of [something] with [something]"
    assert words(name, something="it") == "Moving part of it with it"


PROMPTED = [
    name
    for name in benchmark_names()
    if any(one.published_prompt for split in benchmark(name).classes.values() for one in split)
]
"""Benchmarks for which prompts are published: Diving48 and others have none."""


def test_the_benchmarks_of_the_papers_have_published_prompts():
    assert {name.partition("_")[0] for name in PROMPTED} == {
        *("hmdb51", "kinetics100", "ssv2-full", "ssv2-small", "ucf101"),
    }


@pytest.mark.parametrize("name", PROMPTED)
def test_every_class_of_every_benchmark_is_written_as_in_published_prompts(name):
    classes = [one for split in benchmark(name).classes.values() for one in split]
    published = [one for one in classes if one.published_prompt]
    assert len(published) >= 40
    for one in published:
        if one.name in PUBLISHED_OTHERWISE:
            assert words(one.published_prompt).casefold() == words(one.name).casefold()
        elif "[" in one.published_prompt:
            assert words(one.published_prompt) == one.published_prompt
            assert words(one.published_prompt, something="something") == one.name
        else:
            assert words(one.name) == one.published_prompt


@given(st.text(alphabet="abcXYZ_ [] -9", max_size=30))
def test_words_are_kept(name):
    once = words(name)
    assert words(once) == once
    assert "_" not in once
