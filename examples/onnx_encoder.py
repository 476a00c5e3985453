"""Nearest class mean by an exported network, with ONNX Runtime, PyAV and NumPy only.

fewact export MODEL --onnx encoder.onnx
python examples/onnx_encoder.py encoder.onnx CLIPS VIDEO

CLIPS has one folder of clips per class. Clips in a folder "none" show no class: they are not used.
"""

import json
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime

encoder = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
card = json.loads(encoder.get_modelmeta().custom_metadata_map["fewact"])
height, width = card["input_size"]


def vector(path: Path) -> np.ndarray:
    """Return the mean vector (d) of eight frames, of length 1."""
    with av.open(str(path)) as video:
        frames = [frame.to_ndarray(format="rgb24", width=width, height=height)
                  for frame in video.decode(video=0)]  # fmt: skip
    centres = (np.arange(8) + 0.5) * len(frames) / 8
    images = np.stack([frames[int(i)] for i in centres]).transpose(0, 3, 1, 2)  # (8 3 H W)
    mean = encoder.run(["vectors"], {"frames": np.ascontiguousarray(images)})[0].mean(0)
    return mean / np.linalg.norm(mean)


folders = [p for p in Path(sys.argv[2]).iterdir() if p.name.strip().casefold() != "none"]
classes = {folder.name: [vector(clip) for clip in folder.iterdir()] for folder in folders}
query = vector(Path(sys.argv[3]))
scores = {name: float(query @ np.mean(clips, axis=0)) for name, clips in classes.items()}
print(max(scores, key=lambda name: scores[name]), scores)
