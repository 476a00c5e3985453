"""Started by torchrun: trains on the small features, with as many processes as there are.

python -m torch.distributed.run … tests/training/start.py FOLDER ACCUMULATE
"""

import sys

from fewact.lab.training import train
from tests.lab.training.made_up import CLASSIFY, EPISODES, data_of, recipe_of


def run(folder: str, accumulate: int) -> None:
    stages = (
        CLASSIFY | {"accumulate": accumulate},
        EPISODES | {"accumulate": accumulate, "loss_weights": {"base_class": 0.5}},
    )
    train(recipe_of(*stages), data_of(), folder, device="cpu")


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
