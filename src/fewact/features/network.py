"""Network features of one clip: equal frames run through the network once."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor

from fewact.backbones import Backbone, Level
from fewact.backbones.card import FROM_SHALLOW
from fewact.core.workers import on_one_core
from fewact.features.request import FeatureRequest, Request

Inputs = Mapping[Request, Tensor]


class NetworkFeatures:
    """Computes the features of one clip, or of clips that follow each other.

    Requests share the features of the frames that they share. A network that reads several frames
    together has no features of one frame, and runs once for each set of frames.

    Args:
        backbone: Backbone that computes the features.
        requests: All requests of a clip. Levels that some of them need of frames are computed
            whenever the network passes them, as later requests may share the frames.
    """

    def __init__(self, backbone: Backbone, requests: Iterable[Request] = ()) -> None:
        self._backbone = backbone
        self._requested = {one.level for one in requests if isinstance(one, FeatureRequest)}
        self._found: OrderedDict[bytes, dict[Level, Tensor]] = OrderedDict()

    def of(self, inputs: Inputs) -> dict[Request, Tensor]:
        """Return features of prepared requests; the network runs no deeper than it must.

        Args:
            inputs: For each request its frames (n 3 H W) uint8, or its value if it needs no
                network. Requests of the same tensor are computed together.
        """
        levels: dict[int, list[Level]] = {}
        for request, frames in inputs.items():
            if request.level is not None:
                levels.setdefault(id(frames), []).append(request.level)
        every = {id(frames): frames for frames in inputs.values()}
        found: dict[int, dict[Level, Tensor]] = {}
        # Frames with deeper levels first, so that others find theirs.
        for key in sorted(levels, key=lambda one: _depth(levels[one]), reverse=True):
            compute = self._each if self._backbone.reads_single_frames else self._backbone.features
            found[key] = compute(every[key], tuple(dict.fromkeys(levels[key])))
        return {
            request: frames.to(self._backbone.device)
            if request.level is None
            else found[id(frames)][request.level]
            for request, frames in inputs.items()
        }

    def forget(self, most: int) -> None:
        """Forget features, but for this number of frames, those that were needed last."""
        while len(self._found) > most:
            self._found.popitem(last=False)

    def _each(self, frames: Tensor, levels: tuple[Level, ...]) -> dict[Level, Tensor]:
        """Return features of frames; those that are known are not computed again."""
        pixels = frames.permute(0, 2, 3, 1).numpy()
        keys = [frame.tobytes() for frame in pixels]
        known = {key for key in keys if self._has(key, levels)}
        for key in known:
            self._found.move_to_end(key)
        new = list({key: i for i, key in enumerate(keys) if key not in known}.values())
        passed = self.passed(levels)
        if len(new) == len(keys):
            computed = self._backbone.features(frames, passed)
            self._keep(keys, computed)
            return {level: computed[level] for level in levels}
        if new:
            self._keep([keys[i] for i in new], self._backbone.features(frames[new], passed))
        return on_one_core(
            lambda: {
                level: torch.stack([self._found[key][level] for key in keys]) for level in levels
            }
        )

    def passed(self, levels: Collection[Level]) -> tuple[Level, ...]:
        """Return levels, and the requested ones that the network passes on the way to them."""
        passed = (one for one in FROM_SHALLOW[: _depth(levels)] if one in self._requested)
        return tuple(dict.fromkeys((*levels, *passed)))

    def _has(self, key: bytes, levels: Iterable[Level]) -> bool:
        return self._found.get(key, {}).keys() >= set(levels)

    def _keep(self, keys: Iterable[bytes], computed: Mapping[Level, Tensor]) -> None:
        for i, key in enumerate(keys):
            self._found.setdefault(key, {}).update(
                {level: values[i] for level, values in computed.items()}
            )


def _depth(levels: Iterable[Level]) -> int:
    """Return the place of the deepest of some levels."""
    return max((FROM_SHALLOW.index(one) for one in levels if one in FROM_SHALLOW), default=0)
