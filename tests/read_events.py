"""What TensorBoard reads of a run's folder, as JSON: what its pages show (by tag: step and value), and all that stands in the files."""
import glob
import json
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

run = sys.argv[1]
shown = EventAccumulator(run, size_guidance={"scalars": 0})
shown.Reload()
written = {}
for path in sorted(glob.glob(os.path.join(run, "*tfevents*"))):
    for event in LegacyEventFileLoader(path).Load():
        for value in event.summary.value:
            written.setdefault(value.tag, []).append([event.step, value.simple_value])
json.dump(
    {
        "shown": {tag: [[e.step, e.value] for e in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]},
        "written": written,
    },
    sys.stdout,
)
