"""Run directories, read."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any, Iterable, Optional, Union

import numpy as np

from . import _onebit
from .errors import DataError

PathLike = Union[str, "os.PathLike[str]"]


class Run(os.PathLike[str]):
    """The directory of a run: what it was trained with, what it logged, its weights and its result.

    Everything is read when it is asked for: a run that trains in another process can be watched.
    """

    def __init__(self, path: PathLike) -> None:
        """Opens the directory of a run.

        Raises:
            DataError: there is none at `path`.
        """
        self._path = Path(os.fspath(path))
        _onebit.config(self._path)

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    @property
    def config(self) -> dict[str, Any]:
        """The recipe with every setting, and under ``"run"`` where it ran (``config.toml``)."""
        return _onebit.config(self._path)

    @property
    def summary(self) -> Optional[dict[str, Any]]:
        """The result (``summary.json``), or `None` of a run that is not finished."""
        return _onebit.summary(self._path)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.config["run"].get("classes", []))

    @property
    def metrics(self) -> dict[str, dict[str, np.ndarray]]:
        """What the run logged (``metrics.jsonl``): a table for each kind of line, with an array for each column.

        ``metrics["train"]`` has ``steps``, ``loss``, ``accuracy``, ``lr``, ...; ``metrics["val"]`` and ``["epoch"]``
        a row an epoch; ``metrics["layers"]`` one for each binary layer and epoch; ``metrics["means"]`` what the method logs.
        All arrays of a table have shape (rows,): int64, float64 (NaN where a row has no number) or object.
        """
        tables: dict[str, list[dict[str, Any]]] = {}
        for line in _onebit.metrics(self._path):
            tables.setdefault(line.pop("kind"), []).extend(rows(line))
        return {kind: columns(table) for kind, table in tables.items()}

    def tensors(self, checkpoint: Optional[str] = None) -> dict[str, np.ndarray]:
        """The tensors of a checkpoint by name: float32, int32, and uint32 for words that hold bits; of a multilayer bootstrap
        network its points, codes and clusters, each of the type that it is stored in.

        Weights of convolutions are (out, rows, columns, in); `onebit.torch.state_dict` has them as PyTorch does.

        Args:
            checkpoint: ``"best"`` or ``"last"``; unless given that which stands for the run.
        """
        return _onebit.tensors(self._path, checkpoint)

    def evaluate(self, data: Any = None, **options: Any) -> dict[str, Any]:
        """Tests the run; see `onebit.evaluate`."""
        from ._train import evaluate

        return evaluate(self, data, **options)

    def confusion(self, **options: Any) -> np.ndarray:
        """The confusion matrix of a test, int64 of shape (classes, classes): how many images of the class of a row were
        taken for that of a column. The options are those of `onebit.evaluate`."""
        found = self.evaluate(**options)
        if "confusion" not in found:
            raise DataError(f"{self._path}: this run gives clusters and has no confusion matrix")
        return np.array(found["confusion"], dtype=np.int64)

    def export(self, out: PathLike, **options: Any) -> list[str]:
        """Writes what ships of the run; see `onebit.export`."""
        from ._train import export

        return export(self, out, **options)

    def __fspath__(self) -> str:
        return str(self._path)

    def __repr__(self) -> str:
        state = "finished" if (self._path / "summary.json").is_file() else "not finished"
        return f"<onebit.Run {str(self._path)!r}: {state}>"


def rows(line: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The rows that a line of metrics is: one for each of its layers, if it has some."""
    layers, values = line.pop("layers", None), line.pop("values", {})
    if layers is None:
        return [{**line, **values}]
    return [{**line, "layer": layer.pop("name"), **layer} for layer in layers]


def columns(table: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    names = list(dict.fromkeys(name for row in table for name in row))
    return {name: column([row.get(name) for row in table]) for name in names}


def column(values: list[Any]) -> np.ndarray:
    if all(type(v) is int for v in values):
        return np.array(values, dtype=np.int64)
    if all(v is None or type(v) in (int, float) for v in values):
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def compare(runs: Union[PathLike, Run, Iterable[Union[PathLike, Run]]], *, against: Any = None) -> list[dict[str, Any]]:
    """Runs side by side, as ``onebit compare`` puts them: a dict a row, which ``pandas.DataFrame`` takes.

    Runs of one recipe that differ only by their seed are one row. Settings that tell rows apart are columns under their own
    names. What is no finished run is left out, with a warning that says why.

    Args:
        runs: run directories, folders of them, sweeps.
        against: the run that others are compared with, seed by seed: ``difference`` in points, and the interval around it.

    Returns:
        ``recipe``, the settings, ``data``, ``part``, ``images``, ``accuracy`` (the mean over seeds, in percent),
        ``accuracy_std``, ``seeds``, ``best_val_accuracy``, ``steps``, ``seconds``, ``planned_bytes``, ``bytes`` and
        ``operations`` of what ships, ``runs`` (the directories).

    Raises:
        ConfigError: none of them is a finished run.
    """
    paths = [runs] if isinstance(runs, (str, os.PathLike)) else list(runs)
    table = _onebit.compare(paths, against)
    for left in table["left_out"]:
        warnings.warn(f"left out: {left['run']}: {left['why']}", stacklevel=2)
    return [flat(row) for row in table["rows"]]


def plain(text: Optional[str]) -> Any:
    """A setting as the number, the list or the truth value that it is; else as its text."""
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        return text


def flat(row: dict[str, Any]) -> dict[str, Any]:
    def spread(name: str) -> dict[str, Any]:
        found = row[name] or {}
        return {name: found.get("mean"), f"{name}_std": found.get("std")}

    difference, ships = row["difference"] or {}, row["ships"] or {}
    more = {name: (s or {}).get("mean") for name, s in row["more"].items()}
    return {
        "recipe": row["recipe"],
        **{key: plain(value) for key, value in row["settings"].items()},
        "data": row["data"],
        "of": row["of"],
        "part": row["part"],
        "images": row["images"],
        **spread("accuracy"),
        "seeds": len(row["runs"]),
        **spread("best_val_accuracy"),
        "difference": difference.get("mean"),
        "difference_low": difference.get("low"),
        "difference_high": difference.get("high"),
        **more,
        "steps": row["steps"],
        "seconds": (row["seconds"] or {}).get("mean"),
        "planned_bytes": row["planned_bytes"],
        "bytes": ships.get("bytes"),
        "binary_weights": ships.get("binary_weights"),
        "operations": row["operations"],
        "runs": [run["run"] for run in row["runs"]],
    }
