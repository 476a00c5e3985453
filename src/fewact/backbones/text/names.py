"""Class names of datasets as words."""

import re

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
