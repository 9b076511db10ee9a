"""More narrow networks under the names of their releases, and what PyTorch makes of two images in f64, for
tests/files/foreign.rs: writes into tests/golden/foreign/.

    siman-resnet20.pth.tar     SiMaN's (bits of magnitudes beside the weights, PReLU, BatchNorm1d)
    siman-resnet18.pth.tar     its ResNet-18 for CIFAR (hardtanh, binary shortcuts)
    siman-imagenet18.pth.tar   its ResNet-18 for ImageNet (7x7, PReLU, shortcuts in full precision)
    irnet-imagenet18.pth       IR-Net's ResNet-18 for ImageNet (a shortcut around each convolution; `bn3` never runs)
    recu-imagenet18.pth        ReCU's
    adabin-imagenet18.pth.tar  AdaBin's (shortcuts of averaged pixels; `nonlinear2` and `bn3` never run)
    irnet-vgg.th               VGG-small of IR-Net, recu-vgg.pth and siman-vgg.pth.tar those of ReCU and SiMaN
    reactnet-a.pth.tar         ReActNet-A (flat weights)
    s2bnn-a.pth.tar            S2-BNN's: both encoders of MoCo with their queue, projection of two layers, convolutions that never run
    burn-a.pth                 BURN's, as its library saves it: the network twice, a classifier each for it and for the teacher
    burn-a-cut.pth             the same as its tool cuts it for the second stage: three state dicts
    lightning.ckpt             SiMaN's ResNet-20 as the member `net` of a module of PyTorch Lightning, with what its checkpoints keep
    expected_releases.safetensors  images [n, h, w, c] of 16 and images64 of 64 pixels, and for each <name>/logits and
                               <name>/features in f64

Written from the descriptions of the networks. Run with any PyTorch 2 and safetensors: python tests/golden/foreign_releases.py
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

from foreign_cifar import CLASSES, OUT, WIDTHS, AdaptiveConv, Maxout, Shift, SignNet, Signs, option_a, rows, settled, sign


class Magnitudes(nn.Conv2d):
    """A convolution whose bits say which magnitudes of a filter are over their median; they are kept in `B`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, bias=False)
        o = self.weight.shape[0]
        self.alpha = nn.Parameter(torch.rand(o, 1, 1))
        magnitudes = (self.weight - rows(torch.mean, self.weight)).detach().abs().flatten(1)
        bits = (magnitudes > magnitudes.median(1, keepdim=True)[0]).float()
        self.B = nn.Parameter(bits.view(o, 1, -1) if o > 4 else bits, requires_grad=False)
        self.register_buffer("percent", torch.tensor(0.04))

    def forward(self, x):
        bits = (2 * self.B - 1).view_as(self.weight)
        x = sign(x - x.mean((1, 2, 3), keepdim=True))
        return F.conv2d(x, bits, None, self.stride, self.padding) * self.alpha


class Block(nn.Module):
    def __init__(self, c, width, stride, net):
        super().__init__()
        self.net, self.width = net, width
        conv = net.conv
        self.conv1, self.bn1 = conv(c, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, padding=1), nn.BatchNorm2d(width)
        if net.prelu:
            self.nonlinear1, self.nonlinear2 = nn.PReLU(width), nn.PReLU(width)
        if (stride != 1 or c != width) and net.shortcut:
            first = conv(c, width, 1, stride=stride) if net.shortcut == "shortcut" else nn.Conv2d(c, width, 1, stride, bias=False)
            setattr(self, net.shortcut, nn.Sequential(first, nn.BatchNorm2d(width)))

    def forward(self, x):
        act1, act2 = (self.nonlinear1, self.nonlinear2) if self.net.prelu else (F.hardtanh, F.hardtanh)
        names = [n for n in ("shortcut", "downsample") if hasattr(self, n)]
        skip = getattr(self, names[0])(x) if names else option_a(x, self.width)
        y = self.bn1(self.conv1(x))
        y = act1(y + skip if self.net.double else y)
        return act2(self.bn2(self.conv2(y)) + (y if self.net.double else skip))


class What:
    """What tells the residual networks apart; no module, so that blocks can hold it."""

    def __init__(self, conv, prelu, double, shortcut):
        self.conv, self.prelu, self.double, self.shortcut = conv, prelu, double, shortcut


class Net(nn.Module):
    def __init__(self, what, blocks, widths, stem, extra=False):
        super().__init__()
        self.stem, self.stages = stem, len(blocks)
        large = self.stages == 4 and what.shortcut == "downsample"
        self.large = large
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False) if large else nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for stage, (n, c, width) in enumerate(zip(blocks, widths, widths[1:])):
            body = [Block(c if i == 0 else width, width, 2 if stage and i == 0 else 1, what) for i in range(n)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*body))
        self.bn2 = nn.BatchNorm1d(widths[-1])
        setattr(self, "fc" if large else "linear", nn.Linear(widths[-1], CLASSES))
        if extra:
            self.bn3 = nn.BatchNorm1d(CLASSES)

    def features(self, x):
        x = self.stem(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1) if self.large else x
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.bn2(x.mean((2, 3)))


class AdaptiveBlock(nn.Module):
    def __init__(self, c, width, stride):
        super().__init__()
        self.conv1, self.bn1 = AdaptiveConv(c, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = AdaptiveConv(width, width, 3, stride=1, padding=1), nn.BatchNorm2d(width)
        self.nonlinear1, self.nonlinear2 = Maxout(width), Maxout(width)
        if stride != 1:
            self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        skip = self.downsample(x) if hasattr(self, "downsample") else x
        y = self.nonlinear1(self.bn1(self.conv1(x)) + skip)
        return self.nonlinear2(self.bn2(self.conv2(y)) + y)


class AdaptiveNet(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0])
        self.nonlinear1, self.nonlinear2 = Maxout(widths[0]), Maxout(widths[-1])
        for stage, (c, width) in enumerate(zip(widths, widths[1:])):
            first = AdaptiveBlock(c, width, 2 if stage else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, AdaptiveBlock(width, width, 1)))
        self.bn2, self.bn3 = nn.BatchNorm1d(widths[-1]), nn.BatchNorm1d(CLASSES)
        self.fc = nn.Linear(widths[-1], CLASSES)

    def features(self, x):
        x = F.max_pool2d(self.nonlinear1(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.bn2(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


class Vgg(nn.Module):
    def __init__(self, conv, prelu):
        super().__init__()
        self.prelu, widths = prelu, [4, 4, 8, 8, 16, 16]
        for i, (c, width) in enumerate(zip([3] + widths, widths)):
            setattr(self, f"conv{i}", conv(c, width, 3, padding=1) if i else nn.Conv2d(c, width, 3, padding=1, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(width))
            if prelu:
                setattr(self, f"nonlinear{i}", nn.PReLU(width))
        self.fc = nn.Linear(16 * 2 * 2, CLASSES)

    def features(self, x):
        for i in range(6):
            x = getattr(self, f"conv{i}")(x)
            x = getattr(self, f"bn{i}")(F.max_pool2d(x, 2) if i % 2 else x)
            x = getattr(self, f"nonlinear{i}")(x) if self.prelu else F.hardtanh(x)
        return x.flatten(1)


class Channel(nn.Module):
    """Signs of weights times each filter's mean magnitude."""

    def __init__(self, c, o, k, stride, flat):
        super().__init__()
        self.shape, self.stride = (o, c, k, k), stride
        w = 0.1 * torch.randn(self.shape)
        if flat:
            self.weights = nn.Parameter(w.reshape(-1, 1))
        else:
            self.weight = nn.Parameter(w)

    def forward(self, x):
        w = self.weights.view(self.shape) if hasattr(self, "weights") else self.weight
        return F.conv2d(x, rows(torch.mean, w.abs()) * sign(w), None, self.stride, w.shape[2] // 2)


class Slim(nn.Module):
    """ReActNet-A's block; `both` has the convolutions for channels that stay and that double, whichever run."""

    def __init__(self, c, o, stride, flat, both):
        super().__init__()
        self.stride, self.doubles = stride, c != o
        self.move11, self.move12, self.move13, self.prelu1 = Shift(c), Shift(c), Shift(c), nn.PReLU(c)
        self.binary_3x3, self.bn1 = Channel(c, c, 3, stride, flat), nn.BatchNorm2d(c)
        self.move21, self.move22, self.move23, self.prelu2 = Shift(c), Shift(o), Shift(o), nn.PReLU(o)
        if both or not self.doubles:
            self.binary_pw, self.bn2 = Channel(c, o, 1, 1, flat), nn.BatchNorm2d(o)
        if both or self.doubles:
            self.binary_pw_down1, self.bn2_1 = Channel(c, c, 1, 1, flat), nn.BatchNorm2d(c)
            self.binary_pw_down2, self.bn2_2 = Channel(c, c, 1, 1, flat), nn.BatchNorm2d(c)

    def forward(self, x):
        y = self.bn1(self.binary_3x3(sign(self.move11(x)))) + (F.avg_pool2d(x, 2) if self.stride == 2 else x)
        y = self.move13(self.prelu1(self.move12(y)))
        s = sign(self.move21(y))
        if self.doubles:
            z = torch.cat([self.bn2_1(self.binary_pw_down1(s)) + y, self.bn2_2(self.binary_pw_down2(s)) + y], 1)
        else:
            z = self.bn2(self.binary_pw(s)) + y
        return self.move23(self.prelu2(self.move22(z)))


class Slims(nn.Module):
    def __init__(self, flat, both=False, head=None):
        super().__init__()
        widths = [4, 8, 16, 16, 32]
        first = nn.Sequential()
        first.conv1, first.bn1 = nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4)
        blocks = [Slim(c, o, 2 if c != o and i else 1, flat, both) for i, (c, o) in enumerate(zip(widths, widths[1:]))]
        self.feature = nn.ModuleList([first] + blocks)
        self.fc = head or nn.Linear(32, CLASSES)

    def features(self, x):
        for part in self.feature:
            x = part(x)
        return x.mean((2, 3))


def irnet(*args, **kwargs):
    return Signs("irnet", *args, **kwargs)


def recu(*args, **kwargs):
    return Signs("recu", *args, **kwargs)


def lightning(state):
    """What a trainer keeps beside the state dict."""
    optimiser = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    callbacks = {"ModelCheckpoint{'monitor': 'val_acc', 'mode': 'max'}": {"best_model_score": torch.tensor(0.9)}}
    torch.save({"epoch": 3, "global_step": 40, "pytorch-lightning_version": "2.6.0", "state_dict": state,
                "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}}, "callbacks": callbacks,
                "optimizer_states": [optimiser], "lr_schedulers": [{"last_epoch": 4}], "hparams_name": "kwargs",
                "hyper_parameters": {"lr": 0.1, "widths": [4, 8]}}, OUT / "lightning.ckpt")


def under(prefix, net):
    return {f"{prefix}{n}": t.clone() for n, t in net.state_dict().items()}


@torch.no_grad()
def main():
    torch.manual_seed(7)
    small, large = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 64, 64)
    results = {"images": small.permute(0, 2, 3, 1).contiguous(), "images64": large.permute(0, 2, 3, 1).contiguous()}

    def keep(name, net, x, saved, classes=True):
        torch.save(saved, OUT / name)
        double = net.double()
        features = double.features(x.double())
        # The map of a VGG, pixel by pixel as here.
        seen = features.view(2, 16, -1).transpose(1, 2).flatten(1) if isinstance(net, Vgg) else features
        results[f"{name}/features"] = seen.contiguous()
        if classes:
            results[f"{name}/logits"] = (net.fc if hasattr(net, "fc") else net.linear)(features)

    wide = [4, 4, 8, 8, 16]
    for name, net, x in [
        ("siman-resnet20.pth.tar", Net(What(Magnitudes, True, True, None), [3, 3, 3], WIDTHS, F.relu), small),
        ("siman-resnet18.pth.tar", Net(What(Magnitudes, False, False, "shortcut"), [2] * 4, wide, nn.Identity()), small),
        ("siman-imagenet18.pth.tar", Net(What(Magnitudes, True, True, "downsample"), [2] * 4, wide, F.relu), large),
        ("irnet-imagenet18.pth", Net(What(irnet, False, True, "downsample"), [2] * 4, wide, F.hardtanh, True), large),
        ("recu-imagenet18.pth", Net(What(recu, False, True, "downsample"), [2] * 4, wide, F.hardtanh), large),
        ("irnet-vgg.th", Vgg(irnet, False), small),
        ("recu-vgg.pth", Vgg(recu, False), small),
        ("siman-vgg.pth.tar", Vgg(Magnitudes, True), small),
        ("reactnet-a.pth.tar", Slims(True), large),
    ]:
        net = settled(net)
        if name == "siman-resnet20.pth.tar":
            lightning(under("net.", net))
        keep(name, net, x, {"epoch": 7, "state_dict": under("module.", net)})

    head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 6))
    query, key = settled(Slims(False, True, head)), settled(Slims(False, True, nn.Linear(32, 6)))
    state = {**under("module.encoder_q.", query), **under("module.encoder_k.", key)}
    state |= {"module.queue": torch.randn(6, 8), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    keep("s2bnn-a.pth.tar", query, large, {"epoch": 7, "arch": "reactnet", "state_dict": state}, classes=False)

    net = settled(Slims(False, False, nn.Sequential(nn.Linear(32, 32), nn.ReLU())))
    mlp = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 8))})
    teacher = nn.Sequential(nn.ModuleDict({"conv1": nn.Conv2d(3, 4, 7, bias=False)}), mlp)
    state = {**under("online_net.0.", net), **under("online_net.1.", mlp), **under("backbone.", net)}
    state |= under("diff_branch_net.", teacher)
    # The layer behind the pooled features is one of the network.
    net.pooled, net.features = net.features, lambda x: net.fc(net.pooled(x))
    cut = {"backbone": {"state_dict": under("", net)}, "classifier": {"state_dict": under("", mlp)}}
    cut |= {"teacher_classifier": {"state_dict": under("", mlp)}, "author": "OpenSelfSup"}
    torch.save(cut, OUT / "burn-a-cut.pth")
    keep("burn-a.pth", net, large, {"meta": {"epoch": 7}, "state_dict": state}, classes=False)
    net = settled(AdaptiveNet(wide))
    for module in net.modules():
        if isinstance(module, AdaptiveConv):
            module.binary_a.alpha_a.copy_(0.5 + torch.rand(()))
            module.binary_a.beta_a.copy_(0.3 * torch.randn(()))
        if isinstance(module, Maxout):
            module.neg_scale.copy_(torch.rand_like(module.neg_scale))
            module.pos_scale.copy_(0.5 + torch.rand_like(module.pos_scale))
    keep("adabin-imagenet18.pth.tar", net, large, {"epoch": 7, "arch": "resnet18_1w1a", "state_dict": under("module.", net)})
    save_file(results, OUT / "expected_releases.safetensors")


if __name__ == "__main__":
    main()
