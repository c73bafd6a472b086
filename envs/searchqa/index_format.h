// The file of a passage index: a header, then six sections, each beginning at a multiple of 8
// bytes.
//
//   texts      the passages' contents, one after another
//   offsets    size + 1 places in texts (u64): passage i is [offsets[i], offsets[i + 1])
//   postings   of each term, in the terms' order, blocks of up to 128 postings: the gaps between
//              passage numbers bit-packed, then one byte of impact for each; 8 bytes of padding end
//              the section
//   blocks     a BlockEntry for each block
//   terms      a TermEntry for each term, sorted by the term's bytes
//   names      the terms, one after another
//
// All numbers are little-endian. The impact of a term in a passage is BM25's
//   tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length)),  k1 = 0.9, b = 0.4,
// which is below k1 + 1 = 1.9, in 255 steps and at least one (Robertson and Zaragoza, "The
// Probabilistic Relevance Framework: BM25 and Beyond", 2009; k1 and b are Anserini's).
#ifndef SOJOURN_ENVS_SEARCHQA_INDEX_FORMAT_H_
#define SOJOURN_ENVS_SEARCHQA_INDEX_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sojourn::envs::searchqa {

static_assert(std::endian::native == std::endian::little, "the index is read as it lies in memory");

inline constexpr char kIndexMagic[8] = {'S', 'J', 'N', 'P', 'S', 'G', '1', '\n'};
inline constexpr uint32_t kIndexVersion = 1;
inline constexpr uint32_t kBlockPostings = 128;
inline constexpr size_t kPostingsPadding = 8;
inline constexpr double kBm25K1 = 0.9, kBm25B = 0.4;
inline constexpr uint32_t kMostImpact = 255;

enum Section { kTexts, kOffsets, kPostings, kBlocks, kTerms, kNames, kSections };
inline constexpr const char* kSectionNames[kSections] = {"texts",  "offsets", "postings",
                                                         "blocks", "terms",   "names"};

struct SectionEntry {
  uint64_t offset, bytes;
  uint32_t crc;  // CRC-32C of the bytes
  uint32_t unused;
};

struct IndexHeader {
  char magic[8];
  uint32_t version;
  uint32_t crc;  // CRC-32C of the header with 0 here
  uint64_t file_bytes, passages, terms, blocks;
  SectionEntry sections[kSections];
};
static_assert(sizeof(IndexHeader) == 192);

struct BlockEntry {
  uint32_t last;  // passage
  uint8_t most_impact, bits;
  uint16_t offset_high;  // of 48 bits: where the block begins in postings
  uint32_t offset_low;
};
static_assert(sizeof(BlockEntry) == 12);

struct TermEntry {
  uint64_t name;  // where it begins in names
  uint64_t first_block;
  uint32_t postings;
  uint16_t name_bytes;
  uint8_t most_impact, unused;
};
static_assert(sizeof(TermEntry) == 24);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_INDEX_FORMAT_H_
