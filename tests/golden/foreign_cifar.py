"""Narrow networks for CIFAR under the names of their releases, and what PyTorch makes of two images in f64, for
tests/files/foreign.rs: writes into tests/golden/foreign/.

    cifar-resnet20.th          names of Idelbayev's pytorch_resnet_cifar10 (option A, "linear"), under data parallelism, in a
                               checkpoint of the format of PyTorch before 1.6
    adabin-resnet20.th         names of AdaBin's release (maxout, adaptive binary sets, BatchNorm1d), likewise but as a zip archive
    expected_cifar.safetensors images [n, h, w, c], and for each <name>/logits and <name>/features in f64

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


@torch.no_grad()
def main():
    torch.manual_seed(5)
    images = torch.randn(2, 3, SIDE, SIDE)
    results = {"images": images.permute(0, 2, 3, 1).contiguous()}
    for name, adabin in [("cifar-resnet20", False), ("adabin-resnet20", True)]:
        net = ResNet(adabin).eval()
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
                module.weight.copy_(0.6 + 0.2 * torch.randn_like(module.weight))
                module.bias.copy_(0.2 * torch.randn_like(module.bias))
                module.running_mean.copy_(0.2 * torch.randn_like(module.bias))
                module.running_var.copy_(torch.exp(0.3 * torch.randn_like(module.bias)))
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
    save_file(results, OUT / "expected_cifar.safetensors")


if __name__ == "__main__":
    main()
