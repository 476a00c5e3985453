"""Networks in PyTorch: from papers, from hubs, and with custom weights.

``create`` makes a backbone whose ``network`` is a module that can be trained. A custom network is a
subclass of ``Network`` or ``StagedNetwork``, registered by ``fewact.networks.register``.
"""

from typing import Any, cast

import torch

from fewact import networks
from fewact.lab.networks.building import TorchBackbone
from fewact.lab.networks.network import Network, StagedNetwork
from fewact.lab.networks.text_encoder import TextEncoder
from fewact.networks import Device

__all__ = ["Network", "StagedNetwork", "TextEncoder", "TorchBackbone", "create"]


def create(
    name: str = "auto", *, device: Device | torch.device = "auto", **others: Any
) -> TorchBackbone:
    """Create a backbone of PyTorch.

    Args:
        name: Name of the network.
        device: Device; ``auto`` is a CUDA GPU if there is one, else the CPU.
        **others: Other arguments of ``fewact.networks.create``.

    >>> create("resnet50", weights="random", last_stride=2).card.maps
    (2048, 7, 7)
    """
    backbone = networks.create(name, device=str(device), engine="torch", **others)
    return cast(TorchBackbone, backbone)
