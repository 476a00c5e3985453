"""Every figure of docs/results/court.md, from stored features where there are some.

    python -m benchmarks.court ASSETS --work FOLDER [--only domains noise …] [--episodes 200]

FOLDER keeps features, trained methods and results: a run that was stopped continues there. Each
part prints its tables as soon as it is finished; ``--episodes 0`` prints what FOLDER has.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.court import domains, localisation, noise, open_sets

PARTS: Mapping[str, Callable[[Path, Path, int], str]] = {
    "open-sets": open_sets.tables,
    "domains": domains.tables,
    "localisation": lambda assets, work, episodes: localisation.tables(
        assets, work, -(-episodes // 12)
    ),
    "noise": lambda assets, work, episodes: noise.tables(work, 5 * episodes),
}
"""Parts of the page: each gets the assets, its folder and the number of episodes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the features and clips")
    parser.add_argument("--work", type=Path, required=True, help="folder for all that is computed")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only:
        work = options.work / name
        work.mkdir(parents=True, exist_ok=True)
        print(f"\n## {name}\n\n{PARTS[name](options.assets, work, options.episodes)}", flush=True)


if __name__ == "__main__":
    main()
