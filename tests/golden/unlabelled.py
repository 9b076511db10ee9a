"""One training step of each method without labels, as tests/golden/methods.py does it for those with labels: writes
tests/golden/unlabelled.safetensors for tests/methods/pytorch.rs.

The images of a step are seen twice, as they are and mirrored. `<method>/after/<tensor>` is everything that the step leaves
behind, `<method>/terms/<tensor>` the size of what a number is the small difference of. The head that a teacher was trained with starts by `hashed`, and its variances by 1 more.

Run with any PyTorch 2 and safetensors: python tests/golden/unlabelled.py
"""
import itertools
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from methods import (BATCH, BINARY_DECAY, DECAY, EPOCH, EPOCHS, LR, MOMENTUM, OTHER_DECAY, WIDTHS, Net, Sign, Tie, apart,
                     clipped, hashed, initial, over_filter, stored)

D = WIDTHS[-1]
PROTOTYPES, DIMENSION, HIDDEN, OUTPUTS = 6, 5, 7, 6
# The head of a teacher that nobody trained has SwAV's default settings.
SSL_HIDDEN, SSL_DIMENSION = 512, 128
TEMPERATURE, CODE_TEMPERATURE, EPSILON = 0.2, 0.1, 0.05
BALANCE, TARGET_RATE, ETA, SCORE_LR = (0.1, 0.3), 0.5, 0.7, 3.0
# MoCo: what the copy keeps of itself, and keys of earlier batches.
FOLLOWS, KEYS = 0.75, 8


def identity(x):
    return torch.ones_like(x)


def burn_weights(net, name, w):
    """alpha sign(w): alpha is constant, the sign passes the gradient on."""
    return over_filter(torch.mean, w.detach().abs()) * Sign.apply(w, identity)


# Self-masking


class Above(torch.autograd.Function):
    @staticmethod
    def forward(ctx, s):
        return (apart(s.detach(), 0) > 0).double()

    @staticmethod
    def backward(ctx, dy):
        return dy


class Masked(Net):
    """A network whose convolutions, and normalisations on shortcuts, are masked."""

    masks = None

    def get(self, name):
        masked = name.endswith("weight") and ("conv" in name or "downsample" in name)
        masked |= name.endswith("bias") and "downsample" in name
        if not masked:
            return super().get(name)
        m = Above.apply(self.p[f"{name}.scores"])
        self.masks[name] = m.detach()
        return super().get(name) * m / m.mean().sqrt()


# Heads


def linear(p, name, x):
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def projector(p, name, x, hidden, training, update=True, terms=None):
    if not hidden:
        return linear(p, f"{name}.0", x)
    stats = [p[f"{name}.1.{s}"] for s in ("running_mean", "running_var")]
    stats = stats if update else [s.clone() for s in stats]
    y = linear(p, f"{name}.0", x)
    if terms is not None:
        # What normalisation takes away: a shift of all images.
        shift = f"optim.{name}.0.bias.momentum"
        y.register_hook(lambda dy: terms.update({shift: terms.get(shift, 0) + dy.abs().sum(0)}))
    y = F.batch_norm(y, *stats, p[f"{name}.1.weight"], p[f"{name}.1.bias"], training)
    return linear(p, f"{name}.3", F.relu(apart(y, 0, by=1e-6)))


# SwAV


def sinkhorn(scores):
    q = ((scores - scores.max()) / EPSILON).exp()
    for _ in range(3):
        q = q / q.sum(0, keepdim=True)
        q = q / q.sum(1, keepdim=True)
    return q


def best(x):
    two = x.topk(2, 1).values
    apart(two[:, 0] - two[:, 1], 0)
    return x.argmax(1)


def swav(p, prefix, features, hidden, queue, log):
    z = F.normalize(projector(p, f"{prefix}head", features, hidden, True), dim=1)
    c = p[f"{prefix}prototypes.weight"]
    scores = (z @ c.T).split(BATCH)
    codes = []
    for i, s in enumerate(scores):
        with torch.no_grad():
            before = [p[f"queue.{i}"] @ c.T] if queue else []
            codes.append(sinkhorn(torch.cat(before + [s]))[-BATCH:])
    log_p = [F.log_softmax(s / CODE_TEMPERATURE, 1) for s in scores]
    loss = sum(-(codes[i] * log_p[1 - i]).sum(1).mean() for i in (0, 1)) / 2
    share = F.one_hot(best(scores[0].detach()), PROTOTYPES).double().mean(0)
    log("swav_loss", loss)
    log("usage_entropy", -(share * (share + 1e-12).log()).sum())
    log("sinkhorn_residual", (codes[0].sum(0) * PROTOTYPES / BATCH - 1).abs().max())
    log("feature_spread", z.var(0, unbiased=False).sum().sqrt())
    return loss, scores, codes, z.detach()


# BURN


def divergence(t, s):
    log_p, log_q = F.log_softmax(t / TEMPERATURE, 1), F.log_softmax(s / TEMPERATURE, 1)
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def similarity(a, b):
    return ((F.normalize(a, dim=1) - F.normalize(b.detach(), dim=1)) ** 2).sum(1).mean()


def entropies(logits):
    p = logits.softmax(1)
    mean = p.mean(0)
    return -(mean * (mean + 1e-12).log()).sum(), -(p * p.log()).sum(1).mean()


def length(tensors):
    return sum((t**2).sum() for t in tensors).sqrt()


# One step


def features(net, x):
    net.stages, net.bits, net.signs = [], {}, {}
    y = net.activate(net.stem_act, "act1", net.batch_norm("bn1", net.conv("conv1", x)))
    for stage, width in enumerate(WIDTHS[1:]):
        y = net.block(f"layer{stage + 1}.0", y, width, 1 if stage == 0 else 2)
    return y.mean((2, 3))


def decay_of(name, binary):
    if name.endswith(".scores"):
        return 0.0
    if not name.endswith("weight") or "prototypes" in name:
        return OTHER_DECAY
    if binary and name.startswith("layer") and ".conv" in name:
        return BINARY_DECAY
    norm = any(part in f".{name}" for part in (".bn", "downsample.1", "head.1", "classifier.1", "target.1", ".act"))
    return OTHER_DECAY if norm else DECAY


def step(start, images, *, target=None, similar=None, smn=False, hidden=HIDDEN, queue=False, **settings):
    p = {name: torch.tensor(t.astype(np.float64)) for name, t in start.items()}
    x = (torch.tensor(images / 255.0).permute(0, 3, 1, 2) - 0.5) / 0.25
    views = [x, x.flip(3)]
    after, terms = {}, {}

    def log(name, value):
        after[f"metrics.mean.{name}"] = [float(torch.as_tensor(value).detach()), 1]

    binary = target is not None
    net = (Masked if smn else Net)(p, binary=binary, **settings)
    net.masks = {}
    wanted = ("scores",) if smn else ("conv", "bn1", "bn2", "downsample")
    if binary:
        wanted += ("threshold", ".act", "classifier.")
    heads = {None: ("head.", "prototypes."), "fixed-ssl": (), "fixed-random": (), "joint-literal": ("target.0", "target.1", "target.3"),
             "joint-anneal": ("target.0", "target.1", "target.3"), "joint-swav": ("target.head.", "target.prototypes.")}[target]

    def is_trained(n):
        if n.startswith("teacher.") or "running" in n or n.startswith(("act1", "fc.", "bn_head", "queue")):
            return False
        if n.endswith("alpha") or n.endswith("scores") and not smn or n.endswith("threshold") and not binary:
            return False
        if n.startswith("head.") and hidden == 0 and not n.startswith("head.0"):
            return False
        if n.startswith(("head.", "prototypes.", "target.")):
            return n.startswith(heads) if heads else False
        if n.startswith("classifier."):
            return binary
        if smn:
            return n.endswith("scores")
        return any(part in n for part in wanted)

    names = [n for n in p if is_trained(n)]
    for n in names:
        if n.endswith("prototypes.weight"):
            p[n] = F.normalize(p[n], dim=1)
        p[n].requires_grad_()
    rate = lambda n: SCORE_LR if n.endswith("scores") else LR * TARGET_RATE if n.startswith("target.") and "prototypes" not in n else LR
    optimiser = torch.optim.SGD(
        [{"params": [p[n]], "weight_decay": decay_of(n, binary), "lr": rate(n)} for n in names], lr=LR, momentum=MOMENTUM)

    if not binary:
        f = features(net, torch.cat(views))
        loss, scores, codes, z = swav(p, "", f, hidden, queue, log)
        agree = (best(scores[1].detach()) == best(codes[0])).sum()
        if queue:
            after |= {f"queue.{i}": v for i, v in enumerate(z.split(BATCH))}
        total = sum(p[n].numel() for n in net.masks)
        for n, m in net.masks.items():
            log(f"active.{n}", m.mean())
        if smn:
            log("active_share", sum(m.sum() for m in net.masks.values()) / total)
    else:
        taught = Net(p, "teacher.", binary=False, act=net.act, stem_act=net.act, skip=net.skip, shortcut=net.shortcut)
        taught.training = False
        with torch.no_grad():
            h = [features(taught, v) for v in views]
        own = 0
        t_temperature = TEMPERATURE
        if target == "fixed-ssl":
            t = [F.normalize(projector(p, "teacher.head", f, SSL_HIDDEN, False), dim=1) for f in h]
        elif target == "joint-swav":
            own, t, _, _ = swav(p, "target.", torch.cat(h), hidden, False, log)
            t, t_temperature = [s.detach() for s in t], CODE_TEMPERATURE
        else:
            moving = target != "fixed-random"
            t = [projector(p, "target", f, HIDDEN, True, moving, terms if moving else None) for f in h]
        k = [features(net, v) for v in views]
        # Normalisation in the classifier takes away what shifts all images alike, and the gradient of such a shift.
        last = f"optim.layer{len(WIDTHS) - 1}.0.act2.shift_out.momentum"
        terms[last] = 0
        for f in k:
            f.register_hook(lambda dy: terms.update({last: terms[last] + dy.abs().sum(0)}))
        s = [projector(p, "classifier", f, HIDDEN, True, True, terms) for f in k]
        s = [F.normalize(y, dim=1) for y in s] if target == "fixed-ssl" else s
        literal = target in ("joint-literal", "joint-anneal")
        against = [y if literal else y.detach() * (TEMPERATURE / t_temperature) for y in t]
        kl = sum(divergence(against[1 - v], s[v]) for v in (0, 1))
        together, apart_ = entropies(torch.cat(t) / t_temperature)
        log("kl", kl)
        log("target_entropy_of_mean", together)
        log("target_mean_entropy", apart_)
        log("target_information", together - apart_)
        terms["metrics.mean.target_information"] = [float(together.detach()), 1]
        terms["burn.first_information"] = [float(together.detach())]
        log("target_collapsed", 0)
        u = F.normalize(t[0].detach(), dim=1).sum(0)
        log("target_cosine", ((u**2).sum() - BATCH) / (BATCH * (BATCH - 1)))
        log("kl_gradient_at_features", length(torch.autograd.grad(kl, k, retain_graph=True)))
        loss = kl
        if similar:
            pairs = [(k[v], h[1 - v]) if similar == "features" else (s[v], t[1 - v]) for v in (0, 1)]
            fs = sum(similarity(a, b) for a, b in pairs)
            log("feature_similarity", fs)
            log("similarity_gradient_at_features", length(torch.autograd.grad(fs, k, retain_graph=True)))
            lam = BALANCE[1] - (BALANCE[1] - BALANCE[0]) * (1 + math.cos(math.pi * EPOCH / EPOCHS)) / 2
            loss = (1 - lam) * fs + lam * kl
        if target == "joint-anneal":
            loss = loss - ETA * (together - apart_)
        loss = loss + own
        agree = (best(t[1].detach()) == best(s[0].detach())).sum()
        after["burn.first_information"] = [float((together - apart_).detach())]
        after["burn.collapsed"] = [0.0]

    after["metrics.sums"] = [loss.item(), float(agree), 1]
    after["metrics.halted"] = [0.0]
    loss.backward()
    moving = [n for n in names if n.startswith("target.") and "prototypes" not in n]
    if moving:
        log("target_gradient", length([p[n].grad for n in moving]))
    assert all(p[n].grad is not None for n in names), [n for n in names if p[n].grad is None]
    optimiser.step()
    for n in names:
        after[n] = p[n]
        after[f"optim.{n}.momentum"] = optimiser.state[p[n]]["momentum_buffer"]
    for n in p:
        if not n.startswith("teacher.") and n not in after:
            after[n] = p[n]
    return after, terms


# MoCo


def moco_head(p, name, x):
    return F.normalize(linear(p, f"{name}.2", F.relu(apart(linear(p, f"{name}.0", x), 0, by=1e-6))), dim=1)


def moco_step(start, images, *, kd=0.0, symmetric=False, **settings):
    """Keys are made in groups of the images 0, 2 and 1, 3, by a copy whose statistics are those of the group."""
    p = {name: torch.tensor(t.astype(np.float64)) for name, t in start.items()}
    x = (torch.tensor(images / 255.0).permute(0, 3, 1, 2) - 0.5) / 0.25
    views = [x, x.flip(3)]
    net = Net(p, binary=kd > 0, **settings)
    of_binary = lambda n: n.endswith("threshold") or ".act" in n
    names = [n for n in p if n.startswith(("conv1.", "bn1.", "layer", "head.0.", "head.2.")) and "running" not in n
             and not n.endswith(("alpha", "scores")) and (kd or not of_binary(n))]
    for n in names:
        p[n].requires_grad_()
    optimiser = torch.optim.SGD([{"params": [p[n]], "weight_decay": decay_of(n, kd > 0)} for n in names], lr=LR, momentum=MOMENTUM)

    @torch.no_grad()
    def keys(x):
        k = torch.empty(BATCH, p["head.2.bias"].numel())
        for group in (0, 1):
            # A copy, as its running statistics stay.
            of_group = {n[4:]: t.clone() for n, t in p.items() if n.startswith("key.")}
            f = features(Net(of_group, binary=kd > 0, **settings), x[group::2])
            k[group::2] = moco_head(of_group, "head", f)
        return k

    queue = p["queue.8.keys"]
    losses, made, right, positive = [], [], [], []
    for query, key in ((0, 1), (1, 0)) if symmetric else ((0, 1),):
        q, k = moco_head(p, "head", features(net, views[query])), keys(views[key])
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], 1) / TEMPERATURE
        losses.append(F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long)))
        if kd:
            taught = Net(p, "teacher.", binary=False, act=net.act, stem_act=net.act, skip=net.skip, shortcut=net.shortcut)
            taught.training = False
            with torch.no_grad():
                t = F.normalize(projector(p, "teacher.head", features(taught, views[query]), SSL_HIDDEN, False), dim=1)
            losses.append(kd * divergence(t, q))
        made.append(k)
        right.append((best(logits.detach()) == 0).sum())
        positive.append((q * k).sum(1).detach())
    loss = sum(losses)
    loss.backward()
    assert all(p[n].grad is not None for n in names), [n for n in names if p[n].grad is None]
    optimiser.step()
    after = {
        "metrics.mean.cosine_to_key": [float(torch.cat(positive).mean()), 1],
        "metrics.sums": [loss.item(), float(sum(right)) / len(right), 1],
        "metrics.halted": [0.0],
        "queue.8.made": [1.0],
        "queue.8.keys": torch.cat(made + [queue])[: len(queue)],
    }
    for n in names:
        after[n] = p[n]
        after[f"optim.{n}.momentum"] = optimiser.state[p[n]]["momentum_buffer"]
        after[f"key.{n}"] = FOLLOWS * p[f"key.{n}"] + (1 - FOLLOWS) * p[n].detach()
    return after | {n: t for n, t in p.items() if not n.startswith("teacher.") and n not in after}, {}


# What is stored


def beginning(rng):
    """What methods with labels start from, and the parts that only these have."""
    start = initial(rng, sets=False)
    normal = lambda *shape, scale=0.5: (rng.standard_normal(shape) * scale).astype(np.float32)

    def layers(name, d, hidden, out):
        if hidden:
            start[f"{name}.0.weight"], start[f"{name}.0.bias"] = normal(hidden, d), normal(hidden)
            start[f"{name}.1.weight"], start[f"{name}.1.bias"] = 1 + normal(hidden, scale=0.2), normal(hidden, scale=0.2)
            start[f"{name}.1.running_mean"] = normal(hidden, scale=0.2)
            start[f"{name}.1.running_var"] = np.exp(normal(hidden, scale=0.2))
        last = "3" if hidden else "0"
        start[f"{name}.{last}.weight"], start[f"{name}.{last}.bias"] = normal(out, hidden or d), normal(out)

    layers("head", D, HIDDEN, DIMENSION)
    layers("target", D, HIDDEN, OUTPUTS)
    layers("target.head", D, HIDDEN, DIMENSION)
    layers("classifier", D, HIDDEN, OUTPUTS)
    for name in ("prototypes.weight", "target.prototypes.weight"):
        start[name] = normal(PROTOTYPES, DIMENSION)
    for i in (0, 1):
        q = normal(BATCH, DIMENSION)
        start[f"queue.{i}"] = q / np.linalg.norm(q, axis=1, keepdims=True)
    for n in list(start):
        own = not n.startswith(("teacher.", "fc.", "bn_head", "head", "target", "classifier"))
        if own and (n.endswith("weight") and ("conv" in n or "downsample" in n) or n.endswith("bias") and "downsample" in n):
            start[f"{n}.scores"] = 0.5 + normal(*start[n].shape)
    # What becomes a bit keeps its distance from where that turns.
    for n, t in start.items():
        if n.endswith("scores") or n.endswith("weight") and ".conv" in n:
            start[n] = np.where(np.abs(t) < 1e-3, 1e-2, t)
    return {n: t.astype(np.float32) for n, t in start.items()}


def teachers_head():
    """Too large to be stored: in f32, as the test makes it."""
    shapes = {"0.weight": (SSL_HIDDEN, D), "0.bias": (SSL_HIDDEN,), "1.weight": (SSL_HIDDEN,), "1.bias": (SSL_HIDDEN,),
              "1.running_mean": (SSL_HIDDEN,), "1.running_var": (SSL_HIDDEN,), "3.weight": (SSL_DIMENSION, SSL_HIDDEN),
              "3.bias": (SSL_DIMENSION,)}
    return {f"teacher.head.{n}": (hashed(s) + n.endswith("var")).astype(np.float32) for n, s in shapes.items()}


FLOAT = dict(act="relu", stem_act="relu", skip="single", shortcut="float")
BURN = dict(act="rprelu", stem_act="none", skip="double", shortcut="pooled-float", act_ste=clipped, rsign=True,
            weights=burn_weights)
METHODS = {
    "swav": dict(queue=True, **FLOAT),
    "smn": dict(smn=True, hidden=0, **FLOAT),
    "burn-m0": dict(target="fixed-ssl", **BURN),
    "burn-m1": dict(target="fixed-random", similar="logits", **BURN),
    "burn-m2": dict(target="joint-literal", similar="features", **BURN),
    "burn-m3": dict(target="joint-swav", similar="features", **BURN),
    "burn-m4": dict(target="joint-anneal", **BURN),
    "moco": dict(**FLOAT),
    "moco-kd": dict(kd=0.5, symmetric=True, **BURN),
}


def own_of_moco(base, outputs):
    """A head without normalisation, the queue, and the copy, which starts as what it is a copy of."""
    rng = np.random.default_rng(3)
    normal = lambda *shape: (rng.standard_normal(shape) * 0.5).astype(np.float32)
    queue = normal(KEYS, outputs)
    own = {"head.2.weight": normal(outputs, HIDDEN), "head.2.bias": normal(outputs),
           "queue.8.keys": (queue / np.linalg.norm(queue, axis=1, keepdims=True)).astype(np.float32)}
    body = ("conv1.", "bn1.", "act1.", "layer", "head.0.", "head.2.")
    own |= {f"key.{n}": t for n, t in (base | own).items() if n.startswith(body) and not n.endswith("scores")}
    return own


def main():
    base = beginning(np.random.default_rng(1))
    normal = lambda *shape: (np.random.default_rng(2).standard_normal(shape) * 0.5).astype(np.float32)
    # SMN's head is one layer; S2-BNN's student has as many outputs as the teacher's head.
    own = {
        "smn": {"head.0.weight": normal(DIMENSION, D), "head.0.bias": normal(DIMENSION)},
        "burn-m0": {"classifier.3.weight": normal(SSL_DIMENSION, HIDDEN), "classifier.3.bias": normal(SSL_DIMENSION)},
    }
    own |= {"moco": own_of_moco(base, DIMENSION), "moco-kd": own_of_moco(base, SSL_DIMENSION)}
    base_of = {m: base | own.get(m, {}) for m in METHODS}
    out = {f"start/{n}": t for n, t in base.items()}
    out |= {f"{m}/start/{n}": t for m, tensors in own.items() for n, t in tensors.items()}
    for method, settings in METHODS.items():
        start = base_of[method] | teachers_head()
        for seed in itertools.count():
            assert seed < 2000, f"{method} finds no images"
            images = np.random.default_rng(seed).integers(0, 256, (BATCH, 8, 8, 3), dtype=np.uint8)
            try:
                after, terms = (moco_step if method.startswith("moco") else step)(start, images, **settings)
                break
            except Tie:
                continue
        print(f"{method}: images of seed {seed}, loss {after['metrics.sums'][0]:.6f}")
        out[f"{method}/images"] = images
        for n, t in after.items():
            # What a step leaves as it was is not stored twice.
            new = stored(n, t)
            old = base_of[method].get(n)
            if old is None or not np.array_equal(old, new[n]):
                out |= {f"{method}/after/{n}": v for n, v in new.items()}
        for n, t in terms.items():
            out |= {f"{method}/terms/{n}": v for n, v in stored(n, t).items()}
    save_file({n: np.ascontiguousarray(t) for n, t in sorted(out.items())}, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
