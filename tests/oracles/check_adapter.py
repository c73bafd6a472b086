"""PEFT against a LoRA run: check_adapter.py BASE MERGED; MERGED/adapter on BASE must give what MERGED gives, but for rounding."""

import sys, torch, transformers, peft
base, merged = sys.argv[1:3]
ids = torch.randint(3, 40000, (2, 50), generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    plain = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    b = plain(ids).logits.clone()
    p = peft.PeftModel.from_pretrained(plain, merged + "/adapter")
    a = p(ids).logits
    m = transformers.AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)(ids).logits
print("adapter changes logits by", (a - b).abs().max().item(), "of", b.abs().max().item())
print("PEFT's adapter against the merged bf16 model", (a - m).abs().max().item(), "mean", (a-m).abs().mean().item(), "vs change mean", (a-b).abs().mean().item())
