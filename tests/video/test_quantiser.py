from collections.abc import Callable
from pathlib import Path

import av
import pytest

from fewact.data import Clip
from fewact.video import Segments
from fewact.video.cleaning.correction import COMPRESSED
from fewact.video.reading import read_frame_sets
from fewact.video.recording import open_recording
from fewact.video.source import Clean, ProcessedVideo

Make = Callable[..., Path]


def encoded(clip: Make, quantiser: int) -> Path:
    options = {"x264-params": f"qp={quantiser}:aq-mode=0:ipratio=1:pbratio=1"}
    return clip(f"quantiser{quantiser}.mp4", range(12), options=options)


@pytest.mark.parametrize("quantiser", [12, 30, 51])
def test_the_quantiser_is_that_of_the_encoder(clip: Make, quantiser: int) -> None:
    path = encoded(clip, quantiser)
    assert read_frame_sets(path, [Segments(4), Segments(7)]).quantiser == quantiser
    with open_recording(path) as recording:
        assert recording.quantiser is None
        for _, frame in recording.frames():
            recording.convert(frame)
        assert recording.quantiser == quantiser


@pytest.mark.parametrize(
    ("name", "codec"), [("q.avi", "mpeg4"), ("q.webm", "libvpx-vp9"), ("q.mov", "mjpeg")]
)
def test_other_codecs_do_not_say(clip: Make, name: str, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = clip(name, range(8), codec=codec, pixels=pixels)
    assert read_frame_sets(path, [Segments(4)]).quantiser is None


@pytest.mark.parametrize(("quantiser", "is_fault"), [(30, False), (40, False), (45, True)])
def test_a_coarse_quantiser_is_a_fault(clip: Make, quantiser: int, is_fault: bool) -> None:
    source = ProcessedVideo(Clip(encoded(clip, quantiser))).then(Clean())
    assert (COMPRESSED in source.read([Segments(4)]).faults) is is_fault


def test_a_real_clip_is_named_once_it_is_compressed(assets: Path, tmp_path: Path) -> None:
    original = sorted((assets / "clips" / "ucf7" / "Archery").glob("*.mp4"))[0]
    path = tmp_path / "small.mp4"
    with av.open(str(original)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", 25, {"crf": "51"})
        for frame in source.decode(video=0):
            if not frame.pts:
                stream.width, stream.height = frame.width, frame.height
            image = frame.to_ndarray(format="rgb24")
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode(None))
    for file, faults in ((original, ()), (path, (COMPRESSED,))):
        clip = ProcessedVideo(Clip(file)).then(Clean())
        assert clip.read([Segments(8)]).faults == faults
