"""Narrow ResNets under torchvision's names, in the formats that weights come in, and what PyTorch makes of two images in
f64, for tests/files/foreign.rs: writes tests/golden/foreign/.

    resnet18.safetensors       7x7 first layer
    resnet18.pth               the same, in a training script's checkpoint: wrapped by data parallelism, beside an optimiser
    resnet18-half.pth          the same in float16
    resnet34-bfloat16.safetensors  3x3 first layer, bfloat16
    resnet50.pth.tar           bottlenecks; parameters, channels-last convolutions, vectors that share one storage
    swav50.pt                  the same in float64 with SwAV's projection head and prototypes and without fc
    resnet18-old.pth           a state dict of one layer in the format of PyTorch before 1.6
    expected.safetensors       images [n, h, w, c], and for each file <name>/logits and <name>/features in f64, of the
                               numbers as the file has them

The network is written from He et al. 2016 (figure 5; stride at the 3x3 convolution, as torchvision has it).
Run with any PyTorch 2, safetensors and NumPy: python tests/golden/foreign.py
"""
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = Path(__file__).with_suffix("")
CLASSES = 5


class Block(nn.Module):
    def __init__(self, c, width, stride, expansion):
        super().__init__()
        self.bottleneck = expansion == 4
        if self.bottleneck:
            self.conv1 = nn.Conv2d(c, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(4 * width)
        else:
            self.conv1 = nn.Conv2d(c, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or c != expansion * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(c, expansion * width, 1, stride, bias=False), nn.BatchNorm2d(expansion * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(F.relu(y)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, blocks, widths, expansion=1, cifar=False, head=None):
        super().__init__()
        self.cifar = cifar
        self.conv1 = nn.Conv2d(3, widths[0], 3 if cifar else 7, 1 if cifar else 2, 1 if cifar else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        c = widths[0]
        for stage, (n, width) in enumerate(zip(blocks, widths[1:])):
            layers = []
            for i in range(n):
                layers.append(Block(c, width, 2 if stage and i == 0 else 1, expansion))
                c = expansion * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        if head == "swav":
            self.fc = None
            self.projection_head = nn.Sequential(nn.Linear(c, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 6))
            self.prototypes = nn.Linear(6, 7, bias=False)
        else:
            self.fc = nn.Linear(c, CLASSES)

    def features(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.cifar:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean((2, 3))


def trained(seed, *args, **kwargs):
    """A network with the numbers of one that was trained: no batch normalisation is the identity."""
    torch.manual_seed(seed)
    net = ResNet(*args, **kwargs).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
                # Half of the usual size: blocks add up, and f32 should not be tested on huge numbers.
                module.weight.copy_(0.6 + 0.2 * torch.randn_like(module.weight))
                module.bias.copy_(0.2 * torch.randn_like(module.bias))
                module.running_mean.copy_(0.2 * torch.randn_like(module.bias))
                module.running_var.copy_(torch.exp(0.3 * torch.randn_like(module.bias)))
                module.num_batches_tracked.fill_(1234)
    return net


def rounded(net, dtype):
    return {n: t.to(dtype) if t.is_floating_point() else t for n, t in net.state_dict().items()}


@torch.no_grad()
def expected(net, state, images):
    """Logits and features in f64, of a state dict's numbers."""
    net.double().load_state_dict({n: t.double() if t.is_floating_point() else t for n, t in state.items()})
    features = net.features(images.double())
    net.float()
    return {"features": features} | ({"logits": net.fc.double()(features)} if net.fc else {})


def one_storage(state):
    """Convolutions channels-last as parameters; vectors as every second number of one storage."""
    vectors = {n: t for n, t in state.items() if t.is_floating_point() and t.dim() == 1}
    storage, out, at = torch.zeros(2 * sum(t.numel() for t in vectors.values())), {}, 0
    for n, t in state.items():
        if n in vectors:
            view = storage[at : at + 2 * t.numel() : 2]
            view.copy_(t)
            out[n], at = view, at + 2 * t.numel()
        elif t.dim() == 4:
            out[n] = nn.Parameter(t.contiguous(memory_format=torch.channels_last))
        else:
            out[n] = nn.Parameter(t, requires_grad=t.is_floating_point())
    return out


def main():
    OUT.mkdir(exist_ok=True)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    small = images[:, :, :16, :16]
    results = {"images": images.permute(0, 2, 3, 1).contiguous()}

    def result(name, net, state, images):
        results.update({f"{name}/{k}": v for k, v in expected(net, state, images).items()})

    net = trained(1, [2, 2, 2, 2], [8, 8, 16, 16, 16])
    state = {n: t.clone() for n, t in net.state_dict().items()}
    save_file(state, OUT / "resnet18.safetensors", metadata={"format": "pt"})
    sgd = torch.optim.SGD(net.fc.parameters(), lr=0.1, momentum=0.9)
    net.fc(torch.ones(1, 16)).sum().backward()
    sgd.step()
    net.load_state_dict(state)
    wrapped = nn.DataParallel(net).state_dict()
    torch.save({"epoch": 3, "arch": "resnet18", "state_dict": wrapped, "best_acc1": torch.tensor(61.5), "lr": 0.1,
                "optimizer": sgd.state_dict()}, OUT / "resnet18.pth")
    half = rounded(net, torch.float16)
    torch.save(half, OUT / "resnet18-half.pth")
    result("resnet18", net, state, images)
    result("resnet18-half", net, half, images)
    torch.save({"fc.weight": torch.ones(2, 2)}, OUT / "resnet18-old.pth", _use_new_zipfile_serialization=False)

    net = trained(2, [3, 4, 6, 3], [4, 4, 4, 8, 8], cifar=True)
    bfloat = rounded(net, torch.bfloat16)
    save_file(bfloat, OUT / "resnet34-bfloat16.safetensors")
    result("resnet34-bfloat16", net, bfloat, small)

    net = trained(3, [3, 4, 6, 3], [8, 4, 4, 4, 4], expansion=4)
    state = {n: t.clone() for n, t in net.state_dict().items()}
    torch.save(one_storage(state), OUT / "resnet50.pth.tar")
    result("resnet50", net, state, images)

    net = trained(4, [3, 4, 6, 3], [8, 4, 4, 4, 4], expansion=4, head="swav")
    state = rounded(net, torch.float64)
    torch.save({f"module.{n}": t for n, t in state.items()}, OUT / "swav50.pt", pickle_protocol=4)
    # The file's doubles become f32; here they are f32 to begin with.
    result("swav50", net, state, images)
    results["swav50/prototypes"] = state["prototypes.weight"]

    save_file(results, OUT / "expected.safetensors")
    for name, t in results.items():
        print(f"{name}: {list(t.shape)}, largest {t.abs().max():.4f}, deviation {t.std():.4f}")
    print(f"{sum(f.stat().st_size for f in OUT.iterdir())} bytes in all")


if __name__ == "__main__":
    main()
