"""Prompts: class names of datasets as words, and templates that they are filled into."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fewact.core.errors import OptionError, UnknownNameError, did_you_mean

# Between a lower-case letter and a capital, and before the last of several capitals: "USBStick".
SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BRACKETS = re.compile(r"\[(.*?)\]")


def words(name: str, *, something: str | None = None) -> str:
    """Return the name of a class as words.

    UCF-101 joins words by capitals, HMDB-51 and Kinetics by underscores; Something-Something has
    placeholders in brackets. Capitals are kept: the text encoders are case-insensitive.

    Args:
        name: Class name in the dataset or folder.
        something: Replacement for "[something]"; the brackets of other placeholders are removed.
            None keeps all brackets, as CLIP-FSAR does.

    >>> words("ApplyEyeMakeup"), words("brush_hair")
    ('Apply Eye Makeup', 'brush hair')
    >>> words("Pouring [something] out of [something]", something="an object")
    'Pouring an object out of an object'
    """
    spaced = SEAM.sub(" ", name.replace("_", " "))
    if something is not None:
        spaced = spaced.replace("[something]", something)
        spaced = BRACKETS.sub(r"\1", spaced)
    return " ".join(spaced.split())


SLOT = "{}"

TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": ("{}",),
        "clip-fsar": ("a photo of {}",),
        "clip-spm": (
            "a photo of action {}",
            "a picture of action {}",
            "Human action of {}",
            "{}, an action",
            "{} this is an action",
            "{}, a video of action",
            "Playing action of {}",
            "{}",
            "Playing a kind of action, {}",
            "Doing a kind of action, {}",
            "Look, the human is {}",
            "Can you recognize the action of {}?",
            "Video classification of {}",
            "A video of {}",
            "The man is {}",
            "The woman is {}",
        ),
    }
)
"""Templates by name: the bare class name, CLIP-FSAR's (and A²M²-Net's), the 16 of CLIP-SPM."""


def templates(prompt_set: str | Sequence[str]) -> tuple[str, ...]:
    """Return templates by name, or check custom ones.

    Args:
        prompt_set: Name in ``TEMPLATES``; or one or several templates with the placeholder
            "{}" for the class name.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no template, or a template does not have exactly one placeholder.

    >>> templates("clip-fsar"), templates("someone doing {}")
    (('a photo of {}',), ('someone doing {}',))
    """
    if isinstance(prompt_set, str) and SLOT not in prompt_set:
        if prompt_set not in TEMPLATES:
            raise UnknownNameError(
                "unknown templates",
                got=repr(prompt_set),
                expected=f"{', '.join(TEMPLATES)}, or a template with {SLOT}",
                hint=did_you_mean(prompt_set, TEMPLATES),
            )
        return TEMPLATES[prompt_set]
    forms = (prompt_set,) if isinstance(prompt_set, str) else tuple(prompt_set)
    wrong = [repr(form) for form in forms if form.count(SLOT) != 1]
    if wrong or not forms:
        raise OptionError(
            "a template must have one placeholder for the class name",
            where="templates",
            got=", ".join(wrong) or "none",
            expected=f"texts with one {SLOT}",
        )
    return forms


def fill(template: str, name: str) -> str:
    """Fill a class name into a template.

    >>> fill("a photo of {}", "brush hair")
    'a photo of brush hair'
    """
    return template.replace(SLOT, name)
