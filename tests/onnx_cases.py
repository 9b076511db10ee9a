"""Writes the tests that come with the onnx package for the operators of networks: those of its nodes, and those that PyTorch exported.

    python tests/onnx_cases.py OUT

Each becomes a folder with model.onnx, whose inputs but the first are constants and which flattens maps, and the first input and the output as
input.bin and output.bin: four-byte extents behind their number, then f32, all little-endian.
"""
import re
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

NODES = re.compile(
    r"test_(conv_|basic_conv|gemm|matmul_2d|batchnorm_e|relu|maxpool_2d|averagepool_2d|globalaveragepool|add|mul|sub|div|concat"
    r"|flatten_|softmax_|sigmoid|tanh|leakyrelu|prelu|clip|gelu|identity|dropout_default|reshape_|squeeze|reduce_mean_|edge_pad"
    r"|constant_pad)"
)
TORCH = re.compile(
    r"test_(AvgPool|BatchNorm|ConstantPad|Conv|LeakyReLU|Linear|MaxPool|PReLU|ReLU|Sigmoid|Softmax$|Tanh|ZeroPad)"
)


def write(path, tensor):
    array = np.ascontiguousarray(tensor, dtype="<f4")
    extents = np.array([array.ndim, *array.shape], dtype="<u4")
    path.write_bytes(extents.tobytes() + array.tobytes())


def tensor(path):
    return numpy_helper.to_array(onnx.load_tensor(str(path)))


root = Path(onnx.__file__).parent / "backend/test/data"
folders = [f for f in sorted((root / "node").iterdir()) if NODES.match(f.name) and "_expanded" not in f.name]
folders += [f for f in sorted((root / "pytorch-converted").iterdir()) if TORCH.match(f.name)]
for folder in folders:
    model = onnx.load(str(folder / "model.onnx"))
    data = folder / "test_data_set_0"
    given = {t.name for t in model.graph.initializer}
    open_inputs = [i for i in model.graph.input if i.name not in given]
    try:
        tensors = [tensor(data / f"input_{i}.pb") for i in range(len(open_inputs))]
        output = tensor(data / "output_0.pb")
    except Exception:
        continue  # sequences and optionals
    if not tensors or tensors[0].dtype != np.float32 or output.dtype != np.float32:
        continue
    for value, name in zip(tensors[1:], open_inputs[1:]):
        model.graph.initializer.append(numpy_helper.from_array(value, name.name))
        model.graph.input.remove(name)
    if output.ndim == 4:
        # Networks end in rows.
        (last,) = model.graph.output[:1]
        model.graph.node.append(helper.make_node("Flatten", [last.name], ["flat"], axis=1))
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, None))
    out = Path(sys.argv[1]) / folder.name
    out.mkdir(parents=True)
    onnx.save(model, str(out / "model.onnx"))
    write(out / "input.bin", tensors[0])
    write(out / "output.bin", output)
