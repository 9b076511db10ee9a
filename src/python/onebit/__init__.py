"""Trains, checks and ships 1-bit vision networks on any GPU that WebGPU reaches, and on the CPU.

A packed model, images in and classes out::

    model = onebit.load("model.1bit")
    model.predict(images)            # images: uint8, (N, rows, columns, channels)

Training, on images that come along or on arrays::

    run = onebit.train("fashion-binary", epochs=5, device="auto")
    run.summary["test_accuracy"], run.metrics["val"]["accuracy"], run.confusion()
    onebit.export(run, "model.1bit")

Whatever is refused raises a class of `onebit.errors`, whose message says what is wrong and what to do. `onebit.torch` has a
binary layer's forward and backward to compare one's own code with, and state dicts; it needs PyTorch only for those.
"""

import os
import sys
import tempfile

if sys.platform == "linux":
    # Wayland's client library, which GL drivers load, complains of an error where there is no desktop session.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())

from . import errors
from ._onebit import Device, Model, __version__, load
from ._progress import Progress
from ._run import Run, compare
from ._train import evaluate, export, train
from ._verify import devices, recipes, verify
from .errors import Error

__all__ = [
    "Device",
    "Error",
    "Model",
    "Progress",
    "Run",
    "__version__",
    "compare",
    "devices",
    "errors",
    "evaluate",
    "export",
    "load",
    "recipes",
    "train",
    "verify",
]
