"""What this machine has, and whether it computes right."""

from __future__ import annotations

from typing import Any, Optional, Union

from . import _onebit


def devices() -> dict[str, Any]:
    """The devices of this machine: ``"cpu"``, ``"adapters"`` (a list), and ``"auto"``, the one that training takes by itself and
    why; as ``onebit devices --json`` prints them."""
    return _onebit.devices()


def recipes() -> list[dict[str, Any]]:
    """The recipes that come along: ``name``, ``description``, and whether it is the ``default``."""
    return _onebit.recipes()


def verify(
    device: Union[str, _onebit.Device] = "auto",
    *,
    filter: str = "",
    seed: Optional[int] = None,
    quick: bool = False,
) -> dict[str, Any]:
    """Checks a device: every op, forward and gradients, against a textbook reference in f64; as ``onebit verify`` does it.

    Ctrl-C ends it.

    Args:
        device: as `onebit.train` takes it.
        filter: only ops and cases whose name contains this.
        seed: decides the random numbers of the cases.
        quick: leaves out large cases, and kernels that the device does not take by itself.

    Returns:
        ``passed``, and ``devices`` with, for each op, ``cases``, ``outputs``, the ``worst`` as a fraction of its bound, and
        ``failures``.

    Raises:
        ConfigError: no case has such a name.
        DeviceError: there is no such device.
    """
    select = device.select if isinstance(device, _onebit.Device) else device
    report, passed = _onebit.verify(lambda message: None, select, filter, seed, quick)
    return {"passed": passed, **report}
