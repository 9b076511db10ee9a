"""For those who write binary layers in PyTorch: what a layer gives, forward and backward, to compare one's own code with; and state
dicts in both directions.

The reference functions need NumPy alone: they build the layer as a network in training has it and run it by the textbook reference
in f64. PyTorch is imported by `check`, `state_dict` and `save`.

Layouts are PyTorch's: images (N, C, H, W), weights of convolutions (out, in / groups, k, k).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Union

import numpy as np

from . import _onebit
from ._settings import words
from .errors import ArrayError, DataError

if TYPE_CHECKING:
    import torch

__all__ = ["Reference", "binary_conv2d", "binary_linear", "check", "save", "state_dict"]

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Reference:
    """What a binary layer gives, float64."""

    #: The outputs: (N, out, rows, columns), of a linear layer (N, out).
    y: np.ndarray
    #: Gradients of ``(y * grad).sum()`` by the name of what they are with respect to: ``"x"``, ``"weight"``, and what other
    #: parameters the layer has; empty without `grad`.
    grads: Dict[str, np.ndarray]


def binary_conv2d(
    x: Any,
    weight: Any,
    grad: Any = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    parameters: Optional[Mapping[str, Any]] = None,
    epoch: int = 0,
    epochs: int = 1,
    **binarization: Any,
) -> Reference:
    """A binary convolution in training.

    Args:
        x: activations (N, C, H, W): an array, or a tensor of PyTorch.
        weight: latent weights (out, C / groups, k, k).
        grad: the gradient of the loss with respect to the outputs, in their shape.
        stride, padding, dilation, groups: as `torch.nn.functional.conv2d` has them; padding adds nothing to a sum.
        parameters: others that the layer has: ``alpha`` (out,) with ``scale="learned"``, ``threshold`` (C,) with
            ``rsign=True``, ``matrix`` with ``scale="matrix"``.
        epoch, epochs: where training is, for estimators that change over it (IR-Net, ReCU).
        binarization: settings of ``net.binarization`` (``onebit recipes keys net.binarization``): ``weights="sign"``,
            ``activation_ste="approx-sign"``, ``scale="channel"``, ... Unless given: both signs with the clipped identity, and
            mean magnitudes of filters as scales.

    Raises:
        ArrayError: something is no array of finite numbers.
        ShapeError: shapes do not go together.
        ConfigError: a setting that is unknown, or a parameter that is missing or not the layer's.
        LimitError: the layer is too large for plain loops.
    """
    images, filters = four("x", x), four("weight", weight)
    y, grads = _onebit.binary_conv2d(
        images.transpose(0, 2, 3, 1),
        filters.transpose(0, 2, 3, 1),
        None if grad is None else four("grad", grad).transpose(0, 2, 3, 1),
        {name: numbers(name, value) for name, value in (parameters or {}).items()},
        stride,
        padding,
        dilation,
        groups,
        words(binarization),
        epoch,
        epochs,
    )
    return Reference(turned(y), {name: turned(g) for name, g in grads.items()})


def binary_linear(x: Any, weight: Any, grad: Any = None, **options: Any) -> Reference:
    """A binary linear layer in training: `binary_conv2d` of one pixel.

    Args:
        x: activations (N, in).
        weight: latent weights (out, in).
        grad: the gradient of the loss with respect to the outputs, (N, out).
        options: as `binary_conv2d` takes them.
    """

    def pixel(name: str, given: Any) -> np.ndarray:
        a = numbers(name, given)
        if a.ndim != 2:
            raise ArrayError(f"{name} of shape {a.shape}: a linear layer has two axes")
        return a[:, :, None, None]

    made = binary_conv2d(
        pixel("x", x), pixel("weight", weight), None if grad is None else pixel("grad", grad), **options
    )
    flat = {name: g[:, :, 0, 0] if name in ("x", "weight") else g for name, g in made.grads.items()}
    return Reference(made.y[:, :, 0, 0], flat)


def check(
    layer: Callable[..., torch.Tensor],
    x: Any,
    weight: Any,
    *,
    tolerance: float = 1e-5,
    seed: int = 0,
    **options: Any,
) -> Dict[str, float]:
    """Compares code of PyTorch with the reference, forward and backward.

    Args:
        layer: a function: ``layer(x, weight)`` gives the outputs, and autograd its gradients; both are float64. (Of a module:
            ``lambda x, w: torch.func.functional_call(module, {"weight": w}, (x,))``.)
        x, weight: (N, C, H, W) and (out, C / groups, k, k), or (N, in) and (out, in).
        tolerance: how far numbers may be apart, as a share of the largest one.
        seed: decides the gradient that is sent back.
        options: as `binary_conv2d` takes them. Unless they say otherwise outputs are scaled by the mean magnitude of each filter, a
            constant for gradients (``w.detach().abs().mean(...)``); ``scale="none"`` is for a layer that scales nothing.

    Returns:
        How far outputs and gradients are apart: by the names ``y``, ``x`` and ``weight``, as a share of the largest number.

    Raises:
        AssertionError: they are further apart than `tolerance`; the message says what, where and by how much.
    """
    import torch

    reference = binary_linear if numbers("x", x).ndim == 2 else binary_conv2d
    leaves = {
        name: torch.tensor(numbers(name, given), dtype=torch.float64, requires_grad=True)
        for name, given in (("x", x), ("weight", weight))
    }
    y = layer(leaves["x"], leaves["weight"])
    if not isinstance(y, torch.Tensor):
        raise AssertionError(f"the layer gives {type(y).__name__}, and a tensor is wanted")
    forward = reference(x, weight, **options).y
    if tuple(y.shape) != forward.shape:
        raise AssertionError(
            f"outputs: shape {tuple(y.shape)}, and {forward.shape} is right: are stride, padding, dilation and groups the same?"
        )
    grad = np.random.default_rng(seed).standard_normal(forward.shape)
    wanted = reference(x, weight, grad, **options)
    torch.autograd.backward([y], [torch.from_numpy(grad)])
    found = {"y": numbers("y", y)}
    for name, leaf in leaves.items():
        found[name] = np.zeros(leaf.shape) if leaf.grad is None else numbers(name, leaf.grad)
    apart = {}
    for name, theirs in found.items():
        ours = wanted.y if name == "y" else wanted.grads[name]
        what = "outputs" if name == "y" else f"gradient of {name}"
        if ours.shape != theirs.shape:
            raise AssertionError(f"{what}: shape {theirs.shape}, and {ours.shape} is right")
        difference = np.abs(ours - theirs)
        apart[name] = float(difference.max() / max(np.abs(ours).max(), np.finfo(float).tiny))
        if not apart[name] <= tolerance:
            at = np.unravel_index(int(difference.argmax()), ours.shape)
            raise AssertionError(
                f"{what}: {theirs[at]:.6g} at {tuple(int(i) for i in at)}, and {ours[at]:.6g} is right; "
                f"{int((difference > tolerance * np.abs(ours).max()).sum())} of {ours.size} numbers differ"
            )
    return apart


def state_dict(source: PathLike) -> Dict[str, torch.Tensor]:
    """A network's weights and statistics as a state dict.

    Args:
        source: a run, one of its checkpoints, or a file of weights made elsewhere.

    Returns:
        float32 tensors under PyTorch's names, convolutions (out, in, k, k). Binary layers have their latent weights; the bits that
        some methods store beside them are left out.

    Raises:
        DataError: there is no network at `source`.
    """
    import torch

    tensors = {name: a for name, a in _onebit.weights(source).items() if a.dtype == np.float32}
    flattened = flat_map(tensors)
    out = {}
    for name, a in tensors.items():
        if name == "fc.weight" and flattened:
            side, channels = flattened
            a = a.reshape(-1, side, side, channels).transpose(0, 3, 1, 2).reshape(a.shape)
        elif a.ndim == 4:
            a = a.transpose(0, 3, 1, 2)
        out[name] = torch.from_numpy(np.array(a, order="C"))
    return out


def flat_map(tensors: Mapping[str, np.ndarray]) -> Optional[tuple[int, int]]:
    """Side and channels of the map that the last layer of a VGG-small reads, whose numbers PyTorch has channel by channel."""
    convs = [tensors[f"conv{i}.weight"] for i in range(len(tensors)) if f"conv{i}.weight" in tensors]
    if "conv0.weight" not in tensors or "fc.weight" not in tensors:
        return None
    channels, inputs = convs[-1].shape[0], tensors["fc.weight"].shape[1]
    side = int(round((inputs / channels) ** 0.5))
    return (side, channels) if side > 1 and side * side * channels == inputs else None


def save(state: Mapping[str, torch.Tensor], path: PathLike) -> Path:
    """Writes a state dict to a file that ``start_from`` of `onebit.train`, `onebit.evaluate` and `onebit.export` take, once it is
    seen that it is of a network that is known by its tensors (ResNets, VGG-small, vision transformers, ... as they are published);
    else nothing is written. Of other networks a run itself is what to start from.

    Raises:
        DataError: it is of no network that is known; the message has every tensor that has no place, is missing, or has another
            shape.
    """
    import torch

    path = Path(os.fspath(path))
    if path.suffix not in (".pth", ".pt"):
        raise DataError(f"{path}: a state dict's file ends in .pth or .pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, written = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        torch.save(dict(state), written)
        _onebit.weights(written)
        os.replace(written, path)
    except DataError as e:
        os.unlink(written)
        raise DataError(str(e).replace(written, str(path))) from None
    except BaseException:
        os.unlink(written)
        raise
    return path


def numbers(name: str, given: Any) -> np.ndarray:
    """An array, or a tensor of PyTorch on any device, as float64."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    try:
        a = np.asarray(given)
    except Exception as e:
        raise ArrayError(f"{name}: {type(given).__name__} is no array: {e}") from e
    if a.dtype.kind not in "biuf":
        raise ArrayError(f"{name} is {a.dtype} of shape {a.shape}: give plain numbers")
    return a.astype(np.float64)


def four(name: str, given: Any) -> np.ndarray:
    a = numbers(name, given)
    if a.ndim != 4:
        raise ArrayError(f"{name} of shape {a.shape}: a convolution has four axes")
    return a


def turned(a: np.ndarray) -> np.ndarray:
    """From channels last to PyTorch's order; what has other axes stays."""
    return np.ascontiguousarray(a.transpose(0, 3, 1, 2)) if a.ndim == 4 else a
