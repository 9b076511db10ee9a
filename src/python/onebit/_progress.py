"""What is seen of a run while it trains: a line that is written anew on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any, Mapping, TextIO

#: Something that happens while a run trains; see `onebit.train`.
Event = Mapping[str, Any]


class Progress:
    """Shows the events of a run; a callback of `onebit.train`."""

    def __init__(self, file: TextIO | None = None) -> None:
        """`file` is where lines go to, `sys.stdout` unless given."""
        self._file = file
        self._plan: Event = {}
        self._width = 0

    def __call__(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "plan":
            self._plan = event
            self._line(f"{event['recipe']}: {event['data']}, on {event['device']} ({event['why']}), in {event['run']}")
        elif kind == "train":
            self._live(self._step(event))
        elif kind == "epoch":
            self._line(f"epoch {event['epoch']:3}  {share(event)}  loss {event['loss']:.4f}")
        elif kind in ("val", "test"):
            self._line(f"epoch {event['epoch']:3}  {event['event']} {share(event)}  loss {event['loss']:.4f}")
        elif kind == "layer":
            work = event["work"]
            self._line(f"layer {event['layer']}  {work['k']:,} centres  {work['seconds']:.1f} s")
        elif kind == "resumed":
            self._line(f"resumed after {event['steps']} steps")
        elif kind == "stopped":
            self._line(f"stopped and saved; to go on: onebit.train(resume={self._plan.get('run')!r})")
        elif kind == "note":
            self._line(event["text"])

    def _step(self, event: Event) -> str:
        seconds = event.get("seconds_left")
        left = "" if seconds is None else f"  {seconds:.0f} s left"
        return (
            f"epoch {event['epoch']}/{self._plan.get('epochs', '?')}  step {event['steps']:,}/{event['total']:,}  "
            f"loss {event['loss']:.4f}  {share(event)}  {event['images_per_second']:,.0f} images/s{left}"
        )

    def _line(self, text: str) -> None:
        out = self._out()
        # What was there is overwritten to its end.
        out.write(("\r" if self._width else "") + text.ljust(self._width) + "\n")
        self._width = 0
        out.flush()

    def _live(self, text: str) -> None:
        out = self._out()
        if not (out.isatty() or is_notebook()):
            return
        out.write("\r" + text.ljust(self._width))
        self._width = len(text)
        out.flush()

    def _out(self) -> TextIO:
        return self._file if self._file is not None else sys.stdout


def share(event: Event) -> str:
    """The share of right answers, or of agreement with a teacher."""
    name = "accuracy" if "accuracy" in event else "agreement"
    found = event.get(name)
    return "" if found is None else f"{name} {100 * found:.2f} % of {event['images']:,}"


def is_notebook() -> bool:
    """Whether what is printed goes to a notebook, where a line can be written anew."""
    return "ipykernel" in sys.modules and hasattr(sys.stdout, "pub_thread")
