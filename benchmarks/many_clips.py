"""Time and memory of a classifier as clips and classes grow, up to 200 classes and 5,000 clips.

    python benchmarks/many_clips.py [METHOD ...]

Precomputed features, so that neither decoding nor the network counts. Each size runs in a process
of its own. Times are of the processor.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

SIZES = ((25, 625), (50, 1250), (100, 2500), (200, 5000))
FRAMES, WIDTH, QUERIES = 8, 256, 50


def measure(method: str, classes: int, clips: int) -> dict[str, float]:
    """Seconds to teach, milliseconds to predict a clip, megabytes of memory beyond the clips."""
    import torch

    from fewact import FewShotClassifier, methods
    from fewact.data import FeatureClip
    from fewact.features.precomputed import precomputed_card

    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((classes, FRAMES, WIDTH)).astype(np.float32)

    def clip(number: int) -> FeatureClip:
        noise = 2 * draw.standard_normal((FRAMES, WIDTH)).astype(np.float32)
        label = number % classes
        return FeatureClip(f"{number}", centres[label] + noise, f"class {label}")

    made = [clip(number) for number in range(clips)]
    new = [clip(number) for number in range(QUERIES)]
    options = methods.fitting(method, precomputed_card("", WIDTH), frames=FRAMES)
    classifier = FewShotClassifier(method=methods.create(method, **options))
    before = memory()
    begin = time.process_time()
    classifier.fit(made)
    taught = time.process_time()
    classifier.predict(new)
    predicted = time.process_time()
    return {
        "teach": taught - begin,
        "predict": 1000 * (predicted - taught) / QUERIES,
        "memory": memory() - before,
    }


def memory() -> float:
    """Largest memory of this process so far in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=["protonet", "otam", "a2m2"])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        method, classes, clips = given.one
        print(json.dumps(measure(method, int(classes), int(clips))))
        return
    print("| method | classes | clips | teach, s | predict, ms a clip | memory, MB |")
    print("|---|---|---|---|---|---|")
    for method in given.methods:
        for classes, clips in SIZES:
            call = [sys.executable, __file__, "--one", method, str(classes), str(clips)]
            done = subprocess.run(call, capture_output=True, text=True, check=True)
            one = json.loads(done.stdout)
            cells = (f"{one['teach']:.1f}", f"{one['predict']:.1f}", f"{one['memory']:.0f}")
            print("|", " | ".join((method, str(classes), str(clips), *cells)), "|", flush=True)


if __name__ == "__main__":
    main()
