"""Promises of methods: each promise, with each set of options, on both made-up backbones."""

import random
from functools import partial
from itertools import product

from fewact import methods
from fewact.core.errors import UserError
from fewact.lab.methods.promises import PROMISES, Subject
from fewact.lab.methods.promises.subject import make
from fewact.methods.cards import made_up_card
from tests.fuzz.report import Report, cases
from tests.methods.option_sets import OPTION_SETS


def run(seed: int, seconds: float | None, count: int | None) -> Report:
    report = Report()
    sets = [(name, options) for name in OPTION_SETS for options in OPTION_SETS[name]]
    every = list(product(sets, (True, False), PROMISES.values()))
    random.Random(seed).shuffle(every)
    for number in cases(seconds, count):
        (name, options), maps, promise = every[number % len(every)]
        card = made_up_card(maps=maps)
        subject = Subject(partial(make, methods.REGISTRY.get(name), card, options), card)
        try:
            promise.check(subject)
            report.outcomes["kept"] += 1
        except UserError as error:
            report.outcomes["broken"] += 1
            report.defects.append(f"{name} {options}, maps {maps}: {error}")
    return report
