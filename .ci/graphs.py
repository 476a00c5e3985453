"""Write the ONNX graphs that come with fewact: `make graphs`, or `python .ci/graphs.py FOLDER`.

They have no weights: every tensor of the network is named, and no value of it is in them.
"""

import sys
from pathlib import Path

from fewact import backbones
from fewact.backbones.engines.export import export
from fewact.backbones.engines.folding import folded
from fewact.backbones.engines.graphs import PACKAGED, write_graphs
from fewact.backbones.engines.parts import tensors_for_graphs

NAMES = (backbones.AUTO,)


def main() -> None:
    """Write the graphs of each network into a folder of its name."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGED
    for name in NAMES:
        made = backbones.create(name, device="cpu", engine="torch")
        network = folded(made.network)
        graphs = export(network, made.card)
        named = {weight for graph in graphs for weight in graph.weights}
        if missing := tensors_for_graphs(network).keys() - named:
            sys.exit(f"{name}: not named in its graphs: {', '.join(sorted(missing))}")
        write_graphs(folder / name, graphs)


if __name__ == "__main__":
    main()
