#!/usr/bin/env python3
"""Makes policy/testdata/models: small random models of every family with the logits of `transformers`.

  pip install torch transformers safetensors; tests/oracles/make_model_fixtures.py

Each folder holds what save_pretrained writes, and expected.safetensors: tokens [n], logits [n, vocab].
"""
import pathlib

import torch
import transformers
from safetensors.torch import save_file

SIZE = dict(vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.4, bos_token_id=1,
            eos_token_id=[2, 3])
LLAMA3 = dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
YARN = dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=64)
MODELS = {
    'llama2': ('Llama', dict(tie_word_embeddings=False, rms_norm_eps=1e-5)),
    'llama3': ('Llama', dict(tie_word_embeddings=False, rope_theta=500000.0, rope_scaling=LLAMA3)),
    'llama-linear': ('Llama', dict(tie_word_embeddings=True, rope_scaling=dict(rope_type='linear', factor=4.0))),
    'llama-bias': ('Llama', dict(tie_word_embeddings=True, attention_bias=True)),
    'mistral': ('Mistral', dict(tie_word_embeddings=False, sliding_window=None, head_dim=6)),
    'qwen2': ('Qwen2', dict(tie_word_embeddings=True, rope_theta=1000000.0)),
    'qwen2-yarn': ('Qwen2', dict(tie_word_embeddings=False, rope_scaling=YARN)),
    'qwen3': ('Qwen3', dict(tie_word_embeddings=True, head_dim=8)),
}


def main():
    root = pathlib.Path(__file__).resolve().parents[2] / 'policy/testdata/models'
    for i, (name, (family, options)) in enumerate(MODELS.items()):
        torch.manual_seed(i)
        config = getattr(transformers, family + 'Config')(**SIZE, **options)
        model = getattr(transformers, family + 'ForCausalLM')(config).eval()
        with torch.no_grad():
            for key, weight in model.named_parameters():   # norms and biases that are not ones and zeros
                if weight.dim() == 1:
                    weight += 0.3 * torch.randn_like(weight)
        model = model.to(torch.bfloat16)   # half the size; read back as fp32
        sharded = name == 'llama2'
        model.save_pretrained(root / name, max_shard_size='4KB' if sharded else '1GB')
        # Not model.float(): rotary frequencies would stay rounded to bfloat16.
        model = type(model).from_pretrained(root / name, dtype=torch.float32).eval()
        tokens = torch.randint(0, SIZE['vocab_size'], (40 if 'yarn' not in name else 90,))
        with torch.no_grad():
            logits = model(tokens[None]).logits[0]
        save_file({'tokens': tokens, 'logits': logits.contiguous()}, root / name / 'expected.safetensors')


main()
