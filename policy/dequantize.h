// ggml's tensor types: their names and sizes, and the values in their blocks. Layouts as in
// llama.cpp's ggml-common.h; results equal those of the PyPI package gguf bit for bit.
#ifndef SOJOURN_POLICY_DEQUANTIZE_H_
#define SOJOURN_POLICY_DEQUANTIZE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace sojourn::policy {

// The numbers that GGUF files hold. Those that Dequantize knows; GgmlTypeInfo knows the others too.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

// A block is `values` consecutive values of a row, stored in `bytes` bytes.
struct GgmlTypeInfo {
  GgmlType type;
  const char* name;
  int64_t values;
  int64_t bytes;
  bool readable;  // by Dequantize
};
const GgmlTypeInfo* FindGgmlType(uint32_t type);  // null: no such type

// Writes `count` values to `out`. `data` needs no alignment and must be exactly the blocks of
// `count` values (else InvalidArgument); Unimplemented names a type that cannot be read. Nothing is
// written on an error.
absl::Status Dequantize(GgmlType type, absl::Span<const uint8_t> data, int64_t count, float* out);

// The same, rounded to bfloat16: to nearest, ties to even; NaNs stay NaNs.
absl::Status DequantizeToBf16(GgmlType type, absl::Span<const uint8_t> data, int64_t count,
                              uint16_t* out);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_DEQUANTIZE_H_
