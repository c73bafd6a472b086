// Attention kernels, of whole sequences with gradients and of one token over cached blocks: part of
// model_kernels_impl.h.
#ifndef SOJOURN_POLICY_MODEL_ATTENTION_IMPL_H_
#define SOJOURN_POLICY_MODEL_ATTENTION_IMPL_H_

#include "policy/model_kernels.h"
#include "policy/model_lanes.h"

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

constexpr int kTile = 12;  // query rows taken together

// A whole tile of attention: kTile rows.
__attribute__((noinline)) void AttentionTile(int64_t k, const float* a, int64_t lda,
                                             const float* panel, float* c, int64_t ldc) {
  for (int r = 0; r < kTile; r += kRows) {
    Tile<kRows>(k, a + r * lda, lda, panel, c + r * ldc, ldc, false);
  }
}

// out[2 * half] = the head turned by its position's angles (`turn` 1), or back (`turn` -1), times
// scale.
SOJOURN_INLINE void Rotate(const float* in, const float* cos, const float* sin, int64_t half,
                           float turn, float scale, float* out) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = in[i], b = in[half + i], c = cos[i] * scale, s = sin[i] * scale * turn;
    out[i] = a * c - b * s;
    out[half + i] = b * c + a * s;
  }
}

// rows [length, head_dim] -> panels of [head_dim][32 tokens], zero-padded.
SOJOURN_INLINE void PackColumns(const float* rows, int64_t length, int64_t head_dim,
                                float* packed) {
  for (int64_t t = 0; t < RoundUp(length, kPanel); ++t) {
    float* column = packed + t / kPanel * kPanel * head_dim + t % kPanel;
    for (int64_t d = 0; d < head_dim; ++d) {
      column[d * kPanel] = t < length ? rows[t * head_dim + d] : 0;
    }
  }
}
// ... -> panels of [length][32 of head_dim], zero-padded.
SOJOURN_INLINE void PackRows(const float* rows, int64_t length, int64_t head_dim, float* packed) {
  for (int64_t first = 0; first < head_dim; first += kPanel, packed += length * kPanel) {
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t d = 0; d < kPanel; ++d) {
        packed[t * kPanel + d] = first + d < head_dim ? rows[t * head_dim + first + d] : 0;
      }
    }
  }
}

struct Scratch {
  float* next;
  float* Take(int64_t floats) {
    float* taken = next;
    next += floats;
    return taken;
  }
};

// sums[head_dim][32] += left[kTile, 32]^T right[kTile, head_dim], transposed.
SOJOURN_INLINE void AddOuter(const float* left, int64_t ld_left, const float* right,
                             int64_t head_dim, float* sums) {
  for (int64_t lane = 0; lane < kPanel; lane += kLanes) {
    V rows[kTile];
#pragma GCC unroll 12
    for (int r = 0; r < kTile; ++r) rows[r] = Load(left + r * ld_left + lane);
    for (int64_t d = 0; d < head_dim; ++d) {
      V sum = Load(sums + d * kPanel + lane);
#pragma GCC unroll 12
      for (int r = 0; r < kTile; ++r) sum += rows[r] * right[r * head_dim + d];
      Store(sums + d * kPanel + lane, sum);
    }
  }
}

// One head of all of a segment's positions, [positions, head_dim]: keys rotated, values as they are.
SOJOURN_INLINE void GatherKeys(const AttentionShape& shape, const AttentionSegment& segment,
                               const float* head, float* rows) {
  const int64_t half = shape.head_dim / 2;
  for (int64_t t = 0; t < segment.positions(); ++t) {
    Rotate(head + segment.RowOf(t) * shape.row(), shape.cos + t * half, shape.sin + t * half, half,
           1, 1, rows + t * shape.head_dim);
  }
}
SOJOURN_INLINE void GatherValues(const AttentionShape& shape, const AttentionSegment& segment,
                                 const float* head, float* rows) {
  for (int64_t t = 0; t < segment.positions(); ++t) {
    const float* row = head + segment.RowOf(t) * shape.row();
    for (int64_t d = 0; d < shape.head_dim; ++d) rows[t * shape.head_dim + d] = row[d];
  }
}

// Scaled, rotated queries of kTile of the segment's own rows from `first`, zero beyond its end.
SOJOURN_INLINE void LoadQueries(const AttentionShape& shape, const AttentionSegment& segment,
                                const float* head, int64_t first, float scale, float* tile) {
  const int64_t half = shape.head_dim / 2;
  for (int64_t r = 0; r < kTile; ++r) {
    const int64_t t = segment.prefix_length + first + r;
    float* row = tile + r * shape.head_dim;
    if (first + r < segment.length) {
      Rotate(head + (segment.start + first + r) * shape.row(), shape.cos + t * half,
             shape.sin + t * half, half, 1, scale, row);
    } else {
      for (int64_t d = 0; d < shape.head_dim; ++d) row[d] = 0;
    }
  }
}

// The largest user is the backward pass: six arrays of the sequence, two rows of scores per tile
// row, and tiles. The head dimension is rounded up where it is the panel's width.
int64_t AttentionScratch(int64_t positions, int64_t, int64_t head_dim) {
  const int64_t padded = RoundUp(positions, kPanel), wide = RoundUp(head_dim, kPanel);
  return (6 * padded * wide + 2 * kTile * padded + 3 * kTile * wide) * sizeof(float);
}

// lse: log of the softmax's sum.
void Attention(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
               int64_t kv_begin, int64_t kv_end, int64_t total, const float* qkv, float* out,
               float* lse, std::byte* scratch) {
  const int64_t dim = shape.head_dim, out_row = shape.heads * dim;
  const int64_t per_kv = shape.heads / shape.kv_heads;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  for (int64_t s = 0; s < count; ++s) {
    const AttentionSegment& segment = segments[s];
    const int64_t start = segment.start, length = segment.length;
    const int64_t positions = segment.positions(), padded = RoundUp(positions, kPanel);
    Scratch memory{reinterpret_cast<float*>(scratch)};
    float* gathered = memory.Take(positions * dim);
    float* keys = memory.Take(padded * dim);
    float* values = memory.Take(positions * RoundUp(dim, kPanel));
    float* queries = memory.Take(kTile * dim);
    float* scores = memory.Take(kTile * padded);
    float* sums = memory.Take(kTile * RoundUp(dim, kPanel));
    for (int64_t kv = kv_begin; kv < kv_end; ++kv) {
      const float* k = qkv + (shape.heads + kv) * dim;
      GatherKeys(shape, segment, k, gathered);
      PackColumns(gathered, positions, dim, keys);
      GatherValues(shape, segment, k + shape.kv_heads * dim, gathered);
      PackRows(gathered, positions, dim, values);
      for (int64_t head = kv * per_kv; head < (kv + 1) * per_kv; ++head) {
        for (int64_t first = 0; first < length; first += kTile) {
          const int64_t rows = length - first < kTile ? length - first : kTile;
          const int64_t before = segment.prefix_length + first;
          const int64_t reach = before + rows, blocks = RoundUp(reach, kPanel);
          LoadQueries(shape, segment, qkv + head * dim, first, scale, queries);
          for (int64_t b = 0; b < blocks; b += kPanel) {
            AttentionTile(dim, queries, dim, keys + b * dim, scores + b, padded);
          }
          float inverse[kTile];
          for (int64_t r = 0; r < kTile; ++r) {
            float* line = scores + r * padded;
            const int32_t seen = static_cast<int32_t>(before + (r < rows ? r : 0) + 1);
            V best = Splat(kLowest);
            for (int32_t j = 0; j < seen; j += kLanes) {
              best = Max(best, FirstLanes(seen - j, Load(line + j), Splat(kLowest)));
            }
            const float top = MaxLane(best);
            V sum = Zero();
            for (int32_t j = 0; j < blocks; j += kLanes) {
              const V term = FirstLanes(seen - j, Exp(Load(line + j) - top), Zero());
              Store(line + j, term);
              sum += term;
            }
            const float whole = Sum(sum);
            inverse[r] = 1.0f / whole;
            if (r < rows) lse[head * total + start + first + r] = top + __builtin_logf(whole);
          }
          for (int64_t d = 0; d < dim; d += kPanel) {
            AttentionTile(reach, scores, padded, values + d * positions, sums, kPanel);
            const int64_t columns = dim - d < kPanel ? dim - d : kPanel;
            for (int64_t r = 0; r < rows; ++r) {
              float* to = out + (start + first + r) * out_row + head * dim + d;
              for (int64_t i = 0; i < columns; ++i) to[i] = sums[r * kPanel + i] * inverse[r];
            }
          }
        }
      }
    }
  }
}

// With P = exp(S - lse) and D_i = sum_d dO_id O_id: dV = P^T dO, dS = P * (dO V^T - D), dQ = dS K,
// dK = dS^T Q (Dao et al., "FlashAttention", 2022, algorithm 4).
void AttentionBackward(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
                       int64_t kv_begin, int64_t kv_end, int64_t total, const float* qkv,
                       const float* out, const float* lse, const float* dout, float* dqkv,
                       std::byte* scratch) {
  const int64_t dim = shape.head_dim, half = dim / 2, row = shape.row(),
                out_row = shape.heads * dim;
  const int64_t per_kv = shape.heads / shape.kv_heads;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  for (int64_t s = 0; s < count; ++s) {
    const AttentionSegment& segment = segments[s];
    const int64_t start = segment.start, length = segment.length, prefix = segment.prefix_length;
    const int64_t positions = segment.positions(), padded = RoundUp(positions, kPanel);
    Scratch memory{reinterpret_cast<float*>(scratch)};
    float* gathered = memory.Take(positions * dim);
    float* keys = memory.Take(padded * dim);
    float* key_rows = memory.Take(positions * RoundUp(dim, kPanel));
    float* values = memory.Take(padded * dim);
    float* dkeys = memory.Take(padded * dim);
    float* dvalues = memory.Take(padded * dim);
    float* queries = memory.Take(kTile * dim);
    float* douts = memory.Take(kTile * dim);
    float* weights = memory.Take(kTile * padded);
    float* dscores = memory.Take(kTile * padded);
    float* sums = memory.Take(kTile * RoundUp(dim, kPanel));
    for (int64_t kv = kv_begin; kv < kv_end; ++kv) {
      const int64_t k_at = (shape.heads + kv) * dim, v_at = k_at + shape.kv_heads * dim;
      GatherKeys(shape, segment, qkv + k_at, gathered);
      PackColumns(gathered, positions, dim, keys);
      PackRows(gathered, positions, dim, key_rows);
      GatherValues(shape, segment, qkv + v_at, gathered);
      PackColumns(gathered, positions, dim, values);
      for (int64_t i = 0; i < padded * dim; ++i) dkeys[i] = dvalues[i] = 0;
      for (int64_t head = kv * per_kv; head < (kv + 1) * per_kv; ++head) {
        for (int64_t first = 0; first < length; first += kTile) {
          const int64_t rows = length - first < kTile ? length - first : kTile;
          const int64_t before = prefix + first;
          const int64_t reach = before + rows, blocks = RoundUp(reach, kPanel);
          LoadQueries(shape, segment, qkv + head * dim, first, scale, queries);
          float delta[kTile], top[kTile];
          for (int64_t r = 0; r < kTile; ++r) {
            const int64_t at = (start + first + r) * out_row + head * dim;
            delta[r] = 0;
            top[r] = r < rows ? lse[head * total + start + first + r] : 0;
            for (int64_t d = 0; d < dim; ++d) {
              const float g = r < rows ? dout[at + d] : 0;
              douts[r * dim + d] = g;
              if (r < rows) delta[r] += g * out[at + d];
            }
          }
          for (int64_t b = 0; b < blocks; b += kPanel) {
            AttentionTile(dim, queries, dim, keys + b * dim, weights + b, padded);
            AttentionTile(dim, douts, dim, values + b * dim, dscores + b, padded);
            for (int64_t r = 0; r < kTile; ++r) {
              const int32_t seen = r < rows ? static_cast<int32_t>(before + r + 1) : 0;
              for (int32_t j = static_cast<int32_t>(b); j < b + kPanel; j += kLanes) {
                const V term =
                    FirstLanes(seen - j, Exp(Load(weights + r * padded + j) - top[r]), Zero());
                Store(weights + r * padded + j, term);
                Store(dscores + r * padded + j, term * (Load(dscores + r * padded + j) - delta[r]));
              }
            }
            AddOuter(dscores + b, padded, queries, dim, dkeys + b * dim);
            AddOuter(weights + b, padded, douts, dim, dvalues + b * dim);
          }
          for (int64_t d = 0; d < dim; d += kPanel) {
            AttentionTile(reach, dscores, padded, key_rows + d * positions, sums, kPanel);
            const int64_t columns = dim - d < kPanel ? dim - d : kPanel;
            for (int64_t r = 0; r < rows;
                 ++r) {  // queries' memory is free now: it takes their gradients
              for (int64_t i = 0; i < columns; ++i) queries[r * dim + d + i] = sums[r * kPanel + i];
            }
          }
          for (int64_t r = 0; r < rows; ++r) {
            const int64_t t = before + r;
            Rotate(queries + r * dim, shape.cos + t * half, shape.sin + t * half, half, -1, scale,
                   dqkv + (start + first + r) * row + head * dim);
          }
        }
      }
      for (int64_t t = 0; t < positions; ++t) {
        const int64_t column = t / kPanel * kPanel * dim + t % kPanel;
        float* line = queries;  // free again
        float* turned = queries + dim;
        for (int64_t d = 0; d < dim; ++d) line[d] = dkeys[column + d * kPanel];
        Rotate(line, shape.cos + t * half, shape.sin + t * half, half, -1, 1, turned);
        // A prefix' own segment has written its part already; those that share it add theirs.
        const bool add = t < prefix;
        float* dk = dqkv + segment.RowOf(t) * row + k_at;
        float* dv = dqkv + segment.RowOf(t) * row + v_at;
        for (int64_t d = 0; d < dim; ++d) {
          dk[d] = (add ? dk[d] : 0) + turned[d];
          dv[d] = (add ? dv[d] : 0) + dvalues[column + d * kPanel];
        }
      }
    }
  }
}

int64_t KvHeadBytes32(int64_t head_dim) {
  return kPanel * (head_dim + ValueWidth(head_dim)) * static_cast<int64_t>(sizeof(float));
}

void StoreKv32(const AttentionShape& shape, int64_t position, const float* qkv, std::byte* bytes) {
  float* block = reinterpret_cast<float*>(bytes);
  const int64_t dim = shape.head_dim, half = dim / 2, width = ValueWidth(dim),
                slot = position % kPanel;
  const float* cos = shape.cos + position * half;
  const float* sin = shape.sin + position * half;
  for (int64_t kv = 0; kv < shape.kv_heads; ++kv, block += kPanel * (dim + width)) {
    const float* k = qkv + (shape.heads + kv) * dim;
    const float* v = k + shape.kv_heads * dim;
    float* value = block + kPanel * dim + slot * width;
    for (int64_t i = 0; i < half; ++i) {
      block[i * kPanel + slot] = k[i] * cos[i] - k[half + i] * sin[i];
      block[(half + i) * kPanel + slot] = k[half + i] * cos[i] + k[i] * sin[i];
    }
    for (int64_t i = 0; i < width; ++i) value[i] = i < dim ? v[i] : 0;
  }
}

// out[width] = weights[n] values[n, width], `Groups` x 8 columns at a time.
template <int Groups>
SOJOURN_INLINE void WeighValues(int64_t position, const float* weights,
                                const std::byte* const* blocks, int64_t offset, int64_t width,
                                float* out) {
  V8 sums[2][Groups] = {};  // of even and odd positions: two chains hide the latency
  for (int64_t b = 0; b <= position; b += kPanel) {
    const float* values = reinterpret_cast<const float*>(blocks[b / kPanel]) + offset;
    const int64_t n = position + 1 - b < kPanel ? position + 1 - b : kPanel;
    int64_t j = 0;
    for (; j + 2 <= n; j += 2) {
#pragma GCC unroll 8
      for (int g = 0; g < Groups; ++g) {
        sums[0][g] += V8::Load(values + j * width + 8 * g) * weights[b + j];
        sums[1][g] += V8::Load(values + (j + 1) * width + 8 * g) * weights[b + j + 1];
      }
    }
    if (j < n) {
      for (int g = 0; g < Groups; ++g) {
        sums[0][g] += V8::Load(values + j * width + 8 * g) * weights[b + j];
      }
    }
  }
  for (int g = 0; g < Groups; ++g) (sums[0][g] + sums[1][g]).Store(out + 8 * g);
}

int64_t AttendScratch32(int64_t head_dim, int64_t max_positions) {
  return (head_dim + ValueWidth(head_dim) + RoundUp(max_positions, kPanel)) * sizeof(float);
}

void AttendOne(const AttentionShape& shape, int64_t kv_head, int64_t position, const float* qkv,
               const std::byte* const* blocks, float* out, float* scratch) {
  const int64_t dim = shape.head_dim, half = dim / 2, width = ValueWidth(dim);
  const int64_t padded = RoundUp(position + 1, kPanel), per_kv = shape.heads / shape.kv_heads;
  const int64_t offset = kv_head * kPanel * (dim + width);
  const int32_t seen = static_cast<int32_t>(position + 1);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  float* query = scratch;
  float* sums = query + dim;
  float* scores = sums + width;
  for (int64_t head = kv_head * per_kv; head < (kv_head + 1) * per_kv; ++head) {
    Rotate(qkv + head * dim, shape.cos + position * half, shape.sin + position * half, half, 1,
           scale, query);
    V best = Splat(kLowest);
    for (int64_t b = 0; b < padded; b += kPanel) {
      const float* keys = reinterpret_cast<const float*>(blocks[b / kPanel]) + offset;
      V even[2] = {Zero(), Zero()}, odd[2] = {Zero(), Zero()};
      for (int64_t d = 0; d < dim; d += 2) {  // head_dim is even
        even[0] += Load(keys + d * kPanel) * query[d];
        even[1] += Load(keys + d * kPanel + kLanes) * query[d];
        odd[0] += Load(keys + (d + 1) * kPanel) * query[d + 1];
        odd[1] += Load(keys + (d + 1) * kPanel + kLanes) * query[d + 1];
      }
      for (int h = 0; h < 2; ++h) {
        const V score = FirstLanes(seen - b - h * kLanes, even[h] + odd[h], Splat(kLowest));
        Store(scores + b + h * kLanes, score);
        best = Max(best, score);
      }
    }
    const float top = MaxLane(best);
    V sum = Zero();
    for (int32_t j = 0; j < padded; j += kLanes) {
      const V term = FirstLanes(seen - j, Exp(Load(scores + j) - top), Zero());
      Store(scores + j, term);
      sum += term;
    }
    const float inverse = 1.0f / Sum(sum);
    const int64_t values = offset + kPanel * dim;
    int64_t d = 0;
    for (; d + 32 <= width; d += 32) {
      WeighValues<4>(position, scores, blocks, values + d, width, sums + d);
    }
    for (; d + 24 <= width; d += 24) {
      WeighValues<3>(position, scores, blocks, values + d, width, sums + d);
    }
    for (; d < width; d += 8) WeighValues<1>(position, scores, blocks, values + d, width, sums + d);
    for (d = 0; d < dim; ++d) out[head * dim + d] = sums[d] * inverse;
  }
}

void Attend32(const AttentionShape& shape, int64_t kv_head, int64_t position, int64_t tokens,
              const float* qkv, int64_t ldq, const std::byte* const* blocks, float* out,
              int64_t ldo, std::byte* scratch) {
  for (int64_t t = 0; t < tokens; ++t) {
    AttendOne(shape, kv_head, position + t, qkv + t * ldq, blocks, out + t * ldo,
              reinterpret_cast<float*>(scratch));
  }
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_MODEL_ATTENTION_IMPL_H_
