// Attention of whole sequences with gradients, in bf16: part of kernels_formats_impl.h. The forward
// pass is the engine's own over a cache that lives as long as the call.
#ifndef SOJOURN_POLICY_KERNELS_TRAINING_IMPL_H_
#define SOJOURN_POLICY_KERNELS_TRAINING_IMPL_H_

#include "policy/kernels_attention_impl.h"

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

constexpr int64_t kQueries = 64;  // (token, head) pairs whose gradients are taken together

// Hands out aligned pieces of some memory, or counts them where there is none yet.
struct Pieces {
  std::byte* memory = nullptr;
  int64_t used = 0;
  template <typename T>
  T* Take(int64_t count) {
    std::byte* const taken = memory == nullptr ? nullptr : memory + used;
    used += RoundUp(count * static_cast<int64_t>(sizeof(T)), 64);
    return reinterpret_cast<T*>(taken);
  }
};

struct ForwardMemory {
  ForwardMemory(Pieces& memory, int64_t positions, int64_t dim)
      : block_bytes(KvHeadBytes<Bf16Cache>(dim)),
        blocks(memory.Take<std::byte>(RoundUp(positions, kPanel) / kPanel * block_bytes)),
        scratch(memory.Take<std::byte>(AttendScratch<Bf16Cache>(dim, positions))) {}
  const int64_t block_bytes;
  std::byte *const blocks, *const scratch;
};

// Matrices of a segment's tokens, `padded` to whole blocks of them, and of kQueries queries. "Left"
// is how the left side of a product lies (Element), "right" how the right one does (pairs of bf16,
// in panels of 32 columns).
struct BackwardMemory {
  BackwardMemory(Pieces& memory, int64_t positions, int64_t rows, int64_t wide)
      : all_dkeys(memory.Take<float>(rows * wide)),
        all_dvalues(memory.Take<float>(rows * wide)),
        keys(memory.Take<Element>(RoundUp(positions, kPanel) * wide)),
        values(memory.Take<Element>(RoundUp(positions, kPanel) * wide)),
        keys_transposed(memory.Take<Element>(RoundUp(positions, kPanel) * wide)),
        dkeys(memory.Take<float>(RoundUp(positions, kPanel) * wide)),
        dvalues(memory.Take<float>(RoundUp(positions, kPanel) * wide)),
        queries(memory.Take<std::byte>(kQueries * wide * 2)),
        douts(memory.Take<std::byte>(kQueries * wide * 2)),
        query_rows(memory.Take<std::byte>(kQueries * wide * 2)),
        dout_rows(memory.Take<std::byte>(kQueries * wide * 2)),
        dscores_right(memory.Take<std::byte>(RoundUp(positions, kPanel) * kQueries * 2)),
        scores(memory.Take<float>(kPanel * kQueries)),
        dweights(memory.Take<float>(kPanel * kQueries)),
        weights(memory.Take<Element>(kPanel * kQueries)),
        dscores(memory.Take<Element>(kPanel * kQueries)),
        dqueries(memory.Take<float>(wide * kQueries)),
        lines(memory.Take<float>(2 * kQueries * wide)) {}
  float *const all_dkeys, *const all_dvalues;            // [rows, wide]: of all segments' rows
  Element *const keys, *const values;                    // left: [padded, wide]
  Element* const keys_transposed;                        // left: [wide, padded]
  float *const dkeys, *const dvalues;                    // [padded, wide]
  std::byte *const queries, *const douts;                // right: [wide, kQueries]
  std::byte *const query_rows, *const dout_rows;         // right: [kQueries, wide]
  std::byte* const dscores_right;                        // right: [padded, kQueries]
  float *const scores, *const dweights;                  // [kPanel, kQueries]
  Element *const weights, *const dscores;                // left: [kPanel, kQueries]
  float *const dqueries, *const lines;                   // [wide, kQueries], [2 * kQueries, wide]
};

int64_t TrainingScratch(int64_t positions, int64_t rows, int64_t head_dim) {
  Pieces forward, backward;
  ForwardMemory(forward, positions, head_dim);
  BackwardMemory(backward, positions, rows, RoundUp(head_dim, kPanel));
  return (forward.used > backward.used ? forward.used : backward.used) + 64;
}

SOJOURN_INLINE Pieces Aligned(std::byte* scratch) {
  return {scratch + (64 - reinterpret_cast<uintptr_t>(scratch) % 64) % 64};
}

SOJOURN_INLINE void StoreRow(int64_t n, const float* x, Bf16* to) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(to + i, Load(x + i));
  if (i < n) StoreSome(to + i, n - i, LoadSome(x + i, n - i, 0));
}

void TrainingForward(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
                     int64_t kv_begin, int64_t kv_end, int64_t total, const Bf16* qkv, Bf16* out,
                     float* lse, std::byte* scratch) {
  const int64_t dim = shape.head_dim, row = shape.row(), out_row = shape.heads * dim;
  for (int64_t s = 0; s < count; ++s) {
    const AttentionSegment& segment = segments[s];
    Pieces pieces = Aligned(scratch);
    const ForwardMemory memory(pieces, segment.positions(), dim);
    const auto block = [&](int64_t p) SOJOURN_LAMBDA {
      return memory.blocks + p * memory.block_bytes;
    };
    for (int64_t kv = kv_begin; kv < kv_end; ++kv) {
      // What pads elements and tokens is multiplied too, if only by zero.
      __builtin_memset(block(0), 0, block(RoundUp(segment.positions(), kPanel) / kPanel) - block(0));
      for (int64_t t = 0; t < segment.positions(); ++t) {
        const Bf16* const k = qkv + segment.RowOf(t) * row + (shape.heads + kv) * dim;
        float key[kMaxHeadDim], value[kMaxHeadDim];
        Turn(shape, t, k, 1, key);
        for (int64_t d = 0; d < dim; ++d) value[d] = Get(k + shape.kv_heads * dim + d);
        Bf16Cache::Write(dim, key, value, t % kPanel, block(t / kPanel));
      }
      float* const logs = lse + segment.start;
      AttendFrom<Bf16Cache>(
          shape, kv, segment.prefix_length, segment.length, qkv + segment.start * row, row, block,
          out + segment.start * out_row, out_row, memory.scratch,
          [&](int64_t token, int64_t head, float top, float sum)
              SOJOURN_LAMBDA { logs[head * total + token] = top + __builtin_log2f(sum); });
    }
  }
}

// Turn's opposite: gradients of x from those of `turned`.
SOJOURN_INLINE void TurnBack(const AttentionShape& shape, int64_t position, const float* turned,
                             float scale, Bf16* to) {
  const int64_t half = shape.head_dim / 2;
  const float* const cos = shape.cos + position * half;
  const float* const sin = shape.sin + position * half;
  float line[kMaxHeadDim];
  for (int64_t i = 0; i < half; ++i) {
    const float c = cos[i] * scale, s = sin[i] * scale;
    line[i] = turned[i] * c + turned[half + i] * s;
    line[half + i] = turned[half + i] * c - turned[i] * s;
  }
  StoreRow(shape.head_dim, line, to);
}

// c[32 m, 32 n] (+)= a[32 m, 32 steps] b[32 steps, 32 n]; `step` and `panel` are the distances in b
// from one step and one panel of 32 columns to the next.
__attribute__((noinline)) void MultiplyPanels(int64_t m, int64_t n, int64_t steps, const Element* a,
                                              int64_t lda, const std::byte* b, int64_t step,
                                              int64_t panel, float* c, int64_t ldc,
                                              bool accumulate) {
  for (int64_t column = 0; column < n; ++column) {
    for (int64_t r = 0; r < 32 * m; r += kBlockRows) {
      const int64_t left = 32 * m - r;
      Multiply(
          left < kBlockRows ? left : kBlockRows, steps, a + r * lda, lda,
          [&](int64_t s) SOJOURN_LAMBDA { return b + column * panel + s * step; },
          c + r * ldc + column * kPanel, ldc, accumulate);
    }
  }
}

// Pairs of bf16, of `first` in the lower halves.
SOJOURN_INLINE void StorePairs(const V& first, const V& second, std::byte* to) {
  const V words = V::Each([&](int i) SOJOURN_LAMBDA {
    return reinterpret_cast<V::Float>(V::RoundedBits(first.part[i]) |
                                      V::RoundedBits(second.part[i]) << 16);
  });
  Store(reinterpret_cast<float*>(to), words);
}

// rows[kQueries, wide] as the right side of products over the queries...
SOJOURN_INLINE void PackRight(const float* rows, int64_t wide, std::byte* right) {
  for (int64_t q = 0; q < kQueries; q += 2) {
    for (int64_t d = 0; d < wide; d += kLanes) {
      StorePairs(Load(rows + q * wide + d), Load(rows + (q + 1) * wide + d),
                 right + (d / kPanel * (kQueries / 32) + q / 32) * 2 * kTileBytes +
                     d % kPanel / kLanes * kTileBytes + q % 32 / 2 * 64);
    }
  }
}
// ... and over the elements.
SOJOURN_INLINE void PackTransposed(const float* rows, int64_t wide, std::byte* right) {
  for (int64_t q = 0; q < kQueries; ++q) {
    std::byte* const column =
        right + q / kPanel * wide * 64 + q % kPanel / kLanes * kTileBytes + q % kLanes * 4;
    for (int64_t d = 0; d < wide; d += 2 * kLanes) {
      Bf16 line[2 * kLanes];
      Store(line, Load(rows + q * wide + d));
      Store(line + kLanes, Load(rows + q * wide + d + kLanes));
      for (int64_t i = 0; i < kLanes; ++i) {
        __builtin_memcpy(column + d / 32 * 2 * kTileBytes + i * 64, line + 2 * i, 4);
      }
    }
  }
}

// One key-value head's keys and values of a segment, and gradients of zero.
SOJOURN_INLINE void LoadTokens(const AttentionShape& shape, const AttentionSegment& segment,
                               int64_t kv, const Bf16* qkv, int64_t wide,
                               const BackwardMemory& memory) {
  const int64_t dim = shape.head_dim, padded = RoundUp(segment.positions(), kPanel);
  float key[kMaxHeadDim + kPanel] = {}, value[kMaxHeadDim + kPanel] = {};
  for (int64_t t = 0; t < padded; ++t) {
    if (t < segment.positions()) {
      const Bf16* const k = qkv + segment.RowOf(t) * shape.row() + (shape.heads + kv) * dim;
      Turn(shape, t, k, 1, key);
      for (int64_t d = 0; d < dim; ++d) value[d] = Get(k + shape.kv_heads * dim + d);
    } else {
      for (int64_t d = 0; d < dim; ++d) key[d] = value[d] = 0;
    }
    Element* const to = memory.keys + t * wide;
    for (int64_t d = 0; d < wide; d += kLanes) {
      StoreElements(Load(key + d), to + d);
      StoreElements(Load(value + d), memory.values + t * wide + d);
    }
    for (int64_t d = 0; d < wide; ++d) memory.keys_transposed[d * padded + t] = to[d];
  }
  for (int64_t i = 0; i < padded * wide; ++i) memory.dkeys[i] = memory.dvalues[i] = 0;
}

// The gradients of a block's weights and scores, for kQueries queries: memory.weights and .dscores,
// and .dscores_right at `right`. Query q, at positions[q] of its segment, sees the tokens up to it.
SOJOURN_INLINE void WeighBlock(int64_t first_token, bool whole, const float* positions,
                               const float* logs, const float* deltas, const BackwardMemory& memory,
                               std::byte* right, int64_t right_panel) {
  for (int64_t t = 0; t < kPanel; t += 2) {
    for (int64_t q = 0; q < kQueries; q += kLanes) {
      V dscores[2];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const int64_t at = (t + i) * kQueries + q;
        V weight = Exp2(Load(memory.scores + at) - Load(logs + q));
        if (!whole) {
          const V position = Load(positions + q);
          const float token = static_cast<float>(first_token + t + i);
          weight = V::Each([&](int p) SOJOURN_LAMBDA {
            return position.part[p] >= token ? weight.part[p] : V::Float{};
          });
        }
        dscores[i] = weight * (Load(memory.dweights + at) - Load(deltas + q));
        StoreElements(weight, memory.weights + at);
        StoreElements(dscores[i], memory.dscores + at);
      }
      StorePairs(dscores[0], dscores[1],
                 right + q / kPanel * right_panel + q % kPanel / kLanes * kTileBytes + t / 2 * 64);
    }
  }
}

// With P = 2^(S - log) and D_i = sum_d dO_id O_id: dV = P^T dO, dS = P * (dO V^T - D), dQ = dS K,
// dK = dS^T Q (Dao et al., "FlashAttention", 2022, algorithm 4). All is computed transposed, tokens
// by queries, so that nothing has to be turned between one product and the next.
void TrainingBackward(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
                      int64_t kv_begin, int64_t kv_end, int64_t total, const Bf16* qkv,
                      const Bf16* out, const float* lse, const Bf16* dout, Bf16* dqkv,
                      std::byte* scratch) {
  constexpr float kLn2 = 0.69314718f;
  const int64_t dim = shape.head_dim, wide = RoundUp(dim, kPanel);
  const int64_t row = shape.row(), out_row = shape.heads * dim;
  const int64_t per_kv = shape.heads / shape.kv_heads, elements = wide / 32;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  int64_t longest = 0, begin = segments[0].start, end = 0;
  for (int64_t s = 0; s < count; ++s) {
    longest = segments[s].positions() > longest ? segments[s].positions() : longest;
    end = segments[s].start + segments[s].length;
  }
  Pieces pieces = Aligned(scratch);
  const BackwardMemory memory(pieces, longest, end - begin, wide);
  [[maybe_unused]] const Tiles tiles(32);
  for (int64_t kv = kv_begin; kv < kv_end; ++kv) {
    const int64_t k_at = (shape.heads + kv) * dim, v_at = k_at + shape.kv_heads * dim;
    for (int64_t i = 0; i < (end - begin) * wide; ++i) {
      memory.all_dkeys[i] = memory.all_dvalues[i] = 0;
    }
    for (int64_t s = 0; s < count; ++s) {
      const AttentionSegment& segment = segments[s];
      const int64_t padded = RoundUp(segment.positions(), kPanel);
      const int64_t right_panel = padded * 64;
      LoadTokens(shape, segment, kv, qkv, wide, memory);
      const int64_t all = segment.length * per_kv;  // rows are (token, head) pairs in order
      for (int64_t first = 0; first < all; first += kQueries) {
        const int64_t rows = all - first < kQueries ? all - first : kQueries;
        float positions[kQueries], logs[kQueries], deltas[kQueries];
        float *const queries = memory.lines, *const douts = queries + kQueries * wide;
        for (int64_t q = 0; q < kQueries; ++q) {
          const int64_t token = (first + q) / per_kv, head = kv * per_kv + (first + q) % per_kv;
          const int64_t position = segment.prefix_length + token, place = segment.start + token;
          for (int64_t d = 0; d < wide; ++d) queries[q * wide + d] = douts[q * wide + d] = 0;
          positions[q] = q < rows ? static_cast<float>(position) : -1;
          logs[q] = deltas[q] = 0;
          if (q >= rows) continue;
          logs[q] = lse[head * total + place];
          Turn(shape, position, qkv + place * row + head * dim, scale / kLn2, queries + q * wide);
          const Bf16* const g = dout + place * out_row + head * dim;
          const Bf16* const o = out + place * out_row + head * dim;
          V sum = Zero();
          for (int64_t d = 0; d < dim; d += kLanes) {
            const bool full = d + kLanes <= dim;
            const V gradient = full ? Load(g + d) : LoadSome(g + d, dim - d, 0);
            sum += gradient * (full ? Load(o + d) : LoadSome(o + d, dim - d, 0));
            Store(douts + q * wide + d, gradient);
          }
          deltas[q] = Sum(sum);
        }
        PackTransposed(queries, wide, memory.queries);
        PackTransposed(douts, wide, memory.douts);
        PackRight(queries, wide, memory.query_rows);
        PackRight(douts, wide, memory.dout_rows);

        const int64_t before = segment.prefix_length + first / per_kv;
        const int64_t reach = segment.prefix_length + (first + rows - 1) / per_kv + 1;
        const int64_t blocks = RoundUp(reach, kPanel) / kPanel;
        for (int64_t b = 0; b < blocks; ++b) {
          const int64_t at = b * kPanel * wide;
          MultiplyPanels(1, kQueries / 32, elements, memory.keys + at, wide, memory.queries,
                         2 * kTileBytes, wide * 64, memory.scores, kQueries, false);
          MultiplyPanels(1, kQueries / 32, elements, memory.values + at, wide, memory.douts,
                         2 * kTileBytes, wide * 64, memory.dweights, kQueries, false);
          WeighBlock(b * kPanel, rows == kQueries && (b + 1) * kPanel <= before + 1, positions, logs,
                     deltas, memory, memory.dscores_right + b * 2 * kTileBytes, right_panel);
          MultiplyPanels(1, elements, kQueries / 32, memory.weights, kQueries, memory.dout_rows,
                         2 * kTileBytes, kQueries * 64, memory.dvalues + at, wide, true);
          MultiplyPanels(1, elements, kQueries / 32, memory.dscores, kQueries, memory.query_rows,
                         2 * kTileBytes, kQueries * 64, memory.dkeys + at, wide, true);
        }
        MultiplyPanels(elements, kQueries / 32, blocks, memory.keys_transposed, padded,
                       memory.dscores_right, 2 * kTileBytes, right_panel, memory.dqueries, kQueries,
                       false);
        for (int64_t q = 0; q < rows; ++q) {
          const int64_t token = (first + q) / per_kv, head = kv * per_kv + (first + q) % per_kv;
          float line[kMaxHeadDim];
          for (int64_t d = 0; d < dim; ++d) line[d] = memory.dqueries[d * kQueries + q];
          TurnBack(shape, segment.prefix_length + token, line, scale,
                   dqkv + (segment.start + token) * row + head * dim);
        }
      }
      for (int64_t t = 0; t < segment.positions(); ++t) {
        const int64_t to = (segment.RowOf(t) - begin) * wide, from = t * wide;
        for (int64_t d = 0; d < dim; ++d) {
          memory.all_dkeys[to + d] += memory.dkeys[from + d];
          memory.all_dvalues[to + d] += memory.dvalues[from + d];
        }
      }
    }
    for (int64_t s = 0; s < count; ++s) {
      for (int64_t t = 0; t < segments[s].length; ++t) {
        const int64_t place = segments[s].start + t, from = (place - begin) * wide;
        TurnBack(shape, segments[s].prefix_length + t, memory.all_dkeys + from, kLn2,
                 dqkv + place * row + k_at);
        StoreRow(dim, memory.all_dvalues + from, dqkv + place * row + v_at);
      }
    }
  }
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_TRAINING_IMPL_H_
