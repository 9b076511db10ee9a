"""Training, testing and shipping."""

from __future__ import annotations

import json
import operator
import os
from pathlib import Path
from typing import Any, Callable, Iterable, Optional, Union

import numpy as np

from . import _onebit
from ._arrays import Data, placed
from ._progress import Event, Progress
from ._run import Run
from ._settings import Settings, words
from .errors import ConfigError

#: Is told what happens; an answer of `False` ends the training after its step, with a checkpoint.
Callback = Callable[[Event], Optional[bool]]
PathLike = Union[str, "os.PathLike[str]"]


def train(
    recipe: Optional[PathLike] = None,
    data: Optional[Data] = None,
    *,
    out: Optional[PathLike] = None,
    device: Union[str, _onebit.Device, None] = None,
    seed: Optional[int] = None,
    epochs: Optional[int] = None,
    start_from: Union[PathLike, Run, None] = None,
    features: Union[PathLike, Run, None] = None,
    settings: Settings = None,
    callbacks: Union[Callback, Iterable[Callback]] = (),
    progress: bool = True,
    resume: Union[PathLike, Run, None] = None,
    tune: bool = True,
    allow_reorder: bool = False,
) -> Run:
    """Trains a network by a recipe, and keeps a run directory; as ``onebit train`` does it.

    Ctrl-C (the stop button of a notebook) ends the training after its step, saves, and raises `KeyboardInterrupt`;
    ``onebit.train(resume=...)`` goes on.

    Args:
        recipe: a built-in one (`onebit.recipes`), a TOML file or a run; the default one unless given.
        data: the images. A path (what is there is recognised); or arrays: images ``uint8`` of shape (N, rows, columns)
            or (N, rows, columns, 1 or 3); ``(images, labels)`` with whole numbers from 0, one an image; or a dict of these
            for some of ``"train"``, ``"val"``, ``"test"``. Of a set without parts the test images are drawn
            (``data.test``, ``data.val``). Arrays are written to a file beside the run, so that it can be tested and
            resumed like any other. Unless given, what the recipe says: the images that come along.
        out: the run directory, ``runs/RECIPE`` unless given. An existing one is never overwritten: the next free number
            is taken.
        device: ``"auto"``, ``"cpu"``, ``"vulkan"``, ``"metal"``, ``"dx12"``, ``"gl"``, the number of an adapter, part of
            its name, or a `Device`.
        seed: decides initial weights, order and augmentation.
        epochs: passes over the training images; with `resume`, to how many a run is lengthened.
        start_from: a run, a checkpoint or a file of weights made elsewhere to start from.
        features: of a multilayer bootstrap network, the run whose features are the points.
        settings: what differs from the recipe: ``{"lr": 0.01, "net.widths": [16, 32]}`` or ``["lr=0.01"]``.
        callbacks: called on this thread with a dict for each event; ``event["event"]`` is ``"plan"`` (before the first
            step), ``"train"`` (``epoch``, ``steps``, ``total``, ``loss``, ``accuracy``, ``images``, ...), ``"val"`` (after an
            epoch; without validation images ``"epoch"``), ``"test"``, ``"note"``, ``"stopped"`` or ``"summary"`` among others. An answer of ``False`` ends the
            training after its step, saved; what one raises does so too, and is raised.
        progress: whether events are shown (`Progress`).
        resume: a run that goes on from its last checkpoint.
        tune: whether the fastest kernels of a GPU are found by measuring; results are the same.
        allow_reorder: lets kernels compete that add in another order.

    Returns:
        The run, finished unless a callback ended it.

    Raises:
        Error: what is wrong with the recipe, the images or the device; the class says which.
        ArrayError: an array of another dtype or shape, with NaN, or empty.
        KeyboardInterrupt: after the run was stopped and saved.
    """
    if resume is not None:
        given = dict(recipe=recipe, out=out, seed=seed, start_from=start_from, features=features, settings=settings)
        other = [name for name, value in given.items() if value is not None]
        if other:
            raise ConfigError(f"resume and {' and '.join(other)} are both given: a run that goes on has its own")
    at = resume if resume is not None else out
    place = Path(os.fspath(at)).parent if at is not None else Path("runs")
    told = Told([Progress()] if progress else [], callbacks)
    if data is None and resume is not None:
        data = beside(resume)
    with placed(data, place, keep=lambda: told.run is not None) as path:
        try:
            _onebit.train(
                told,
                None if recipe is None else os.fspath(recipe),
                data=path,
                features=features,
                out=at,
                device=device.select if isinstance(device, _onebit.Device) else device,
                seed=whole("seed", seed),
                epochs=whole("epochs", epochs),
                start_from=start_from,
                settings=words(settings),
                resume=resume is not None,
                tune=tune,
                allow_reorder=allow_reorder,
            )
        except KeyboardInterrupt:
            if told.run is None:
                raise
            raise KeyboardInterrupt(f"stopped and saved; onebit.train(resume={told.run!r}) goes on") from None
    ended = told.run if told.run is not None else at
    assert ended is not None, "a run that begins says where it is"
    return Run(ended)


def evaluate(
    run: Union[PathLike, Run],
    data: Optional[Data] = None,
    *,
    part: Optional[str] = None,
    device: Union[str, _onebit.Device, None] = None,
    checkpoint: Optional[str] = None,
    settings: Settings = None,
) -> dict[str, Any]:
    """Tests a run, or weights made elsewhere with `data`; as ``onebit eval`` does it.

    Args:
        run: the run directory, or a file of weights (.pth, .safetensors, .onnx, a folder of Hugging Face).
        data: other images than the run's, as `train` takes them.
        part: ``"test"``, ``"val"`` or ``"train"``.
        device: the run's unless given.
        checkpoint: ``"best"`` or ``"last"``; unless given that which stands for the run.
        settings: of a file of weights, what it does not say of its images.

    Returns:
        ``accuracy``, ``top5``, ``loss``, ``balanced_accuracy``, ``macro_f1``, ``images``, ``classes`` (recall, precision
        and F1 of each), ``confusion`` (a row for each class of an image, a column for each answer), and of what.
    """
    said: list[str] = []
    with placed(beside(run) if data is None else data, Path(os.fspath(run)).parent) as path:
        _onebit.evaluate(
            said.append,
            run,
            data=path,
            part=part,
            device=device.select if isinstance(device, _onebit.Device) else device,
            checkpoint=checkpoint,
            settings=words(settings),
        )
    result: dict[str, Any] = json.loads(said[-1])
    return result


def export(
    run: Union[PathLike, Run],
    out: Optional[PathLike] = None,
    *,
    to: Optional[str] = None,
    base: Optional[PathLike] = None,
    checkpoint: Optional[str] = None,
    mean_matrices: bool = False,
    data: Optional[Data] = None,
    settings: Settings = None,
) -> list[str]:
    """Writes what inference needs of a run, and tests what it wrote; as ``onebit export`` does it.

    Args:
        run: the run directory, or a file of weights made elsewhere, with `data` and `out`.
        out: the file, by its ending ``.1bit`` (for `load`), ``.onnx`` or ``.safetensors``; of a page its folder.
        to: ``"1bit"``, ``"onnx"``, ``"safetensors"`` or ``"web"``, where the ending does not say it.
        base: of a run that learned masks, the packed model that they are on.
        checkpoint: ``"best"`` or ``"last"``; unless given that which stands for the run.
        mean_matrices: of RBCN, each scale matrix as its mean.
        data: other images to test on, as `train` takes them.
        settings: of a file of weights, what it does not say of its images.

    Returns:
        What there is to say of it: its size, how many images it names right, how near its outputs are to the training
        graph's.
    """
    said: list[str] = []
    with placed(beside(run) if data is None else data, Path(os.fspath(run)).parent) as path:
        _onebit.export(
            said.append,
            run,
            out=out,
            to=to,
            base=base,
            checkpoint=checkpoint,
            mean_matrices=mean_matrices,
            data=path,
            settings=words(settings),
        )
    return said


def beside(run: PathLike) -> Optional[str]:
    """The arrays of a run whose folder was moved together with theirs; nothing where they are where they were."""
    folder = Path(os.fspath(run))
    if not (folder / "config.toml").is_file():
        return None
    found = Path(str(_onebit.config(folder).get("data", {}).get("path", "")))
    moved = folder.parent / found.name
    is_moved = found.name.startswith("arrays-") and not found.exists() and moved.is_file()
    return str(moved) if is_moved else None


def whole(name: str, value: Optional[int]) -> Optional[int]:
    """A whole number from 0 on."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} = {value!r}: give a whole number") from None
    if not 0 <= number < 1 << 63:
        raise ConfigError(f"{name} = {value!r}: give a whole number from 0 on")
    return number


class Told:
    """Gives what is said of a run to callbacks, as dicts."""

    def __init__(self, first: list[Callback], callbacks: Union[Callback, Iterable[Callback]]) -> None:
        try:
            self._all = first + ([callbacks] if callable(callbacks) else list(callbacks))
        except TypeError:
            raise ConfigError(f"callbacks = {callbacks!r}: give a function, or several") from None
        self.run: Optional[str] = None

    def __call__(self, message: str) -> bool:
        try:
            event = json.loads(message)
        except ValueError:
            event = {"event": "note", "text": message}
        self.run = event.get("run", self.run)
        answers = [callback(event) for callback in self._all]
        return not any(isinstance(answer, (bool, np.bool_)) and not answer for answer in answers)
