#!/usr/bin/env python3
"""Makes policy/testdata/quantized.gguf with PyPI's `gguf`: a tensor of each type that Dequantize
reads, from random bytes, and beside each TENSOR what gguf.quants makes of it, as `f32.TENSOR` and
`bf16.TENSOR`; metadata of every type.

  pip install gguf==0.19.0
  tests/oracles/make_gguf_fixture.py OUT.gguf [ROWS (default 2)] [SEED (default 1)]
"""
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

READ = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K",
        "Q5_K", "Q6_K"]
# Where the fp16 scales of a block are.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
F16_SPECIALS = [0, 0x8000, 1, 0x83ff, 0x400, 0x7bff, 0xfbff, 0x7c00, 0xfc00]


def random_rows(rng, name, rows):
    values, size = gguf.GGML_QUANT_SIZES[Type[name]]
    row_blocks = 32 if values == 1 else 1
    data = rng.integers(0, 256, (rows, row_blocks, size), dtype=np.uint8)
    if name == "F32":
        floats = rng.standard_normal((rows, row_blocks)).astype(np.float32)
        floats[0, :6] = [0, -0.0, np.inf, -np.inf, 1e-40, 3.4e38]
        data = floats.view(np.uint8)
    elif name == "F16":
        halves = rng.standard_normal((rows, row_blocks)).astype(np.float16).view(np.uint16)
        halves[0, :len(F16_SPECIALS)] = F16_SPECIALS
        data = halves.view(np.uint8)
    elif name == "BF16":
        halves = rng.integers(0, 0x7f80, (rows, row_blocks), dtype=np.uint16)
        data = (halves | rng.integers(0, 2, halves.shape, dtype=np.uint16) << 15).view(np.uint8)
    else:
        for at in SCALES[name]:
            scale = rng.standard_normal((rows, 1)).astype(np.float16)
            if at == SCALES[name][0]:
                scale[0, 0] = 3e-6  # subnormal
            data[:, :, at:at + 2] = scale.view(np.uint8).reshape(rows, 1, 2)
    return data.reshape(rows, -1)


def main():
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    rng = np.random.default_rng(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    writer = gguf.GGUFWriter(sys.argv[1], "test")
    writer.add_uint8("a.uint8", 200)
    writer.add_int8("a.int8", -100)
    writer.add_uint16("a.uint16", 60000)
    writer.add_int16("a.int16", -30000)
    writer.add_uint32("a.uint32", 4000000000)
    writer.add_int32("a.int32", -2000000000)
    writer.add_uint64("a.uint64", 2**63 + 1)
    writer.add_int64("a.int64", -2**62)
    writer.add_float32("a.float32", 0.1)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "naïve ✓")
    writer.add_array("some.strings", ["one", "", "drei ✓"])
    writer.add_array("some.ints", [1, -2, 3])
    writer.add_array("some.floats", [0.5, -1.25])
    writer.add_array("some.bools", [True, False])
    writer.add_key_value("some.uint64s", [1, 2**40], Value.ARRAY, Value.UINT64)
    for name in READ:
        data = random_rows(rng, name, rows)
        floats = gguf.quants.dequantize(data, Type[name])
        bf16 = gguf.quants.quantize(np.ascontiguousarray(floats), Type.BF16)
        writer.add_tensor(name, data, raw_dtype=Type[name])
        writer.add_tensor("f32." + name, np.ascontiguousarray(floats))
        writer.add_tensor("bf16." + name, bf16, raw_dtype=Type.BF16)
    writer.add_tensor("IQ4_NL", np.zeros((1, 18), np.uint8), raw_dtype=Type.IQ4_NL)
    writer.add_tensor("shaped", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
