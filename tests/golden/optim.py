"""Prints the parameter after each of four steps of PyTorch's optimisers, for tests/engine/optim.rs.

Run with any PyTorch 2: python tests/golden/optim.py
"""
import torch

START = [0.5, -1.25, 0.0, 2.0, -0.03125]
GRADS = [[0.25, -0.5, 1.0, -2.0, 0.125], [0.5, 0.25, -1.0, 0.0, 0.125], [-1.5, 0.0, 0.75, 1.0, -0.25], [0.0, 0.5, 0.5, -1.0, 3.0]]

for name, make in [
    ("sgd", lambda p: torch.optim.SGD(p, lr=0.1)),
    ("momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
    ("nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)),
    ("adam", lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)),
    ("adamw", lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
]:
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimiser = make([p])
    print(name)
    for grad in GRADS:
        p.grad = torch.tensor(grad, dtype=torch.float64)
        optimiser.step()
        print("    [" + ", ".join(f"{v:.9f}" for v in p.tolist()) + "],")
