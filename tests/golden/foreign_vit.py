"""Small vision transformers under the names of the libraries that people have, and what these make of two images in f64, for
tests/files/foreign_vit.rs: writes into tests/golden/foreign/.

    timm-vit.safetensors     timm's VisionTransformer, class token, head of 5 classes
    timm-vit-avg.safetensors the same with the mean of all patches in place of a class token
    torchvision-vit.pth      torchvision's
    openclip-vit.pt          open_clip's image tower beside a tower of texts, in f16
    hf-clip/                 transformers' CLIPVisionModelWithProjection as its save_pretrained writes it
    expected_vit.safetensors images [n, h, w, c] of 32 pixels, and for each <name>/logits and <name>/features in f64

Run with timm, torchvision, transformers, open_clip_torch and safetensors: python tests/golden/foreign_vit.py
"""
import shutil
from pathlib import Path

import torch
from open_clip.transformer import VisionTransformer as OpenClip
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer as Timm
from torchvision.models import VisionTransformer as Torchvision
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

OUT = Path(__file__).with_name("foreign")


def lively(net):
    """Weights far from where training starts, so that every one of them tells."""
    for name, p in net.named_parameters():
        near_one = p.dim() == 1 and name.endswith("weight")
        p.copy_((1.0 if near_one else 0.0) + (0.2 if p.dim() == 1 else 0.3 * p.shape[-1] ** -0.25) * torch.randn_like(p))
    return net.eval()


@torch.no_grad()
def main():
    torch.manual_seed(11)
    images = torch.randn(2, 3, 32, 32)
    results = {"images": images.permute(0, 2, 3, 1).contiguous()}
    size = dict(img_size=32, patch_size=8, embed_dim=64, depth=1, num_heads=1, mlp_ratio=1.5, num_classes=5)
    for name, more in [("timm-vit", {}), ("timm-vit-avg", dict(global_pool="avg", class_token=False))]:
        net = lively(Timm(**size, **more))
        save_file(net.state_dict(), OUT / f"{name}.safetensors")
        net.double()
        results[f"{name}/logits"] = net(images.double())
        results[f"{name}/features"] = net.forward_head(net.forward_features(images.double()), pre_logits=True)
    net = lively(Torchvision(image_size=32, patch_size=8, num_layers=1, num_heads=1, hidden_dim=64, mlp_dim=96, num_classes=5))
    torch.save(net.state_dict(), OUT / "torchvision-vit.pth")
    net.double()
    results["torchvision-vit/logits"] = net(images.double())
    results["torchvision-vit/features"] = net.encoder(
        torch.cat([net.class_token.expand(2, -1, -1), net._process_input(images.double())], 1)
    )[:, 0]
    net = lively(OpenClip(32, 8, 64, 1, 1, 1.5, output_dim=6)).half()
    state = {f"visual.{k}": v for k, v in net.state_dict().items()}
    state |= {"positional_embedding": torch.randn(3, 4), "transformer.resblocks.0.ln_1.weight": torch.ones(4)}
    state |= {"logit_scale": torch.tensor(4.6), "text_projection": torch.randn(4, 6)}
    torch.save(state, OUT / "openclip-vit.pt")
    net.double()
    results["openclip-vit/logits"] = net(images.double())
    net.proj = None
    results["openclip-vit/features"] = net(images.double())
    config = CLIPVisionConfig(
        hidden_size=64, intermediate_size=96, projection_dim=6, num_hidden_layers=1, num_attention_heads=1, image_size=32, patch_size=8
    )
    net = lively(CLIPVisionModelWithProjection(config))
    shutil.rmtree(OUT / "hf-clip", ignore_errors=True)
    net.save_pretrained(OUT / "hf-clip")
    net.double()
    results["hf-clip/logits"] = net(images.double()).image_embeds
    results["hf-clip/features"] = net.vision_model(images.double()).pooler_output
    save_file({k: v.contiguous() for k, v in results.items()}, OUT / "expected_vit.safetensors")


if __name__ == "__main__":
    main()
