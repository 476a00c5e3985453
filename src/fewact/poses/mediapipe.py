"""BlazePose, the pose estimator of MediaPipe (Apache-2.0), run by ONNX Runtime."""

from fewact.core.errors import WeightsError
from fewact.poses.base import PoseEstimator


def create(file: str = "") -> PoseEstimator:
    """Return the estimator.

    Args:
        file: File with its networks; "" for the installed one.

    Raises:
        WeightsError: There is no such file.
    """
    raise WeightsError(
        "the networks of MediaPipe's pose estimator are missing",
        where=file,
        hint="Run: fewact poses --install",
    )
