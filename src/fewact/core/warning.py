"""Warnings that name the caller's line."""

import os
import sys
import warnings

PACKAGE = os.path.join(os.path.dirname(__file__), "")


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the line outside of fewact that led to it.

    ``warnings.warn`` does so from Python 3.12 on, by ``skip_file_prefixes``.

    Args:
        text: Text of the warning.
        category: Type of the warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
