import pytest

from fewact.core.errors import OptionError, UnknownNameError
from fewact.lab.networks.text import TEMPLATES, fill, templates
from tests.refused import refused


def test_the_published_templates():
    assert TEMPLATES["clip-fsar"] == ("a photo of {}",)
    assert len(set(TEMPLATES["clip-spm"])) == 16
    filled = [fill(template, "jump") for template in TEMPLATES["clip-spm"]]
    assert filled[0] == "a photo of action jump"
    assert {"jump", "jump, an action", "Can you recognize the action of jump?"} <= set(filled)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_has_one_placeholder(name):
    assert templates(name) == TEMPLATES[name]
    assert all(template.count("{}") == 1 for template in templates(name))


def test_custom_templates():
    assert templates("doing {}") == ("doing {}",)
    assert templates(["doing {}", "{}!"]) == ("doing {}", "{}!")


def test_braces_in_a_name_are_kept():
    assert fill("a photo of {}", "{0} {x}") == "a photo of {0} {x}"


@pytest.mark.parametrize("wrong", [[], ["a photo"], ["{} and {}"], "{} or {}", ["a {}", ""]])
def test_refuses_a_template_without_placeholder(wrong):
    with refused(OptionError):
        templates(wrong)


def test_unknown_name_gets_a_suggestion():
    with refused(UnknownNameError, expected="clip-fsar, clip-spm", hint='"clip-spm"'):
        templates("clipspm")
