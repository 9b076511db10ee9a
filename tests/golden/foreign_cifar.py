"""Narrow networks under the names of their releases, and what PyTorch makes of two images in f64, for
tests/files/foreign.rs: writes into tests/golden/foreign/.

    cifar-resnet20.th          names of Idelbayev's pytorch_resnet_cifar10 (option A, "linear"), under data parallelism, in a
                               checkpoint of the format of PyTorch before 1.6
    adabin-resnet20.th         names of AdaBin's release (maxout, adaptive binary sets, BatchNorm1d), likewise but as a zip archive
    irnet-resnet20.th          IR-Net's (hardtanh, balanced weights, BatchNorm1d)
    recu-resnet20.pth          ReCU's (a scale and a schedule's place a convolution, pooled shortcuts)
    recu-resnet18.pth          ReCU's ResNet-18 with binary shortcuts
    biper-resnet20.pth         BiPer's second stage (`beta` is set), biper-sine-resnet20.pth its first
    bireal-resnet18.pth.tar    Bi-Real Net's (a convolution a block, flat weights)
    reactnet-resnet18.pth.tar  ReActNet's on that network (shifts that are added)
    expected_cifar.safetensors images [n, h, w, c] and images64, and for each <name>/logits and <name>/features in f64

Written from the descriptions of both networks. Run with any PyTorch 2 and safetensors: python tests/golden/foreign_cifar.py
"""
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = Path(__file__).with_name("foreign")
WIDTHS, CLASSES, SIDE = [4, 4, 8, 16], 5, 12


def sign(x):
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class Sets(nn.Module):
    def __init__(self):
        super().__init__()
        self.alpha_a, self.beta_a = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))

    def forward(self, x):
        return self.alpha_a * (sign((x - self.beta_a) / self.alpha_a) + self.beta_a)


class AdaptiveConv(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, bias=False)
        self.binary_a = Sets()

    def forward(self, x):
        w = self.weight
        centre = w.mean((1, 2, 3), keepdim=True)
        scale = ((w - centre) ** 2).mean((1, 2, 3), keepdim=True).sqrt()
        return F.conv2d(self.binary_a(x), scale * sign(w - centre) + centre, None, self.stride, self.padding)


class Maxout(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.neg_scale, self.pos_scale = nn.Parameter(torch.full((c,), 0.25)), nn.Parameter(torch.ones(c))

    def forward(self, x):
        pos, neg = self.pos_scale[:, None, None], self.neg_scale[:, None, None]
        return pos * x.clamp(min=0) + neg * x.clamp(max=0)


def option_a(x, width):
    if x.shape[1] == width:
        return x
    side = (width - x.shape[1]) // 2
    return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side))


class Block(nn.Module):
    def __init__(self, c, width, stride, adabin):
        super().__init__()
        conv = AdaptiveConv if adabin else lambda *a, **k: nn.Conv2d(*a, **k, bias=False)
        self.adabin, self.width = adabin, width
        self.conv1, self.bn1 = conv(c, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride=1, padding=1), nn.BatchNorm2d(width)
        if adabin:
            self.nonlinear1, self.nonlinear2 = Maxout(width), Maxout(width)

    def forward(self, x):
        y, skip = self.bn1(self.conv1(x)), option_a(x, self.width)
        if self.adabin:
            y = self.nonlinear1(y + skip)
            return self.nonlinear2(self.bn2(self.conv2(y)) + y)
        return F.relu(self.bn2(self.conv2(F.relu(y))) + skip)


class ResNet(nn.Module):
    def __init__(self, adabin):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTHS[0])
        self.nonlinear1 = Maxout(WIDTHS[0]) if adabin else nn.ReLU()
        for stage, (c, width) in enumerate(zip(WIDTHS, WIDTHS[1:])):
            blocks = [Block(c if i == 0 else width, width, 2 if stage and i == 0 else 1, adabin) for i in range(3)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn2 = nn.BatchNorm1d(WIDTHS[-1]) if adabin else nn.Identity()
        self.linear = nn.Linear(WIDTHS[-1], CLASSES)

    def features(self, x):
        x = self.nonlinear1(self.bn1(self.conv1(x)))
        return self.bn2(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def rows(reduce, w):
    return reduce(w.flatten(1), dim=1).view(-1, 1, 1, 1)


class Signs(nn.Conv2d):
    """A convolution of signs, whose weights `rule` makes; with a learned scale unless it is IR-Net's."""

    def __init__(self, rule, *args, **kwargs):
        super().__init__(*args, **kwargs, bias=False)
        self.rule = rule
        if rule != "irnet":
            self.alpha = nn.Parameter(torch.rand(self.weight.shape[0], 1, 1))
            self.register_buffer("tau", torch.tensor(0.99))
        if "biper" in rule:
            beta = torch.ones(self.weight.shape[0], 1, 1)
            self.beta = nn.Parameter(beta if rule == "biper-sine" else 0.3 * beta, requires_grad=False)

    def forward(self, x):
        w = self.weight
        if "biper" in self.rule:
            w = torch.sin(20 * w)
            w = w if self.rule == "biper-sine" else sign(w)
        else:
            w = w - rows(torch.mean, w)
            factor = 2 ** (rows(torch.mean, (w / rows(torch.std, w)).abs()).log2().round()) if self.rule == "irnet" else 1
            w = factor * sign(w)
        y = F.conv2d(sign(x), w, None, self.stride, self.padding)
        return y if self.rule == "irnet" else y * self.alpha


class SignBlock(nn.Module):
    def __init__(self, rule, c, width, stride, double):
        super().__init__()
        self.conv1, self.bn1 = Signs(rule, c, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = Signs(rule, width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.rule, self.width, self.double = rule, width, double
        if not double and (stride != 1 or c != width):
            self.shortcut = nn.Sequential(Signs(rule, c, width, 1, stride=stride), nn.BatchNorm2d(width))

    def skip(self, x):
        if hasattr(self, "shortcut"):
            return self.shortcut(x)
        if x.shape[1] == self.width:
            return x
        side = (self.width - x.shape[1]) // 2
        return option_a(x, self.width) if self.rule == "irnet" else F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, side, side))

    def forward(self, x):
        y, skip = self.bn1(self.conv1(x)), self.skip(x)
        y = F.hardtanh(y + skip if self.double else y)
        return F.hardtanh(self.bn2(self.conv2(y)) + (y if self.double else skip))


class SignNet(nn.Module):
    def __init__(self, rule, widths, blocks):
        super().__init__()
        self.small = len(blocks) == 3
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        self.stages = len(blocks)
        for stage, (n, c, width) in enumerate(zip(blocks, widths, widths[1:])):
            body = [SignBlock(rule, c if i == 0 else width, width, 2 if stage and i == 0 else 1, self.small) for i in range(n)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*body))
        self.bn2, self.linear = nn.BatchNorm1d(widths[-1]), nn.Linear(widths[-1], CLASSES)

    def features(self, x):
        x = self.bn1(self.conv1(x))
        x = F.hardtanh(x) if self.small else x
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.bn2(x.mean((2, 3)))


class Shift(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bias = nn.Parameter(0.2 * torch.randn(1, c, 1, 1))

    def forward(self, x):
        return x + self.bias


class Flat(nn.Module):
    """Weights of which the sign and each filter's mean magnitude count, as a list unless they are ReActNet's."""

    def __init__(self, c, o, stride, flat):
        super().__init__()
        self.shape, self.stride, self.flat = (o, c, 3, 3), stride, flat
        w = nn.Parameter(torch.randn(self.shape) * 0.1)
        if flat:
            self.weights = nn.Parameter(w.detach().reshape(-1, 1))
        else:
            self.weight = w

    def forward(self, x):
        w = self.weights.view(self.shape) if self.flat else self.weight
        return F.conv2d(x, rows(torch.mean, w.abs()) * sign(w), None, self.stride, 1)


class Half(nn.Module):
    def __init__(self, c, width, stride, shifts):
        super().__init__()
        self.shifts, self.downsample = shifts, None
        self.binary_conv, self.bn1 = Flat(c, width, stride, not shifts), nn.BatchNorm2d(width)
        if shifts:
            self.move0, self.move1, self.prelu, self.move2 = Shift(c), Shift(width), nn.PReLU(width), Shift(width)
        if stride != 1 or c != width:
            conv = nn.Conv2d(c, width, 1, bias=False)
            self.downsample = nn.Sequential(nn.AvgPool2d(2, stride), conv, nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn1(self.binary_conv(sign(self.move0(x) if self.shifts else x)))
        y = y + (x if self.downsample is None else self.downsample(x))
        return self.move2(self.prelu(self.move1(y))) if self.shifts else y


class HalvesNet(nn.Module):
    def __init__(self, shifts, widths):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0])
        for stage, (c, width) in enumerate(zip(widths, widths[1:])):
            body = [Half(c if i == 0 else width, width, 2 if stage and i == 0 else 1, shifts) for i in range(4)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*body))
        self.fc = nn.Linear(widths[-1], CLASSES)

    def features(self, x):
        x = F.max_pool2d(self.bn1(self.conv1(x)), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


def settled(net):
    """The numbers of a network that was trained: no batch normalisation is the identity."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            module.weight.copy_(0.6 + 0.2 * torch.randn_like(module.weight))
            module.bias.copy_(0.2 * torch.randn_like(module.bias))
            module.running_mean.copy_(0.2 * torch.randn_like(module.bias))
            module.running_var.copy_(torch.exp(0.3 * torch.randn_like(module.bias)))
        if isinstance(module, nn.PReLU):
            module.weight.copy_(0.25 + 0.1 * torch.randn_like(module.weight))
    return net.eval()


@torch.no_grad()
def others(results):
    torch.manual_seed(6)
    large = torch.randn(2, 3, 64, 64)
    results["images64"] = large.permute(0, 2, 3, 1).contiguous()
    small = results["images"].permute(0, 3, 1, 2)
    for name, net, x in [
        ("irnet-resnet20.th", SignNet("irnet", WIDTHS, [3, 3, 3]), small),
        ("recu-resnet20.pth", SignNet("recu", WIDTHS, [3, 3, 3]), small),
        ("recu-resnet18.pth", SignNet("recu", [4, 4, 8, 8, 16], [2, 2, 2, 2]), small),
        ("biper-resnet20.pth", SignNet("biper", WIDTHS, [3, 3, 3]), small),
        ("biper-sine-resnet20.pth", SignNet("biper-sine", WIDTHS, [3, 3, 3]), small),
        ("bireal-resnet18.pth.tar", HalvesNet(False, [4, 4, 8, 8, 16]), large),
        ("reactnet-resnet18.pth.tar", HalvesNet(True, [4, 4, 8, 8, 16]), large),
    ]:
        net = settled(net)
        state = {f"module.{n}": t.clone() for n, t in net.state_dict().items()}
        torch.save({"epoch": 7, "state_dict": state}, OUT / name)
        net.double()
        features = net.features(x.double())
        head = net.fc if hasattr(net, "fc") else net.linear
        results[f"{name}/features"], results[f"{name}/logits"] = features, head(features)


@torch.no_grad()
def main():
    torch.manual_seed(5)
    images = torch.randn(2, 3, SIDE, SIDE)
    results = {"images": images.permute(0, 2, 3, 1).contiguous()}
    for name, adabin in [("cifar-resnet20", False), ("adabin-resnet20", True)]:
        net = settled(ResNet(adabin))
        for module in net.modules():
            if isinstance(module, Sets):
                # Of either sign: nothing keeps a training from that.
                module.alpha_a.copy_(torch.randn(()))
                module.beta_a.copy_(0.3 * torch.randn(()))
            if isinstance(module, Maxout):
                module.neg_scale.copy_(0.25 + 0.1 * torch.randn_like(module.neg_scale))
                module.pos_scale.copy_(1 + 0.1 * torch.randn_like(module.pos_scale))
        state = {n: t.clone() for n, t in net.state_dict().items()}
        wrapped = {f"module.{n}": t for n, t in state.items()}
        torch.save({"best_prec1": 91.5 if not adabin else torch.tensor(88.0), "state_dict": wrapped}, OUT / f"{name}.th",
                   _use_new_zipfile_serialization=adabin)
        net.double()
        features = net.features(images.double())
        results[f"{name}/features"], results[f"{name}/logits"] = features, net.linear(features)
    others(results)
    save_file(results, OUT / "expected_cifar.safetensors")


if __name__ == "__main__":
    main()
