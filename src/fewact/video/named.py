"""Samplers by name, as cards, recipes and the command line write them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from fewact.core.errors import OptionError
from fewact.video.samplers import (
    BlockCentres,
    Dense,
    PerrettTest,
    PerrettTrain,
    Segments,
    Window,
)
from fewact.video.timeline import Sampler

SEGMENTS = "segments"


@dataclass(frozen=True)
class Rule:
    """How frames are chosen for a test, and at random for training.

    Args:
        test: Makes the sampler of a number of frames.
        train: Makes the sampler of a number of frames and a seed.
        number: Name of the option that a number after the name sets; empty for none.
    """

    test: Callable[..., Sampler]
    train: Callable[..., Sampler]
    number: str = ""


RULES: Mapping[str, Rule] = {
    SEGMENTS: Rule(Segments, Segments),
    "perrett": Rule(PerrettTest, PerrettTrain),
    # The published code of block centres draws a frame of each block in training, as segments do.
    "blocks": Rule(BlockCentres, Segments),
    "window": Rule(Window, Window, "rate"),
    "dense": Rule(Dense, Dense, "stride"),
}
"""Rules by name: equal segments; TRX's code; HyRSM's code; its window; neighbouring frames."""


def sampler_of(name: str) -> Callable[[int], Sampler]:
    """Return what makes the sampler of a number of frames at test time.

    Args:
        name: Name of a rule, with a number where it takes one, such as ``window:35``.

    Raises:
        OptionError: There is no such rule, or the number is not positive.

    >>> sampler_of("dense:4")(8)
    Dense(count=8, stride=4, seed=None)
    """
    rule, options = _parse(name)
    return partial(rule.test, **options)


def training_sampler(name: str, count: int, seed: int) -> Sampler:
    """Return the sampler of a number of frames that draws at random.

    Raises:
        OptionError: As ``sampler_of``.

    >>> training_sampler("perrett", 8, 5)
    PerrettTrain(count=8, seed=5)
    """
    rule, options = _parse(name)
    return rule.train(count, seed=seed, **options)


def _parse(name: str) -> tuple[Rule, dict[str, int]]:
    word, colon, number = name.partition(":")
    rule = RULES.get(word)
    valid = not colon or (number.isascii() and number.isdecimal() and 0 < int(number) < 10**6)
    if rule is None or not valid or (colon and not rule.number):
        raise OptionError(
            "no such sampler",
            where="sampler",
            got=repr(name)[:80],
            expected=", ".join(
                f"{name}[:{rule.number.upper()}]" if rule.number else name
                for name, rule in RULES.items()
            ),
        )
    return rule, {rule.number: int(number)} if colon else {}
