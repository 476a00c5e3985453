"""Texts of a clip: its name, its class and its group."""

from fewact.core.errors import DataError


def check_texts(**texts: object) -> None:
    """Refuse a name, label or group that is no text; None is allowed.

    Args:
        **texts: Values by the name of their argument.

    Raises:
        DataError: A value is no text.
    """
    for argument, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise DataError(
                f"the {argument} of a clip is not a text",
                got=repr(text),
                expected="a text",
                hint="The labels of fit may be integers: fit(clips, labels)."
                if argument == "label"
                else "",
            )
