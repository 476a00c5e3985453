"""Prompt templates: sentences with a placeholder for the class name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fewact.core.errors import OptionError, UnknownNameError, did_you_mean

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


def templates(chosen: str | Sequence[str]) -> tuple[str, ...]:
    """Return templates by name, or check custom ones.

    Args:
        chosen: Name in ``TEMPLATES``; or one or several templates with the placeholder "{}" for the
            class name.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no template, or a template does not have exactly one placeholder.

    >>> templates("clip-fsar"), templates("someone doing {}")
    (('a photo of {}',), ('someone doing {}',))
    """
    if isinstance(chosen, str) and SLOT not in chosen:
        if chosen not in TEMPLATES:
            raise UnknownNameError(
                "unknown templates",
                got=repr(chosen),
                expected=f"{', '.join(TEMPLATES)}, or a template with {SLOT}",
                hint=did_you_mean(chosen, TEMPLATES),
            )
        return TEMPLATES[chosen]
    found = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    wrong = [repr(one) for one in found if one.count(SLOT) != 1]
    if wrong or not found:
        raise OptionError(
            "a template must have one placeholder for the class name",
            where="templates",
            got=", ".join(wrong) or "none",
            expected=f"texts with one {SLOT}",
        )
    return found


def fill(template: str, name: str) -> str:
    """Fill a class name into a template.

    >>> fill("a photo of {}", "brush hair")
    'a photo of brush hair'
    """
    return template.replace(SLOT, name)
