"""Narrow ResNets of Hugging Face's transformers as its save_pretrained writes them, and what it makes of two images in f64, for
tests/files/foreign_places.rs: writes into tests/golden/foreign/.

    hf-resnet18/       basic blocks, a file of weights, names of classes, a preprocessor with its own normalisation
    hf-resnet50/       bottlenecks, in shards with their index
    expected_transformers.safetensors  images [n, h, w, c], and for each <name>/logits and <name>/features in f64

Run with transformers 5, any PyTorch 2 and safetensors: python tests/golden/foreign_transformers.py
"""
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

OUT = Path(__file__).with_name("foreign")
LABELS = ["ant", "bee", "cow", "dog", "emu"]


@torch.no_grad()
def main():
    torch.manual_seed(8)
    images = torch.randn(2, 3, 64, 64)
    results = {"images": images.permute(0, 2, 3, 1).contiguous()}
    for name, depths, widths, kind, shard in [
        ("hf-resnet18", [2, 2, 2, 2], [4, 4, 8, 8], "basic", "5GB"),
        ("hf-resnet50", [3, 4, 6, 3], [16, 16, 16, 32], "bottleneck", "20KB"),
    ]:
        config = ResNetConfig(embedding_size=4, hidden_sizes=widths, depths=depths, layer_type=kind, num_labels=5)
        if kind == "basic":
            # Not in the order of the folders' names, which is alphabetical.
            config.id2label = dict(enumerate(reversed(LABELS)))
            config.label2id = {label: i for i, label in config.id2label.items()}
        net = ResNetForImageClassification(config).eval()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.copy_(0.6 + 0.2 * torch.randn_like(module.weight))
                module.bias.copy_(0.2 * torch.randn_like(module.bias))
                module.running_mean.copy_(0.2 * torch.randn_like(module.bias))
                module.running_var.copy_(torch.exp(0.3 * torch.randn_like(module.bias)))
        shutil.rmtree(OUT / name, ignore_errors=True)
        net.save_pretrained(OUT / name, max_shard_size=shard)
        if kind == "basic":
            processor = ConvNextImageProcessor(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.25, 0.3])
            processor.save_pretrained(OUT / name)
        net.double()
        results[f"{name}/features"] = net.resnet(images.double()).pooler_output.flatten(1)
        results[f"{name}/logits"] = net(images.double()).logits
    save_file(results, OUT / "expected_transformers.safetensors")


if __name__ == "__main__":
    main()
