"""Limits of memory: what the options of a method take together, not each by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from fewact.core.errors import OptionError

GIB = 1 << 30

MAX_PARAMETERS = 4 * GIB
"""Bytes that the parameters of a method may take."""

MAX_NODES = 1 * GIB
"""Bytes that the nodes of one video may take."""


@contextmanager
def limited_parameters(of: str) -> Iterator[None]:
    """Refuse a method whose parameters take too much memory, before most of it is used.

    Args:
        of: Name of the method for the message.

    Raises:
        OptionError: The modules that this thread builds in the block are too large.
    """
    thread, total = get_ident(), 0

    def count(module: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal total
        if value is not None and get_ident() == thread:
            total += value.numel() * value.element_size()
            if total > MAX_PARAMETERS:
                raise _too_large(of, f"more than {total / GIB:.1f} GiB of parameters")

    handles = (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    )
    try:
        yield
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise _too_large(of, "more memory than this computer has") from error
    finally:
        for handle in handles:
            handle.remove()


def check_nodes(of: str, size: int) -> None:
    """Refuse options with which the nodes of one video take too much memory.

    Args:
        of: Names of the options for the message.
        size: Bytes of the nodes of one video.

    Raises:
        OptionError: See above.
    """
    if size > MAX_NODES:
        raise OptionError(
            "too large together",
            where=of,
            got=f"{size / GIB:.1f} GiB for each video",
            expected=f"at most {MAX_NODES // GIB} GiB",
        )


def _too_large(of: str, got: str) -> OptionError:
    return OptionError(
        "the options are too large together",
        where=of,
        got=got,
        expected=f"at most {MAX_PARAMETERS // GIB} GiB",
        hint="Reduce the widths, or the number of layers, heads or prototypes.",
    )
