"""Work on a Ray cluster: Ray Data maps items over actors.

If an actor dies, a new actor repeats its item.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from fewact.core.errors import FewactError, OptionError, UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL = "local"

SEVERAL_MACHINES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable of clusters of several machines, read when Ray is imported.

At 0, Ray's processes listen on the loopback interface alone.
"""


class _Actor:
    """Does the work for one item after the other.

    The text of an error that the user can fix goes back in the row: Ray would wrap the error itself
    in a traceback.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        result, error = None, ""
        try:
            result = self._work(json.loads(row["item"]))
        except FewactError as found:
            error = str(found)
        return {"result": json.dumps(result), "error": error}


def map_on_ray(
    work: Callable[[Item], Result], items: Sequence[Item], *, address: str
) -> Iterator[Result]:
    """Yield results as they are completed, by one actor for each GPU, or else for each CPU.

    Args:
        work: Work on one item. It is pickled; each actor has one copy, which keeps its attributes
            from item to item.
        items: Items, values of JSON, as are the results.
        address: Address of the cluster: ``host:port``, ``auto``; or ``local`` to start a cluster on
            this machine, which listens on the loopback interface alone unless Ray was imported
            before. Ray Data does not run through a Ray client (``ray://…``).
    """
    if not items:
        return
    ray = _started(address)
    try:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        cpus = int(ray.cluster_resources().get("CPU", 1))
        # An item may take minutes: none waits for an actor that is busy.
        actors = ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=max(1, min(gpus or cpus, len(items))),
            max_tasks_in_flight_per_actor=1,
        )
        rows = ray.data.from_items(
            [{"item": json.dumps(item)} for item in items], override_num_blocks=len(items)
        ).map(
            _Actor,
            fn_constructor_args=(work,),
            compute=actors,
            num_cpus=1,
            num_gpus=1 if gpus else 0,
        )
        for row in rows.iter_rows():
            if row["error"]:
                raise UserError(row["error"], where="on a worker")
            yield json.loads(row["result"])
    finally:
        ray.shutdown()


def _started(address: str) -> Any:
    """Return Ray, connected to a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL:
        os.environ.setdefault(SEVERAL_MACHINES, "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise OptionError(
            "Ray is not installed",
            where="--ray",
            got=str(error),
            hint='It comes with `pip install "fewact[ray]"`.',
        ) from None
    try:
        if address.startswith("ray://"):
            raise ValueError("Ray Data does not run through a Ray client")
        options = {"include_dashboard": False} if address == LOCAL else {}
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise OptionError(
            "cannot connect to a Ray cluster",
            where="--ray",
            got=f"{address}: {str(error).splitlines()[0]}",
            expected=f"host:port, auto, {LOCAL}",
        ) from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray
