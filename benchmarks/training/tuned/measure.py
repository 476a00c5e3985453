"""python -m benchmarks.training.tuned.measure ASSETS FOLDER [SPEC ...]: see the end."""
import sys, time, json, torch, numpy as np, os
from pathlib import Path
from safetensors.torch import load_file, save_file
from fewact import backbones
from fewact.video.source import Clean
from fewact.methods.fusion.motion_network import prepared
from benchmarks.pairs import encode_videos
torch.set_num_threads(1)
from benchmarks.fusion_parts import part_of, SETS
from benchmarks.fusion_variants import fusion, Variant
from benchmarks.pairs import scorer_of, episode_accuracies
from benchmarks.shared import heading
from fewact.methods.fusion.motion_network import MotionNetwork
from fewact.methods.fusion import terms as T
from importlib.resources import files
OLD=str(files('fewact.methods.fusion').joinpath('motion_network.safetensors'))
D=''
def network(spec):
    state={k:v.float() for k,v in load_file(OLD).items()}
    if spec!='old':
        f,_,mix=spec.partition(':'); mix=float(mix or 1)
        new=load_file(D+f+'.safetensors')
        state={k:(1-mix)*v+mix*new[k].float() for k,v in state.items()}
        state={k:v.half().float() for k,v in state.items()}
    n=MotionNetwork().eval().requires_grad_(False); n.load_state_dict(state); return n
def nodes_of(raw,net):
    x=raw['images'].float()
    with torch.inference_mode():
        v,f=net(x)
    black=~x.flatten(1).any(1)
    e=torch.cat([v,f.sigmoid()[:,None,None].expand(-1,24,1)],-1); e[black]=0
    out={k:v for k,v in raw.items() if k!='images'}; out['learned_motion']=e; return out
plain=T.WeightedTerm.tabulated
cache={}
def tabulated(self,encoded,columns):
    if isinstance(self.term,T.LearnedMotionTerm): return plain(self,encoded,columns)
    key=(self.name,encoded.shape[0],columns)
    if key not in cache: cache[key]=plain(self,encoded,columns)
    from dataclasses import replace
    return replace(self,table=cache[key].table)
T.WeightedTerm.tabulated=tabulated

class Raw:
    def __init__(s,m):
        s.view=next(w.term.view for w in m.map_terms.terms if isinstance(w.term,LearnedMotionTerm))
    def requests(s,card): return (s.view,)
    def encode(s,f):
        x=f[s.view]; return {'images':prepared(x[0])[None].half()}

def cached(name, A):
    path = Path(D + name + '.safetensors')
    if not path.exists():
        v = part_of(name, A).videos.processed(lambda _: Clean(), 'cleaned'); m = fusion()
        a, b = encode_videos([m, Raw(m)], backbones.create(), v)
        save_file({**{k: x.contiguous() for k, x in a.items()}, 'images': b['images']}, path)
    return load_file(path)

def main():
    """SPEC is old, tuned, or tuned:PART of the way from old to it, then @THRESHOLD of learned motion; OWN_GATE=1 takes its own gate in place of the old one."""
    global D
    A = Path(sys.argv[1]); D = sys.argv[2] + '/'
    specs = sys.argv[3:] or ['old', 'old@-0.45', 'tuned', 'tuned@-0.35', 'tuned@-0.3']
    full = fusion(); names = [w.name for w in full.map_terms.terms]
    alone = Variant(weights={n.removeprefix('static_'): 0.0 for n in names if n != 'learned_motion'}).method()
    own_gate = bool(os.environ.get('OWN_GATE')); res = {}
    which = os.environ.get('SETS', ' '.join(SETS)).split()
    for name in which:
        cache.clear(); raw = cached(name, A); drawn = part_of(name, A).drawn(500); res[name] = {}
        for s in specs:
            f, _, u = s.partition('@'); T.UNLIKE = float(u or -0.5)
            n = nodes_of(raw, network(f))
            if not own_gate: n['learned_motion'][..., -1] = raw['learned_motion'][..., -1].float()
            a, b = ([float(episode_accuracies(scorer_of(m, n), e).mean()) for e in drawn] for m in (full, alone))
            res[name][s] = a
            print(f'{name:12s} {s:16s} full {a[0]:5.1f} / {a[1]:5.1f}  alone {b[0]:5.1f} / {b[1]:5.1f}', flush=True)
    for s in specs[1:]:
        print(s, ' '.join(f"{n} {res[n][s][0]-res[n][specs[0]][0]:+.1f}/{res[n][s][1]-res[n][specs[0]][1]:+.1f}" for n in which))

if __name__ == '__main__':
    main()
