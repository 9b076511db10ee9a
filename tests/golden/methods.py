"""One training step of each method on a tiny ResNet-8, by PyTorch's autograd in f64, for tests/methods/pytorch.rs: writes
tests/golden/methods.safetensors. Written from the formulas of the papers, with autograd in place of written-out gradients.

    start/<tensor>               what all methods start from, under the project's names; convolutions are OHWI
    labels                       of the four images
    <method>/images              u8, NHWC
    <method>/after/<tensor>      everything that the step leaves behind: parameters, momenta (after a first step these are
                                 gradient + decay * weight), statistics, bits, losses
    <method>/terms/<tensor>      of a gradient that nearly cancels (batch normalisation takes away what a learned scale does):
                                 the sum of the magnitudes of its terms
    <method>/refreshed/<tensor>  what a step of RBCN's second pass changes of that

Discriminators start by `hashed`; their matrices are stored as the sums over rows and over columns.

Where f32 could take another side than f64 (a sign, a kink, a median), numbers keep a distance: images are drawn until
they do (`apart`).

Run with any PyTorch 2 and safetensors: python tests/golden/methods.py
"""
import itertools
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

WIDTHS, CLASSES, BATCH = [4, 4, 8, 8], 5, 4
LABELS = torch.tensor([3, 0, 4, 1])
LR, MOMENTUM = 0.1, 0.9
DECAY, BINARY_DECAY, OTHER_DECAY = 0.05, 0.01, 0.02
EPOCH, EPOCHS = 3, 10
torch.set_default_dtype(torch.float64)


class Tie(Exception):
    """A number is too close to where something jumps."""


def apart(x, *places, by=1e-4):
    if any(((x - p).abs() < by).any() for p in places):
        raise Tie
    return x


# Signs and their estimators


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(apart(x.detach(), 0) >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.slope(*ctx.saved_tensors), None


def clipped(x):
    return (x.abs() <= 1).double()


def clipped_open(x):
    return (x.abs() < 1).double()


def approx_sign(x):
    return (2 - 2 * x.abs()).clamp(min=0)


def ede(x):
    t = 0.1 * 10 ** (EPOCH / EPOCHS * math.log10(10 / 0.1))
    return max(1 / t, 1) * t * (1 - torch.tanh(t * x) ** 2)


# Weights, [o, k, k, c]: what is moved in place before a step, and what is convolved with


def over_filter(reduce, w):
    return reduce(w, dim=(1, 2, 3), keepdim=True)


class Xnor(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return over_filter(torch.mean, w.abs()) * torch.where(apart(w.detach(), 0) >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, dy):
        (w,) = ctx.saved_tensors
        n, c = w[0].numel(), w.shape[3]
        alpha = over_filter(torch.mean, w.abs())
        return dy * (alpha * (w.abs() < 1) + 1 / n) * (1 - 1 / c) * n


def unmoved(w):
    return w


def clip(w):
    return w.clamp(-1, 1)


def xnor_moved(w):
    return (w - w.mean(3, keepdim=True)).clamp(-1, 1)


def siman_moved(w):
    """Recentres filters, clamps magnitudes to percentiles of the layer."""
    p = 15 * (1 - EPOCH / EPOCHS) / 100
    w = w - over_filter(torch.mean, w)
    low, high = torch.quantile(w.abs(), p), torch.quantile(w.abs(), 1 - p)
    return torch.sign(apart(w, 0)) * w.abs().clamp(low, high)


def sign_weights(net, name, w):
    return Sign.apply(w, clipped)


def scaled_sign_weights(net, name, w):
    """Bi-Real Net's paper: alpha sign(w), alpha constant."""
    return over_filter(torch.mean, w.detach().abs()) * Sign.apply(w, clipped)


def xnor_weights(net, name, w):
    return Xnor.apply(w)


def irnet_weights(net, name, w):
    z = (w - over_filter(torch.mean, w)) / over_filter(torch.std, w)
    log = over_filter(torch.mean, z.detach().abs()).log2()
    apart(log - log.floor(), 0.5)
    return Sign.apply(z, ede) * 2 ** log.round()


def siman_weights(net, name, w):
    c = w - over_filter(torch.mean, w)
    m = (c / (over_filter(torch.var, c) + 1e-5).sqrt()).abs()
    median = m.detach().flatten(1).median(1).values[:, None, None, None]
    if ((m - median).abs() < 1e-4).sum() > len(w):
        raise Tie
    bits = (m > median).double()
    net.bits[f"{name}.bits"] = bits
    return (2 * bits - 1 if net.coding == "pm1" else bits) + m - m.detach()


def recu_weights(net, name, w):
    """The release: no gradient beyond the quantile tau of a Laplace law."""
    w1 = 2 * 2**0.5 * (w - over_filter(torch.mean, w)) / (over_filter(torch.var, w) + 1e-5).sqrt()
    tau = 0.85 + 0.14 * (math.exp(EPOCH / EPOCHS) - 1) / (math.e - 1)
    q = -w1.detach().abs().mean() * math.log(2 - 2 * tau)
    apart(w1.detach(), -q, q)
    return Sign.apply(w1.clamp(-q, q), torch.ones_like)


OMEGA = 20


class SquareWave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return torch.where(apart(torch.sin(OMEGA * w.detach()), 0) >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, dy):
        return dy * OMEGA * torch.cos(OMEGA * ctx.saved_tensors[0])


def biper_weights(net, name, w):
    net.sines[name] = torch.sin(OMEGA * w)
    return SquareWave.apply(w)


def biper_sines(net, name, w):
    net.sines[name] = torch.sin(OMEGA * w)
    return net.sines[name]


def adabin_weights(net, name, w):
    """Two values a filter, neither mean nor deviation detached."""
    centre = over_filter(torch.mean, w)
    scale = over_filter(torch.mean, (w - centre) ** 2).sqrt()
    return scale * Sign.apply((w - centre) / scale, ede) + centre


def real_weights(net, name, w):
    return w


def rbcn_weights(net, name, w):
    net.signs[name] = Sign.apply(w, approx_sign)
    return net.signs[name] * net.p[f"{name}.matrix"]


# The network


class Net:
    """ResNet-8 of parameters and statistics in a dictionary, under a prefix."""

    def __init__(self, p, prefix="", *, binary=True, act="none", stem_act="none", skip="double", shortcut="float",
                 head_norm=False, weights=None, moved=unmoved, act_ste=None, rsign=False, standardise=False,
                 divided=False, adaptive=False, learned=False, coding=None, soft=False):
        self.__dict__.update(locals())
        self.training, self.update = True, True
        self.stages, self.outs, self.bits, self.signs, self.sines, self.terms = [], [], {}, {}, {}, {}

    def get(self, name):
        return self.p[self.prefix + name]

    def batch_norm(self, name, x):
        stats = [self.get(f"{name}.{s}") for s in ("running_mean", "running_var")]
        stats = stats if self.update else [s.clone() for s in stats]
        return F.batch_norm(x, *stats, self.get(f"{name}.weight"), self.get(f"{name}.bias"), self.training)

    def activate(self, kind, name, x):
        channels = lambda leaf: self.get(f"{name}.{leaf}")[:, None, None]
        if kind == "hardtanh":
            return F.hardtanh(apart(x, -1, 1))
        if kind == "relu":
            return F.relu(apart(x, 0))
        if kind == "prelu":
            return F.prelu(apart(x, 0), self.get(f"{name}.weight"))
        if kind == "maxout":
            return channels("positive") * apart(x, 0).clamp(min=0) + channels("negative") * x.clamp(max=0)
        if kind == "rprelu":
            y = apart(x - channels("shift_in"), 0)
            return F.prelu(y, self.get(f"{name}.weight")) + channels("shift_out")
        return x

    def conv(self, name, x, stride=1):
        w = self.get(f"{name}.weight")
        return F.conv2d(x, w.permute(0, 3, 1, 2), stride=stride, padding=w.shape[1] // 2)

    def inner_conv(self, name, x, stride=1):
        if not self.binary:
            return self.conv(name, x, stride)
        if self.standardise:
            x = x - x.mean((1, 2, 3), keepdim=True)
            x = x / (x.var((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        if self.divided and self.training:
            x = x / (x.var((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        if self.rsign:
            x = x - self.get(f"{name}.threshold")[:, None, None]
        if self.soft:
            x = torch.tanh(x)
        else:
            x = self.adaptive_bits(name, x) if self.adaptive else Sign.apply(x, self.act_ste)
        w = self.weights(self, name, self.get(f"{name}.weight"))
        y = F.conv2d(x, w.permute(0, 3, 1, 2), stride=stride, padding=1)
        if not self.learned:
            return y
        alpha = self.get(f"{name}.alpha")
        y = y * alpha[:, None, None]
        terms = lambda dy: self.terms.update({f"{name}.alpha": (dy * y.detach()).abs().sum((0, 2, 3)) / alpha.detach()})
        y.register_hook(terms)
        return y

    def adaptive_bits(self, name, x):
        """AdaBin: one of two learned values. Batch normalisation takes away most of what they change."""
        scale, centre = self.get(f"{name}.alpha_a"), self.get(f"{name}.beta_a")
        normed = (x - centre) / scale
        sign = Sign.apply(normed, self.act_ste)
        y = scale * (sign + centre)
        h, normed = self.act_ste(normed).detach(), normed.detach()
        by_scale, by_centre = (sign + centre - h * normed).detach(), (scale - h).detach()
        terms = lambda dy: self.terms.update({
            f"{name}.alpha_a": (dy * by_scale).abs().sum()[None], f"{name}.beta_a": (dy * by_centre).abs().sum()[None]})
        y.register_hook(terms)
        return y

    def downsample(self, name, x, width, stride):
        c = x.shape[1]
        if stride == 1 and c == width:
            return x
        if self.shortcut == "option-a":
            side = (width - c) // 2
            return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, side, side))
        if self.shortcut == "pooled-option-a":
            side = (width - c) // 2
            return F.pad(F.avg_pool2d(x, stride), (0, 0, 0, 0, side, side))
        norm = lambda y: self.batch_norm(f"{name}.1", y)
        if self.shortcut == "float":
            return norm(self.conv(f"{name}.0", x, stride))
        if self.shortcut == "pooled-float":
            return norm(self.conv(f"{name}.0", F.avg_pool2d(x, 2)))
        return F.avg_pool2d(norm(self.conv(f"{name}.0", x)), 2)  # float-pooled

    def block(self, name, x, width, stride):
        skip = self.downsample(f"{name}.downsample", x, width, stride)
        y = self.batch_norm(f"{name}.bn1", self.inner_conv(f"{name}.conv1", x, stride))
        if self.skip == "double":
            y = y + skip
        y = skip2 = self.activate(self.act, f"{name}.act1", y)
        self.outs += [y] if self.skip == "double" else []
        y = self.batch_norm(f"{name}.bn2", self.inner_conv(f"{name}.conv2", y))
        y = y + (skip2 if self.skip == "double" else skip)
        self.stages.append(y)
        self.outs.append(self.activate(self.act, f"{name}.act2", y))
        return self.outs[-1]

    def __call__(self, x):
        self.stages, self.outs, self.bits, self.signs, self.sines = [], [], {}, {}, {}
        x = self.activate(self.stem_act, "act1", self.batch_norm("bn1", self.conv("conv1", x)))
        for stage, width in enumerate(WIDTHS[1:]):
            x = self.block(f"layer{stage + 1}.0", x, width, 1 if stage == 0 else 2)
        x = x.mean((2, 3))
        if self.head_norm:
            x = self.batch_norm("bn_head", x)
        return F.linear(x, self.get("fc.weight"), self.get("fc.bias"))


# Discriminators


def hashed(shape):
    """Numbers in [-1/8, 1/8) of 24 bits each, from position and length."""
    n = math.prod(shape)
    h = (np.arange(n, dtype=np.uint64) + n * 65536) * 0x9E3779B1 % 2**32
    h = (h ^ (h >> np.uint64(15))) * 0x85EBCA77 % 2**32
    return (((h >> np.uint64(8)) / 2.0**24 - 0.5) / 4).reshape(shape)


def view(map):
    """What a discriminator sees: at most 4x4 pixels, flattened as NHWC."""
    return F.avg_pool2d(map, max(map.shape[2] // 4, 1)).permute(0, 2, 3, 1).flatten(1)


def probability(p, s, x):
    for i in range(3):
        x = F.linear(x, p[f"discriminator.{s}.{i}.weight"], p[f"discriminator.{s}.{i}.bias"])
        x = x if i == 2 else F.leaky_relu(apart(x, 0, by=1e-5), 0.2)
    return apart(torch.sigmoid(x), 0.5)


def distillation(teacher, student):
    return -(F.softmax(teacher, 1) * F.log_softmax(student, 1)).sum(1).mean()


def attention(x):
    """Where a network looks: mean squares over channels, over the largest."""
    q = (x**2).mean(1).flatten(1)
    largest = q.topk(2, 1).values.detach()
    apart(largest[:, 0] - largest[:, 1], 0, by=1e-6)
    return q / (q.max(1, keepdim=True).values + 1e-12)


# One step


def decay_of(net, name):
    inner = name.startswith("layer") and "conv" in name and name.endswith("weight")
    if net.weights in (biper_sines, real_weights) and inner:
        return DECAY
    if name.endswith(".alpha") or (net.binary and name.startswith("layer") and "conv" in name and name.endswith("weight")):
        return BINARY_DECAY
    is_weight = name in ("conv1.weight", "fc.weight") or name.endswith("downsample.0.weight")
    return DECAY if is_weight else OTHER_DECAY


def parameters_of(net, names):
    """Those of a student with these settings."""
    optional = {
        "teacher.": False, "running": False, "downsample": "option-a" not in net.shortcut, "bn_head": net.head_norm,
        "threshold": net.rsign, "alpha$": net.learned, "alpha_a": net.adaptive, "beta_a": net.adaptive,
        "shift": net.act == "rprelu", "act1.weight": net.act in ("prelu", "rprelu"),
        "act2.weight": net.act in ("prelu", "rprelu"), "positive": net.act == "maxout", "negative": net.act == "maxout",
    }
    used = lambda name: all(wanted for part, wanted in optional.items() if part in name + "$")
    return [name for name in names if used(name) and not name.startswith("act1")]


def step(start, images, *, smoothing=0.0, features=None, distill=0.0, lambda_kernel=0.0,
         lambda_features=0.0, matrix_lr=0.0, discriminator_lr=0.0, learns="labels", refresh=False, tau=0.0,
         real_to_binary=None, **settings):
    p = {name: torch.tensor(t.astype(np.float64)) for name, t in start.items()}
    net = Net(p, **settings)
    of_rbcn = net.weights is rbcn_weights
    if of_rbcn:
        for name in of_binary_layers(start):
            p[f"{name}.matrix"] = p[f"{name}.weight"].abs().mean((0, 3), keepdim=True)
    names = parameters_of(net, p)
    for name in names:
        if decay_of(net, name) == BINARY_DECAY and name.endswith("weight"):
            p[name] = net.moved(p[name])
        p[name].requires_grad_()
    matrices = [n for n in names if n.endswith("matrix")]
    trained = [n for n in names if n not in matrices]
    optimiser = torch.optim.SGD(
        [{"params": [p[n]], "weight_decay": decay_of(net, n)} for n in trained], lr=LR, momentum=MOMENTUM)
    after, x = {}, (torch.tensor(images / 255.0).permute(0, 3, 1, 2) - 0.5) / 0.25

    def log(name, value):
        after[f"metrics.mean.{name}"] = [value.item(), 1]

    act = "none" if net.act == "maxout" else net.act
    taught = Net(p, "teacher.", binary=False, act=act, stem_act=act, skip=net.skip, shortcut=net.shortcut)
    taught.training = False
    with torch.no_grad():
        real_logits = taught(x)

    if features == "adversarial":
        discriminators = {}
        for s, map in enumerate(taught.stages):
            shapes = [256, view(map).shape[1]], [64, 256], [1, 64]
            for i, (o, k) in enumerate(shapes):
                discriminators[f"discriminator.{s}.{i}.weight"] = torch.tensor(hashed((o, k)), requires_grad=True)
                discriminators[f"discriminator.{s}.{i}.bias"] = torch.tensor(hashed((o,)), requires_grad=True)
        net.update = False
        with torch.no_grad():
            net(x)
        net.update = True
        adam = torch.optim.Adam(discriminators.values(), lr=discriminator_lr, betas=(0.5, 0.999), eps=1e-8)
        loss = 0
        for s, (r, t) in enumerate(zip(taught.stages, net.stages)):
            r, t = view(r), view(t)
            on_real, on_fake = probability(discriminators, s, r), probability(discriminators, s, t)
            loss = loss - on_real.clamp(1e-6, 1 - 1e-6).log().mean() - (1 - on_fake).clamp(1e-6, 1 - 1e-6).log().mean()
            log(f"d{s}.right_on_real", (on_real > 0.5).double().mean())
            log(f"d{s}.right_on_fake", (on_fake < 0.5).double().mean())
            log(f"d{s}.feature_mse", F.mse_loss(t, r))
        loss.backward()
        adam.step()
        for name, d in discriminators.items():
            state = adam.state[d]
            after |= {name: d, f"optim.{name}.m": state["exp_avg"], f"optim.{name}.v": state["exp_avg_sq"]}

    logits = net(x)
    stages = net.stages
    task = F.cross_entropy(logits, LABELS, label_smoothing=smoothing)
    loss = distillation(real_logits, logits) if learns == "teacher" else task
    if of_rbcn:
        log("task_loss", task)
    if features:
        if features == "adversarial":
            losses = [((1 - probability(discriminators, s, view(t))) ** 2).mean() for s, t in enumerate(stages)]
        else:
            losses = [F.mse_loss(t, r) for r, t in zip(taught.stages, stages)]
        log("feature_loss", sum(losses) / len(losses))
        loss = loss + lambda_features * sum(losses) / len(losses)
    if distill:
        log("distillation_loss", distillation(real_logits, logits))
        loss = loss + distill * distillation(real_logits, logits)
    if real_to_binary:
        weights = real_to_binary
        log("task_loss", task)
        step = len(net.outs) // weights["points"]
        looks = [((attention(s) - attention(t)) ** 2).mean() for s, t in zip(net.outs, taught.outs)][step - 1::step]
        log("attention_loss", sum(looks) / len(looks))
        t = weights["temperature"]
        divergence = t**2 * F.kl_div(
            F.log_softmax(logits / t, 1), F.log_softmax(real_logits / t, 1), reduction="batchmean", log_target=True)
        log("distillation_loss", divergence)
        loss = weights["labels"] * task + weights["attention"] * sum(looks) / len(looks) + weights["outputs"] * divergence
    kernel = lambda name, sign, c: lambda_kernel / 2 * ((p[f"{name}.weight"] - c * sign) ** 2).sum()
    if lambda_kernel:
        tie = sum(kernel(name, sign, p[f"{name}.matrix"].detach()) for name, sign in net.signs.items())
        log("kernel_loss", tie)
        loss = loss + tie

    if tau:
        pull = sum((sine**2).mean() for sine in net.sines.values())
        log("sine_loss", pull)
        loss = loss + tau * pull

    def right(logits):
        two = logits.topk(2, 1).values
        apart(two[:, 0] - two[:, 1], 0)
        return (logits.argmax(1) == LABELS).sum()

    after["metrics.sums"] = [loss.item(), float(right(logits)), 1]
    after["metrics.halted"] = [0.0]
    after |= net.bits
    loss.backward()
    terms = {f"optim.{name}.momentum": t for name, t in net.terms.items()}
    optimiser.step()
    for name in matrices:
        layer, c = name.removesuffix(".matrix"), p[name]
        w = p[f"{layer}.weight"].detach()
        after[f"passed.{name}"] = c.grad
        sign = torch.where(apart(w, 0) >= 0, 1.0, -1.0)
        c.data -= matrix_lr * LR * (c.grad - lambda_kernel * ((w - c.data * sign) * sign).sum((0, 3), keepdim=True))

    def state():
        statistics = [n for n in p if "running" in n and not n.startswith("teacher.")]
        used = [n for n in statistics if n.removesuffix(".running_mean").removesuffix(".running_var") + ".weight" in names]
        momenta = {f"optim.{n}.momentum": optimiser.state[p[n]]["momentum_buffer"] for n in trained}
        return {n: v.detach().clone() for n, v in ({n: p[n] for n in names + used} | momenta).items()}

    after |= state()
    if not refresh:
        return after, terms, {}
    optimiser.zero_grad()
    logits = net(x)
    loss = F.cross_entropy(logits, LABELS, label_smoothing=smoothing)
    sums = [after["metrics.sums"][0] + loss.item(), after["metrics.sums"][1] + float(right(logits)), 2]
    norms = [n for n in trained if ".bn" in f".{n}" or "downsample.1" in n]
    for n, g in zip(norms, torch.autograd.grad(loss, [p[n] for n in norms])):
        p[n].grad = g
    optimiser.step()
    changed = {n: v for n, v in state().items() if not torch.equal(v, after[n])}
    return after, terms, changed | {"metrics.sums": sums}


# What is stored


NET_SETTINGS = Net.__init__.__kwdefaults__


def initial(rng, sets=True):
    """Without the leaves of two-valued weights and activations unless `sets`."""
    start = {}
    normal = lambda shape, scale: (rng.standard_normal(shape) * scale).astype(np.float32)

    def norm(name, c):
        start[f"{name}.weight"], start[f"{name}.bias"] = 1 + normal(c, 0.2), normal(c, 0.2)
        start[f"{name}.running_mean"], start[f"{name}.running_var"] = normal(c, 0.2), np.exp(normal(c, 0.2))

    def act(name, c):
        start[f"{name}.weight"] = 0.25 + normal(c, 0.05)
        start[f"{name}.shift_in"], start[f"{name}.shift_out"] = normal(c, 0.2), normal(c, 0.2)

    for teacher in ("", "teacher."):
        start[f"{teacher}conv1.weight"] = normal((WIDTHS[0], 3, 3, 3), 0.3)
        norm(f"{teacher}bn1", WIDTHS[0])
        act(f"{teacher}act1", WIDTHS[0])
        for stage, (c, o) in enumerate(zip(WIDTHS, WIDTHS[1:])):
            block = f"{teacher}layer{stage + 1}.0"
            for i, k in ((1, c), (2, o)):
                # A student's are wide enough that some of them leave [-1, 1].
                start[f"{block}.conv{i}.weight"] = normal((o, 3, 3, k), (9 * k) ** -0.5 if teacher else 0.4)
                start[f"{block}.conv{i}.alpha"] = 0.3 + abs(normal(o, 0.1))
                start[f"{block}.conv{i}.threshold"] = normal(k, 0.2)
                norm(f"{block}.bn{i}", o)
                act(f"{block}.act{i}", o)
            if stage:
                start[f"{block}.downsample.0.weight"] = normal((o, 1, 1, c), 0.7)
                norm(f"{block}.downsample.1", o)
        norm(f"{teacher}bn_head", WIDTHS[-1])
        start[f"{teacher}fc.weight"], start[f"{teacher}fc.bias"] = normal((CLASSES, WIDTHS[-1]), 0.5), normal(CLASSES, 0.2)
    for name in of_binary_layers(list(start)):
        if sets and not name.startswith("teacher."):
            start[f"{name}.alpha_a"], start[f"{name}.beta_a"] = 0.8 + normal(1, 0.2), normal(1, 0.2)
    for stage, c in enumerate(WIDTHS[1:] if sets else []):
        for act in ("act1", "act2"):
            block = f"layer{stage + 1}.0.{act}"
            start[f"{block}.positive"], start[f"{block}.negative"] = 1 + normal(c, 0.2), 0.25 + normal(c, 0.05)
    unused = lambda n: n.startswith("teacher.") and any(s in n for s in ("alpha", "threshold", "bn_head"))
    return {n: t.astype(np.float32) for n, t in start.items() if not unused(n)}


SIMAN = dict(act="prelu", stem_act="relu", shortcut="option-a", head_norm=True, act_ste=approx_sign, standardise=True,
             weights=siman_weights, moved=siman_moved, learned=True)
RBCN = dict(act="prelu", shortcut="float-pooled", act_ste=approx_sign, weights=rbcn_weights, lambda_kernel=0.1,
            matrix_lr=0.5)
REAL_TO_BINARY = dict(shortcut="pooled-float", act="prelu")
BIPER = dict(shortcut="pooled-option-a", act="hardtanh", act_ste=approx_sign, divided=True, learned=True, tau=0.05)
METHODS = {
    "sign": dict(skip="single", act="hardtanh", act_ste=clipped, weights=sign_weights, moved=clip),
    "xnor": dict(skip="single", act="hardtanh", act_ste=clipped_open, weights=xnor_weights, moved=xnor_moved),
    "bireal": dict(shortcut="pooled-float", act_ste=approx_sign, weights=scaled_sign_weights, smoothing=0.1),
    "irnet": dict(shortcut="option-a", act="hardtanh", act_ste=ede, weights=irnet_weights),
    "recu": dict(shortcut="pooled-option-a", act="hardtanh", act_ste=approx_sign, divided=True, weights=recu_weights,
                 learned=True),
    "biper-step1": dict(weights=biper_sines, **BIPER),
    "biper": dict(weights=biper_weights, **BIPER),
    "adabin": dict(shortcut="option-a", act="maxout", act_ste=approx_sign, weights=adabin_weights, adaptive=True),
    "reactnet": dict(shortcut="pooled-float", act="rprelu", act_ste=approx_sign, rsign=True,
                     weights=scaled_sign_weights, learns="teacher"),
    "real-to-binary-step1": dict(
        soft=True, weights=real_weights, **REAL_TO_BINARY,
        real_to_binary=dict(labels=0.5, attention=2.0, outputs=0.8, temperature=2.0, points=3)),
    "real-to-binary": dict(
        act_ste=clipped, weights=sign_weights, moved=clip, **REAL_TO_BINARY,
        real_to_binary=dict(labels=1.0, attention=30.0, outputs=3.0, temperature=1.0, points=6)),
    "siman-pm1": dict(coding="pm1", **SIMAN),
    "siman-zero-one": dict(coding="zero-one", **SIMAN),
    "rbcn": dict(features="adversarial", lambda_features=0.5, discriminator_lr=1e-3, refresh=True, **RBCN),
    "rbcn-mse": dict(features="mse", lambda_features=0.5, **RBCN),
    "rbcn-distill": dict(distill=0.7, **RBCN),
}


def stored(name, t):
    """As it goes into the file."""
    t = t.detach().numpy() if isinstance(t, torch.Tensor) else np.array(t)
    if name.endswith(".bits"):
        return {name: t.astype(np.uint8)}
    if "discriminator." in name and t.ndim == 2:
        return {f"{name}.rows": t.sum(1).astype(np.float32), f"{name}.columns": t.sum(0).astype(np.float32)}
    return {name: t.astype(np.float32)}


def of_binary_layers(names):
    return [n.removesuffix(".weight") for n in names if n.startswith("layer") and "conv" in n and n.endswith("weight")]


def settled(start):
    """Whether no method finds a weight too close to where its bit turns."""
    try:
        for settings in METHODS.values():
            net = Net({}, **{k: v for k, v in settings.items() if k in NET_SETTINGS})
            for name in of_binary_layers(start):
                w = torch.tensor(start[f"{name}.weight"].astype(np.float64))
                net.p[f"{name}.matrix"] = torch.ones(())
                net.weights(net, name, net.moved(w))
        return True
    except Tie:
        return False


def main():
    start = next(s for s in (initial(np.random.default_rng(seed)) for seed in itertools.count()) if settled(s))
    out = {f"start/{n}": t for n, t in start.items()}
    out["labels"] = LABELS.numpy().astype(np.uint32)
    for method, settings in METHODS.items():
        for seed in itertools.count():
            images = np.random.default_rng(seed).integers(0, 256, (BATCH, 8, 8, 3), dtype=np.uint8)
            try:
                after, terms, refreshed = step(start, images, **settings)
                break
            except Tie:
                continue
        print(f"{method}: images of seed {seed}, loss {after['metrics.sums'][0]:.6f}")
        out[f"{method}/images"] = images
        for when, tensors in (("after", after), ("terms", terms), ("refreshed", refreshed)):
            for n, t in tensors.items():
                out |= {f"{method}/{when}/{n}": v for n, v in stored(n, t).items()}
    save_file({n: np.ascontiguousarray(t) for n, t in sorted(out.items())}, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
