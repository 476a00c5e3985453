"""The variants of ``fusion`` that are compared: each lacks, adds or changes a step."""

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.fusion_variants import Variant

DEFAULT, REDUCED = "default", "reduced"
STEPS_OF_REDUCED = "`permissive=false`, `cameras=moving`, `full_frame_motion=0` (reduced)"

_moving = Variant(options={"cameras": "moving"})
_reduced = replace(_moving, permissive=False, weights={"full_frame_motion": 0.0})

VARIANTS: Mapping[str, Variant] = {
    DEFAULT: Variant(),
    "`permissive=false`": Variant(permissive=False),
    "`cameras=moving`": _moving,
    "`cameras=static`": Variant(options={"cameras": "static"}),
    "`max_by_cameras=1`": Variant(max_by_cameras=1.0),
    "`detrend=constant`": Variant(detrend="constant"),
    "`crop=false`": Variant(motion={"crop": False}),
    "`velocity=0`": Variant(motion={"velocity": 0.0}),
    "`full_frame_motion=0`": Variant(weights={"full_frame_motion": 0.0}),
    "`moments=0`": Variant(weights={"moments": 0.0}),
    "`stabilise=off`": Variant(options={"stabilise": "off"}),
    "`intra_class_weight=0`": Variant(options={"intra_class_weight": 0.0}),
    "`smoothing=0`": Variant(motion={"smoothing": 0.0}),
    "`smoothing=0.05`": Variant(motion={"smoothing": 0.05}),
    "`permissive=false`, `cameras=moving`": replace(_moving, permissive=False),
    "`permissive=false`, `full_frame_motion=0`": Variant(
        permissive=False, weights={"full_frame_motion": 0.0}
    ),
    "`permissive=false`, `moments=0`": Variant(permissive=False, weights={"moments": 0.0}),
    "`full_frame_motion=0`, `cameras=moving`": replace(_moving, weights={"full_frame_motion": 0.0}),
    "`full_frame_motion=0`, `moments=0`": Variant(
        weights={"full_frame_motion": 0.0, "moments": 0.0}
    ),
    "`cameras=moving`, `detrend=constant`": replace(_moving, detrend="constant"),
    REDUCED: _reduced,
    "reduced, `detrend=constant`": replace(_reduced, detrend="constant"),
    "reduced, `crop=false`": replace(_reduced, motion={"crop": False}),
    "reduced, `velocity=0`": replace(_reduced, motion={"velocity": 0.0}),
    "reduced, `moments=0`": replace(_reduced, weights={"full_frame_motion": 0.0, "moments": 0.0}),
    "reduced, `stabilise=off`": replace(
        _reduced, options={"cameras": "moving", "stabilise": "off"}
    ),
    "reduced, with `permissive`": replace(_reduced, permissive=True),
    "reduced, with `cameras=support`": replace(_reduced, options={}),
    "reduced, with `full_frame_motion=0.5`": replace(_reduced, weights={"full_frame_motion": 0.5}),
}

FLIP_BASE = "`cameras=moving`"
FLIPPED: Mapping[str, Variant] = {
    "`cameras=moving`, `horizontal_flip=true`": Variant(
        options={"cameras": "moving", "horizontal_flip": True}
    )
}

ADDED = frozenset({*FLIPPED, *(name for name in VARIANTS if ", with " in name)})
"""Variants that add a step; the others remove one."""

OF_VECTORS = (
    DEFAULT,
    "`detrend=constant`",
    "`velocity=0`",
    "`intra_class_weight=0`",
    "`smoothing=0`",
    "`smoothing=0.05`",
)
"""Variants that differ without feature maps."""


def variants_of(cell: str, *, vectors: bool) -> Mapping[str, Variant]:
    """Return the variants that differ in a cell of the tables."""
    if vectors:
        return {name: VARIANTS[name] for name in OF_VECTORS}
    return {**VARIANTS, **FLIPPED} if cell in ("arms-flipped", "arms-fixed") else VARIANTS


def compared_with(base: str) -> list[str]:
    """Return the variants of a base: of the default all others, of the reduced method its own."""
    names = [name for name in VARIANTS if name not in (DEFAULT, base)]
    own = [name for name in names if name.startswith("reduced,")]
    return own if base == REDUCED else [name for name in names if name not in own]
