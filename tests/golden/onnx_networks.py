"""Writes tests/golden/onnx: three networks as PyTorch exports them, an input each, and what PyTorch makes of it (PyTorch 2.15).

    python tests/golden/onnx_networks.py
"""
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).parent / "onnx"


def write(path, tensor):
    """Four-byte extents behind their number, then f32."""
    array = np.ascontiguousarray(tensor.detach().numpy(), dtype="<f4")
    extents = np.array([array.ndim, *array.shape], dtype="<u4")
    path.write_bytes(extents.tobytes() + array.tobytes())


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(c, c // 2, 1), nn.Conv2d(c // 2, c, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(torch.relu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, eps=1e-3)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 2, dilation=2, groups=8)
        self.pointwise, self.act, self.gate = nn.Conv2d(8, 12, 1), nn.PReLU(12), Gate(12)
        self.bn2, self.fc1, self.fc = nn.BatchNorm2d(20), nn.Linear(20 * 4 * 4, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu6(self.bn(self.stem(x)))
        y = self.gate(self.act(self.pointwise(self.depthwise(x))))
        x = F.max_pool2d(F.leaky_relu(self.bn2(torch.cat([x, y], 1)), 0.2), 2)
        x = torch.flatten(F.avg_pool2d(x, 1), 1)
        return self.fc(torch.tanh(self.fc1(x)))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.c(x))
        return torch.softmax(torch.relu(self.d(x) + x).mean((2, 3)), 1)


class Viewed(nn.Module):
    """Flattens by extents that it asks for, so that the file computes them."""

    def __init__(self):
        super().__init__()
        self.c, self.d, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(36, 6), nn.Linear(6, 5)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.c(x)), 2)
        x = torch.relu(self.d(x.view(x.shape[0], x.shape[1] * x.shape[2] * x.shape[-1])))
        return self.fc(x.reshape(x.size(0), -1))


def export(name, net, shape):
    # Running statistics that are not where they start.
    net.train()
    net(torch.randn(8, *shape[1:]))
    net.eval()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_()
    x = torch.randn(shape)
    model = OUT / f"{name}.onnx"
    torch.onnx.export(net, x, str(model), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    write(OUT / f"{name}.input.bin", x)
    write(OUT / f"{name}.output.bin", net(x))


torch.manual_seed(3)
OUT.mkdir(exist_ok=True)
# In this order, on which the random numbers depend.
mixed, small = Mixed(), Small()
export("mixed", mixed, (2, 3, 16, 16))
export("small", small, (3, 1, 9, 7))
export("viewed", Viewed(), (2, 3, 6, 6))
