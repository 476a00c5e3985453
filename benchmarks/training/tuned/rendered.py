"""python -m benchmarks.training.tuned.rendered FOLDER: images of all kinds, about 380 s of one core."""
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from benchmarks.training.figures import figure_class, render
from benchmarks.training.tuned.kinds import KINDS
from fewact.features.views import difference_images
from fewact.methods.fusion.crop import separable_crop
CELLS, SIDE = 44, 32
torch.set_num_threads(1)

def kept(frames):
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()
    return separable_crop(difference_images(x)[:, 1].float(), CELLS, margin=CELLS / SIDE).round().to(torch.uint8)

def old(role):
    return lambda number, seed: render(figure_class(number, role), seed, size=112)

if __name__ == '__main__':
    made = {'old_train': (old('train'), 500), 'old_val': (old('val'), 60), **{k: (KINDS[k], n) for k, n in (('pose', 350), ('whole', 350), ('text', 220), ('animal', 300))}}
    for kind, (video, n) in made.items():
        out = torch.stack([torch.stack([kept(video(i, s)) for s in range(4)]) for i in range(n)])
        save_file({'images': out}, Path(sys.argv[1]) / f'r_{kind}.safetensors')
