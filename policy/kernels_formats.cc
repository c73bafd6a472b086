#include "policy/kernels_formats.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace sojourn::policy {

#define SOJOURN_TABLES(set)                   \
  namespace set {                             \
  extern const FormatKernels kFloatTable, kQuantizedTables[2]; \
  extern const AttentionKernels<Bf16> kAttention16; \
  }
SOJOURN_TABLES(baseline)
SOJOURN_TABLES(avx2)
SOJOURN_TABLES(avx512)
SOJOURN_TABLES(avx512_bf16)  // these two have no fp32
SOJOURN_TABLES(amx)
#undef SOJOURN_TABLES

namespace {

// Tiles are 8 KiB of registers per thread: Linux hands them out on demand (5.16 and later).
bool AmxAllowed() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool HasAmx() {
  static const bool has = [] {
    unsigned a = 7, b, c = 0, d;  // CPUID leaf 7: EDX bits 22, 24, 25 are AMX's bf16, tile, int8
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    constexpr unsigned kAll = 1u << 22 | 1u << 24 | 1u << 25;
    return (d & kAll) == kAll && AmxAllowed();
  }();
  return has;
}

uint16_t ToBf16(float x) {  // to the nearest, ties to even
  uint32_t bits = std::bit_cast<uint32_t>(x);
  if (x != x) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A panel is [k / 32][2 halves][16 pairs of k][16 columns][2].
void PackBf16(const float* weight, int64_t columns, int64_t k, std::byte* packed) {
  uint16_t* const to = reinterpret_cast<uint16_t*>(packed);
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t i = 0; i < k; ++i) {
      to[(i / 32 * 2 + column / 16) * 512 + i % 32 / 2 * 32 + column % 16 * 2 + i % 2] =
          ToBf16(weight[column * k + i]);
    }
  }
}

// A panel is [k / 64][2 halves][16 quadruples of k][16 columns][4], then the 32 columns' scales.
void PackInt8(const float* weight, int64_t columns, int64_t k, std::byte* packed) {
  int8_t* const to = reinterpret_cast<int8_t*>(packed);
  float* const scales = reinterpret_cast<float*>(packed + RoundUp(k, 64) * kPanel);
  for (int64_t column = 0; column < columns; ++column) {
    const float* const from = weight + column * k;
    float most = 0;
    for (int64_t i = 0; i < k; ++i) most = std::max(most, std::fabs(from[i]));
    const bool finite = std::all_of(from, from + k, [](float x) { return std::isfinite(x); });
    scales[column] = finite ? most / 127 : NAN;
    if (!finite || most < 1e-30f) continue;  // the codes are zeros
    const float inverse = 127 / most;
    for (int64_t i = 0; i < k; ++i) {
      to[i / 64 * 2048 + column / 16 * 1024 + i % 64 / 4 * 64 + column % 16 * 4 + i % 4] =
          static_cast<int8_t>(std::nearbyint(from[i] * inverse));
    }
  }
}

}  // namespace

const FormatKernels* KernelsFor(WeightFormat format, const char* instruction_set) {
  const bool quantized = format != WeightFormat::kFloat32;
  const int index = format == WeightFormat::kInt8 ? 1 : 0;
  const auto is = [&](const char* set) { return std::strcmp(instruction_set, set) == 0; };
  if (is("amx") || is("avx512_bf16")) {
    const bool has = quantized && KernelsFor("avx512") != nullptr &&
                     __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
    if (!has || (is("amx") && !(HasAmx() && __builtin_cpu_supports("avx512vbmi")))) return nullptr;
    return is("amx") ? &amx::kQuantizedTables[index] : &avx512_bf16::kQuantizedTables[index];
  }
  if (KernelsFor(instruction_set) == nullptr) return nullptr;
  if (is("avx512")) return quantized ? &avx512::kQuantizedTables[index] : &avx512::kFloatTable;
  if (is("avx2")) return quantized ? &avx2::kQuantizedTables[index] : &avx2::kFloatTable;
  return quantized ? &baseline::kQuantizedTables[index] : &baseline::kFloatTable;
}

const FormatKernels& CpuKernels(WeightFormat format) {
  for (const char* set : {"amx", "avx512_bf16", "avx512", "avx2"}) {
    if (const FormatKernels* kernels = KernelsFor(format, set); kernels != nullptr) return *kernels;
  }
  return *KernelsFor(format, "baseline");
}

const AttentionKernels<Bf16>* Attention16For(const char* instruction_set) {
  const FormatKernels* const table = KernelsFor(WeightFormat::kBfloat16, instruction_set);
  if (table == nullptr) return nullptr;
  if (table == &amx::kQuantizedTables[0]) return &amx::kAttention16;
  if (table == &avx512_bf16::kQuantizedTables[0]) return &avx512_bf16::kAttention16;
  if (table == &avx512::kQuantizedTables[0]) return &avx512::kAttention16;
  return table == &avx2::kQuantizedTables[0] ? &avx2::kAttention16 : &baseline::kAttention16;
}

const AttentionKernels<Bf16>& CpuAttention16() {
  for (const char* set : {"amx", "avx512_bf16", "avx512", "avx2"}) {
    if (const auto* kernels = Attention16For(set); kernels != nullptr) return *kernels;
  }
  return *Attention16For("baseline");
}

int64_t PanelBytes(WeightFormat format, int64_t k) {
  switch (format) {
    case WeightFormat::kFloat32:
      return kPanel * k * static_cast<int64_t>(sizeof(float));
    case WeightFormat::kBfloat16:
      return RoundUp(k, 32) / 32 * 2048;
    case WeightFormat::kInt8:
      return RoundUp(k, 64) * kPanel + kPanel * static_cast<int64_t>(sizeof(float));
  }
  return 0;
}

void PackWeights(WeightFormat format, const float* weight, int64_t n, int64_t k,
                 std::byte* packed) {
  if (format == WeightFormat::kFloat32) {
    return PackPanels(weight, n, k, reinterpret_cast<float*>(packed));
  }
  const int64_t bytes = PanelBytes(format, k);
  for (int64_t column = 0; column < n; column += kPanel, packed += bytes) {
    std::memset(packed, 0, bytes);
    const int64_t columns = std::min(kPanel, n - column);
    (format == WeightFormat::kInt8 ? PackInt8 : PackBf16)(weight + column * k, columns, k, packed);
  }
}

}  // namespace sojourn::policy
