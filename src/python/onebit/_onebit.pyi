import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

PathLike = Union[str, os.PathLike[str]]
Told = Callable[[str], object]

__version__: str

class Model:
    @property
    def input(self) -> Tuple[int, int, int]: ...
    @property
    def classes(self) -> List[str]: ...
    @property
    def outputs(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def predict(self, images: npt.NDArray[np.uint8]) -> Union[int, npt.NDArray[np.int64]]: ...
    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...
    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...
    def features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...
    def summary(self) -> Dict[str, Any]: ...
    def read_image(self, path: PathLike) -> npt.NDArray[np.uint8]: ...

class Device:
    def __init__(self, select: str = "auto") -> None: ...
    @property
    def select(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def why(self) -> str: ...

def load(path: PathLike, base: Optional[PathLike] = None, threads: int = 1) -> Model: ...
def binary_conv2d(
    x: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    grad: Optional[npt.NDArray[np.float64]],
    others: Mapping[str, npt.NDArray[np.float64]],
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    settings: Sequence[str],
    epoch: int,
    epochs: int,
) -> Tuple[npt.NDArray[np.float64], Dict[str, npt.NDArray[np.float64]]]: ...
def devices() -> Dict[str, Any]: ...
def verify(
    told: Told, select: str, filter: str, seed: Optional[int] = None, quick: bool = False
) -> Tuple[Dict[str, Any], bool]: ...
def config(run: PathLike) -> Dict[str, Any]: ...
def summary(run: PathLike) -> Optional[Dict[str, Any]]: ...
def metrics(run: PathLike) -> List[Dict[str, Any]]: ...
def tensors(run: PathLike, checkpoint: Optional[str] = None) -> Dict[str, npt.NDArray[Any]]: ...
def weights(path: PathLike) -> Dict[str, npt.NDArray[Any]]: ...
def compare(paths: Sequence[PathLike], against: Optional[PathLike] = None) -> Dict[str, Any]: ...
def recipes() -> List[Dict[str, Any]]: ...
def train(
    told: Told,
    recipe: Optional[str] = None,
    *,
    data: Optional[PathLike] = None,
    features: Optional[PathLike] = None,
    out: Optional[PathLike] = None,
    device: Optional[str] = None,
    seed: Optional[int] = None,
    epochs: Optional[int] = None,
    start_from: Optional[PathLike] = None,
    settings: Sequence[str] = ...,
    resume: bool = False,
    tune: bool = True,
    allow_reorder: bool = False,
) -> bool: ...
def evaluate(
    told: Told,
    run: PathLike,
    *,
    data: Optional[PathLike] = None,
    part: Optional[str] = None,
    device: Optional[str] = None,
    checkpoint: Optional[str] = None,
    settings: Sequence[str] = ...,
) -> None: ...
def export(
    told: Told,
    run: PathLike,
    *,
    out: Optional[PathLike] = None,
    to: Optional[str] = None,
    base: Optional[PathLike] = None,
    checkpoint: Optional[str] = None,
    mean_matrices: bool = False,
    data: Optional[PathLike] = None,
    settings: Sequence[str] = ...,
) -> None: ...
