"""Runs every FOLDER/NAME.onnx on the images in NAME.images (bytes, one image after the other) and writes NAME.outputs (f32).

    python tests/run_onnx.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np
import onnxruntime

for model in sorted(Path(sys.argv[1]).glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    extents = session.get_inputs()[0].shape[1:]
    images = np.fromfile(model.with_suffix(".images"), np.uint8).reshape(-1, *extents).astype(np.float32)
    (outputs,) = session.run(["logits"], {"image": images})
    outputs.astype("<f4").tofile(model.with_suffix(".outputs"))
