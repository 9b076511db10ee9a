"""Settings of a recipe, from Python's values to those of TOML."""

from __future__ import annotations

import json
from typing import Any, Iterable, Mapping, Union

import numpy as np

from .errors import ConfigError

#: Settings by key ("net.widths"), with dots or nested; or "key=value" as on the command line.
Settings = Union[Mapping[str, Any], Iterable[str], None]


def words(settings: Settings) -> list[str]:
    """As the flag `--set` takes them."""
    if settings is None:
        return []
    if isinstance(settings, str):
        return [settings]
    if isinstance(settings, Mapping):
        return [f"{key}={toml(key, value)}" for key, value in settings.items()]
    return [str(word) for word in settings]


def toml(key: str, value: Any) -> str:
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(key, v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(k), ensure_ascii=False)} = {toml(key, v)}" for k, v in value.items()) + "}"
    raise ConfigError(f"settings: {key} is a {type(value).__name__}: give a truth value, a number, a text, a list or a dict")
