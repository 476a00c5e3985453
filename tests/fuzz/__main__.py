"""Run fuzzers for some minutes, which they share: python -m tests.fuzz --minutes 60 [NAME ...]."""

import argparse
import importlib
import pkgutil
import secrets
import sys

import tests.fuzz as package

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help="fuzzers (default: all)")
parser.add_argument("--minutes", type=float, default=5.0)
parser.add_argument("--seed", type=int, help="seed of the cases (default: a new one)")


def fuzzers() -> list[str]:
    """Names of the modules of this package that are fuzzers."""
    found = (one.name for one in pkgutil.iter_modules(package.__path__) if one.name[0] != "_")
    return [name for name in found if hasattr(module(name), "run")]


def module(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"{package.__name__}.{name}")


def main() -> int:
    options = parser.parse_args()
    names = options.names or fuzzers()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    defects = 0
    for name in names:
        print(f"{name}, seed {seed}", flush=True)
        report = module(name).run(seed, 60 * options.minutes / len(names), None)
        print(f"  {report}", *report.defects, sep="\n  ", flush=True)
        defects += len(report.defects)
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
