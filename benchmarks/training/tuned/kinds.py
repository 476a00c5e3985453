"""New kinds of rendered videos: people who move as a whole, animals, textured people; noise, dark, codecs, distractors."""
import io
import numpy as np
import torch
from dataclasses import replace
from PIL import Image, ImageDraw
from benchmarks.training import figures as F
from benchmarks.training.figures import (INDEX, NAMES, STEPS, Action, Camera, FigureClass, _arms, _body, _leg,
    _paint, _rotation, _sway, _turn, draw_background, draw_camera, draw_figure, figure_class, joints, perform)

torch.set_num_threads(1)
SIZE, FRAMES, SS = 112, 24, 2

# ------------------------------------------------------------------ recording
def recorder(rng):
    form = rng.choice(4, p=(0.35, 0.2, 0.25, 0.2))
    gain, grain, quality = 1.0, 0.0, 0
    if form == 1: gain, grain = rng.uniform(0.08, 0.4), rng.uniform(1, 6)      # dark
    if form == 2: grain = rng.uniform(3, 18)                                  # noisy
    if form == 3: quality = int(rng.integers(15, 60))                         # a codec's blocks
    if rng.random() < 0.2: quality = int(rng.integers(25, 70))
    flicker = rng.uniform(0, 0.05) if rng.random() < 0.2 else 0
    def record(image):
        x = np.asarray(image, np.float32) * gain * (1 + flicker * rng.normal())
        if grain: x = x + rng.normal(0, grain, x.shape[:2])[..., None]
        x = x.clip(0, 255).astype(np.uint8)
        if quality:
            b = io.BytesIO(); Image.fromarray(x).save(b, 'JPEG', quality=quality); x = np.asarray(Image.open(b))
        return x
    return record

def texture(rng, side):
    v = np.zeros((side, side), np.float32)
    for cells in (4, 10, 24):
        n = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8)).resize((side, side), 3)
        v += (np.asarray(n, np.float32) / 127.5 - 1) * rng.uniform(0, 1)
    return v / max(np.abs(v).max(), 1e-3)

def distractor(rng, t):
    """Small things that move on their own, or None."""
    if rng.random() > 0.25: return None
    n = int(rng.integers(1, 3))
    out = []
    for _ in range(n):
        knots = rng.uniform(-0.15, 1.15, 2) + np.cumsum(rng.normal(0, 0.12, (5, 2)), 0)
        path = np.stack([np.interp(np.linspace(0, 4, t), np.arange(5), k) for k in knots.T], 1)
        out.append((path, rng.uniform(0.02, 0.08, 2), tuple(rng.integers(0, 256, 3).tolist())))
    return out

def composed(rng, paint, t, path, *, depth=False, textured=0.6, animal=False):
    """Frames (t h w 3); paint(draw, i, shift) paints the mover of frame i, returns its place."""
    side = SS * SIZE
    margin = side // 6
    big = draw_background(rng, side + 2 * margin, depth=depth)
    if not depth and rng.random() < 0.5:   # things in a room
        d = ImageDraw.Draw(big)
        for _ in range(int(rng.integers(3, 12))):
            x, y = rng.uniform(0, big.width, 2); w, h = rng.uniform(0.02, 0.3, 2) * side
            d.rectangle((x, y, x + w, y + h), fill=tuple(rng.integers(0, 256, 3).tolist()))
    cloth = texture(rng, side) * rng.uniform(20, 90) if not depth and rng.random() < textured else None
    things = distractor(rng, t)
    finish, found = recorder(rng), []
    for i in range(t):
        shift = np.clip(path[i], -0.15, 0.15)
        left, top = (margin - shift * side).round().astype(int)
        image = big.crop((left, top, left + side, top + side))
        if things:
            d = ImageDraw.Draw(image)
            for p, r, fill in things:
                c = (p[i] + shift) * side; d.ellipse((*(c - r * side), *(c + r * side)), fill=fill)
        before = np.asarray(image).copy() if cloth is not None else None
        where = paint(ImageDraw.Draw(image), i, shift)
        if cloth is not None:
            x = np.asarray(image); mask = (x != before).any(2)
            dx, dy = (np.asarray(where) * side).round().astype(int)
            moved = np.roll(cloth, (dy, dx), (0, 1))
            x = np.where(mask[..., None], (x + moved[..., None]).clip(0, 255), x).astype(np.uint8)
            image = Image.fromarray(x)
        found.append(finish(image.reduce(SS)))
    return np.stack(found)

def camera_path(rng, t):
    path = np.zeros((t, 2))
    if rng.random() < 0.5: path += rng.normal(0, rng.uniform(0, 0.008), (t, 2))
    if rng.random() < 0.3: path += np.linspace(-0.5, 0.5, t)[:, None] * rng.normal(0, 0.06, 2)
    if rng.random() < 0.2: path += np.cumsum(rng.normal(0, 0.004, (t, 2)), 0)
    return path

# ------------------------------------------------------------------ people
def person(rng, poses, *, rigid=None, full=True, warp=None, textured=0.6):
    """Render poses (t p) of a person; rigid (t 4): pitch, roll, yaw in degrees, and x."""
    t = len(poses)
    figure = draw_figure(rng, 'train')
    camera = draw_camera(rng, t, full=full)
    up = rng.uniform(0, 70) if rng.random() < 0.1 else None            # from above
    if up is not None: camera = replace(camera, view=_rotation(0, up) @ camera.view)
    path = camera_path(rng, t)
    if rigid is not None: camera = replace(camera, scale=rng.uniform(0.45, 0.8), centre=np.array([0.5, 0.5]) + rng.uniform(-.1, .1, 2))
    def paint(draw, i, shift):
        where = joints(figure, poses[i])
        if rigid is not None:
            p, r, y, x = rigid[i]
            m = _rotation(1, y) @ _rotation(0, p) @ _rotation(2, r)
            c = where['pelvis'].copy()
            where = {k: m @ (v - c) for k, v in where.items()}
            low = min(v[1] for v in where.values())
            where = {k: v + (x, -low + 0.03, 0) for k, v in where.items()}
        if warp is not None:
            where = warp(where, i)
        cam = Camera(camera.view, camera.scale, camera.centre + shift, camera.aspect, camera.path)
        _paint(draw, figure, cam, where, SS * SIZE)
        pel = where['pelvis']
        return shift + np.array([pel[0], -pel[1]]) * camera.scale
    return composed(rng, paint, t, path, depth=figure.depth, textured=textured)

def textured_person(number, seed):
    one = figure_class(20000 + number)
    rng = np.random.default_rng((number, seed, 71))
    return person(rng, perform(one, rng, FRAMES), full=one.moves_more_than_arms, textured=0.9)

def ease(values, at, times, hold):
    x = np.interp(at, times, np.arange(len(values)))
    k = np.floor(x).clip(0, len(values) - 2).astype(int); f = x - k
    f = np.clip((f - hold / 2) / (1 - hold), 0, 1); f = f * f * (3 - 2 * f)
    return values[k] * (1 - f[:, None]) + values[k + 1] * f[:, None]

def legs(tl, kl, tr, kr, ol=4, orr=4):
    return {'left thigh': tl, 'left knee': kl, 'right thigh': tr, 'right knee': kr, 'left out': ol, 'right out': orr}
def arms(r, s=0, b=0):
    return {f'{q} {n}': v for q in ('left', 'right') for n, v in (('raise', r), ('side', s), ('bend', b))}
POSES = [  # changes of the pose, pitch, roll
    ({}, 0, 0), ({**legs(90, 100, 90, 100), 'lean': 20}, 0, 0), ({**legs(0, 90, 0, 90)}, 0, 0),
    ({**legs(90, 5, 90, 5)}, 0, 0), ({**arms(20, 80)}, 88, 0), ({**arms(20, 80)}, -88, 0), ({**arms(160)}, 88, 0),
    ({'lean': 120, **arms(150)}, 0, 0), ({**arms(40, 0, 20), 'lean': -35}, 80, 0), ({**legs(120, 130, 120, 130), 'lean': 80, **arms(160)}, 0, 0),
    ({**legs(0, 0, 0, 0, 28, 28), 'tilt': 70, **arms(90, 85)}, 0, 0), ({**legs(0, 0, 0, 0, 28, 28), 'tilt': -70, **arms(90, 85)}, 0, 0),
    ({**legs(70, 70, -30, 0), **arms(90, 85)}, 0, 0), ({**legs(-30, 0, 70, 70), **arms(160)}, 0, 0),
    ({**legs(30, 120, 0, 0, 50), **arms(165)}, 0, 0), ({'lean': 80}, 0, 0), ({'lean': 110, **arms(80)}, 0, 0), ({**legs(70, 100, 70, 100), 'lean': 110, **arms(80)}, 0, 0),
    ({**arms(20, 80)}, 0, 88), ({**arms(170), 'tilt': 20}, 0, 0), ({**legs(90, 30, 0, 0), 'lean': -20}, 0, 0), ({**legs(90, 5, 90, 5), 'lean': 60, **arms(90)}, 0, 0),
]
def pose_class(rng):
    n = int(rng.choice((1, 2, 3), p=(0.4, 0.4, 0.2)))
    chosen = rng.choice(len(POSES), n + 1, replace=False)
    if rng.random() < 0.6: chosen[0] = 0
    yaw = float(rng.choice((0, 0, 60, -60, 90, -90)))
    jitter = rng.normal(0, 10, (n + 1, len(NAMES))); jitter[:, [INDEX['x'], INDEX['lift']]] = 0
    back = rng.random() < 0.3
    moves = rng.choice((0, 0, 0, 0.4, -0.4), n + 1)
    return chosen, yaw, jitter, back, rng.uniform(0.5, 2, n + 2), np.cumsum(moves)
def pose_video(number, seed):
    chosen, yaw, jitter, back, lengths, x = pose_class(np.random.default_rng((number, 72)))
    rng = np.random.default_rng((number, seed, 73))
    keys = []
    for c, j in zip(chosen, jitter):
        p = np.zeros(len(NAMES)); pose, pitch, roll = POSES[c]
        for k, v in {**arms(9, 55, 15), **pose}.items(): p[INDEX[k]] = v
        keys.append(np.concatenate([p + j * (c != 0), [pitch, roll, yaw]]))
    keys = [np.concatenate([k, [xx]]) for k, xx in zip(keys, x)]
    if back: keys.append(keys[0])
    keys = np.array(keys)
    keys = keys + rng.normal(0, 5, keys.shape) * np.array([n not in ('x', 'lift') for n in NAMES] + [1, 1, 0, 0])
    keys[:, -2] += rng.normal(0, 10); keys[:, -1] = (keys[:, -1] - keys[:, -1].mean()).clip(-0.5, 0.5) * rng.uniform(0.7, 1.1)
    n = len(keys)
    d = lengths[:n - 1] * np.exp(rng.normal(0, 0.2, n - 1))
    start, end = rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.35)   # holds its last pose
    times = start + (end - start) * np.concatenate([[0], np.cumsum(d)]) / d.sum()
    at = np.linspace(0, 1, FRAMES)
    v = ease(keys, at, times, rng.uniform(0, 0.4))
    poses = v[:, :-4] + (_sway(rng, STEPS) * rng.uniform(0.5, 1.5))[np.linspace(0, STEPS - 1, FRAMES).astype(int)]
    return person(rng, poses, rigid=v[:, -4:])

def whole_class(rng):
    """A smooth change of the whole body: cycles, and lasting changes, of several kinds."""
    parts = []
    for _ in range(1 if rng.random() < 0.6 else 2):
        kind = rng.choice(('squat', 'x', 'lean', 'tilt', 'lift', 'turn', 'walk', 'near'))
        form = rng.choice(('there', 'back', 'from', 'cycles'))
        if kind == 'lift': form = 'cycles'
        parts.append((kind, form, int(rng.integers(2, 6)), float(rng.choice((-1, 1))), rng.uniform(0.5, 1.1)))
    return parts
def whole_video(number, seed):
    parts = whole_class(np.random.default_rng((number, 74)))
    rng = np.random.default_rng((number, seed, 75))
    other = FigureClass(int(rng.integers(1 << 30)), 'train', (Action((_arms(rng, circle=False, alternate=False),)),))
    poses = perform(other, rng, FRAMES)            # arms do what they will
    a, b = rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.2)
    at = ((np.linspace(0, 1, FRAMES) - a) / (b - a)).clip(0, 1)
    at = at + rng.normal(0, 0.15) * at * (1 - at)
    near = np.zeros(FRAMES)
    for kind, form, times, sign, size in parts:
        s = at * at * (3 - 2 * at)
        u = {'there': s, 'from': 1 - s, 'back': (1 - np.cos(2 * np.pi * at)) / 2, 'cycles': (1 - np.cos(2 * np.pi * times * at)) / 2}[form]
        u = u * size * rng.uniform(0.7, 1.2)
        if kind == 'squat':
            for q in ('left', 'right'):
                poses[:, INDEX[f'{q} thigh']] += 90 * u; poses[:, INDEX[f'{q} knee']] += 105 * u
            poses[:, INDEX['lean']] += 25 * u
        elif kind == 'x': poses[:, INDEX['x']] += 0.35 * sign * u
        elif kind == 'lean': poses[:, INDEX['lean']] += 70 * u
        elif kind == 'tilt': poses[:, INDEX['tilt']] += 35 * sign * u
        elif kind == 'lift': poses[:, INDEX['lift']] += 0.12 * u
        elif kind == 'turn': poses[:, INDEX['turn']] += 90 * sign * u
        elif kind == 'near': near = near + 0.35 * sign * u
        else:
            ph = 2 * np.pi * times * at
            for q, g in (('left', 1), ('right', -1)):
                poses[:, INDEX[f'{q} thigh']] += 28 * g * np.sin(ph) * size; poses[:, INDEX[f'{q} knee']] += 25 * size * (1 + g * np.sin(ph + 1))
            if form in ('there', 'from'): poses[:, INDEX['x']] += 0.7 * sign * (at - 0.5)
    def warp(where, i):
        return {k: v * (1 + near[i]) for k, v in where.items()}
    return person(rng, poses, warp=warp)

# ------------------------------------------------------------------ animals
ACTS = ('walk', 'rear', 'wash', 'lick', 'scratch', 'dig', 'turn', 'sniff', 'shake', 'stretch', 'curl', 'jump')
def animal_class(rng):
    n = 1 if rng.random() < 0.6 else 2
    return (bool(rng.random() < 0.3), float(rng.choice((-1, 1))),
            [(rng.choice(ACTS), rng.uniform(0.6, 1.3), rng.uniform(2, 7), float(rng.choice((-1, 1))), rng.choice(('there', 'back', 'stay', 'from'))) for _ in range(n)])
def animal_video(number, seed):
    above, facing, acts = animal_class(np.random.default_rng((number, 76)))
    rng = np.random.default_rng((number, seed, 77))
    at = np.linspace(0, 1, 96)
    z = np.zeros(96)
    s = {k: z.copy() for k in ('x', 'y', 'heading', 'pitch', 'head', 'headx', 'curl', 'fore', 'hind', 'gait', 'length', 'paw')}
    bounds = np.linspace(0, 1, len(acts) + 1); bounds[1:-1] += rng.normal(0, 0.06, len(acts) - 1)
    for (act, size, freq, sign, form), a, b in zip(acts, bounds, bounds[1:]):
        u = ((at - a) / (b - a)).clip(0, 1); inside = (u > 0) & (u < 1)
        size = size * rng.uniform(0.75, 1.25); ph = 2 * np.pi * freq * np.exp(rng.normal(0, .15)) * u + rng.uniform(0, 6)
        smooth = np.clip(u * 2.5, 0, 1); smooth = smooth ** 2 * (3 - 2 * smooth)
        env = {'there': u * u * (3 - 2 * u), 'back': (1 - np.cos(2 * np.pi * u)) / 2, 'stay': (u > 0) * 1.0, 'from': 1 - u * u * (3 - 2 * u)}[form] * size
        on = inside * np.sin(np.pi * u) ** 0.3
        if act == 'walk': s['x'] += 1.6 * size * u * (1 if not above else 1); s['gait'] += inside * np.sin(ph * 2)
        elif act == 'rear': s['pitch'] += 65 * env; s['fore'] += 0.5 * env
        elif act == 'wash': s['pitch'] += 35 * np.minimum(smooth, size); s['head'] -= 0.25 * smooth; s['paw'] += on * (0.6 + 0.3 * np.sin(ph * 2)) ; s['head'] += on * .06 * np.sin(ph * 2 + 1)
        elif act == 'lick': s['curl'] += 60 * sign * env; s['head'] += on * 0.12 * np.sin(ph * 1.5) - .3 * env
        elif act == 'scratch': s['curl'] += 25 * sign * smooth; s['hind'] += on * (0.7 + 0.4 * np.sin(ph * 3))
        elif act == 'dig': s['fore'] += on * 0.4 * np.sin(ph * 3); s['head'] -= 0.3 * smooth
        elif act == 'turn': s['heading'] += 150 * sign * env
        elif act == 'sniff': s['head'] += 0.35 * env + on * 0.06 * np.sin(ph * 2); s['headx'] += .1 * env
        elif act == 'shake': s['y'] += on * 0.03 * np.sin(ph * 3); s['curl'] += on * 12 * np.sin(ph * 3)
        elif act == 'stretch': s['length'] += 0.35 * env; s['head'] -= 0.1 * env
        elif act == 'curl': s['curl'] += 110 * sign * env; s['length'] -= .2 * env
        else: s['y'] += 0.5 * np.abs(np.sin(ph / 2)) * inside * size; s['x'] += .5 * size * u
    keep = np.linspace(0, 95, FRAMES).round().astype(int)
    s = {k: v[keep] for k, v in s.items()}
    t = FRAMES
    scale = rng.uniform(0.14, 0.34); fat = rng.uniform(0.3, 0.5); legl = rng.uniform(0.25, 0.7); tail = rng.uniform(0.3, 1.1); neck = rng.uniform(.2, .45)
    tilt = rng.uniform(-12, 12); start = np.array([0.5, 0.55]) + rng.uniform(-0.12, 0.12, 2)
    colour = F._colours(rng, 1)[0]; dark = tuple((colour * 0.7).astype(int).tolist()); colour = tuple(colour.astype(int).tolist())
    drift = s['x'].mean()
    sway = np.stack([np.interp(np.linspace(0, 5, t), np.arange(6), rng.normal(0, .03, 6)) for _ in range(3)])
    path = camera_path(rng, t); side = SS * SIZE
    blink = rng.uniform(0, .03)
    def paint(draw, i, shift):
        sc = scale * side
        base = np.array([facing * (s['x'][i] - drift) * scale, -s['y'][i] * scale])
        turned = np.radians(s['heading'][i]); foreshort = np.cos(turned) if not above else 1.0
        c = (start + base + shift) * side
        pitch = np.radians(s['pitch'][i] + tilt + 40 * sway[0, i]); L = (1 + s['length'][i])
        def P(px, py):   # body frame: along, up → pixels
            if above:
                ang = turned
                q = np.array([px * np.cos(ang) - py * np.sin(ang), px * np.sin(ang) + py * np.cos(ang)])
                return c + sc * np.array([facing * q[0], -q[1]])
            return c + sc * np.array([facing * foreshort * px, -py])
        curl = np.radians(s['curl'][i]) * 0.5
        hip = np.array([-0.45 * L, 0.0])
        if above:
            a1, a2, a3 = 0.0, curl, 2 * curl
            mid = hip + 0.45 * L * np.array([np.cos(a1), np.sin(a1)])
            sh = mid + 0.45 * L * np.array([np.cos(a2), np.sin(a2)])
            hd = sh + (neck + .15 + s['headx'][i] + .3 * s['head'][i]) * np.array([np.cos(a3), np.sin(a3)])
            short = np.cos(pitch)
            mid, sh, hd = (hip + (q - hip) * (short, 1) for q in (mid, sh, hd))
        else:
            bend = np.abs(curl)
            mid = hip + 0.45 * L * np.array([np.cos(pitch + .3 * bend), np.sin(pitch + .3 * bend)])
            sh = mid + 0.45 * L * np.array([np.cos(pitch - bend * .7), np.sin(pitch - bend * .7)])
            hd = sh + np.array([(neck + s['headx'][i]) * np.cos(pitch * .6 - 1.6 * bend), 0.15 + s['head'][i] + neck * np.sin(pitch * .6 - 1.6 * bend) + sway[1, i]])
        def ball(q, r, fill, q2=None):
            p = P(*q); R = r * sc
            draw.ellipse((*(p - R), *(p + R)), fill=fill)
        def limb(q, q2, w, fill):
            draw.line([tuple(P(*q)), tuple(P(*q2))], fill=fill, width=max(2, int(w * sc)))
        limb(hip, hip + np.array([-tail * .8, .2 + .5 * sway[2, i] * 5]), 0.07, dark)
        if not above:
            g = 0.22 * s['gait'][i]
            for k, (q, d) in enumerate(((hip, g), (hip, -g), (sh, -g), (sh, g))):
                up = (s['hind'][i] if k == 0 else 0) if k < 2 else s['fore'][i]
                foot = np.array([q[0] + d + .3 * (up > .02) * up, -legl - fat * .4 + .55 * up + (0 if k < 2 else max(0, q[1]) * .0)])
                if k >= 2 and s['paw'][i] > .02: foot = hd * s['paw'][i] + (1 - s['paw'][i]) * foot
                limb(q, foot, 0.13, dark)
        else:
            g = 0.2 * s['gait'][i]
            for q, d, w in ((hip, g, 1), (hip, -g, -1), (sh, -g, 1), (sh, g, -1)):
                ex = s['hind'][i] if (q is hip and w > 0) else (s['fore'][i] if q is sh else 0)
                limb(q, q + np.array([d + .4 * ex, w * (fat + .1)]), 0.12, dark)
        for q, r in ((hip, fat), ((hip + mid) / 2, fat), (mid, fat * .98), ((mid + sh) / 2, fat * .9), (sh, fat * .8), ((sh + hd) / 2, fat * .6)):
            ball(q, r, colour)
        ball(hd, fat * .58, colour); ball(hd + np.array([.18, -.05]), fat * .3, dark); ball(hd + np.array([-.1, fat * .5]), fat * .22, dark)
        return base + shift
    return composed(rng, paint, t, path, animal=True)

KINDS = {'text': textured_person, 'pose': pose_video, 'whole': whole_video, 'animal': animal_video}
