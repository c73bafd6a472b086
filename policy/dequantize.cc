#include "policy/dequantize.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sojourn::policy {
namespace {

constexpr GgmlTypeInfo Other(uint32_t type, const char* name, int64_t values, int64_t bytes) {
  return {static_cast<GgmlType>(type), name, values, bytes, false};
}
constexpr GgmlTypeInfo kTypes[] = {
    {GgmlType::kF32, "F32", 1, 4, true},
    {GgmlType::kF16, "F16", 1, 2, true},
    {GgmlType::kQ4_0, "Q4_0", 32, 18, true},
    {GgmlType::kQ4_1, "Q4_1", 32, 20, true},
    {GgmlType::kQ5_0, "Q5_0", 32, 22, true},
    {GgmlType::kQ5_1, "Q5_1", 32, 24, true},
    {GgmlType::kQ8_0, "Q8_0", 32, 34, true},
    {GgmlType::kQ2_K, "Q2_K", 256, 84, true},
    {GgmlType::kQ3_K, "Q3_K", 256, 110, true},
    {GgmlType::kQ4_K, "Q4_K", 256, 144, true},
    {GgmlType::kQ5_K, "Q5_K", 256, 176, true},
    {GgmlType::kQ6_K, "Q6_K", 256, 210, true},
    {GgmlType::kBF16, "BF16", 1, 2, true},
    Other(9, "Q8_1", 32, 40),
    Other(15, "Q8_K", 256, 292),
    Other(16, "IQ2_XXS", 256, 66),
    Other(17, "IQ2_XS", 256, 74),
    Other(18, "IQ3_XXS", 256, 98),
    Other(19, "IQ1_S", 256, 50),
    Other(20, "IQ4_NL", 32, 18),
    Other(21, "IQ3_S", 256, 110),
    Other(22, "IQ2_S", 256, 82),
    Other(23, "IQ4_XS", 256, 136),
    Other(24, "I8", 1, 1),
    Other(25, "I16", 1, 2),
    Other(26, "I32", 1, 4),
    Other(27, "I64", 1, 8),
    Other(28, "F64", 1, 8),
    Other(29, "IQ1_M", 256, 56),
    Other(34, "TQ1_0", 256, 54),
    Other(35, "TQ2_0", 256, 66),
    Other(39, "MXFP4", 32, 17),
    Other(40, "NVFP4", 64, 36),
    Other(41, "Q1_0", 128, 18),
};

// Without branches and without fp32 subnormals (slow, and lost where the processor flushes them).
inline float FromF16(uint16_t half) {
  const uint32_t magnitude = half & 0x7fff;
  // 0.5 + m / 2^24 is exact, and so is the difference.
  const float small = std::bit_cast<float>(magnitude | 0x3f000000) - 0.5f;
  const uint32_t rebias = 112u << 23;                         // fp32's exponent bias less fp16's
  const uint32_t special = magnitude >= 0x7c00 ? rebias : 0;  // infinities and NaNs
  const uint32_t large = (magnitude << 13) + rebias + special;
  const uint32_t bits = magnitude < 0x400 ? std::bit_cast<uint32_t>(small) : large;
  return std::bit_cast<float>(bits | uint32_t{half & 0x8000u} << 16);
}

inline float LoadF16(const uint8_t* at) {
  uint16_t half;
  std::memcpy(&half, at, sizeof half);
  return FromF16(half);
}

inline uint16_t ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const uint32_t quiet_nan = bits >> 16 | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded);
}

// Each reader turns the block at `in` into kValues values. Types without blocks take many at once.
struct F32 {
  static constexpr int kValues = 1, kBytes = 4;
  static void Read(const uint8_t* in, float* out) { std::memcpy(out, in, 4); }
};
struct F16 {
  static constexpr int kValues = 1, kBytes = 2;
  static void Read(const uint8_t* in, float* out) { *out = LoadF16(in); }
};
struct BF16 {
  static constexpr int kValues = 1, kBytes = 2;
  static void Read(const uint8_t* in, float* out) {
    uint16_t bits;
    std::memcpy(&bits, in, sizeof bits);
    *out = std::bit_cast<float>(uint32_t{bits} << 16);
  }
};

// fp16 scale, then 32 int8.
struct Q8_0 {
  static constexpr int kValues = 32, kBytes = 34;
  static void Read(const uint8_t* in, float* out) {
    const float d = LoadF16(in);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<int8_t>(in[2 + i]) * d;
  }
};

// fp16 scale, an fp16 offset in the _1 types, the values' fifth bits in the 5-bit types, then 16
// bytes: the low nibbles are values 0 to 15, the high ones 16 to 31.
template <int bits, bool offset>
struct Small {
  static constexpr int kValues = 32, kBytes = 2 + 2 * offset + 4 * (bits == 5) + 16;
  static void Read(const uint8_t* in, float* out) {
    const float d = LoadF16(in), m = offset ? LoadF16(in + 2) : 0;
    const uint8_t* const q = in + kBytes - 16;
    uint32_t high = 0;
    if constexpr (bits == 5) std::memcpy(&high, q - 4, sizeof high);
    const auto value = [&](int low, int i) {
      const int whole = low | static_cast<int>(high >> i & 1) << 4;
      if constexpr (offset) return d * static_cast<float>(whole) + m;
      return d * static_cast<float>(whole - (1 << (bits - 1)));
    };
    for (int i = 0; i < 16; ++i) out[i] = value(q[i] & 15, i);
    for (int i = 0; i < 16; ++i) out[16 + i] = value(q[i] >> 4, 16 + i);
  }
};

// 16 bytes of a 4-bit scale and minimum for 16 values each, 64 bytes of 2-bit values, fp16 scale of
// scales, fp16 scale of minima.
struct Q2_K {
  static constexpr int kValues = 256, kBytes = 84;
  static void Read(const uint8_t* in, float* out) {
    const float d = LoadF16(in + 80), dmin = LoadF16(in + 82);
    for (int group = 0; group < 16; ++group, out += 16) {
      const uint8_t* const q = in + 16 + group / 8 * 32 + group % 2 * 16;
      const int shift = group % 8 / 2 * 2;
      const float scale = d * (in[group] & 15), minimum = dmin * (in[group] >> 4);
      for (int i = 0; i < 16; ++i) out[i] = scale * (q[i] >> shift & 3) - minimum;
    }
  }
};

// 32 bytes of third bits (0: subtract 4), 64 bytes of low 2 bits, 12 bytes of sixteen 6-bit scales
// offset by 32, fp16 scale of scales.
struct Q3_K {
  static constexpr int kValues = 256, kBytes = 110;
  static void Read(const uint8_t* in, float* out) {
    const uint8_t* const scales = in + 96;
    const float d = LoadF16(in + 108);
    for (int group = 0; group < 16; ++group, out += 16) {
      const int low = scales[group % 8] >> group / 8 * 4 & 15;
      const int high = scales[8 + group % 4] >> group / 4 * 2 & 3;
      const float scale = d * ((low | high << 4) - 32);
      const uint8_t* const q = in + 32 + group / 8 * 32 + group % 2 * 16;
      const uint8_t* const third = in + group % 2 * 16;
      const int shift = group % 8 / 2 * 2, bit = group / 2;
      for (int i = 0; i < 16; ++i) {
        out[i] = scale * ((q[i] >> shift & 3) + (third[i] >> bit & 1) * 4 - 4);
      }
    }
  }
};

// fp16 scale of scales, fp16 scale of minima, 12 bytes of eight 6-bit scales and minima, in Q5_K 32
// bytes of fifth bits, 128 bytes of nibbles: each 32 bytes hold two groups of 32 values.
template <int bits>
struct Large {
  static constexpr int kValues = 256, kBytes = 16 + 32 * (bits == 5) + 128;
  static void Read(const uint8_t* in, float* out) {
    const float d = LoadF16(in), dmin = LoadF16(in + 2);
    const uint8_t* const packed = in + 4;
    for (int group = 0; group < 8; ++group, out += 32) {
      // Groups 0 to 3: the low 6 bits of their bytes; groups 4 to 7: a nibble of the last four
      // bytes, and the top 2 bits of the bytes of group - 4.
      const uint8_t *const a = packed + group % 4, *const b = a + 4, *const c = a + 8;
      const int scale_bits = group < 4 ? *a & 63 : (*c & 15) | (*a >> 6) << 4;
      const int minimum_bits = group < 4 ? *b & 63 : *c >> 4 | (*b >> 6) << 4;
      const float scale = d * scale_bits, minimum = dmin * minimum_bits;
      const uint8_t *const q = in + kBytes - 128 + group / 2 * 32, *const fifth = in + 16;
      const int shift = group % 2 * 4;
      for (int i = 0; i < 32; ++i) {
        int value = q[i] >> shift & 15;
        if constexpr (bits == 5) value |= (fifth[i] >> group & 1) << 4;
        out[i] = scale * value - minimum;
      }
    }
  }
};

// 128 bytes of low nibbles, 64 bytes of high 2 bits, 16 int8 scales, fp16 scale of scales. Each
// half of the block (128 values) has 64 and 32 of those bytes.
struct Q6_K {
  static constexpr int kValues = 256, kBytes = 210;
  static void Read(const uint8_t* in, float* out) {
    const float d = LoadF16(in + 208);
    for (int group = 0; group < 16; ++group, out += 16) {
      const int half = group / 8, place = group % 8;
      const uint8_t* const low = in + half * 64 + place % 4 * 16;
      const uint8_t* const high = in + 128 + half * 32 + place % 2 * 16;
      const int low_shift = place / 4 * 4, high_shift = place / 2 * 2;
      const float scale = d * static_cast<int8_t>(in[192 + group]);
      for (int i = 0; i < 16; ++i) {
        out[i] = scale * (((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
      }
    }
  }
};

template <typename Reader>
void ReadAll(const uint8_t* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count / Reader::kValues; ++i) {
    Reader::Read(in + i * Reader::kBytes, out + i * Reader::kValues);
  }
}

template <typename Reader>
void ReadAll(const uint8_t* in, int64_t count, uint16_t* out) {
  constexpr int kChunk = 256;  // values: they stay in the first cache
  float values[kChunk];
  for (int64_t done = 0; done < count; done += kChunk) {
    const int64_t n = std::min<int64_t>(kChunk, count - done);
    ReadAll<Reader>(in + done / Reader::kValues * Reader::kBytes, n, values);
    for (int64_t i = 0; i < n; ++i) out[done + i] = ToBf16(values[i]);
  }
}

template <typename Out>
absl::Status Convert(GgmlType type, absl::Span<const uint8_t> data, int64_t count, Out* out) {
  const GgmlTypeInfo* const info = FindGgmlType(static_cast<uint32_t>(type));
  if (info == nullptr || !info->readable) {
    return absl::UnimplementedError(absl::StrCat(
        "tensor type ",
        info == nullptr ? absl::StrCat(static_cast<uint32_t>(type)) : std::string(info->name),
        " cannot be read; convert the model to one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
        "Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K"));
  }
  if (count < 0 || count % info->values != 0 ||
      static_cast<int64_t>(data.size()) % info->bytes != 0 ||
      static_cast<int64_t>(data.size()) / info->bytes != count / info->values) {
    return absl::InvalidArgumentError(
        absl::StrCat(count, " values of type ", info->name, " (", info->values, " values in ",
                     info->bytes, " bytes each block) do not fill ", data.size(), " bytes"));
  }
  const uint8_t* const in = data.data();
  switch (type) {
    case GgmlType::kF32:
      ReadAll<F32>(in, count, out);
      break;
    case GgmlType::kF16:
      ReadAll<F16>(in, count, out);
      break;
    case GgmlType::kBF16:
      ReadAll<BF16>(in, count, out);
      break;
    case GgmlType::kQ8_0:
      ReadAll<Q8_0>(in, count, out);
      break;
    case GgmlType::kQ4_0:
      ReadAll<Small<4, false>>(in, count, out);
      break;
    case GgmlType::kQ4_1:
      ReadAll<Small<4, true>>(in, count, out);
      break;
    case GgmlType::kQ5_0:
      ReadAll<Small<5, false>>(in, count, out);
      break;
    case GgmlType::kQ5_1:
      ReadAll<Small<5, true>>(in, count, out);
      break;
    case GgmlType::kQ2_K:
      ReadAll<Q2_K>(in, count, out);
      break;
    case GgmlType::kQ3_K:
      ReadAll<Q3_K>(in, count, out);
      break;
    case GgmlType::kQ4_K:
      ReadAll<Large<4>>(in, count, out);
      break;
    case GgmlType::kQ5_K:
      ReadAll<Large<5>>(in, count, out);
      break;
    case GgmlType::kQ6_K:
      ReadAll<Q6_K>(in, count, out);
      break;
  }
  return absl::OkStatus();
}

}  // namespace

const GgmlTypeInfo* FindGgmlType(uint32_t type) {
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& info) {
    return static_cast<uint32_t>(info.type) == type;
  });
  return found == std::end(kTypes) ? nullptr : found;
}

absl::Status Dequantize(GgmlType type, absl::Span<const uint8_t> data, int64_t count, float* out) {
  return Convert(type, data, count, out);
}

absl::Status DequantizeToBf16(GgmlType type, absl::Span<const uint8_t> data, int64_t count,
                              uint16_t* out) {
  return Convert(type, data, count, out);
}

}  // namespace sojourn::policy
