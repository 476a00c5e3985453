"""Names of classes as data sets write them, in words."""

import re

# Between a small letter and a capital one, and before the last capital of several: "USBStick".
SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BRACKETS = re.compile(r"\[(.*?)\]")


def words(name: str, *, something: str | None = None) -> str:
    """The name of a class in words.

    UCF-101 joins words by capitals, HMDB-51 and Kinetics by underscores; Something-Something
    puts what differs from video to video in brackets. Capitals stay: the text encoders here do not
    tell them from small letters.

    Args:
        name: As the data set or the user's folder has it.
        something: What to write for "[something]"; other brackets are left out then. None leaves
            all as they are, as CLIP-FSAR does.

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
