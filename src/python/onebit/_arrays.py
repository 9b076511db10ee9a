"""Images and labels of a caller as a file that runs are trained on, tested on and resumed from, like any other set."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Tuple, Union

import numpy as np

from .errors import ArrayError, FileError

#: What `data` may be: a path, images, images with labels, or these for each of the parts train, val and test.
Data = Union[str, "os.PathLike[str]", np.ndarray, Tuple[Any, Any], Mapping[str, Any]]

PARTS = ("train", "val", "test")


@contextmanager
def placed(data: Optional[Data], folder: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Optional[str]]:
    """The path of a set: its own, or that of a file in `folder` that the arrays are written to.

    The file is called after its content: the same arrays are written once. It is removed in the end unless it was there before,
    or `keep` says that something was made that needs it.
    """
    if data is None:
        yield None
    elif isinstance(data, (str, os.PathLike)):
        yield os.path.expanduser(os.fspath(data))
    else:
        path, fresh = written(named(data), folder)
        try:
            yield str(path)
        finally:
            if fresh and not keep():
                path.unlink(missing_ok=True)


def written(arrays: Mapping[str, np.ndarray], folder: Path) -> Tuple[Path, bool]:
    """Where arrays are stored, and whether they were not before."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    path = folder / f"arrays-{digest.hexdigest()[:16]}.npz"
    if path.exists():
        return path, False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, begun = tempfile.mkstemp(dir=folder, suffix=".npz")
    except OSError as e:
        raise FileError(f"{folder}: the arrays cannot be written there: {e.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(begun, path)
    except BaseException:
        os.unlink(begun)
        raise
    return path, True


def named(data: Data) -> dict[str, np.ndarray]:
    """The arrays by the names that they have in a file, checked."""
    parts = data if isinstance(data, Mapping) else {"train": data}
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise ArrayError(f"data has the parts {list(parts)}: give some of {', '.join(PARTS)}")
    arrays: dict[str, np.ndarray] = {}
    for part, given in parts.items():
        x, y = pair(part, given)
        arrays[f"x_{part}"] = x
        if y is not None:
            arrays[f"y_{part}"] = y
    if "y_train" in arrays:
        check_numbering(arrays["y_train"])
    return arrays


def check_numbering(y: np.ndarray) -> None:
    """Warns of labels that make classes without images."""
    there, most = np.unique(y), int(y.max())
    if len(there) <= most:
        warnings.warn(
            f"train labels go to {most} and {most + 1 - len(there)} of the classes 0 to {most} have no images; "
            "names, labels = numpy.unique(labels, return_inverse=True) numbers those that are there from 0",
            stacklevel=6,
        )


def pair(part: str, given: Any) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Images, and labels if there are some."""
    if isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise ArrayError(f"{part}: {len(given)} things; give (images, labels), or images alone")
        x = images(part, given[0])
        return x, None if given[1] is None else labels(part, given[1], len(x))
    return images(part, given), None


def images(part: str, given: Any) -> np.ndarray:
    x = array(f"{part} images", given)
    wanted = "uint8 from 0 to 255 of shape (N, rows, columns) or (N, rows, columns, 1 or 3)"
    found = f"{part} images are {x.dtype} of shape {x.shape}"
    if x.dtype.kind == "f":
        nan = int(np.isnan(x).sum())
        has = f", {nan} of them NaN" if nan else ""
        raise ArrayError(f"{found}{has}: give {wanted}; (x * 255).round().astype('uint8') if white is 1")
    if x.dtype != np.uint8:
        raise ArrayError(f"{found}: give {wanted}")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        raise ArrayError(f"{found}: give {wanted}; x.transpose(0, 2, 3, 1) puts the channels last")
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise ArrayError(f"{found}: give {wanted}")
    if x.size == 0:
        raise ArrayError(f"{found}: it is empty")
    return np.ascontiguousarray(x)


def labels(part: str, given: Any, n: int) -> np.ndarray:
    y = array(f"{part} labels", given, "names, labels = numpy.unique(labels, return_inverse=True) numbers them")
    found = f"{part} labels are {y.dtype} of shape {y.shape}"
    wanted = f"whole numbers from 0, one for each of the {n} images"
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise ArrayError(f"{found}, {int(np.isnan(y).sum())} of them NaN: give {wanted}")
    if y.dtype.kind not in "biu":
        raise ArrayError(f"{found}: give {wanted}")
    if y.ndim == 2 and y.shape[1] > 1:
        raise ArrayError(f"{found}: give {wanted}; of one-hot rows y.argmax(1)")
    if y.shape not in ((n,), (n, 1)):
        raise ArrayError(f"{found}: give {wanted}")
    y = y.reshape(n)
    if y.dtype.kind == "i" and y.min() < 0:
        i = int(y.argmin())
        raise ArrayError(f"{part} labels: the label of image {i} is {int(y[i])}: give {wanted}")
    return np.ascontiguousarray(y)


def array(name: str, given: Any, of_text: str = "") -> np.ndarray:
    """What has the form of an array as one."""
    try:
        x = np.asarray(given)
    except Exception as e:
        raise ArrayError(f"{name}: {type(given).__name__} is no array: {e}") from e
    if x.dtype.kind not in "biuf":
        hint = f"; {of_text}" if of_text and x.dtype.kind in "US" else ""
        raise ArrayError(f"{name} are {x.dtype} of shape {x.shape}: give plain numbers{hint}")
    return x
