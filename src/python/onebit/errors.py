"""What goes wrong. Every message names the thing that is wrong (file, key, array, limit), the value that was found, and what
to do; it is the sentence that the program ``onebit`` prints."""

from __future__ import annotations

__all__ = [
    "ArrayError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "Error",
    "Fault",
    "FileError",
    "LimitError",
    "NonFiniteError",
    "ShaderError",
    "ShapeError",
]


class Error(Exception):
    """Anything that onebit refuses or fails at."""


class ArrayError(Error, ValueError, TypeError):
    """An array that cannot be taken: its name, what it is (dtype, shape, NaN, empty), and what is wanted."""


class ShapeError(Error, ValueError):
    """An op got inputs that its shape rule does not allow."""


class DataError(Error, ValueError):
    """A file or folder that holds bad data."""


class FileError(Error, OSError):
    """The operating system refused a file operation."""


class ConfigError(Error, ValueError):
    """A recipe, a setting or an argument that makes no sense."""


class DeviceError(Error, RuntimeError):
    """The device is missing, was lost, or is too small for what was asked."""


class LimitError(Error, MemoryError):
    """Something needs more than there is: the limit, what is needed and what to do."""


class ShaderError(Error, RuntimeError):
    """A shader that does not assemble, validate or bind."""


class NonFiniteError(Error, ArithmeticError):
    """Training produced a number that is not finite."""


class Fault(Error, RuntimeError):
    """A fault of onebit itself: please report it."""
