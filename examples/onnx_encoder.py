"""Nearest class mean by an exported network: python onnx_encoder.py encoder.onnx CLIPS VIDEO.

CLIPS has one folder of clips per class; a folder "none" shows no class and is not used.
"""

import json
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime

encoder = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
h, w = json.loads(encoder.get_modelmeta().custom_metadata_map["fewact"])["input_size"]


def vector(path: Path) -> np.ndarray:
    """Return the mean vector (d) of eight frames, of length 1."""
    with av.open(str(path)) as video:
        frames = [f.to_ndarray(format="rgb24", width=w, height=h) for f in video.decode(video=0)]
    images = np.stack([frames[int((i + 0.5) * len(frames) / 8)] for i in range(8)])  # (8 h w 3)
    mean = encoder.run(["vectors"], {"frames": images.transpose(0, 3, 1, 2).copy()})[0].mean(0)
    return mean / np.linalg.norm(mean)


classes = [p for p in Path(sys.argv[2]).iterdir() if p.name.strip().casefold() != "none"]
means = np.stack([np.mean([vector(clip) for clip in one.iterdir()], axis=0) for one in classes])
scores = means @ vector(Path(sys.argv[3]))
print("\n".join(f"{classes[i].name} {scores[i]:.3f}" for i in scores.argsort()[::-1]))
