// CRC-32C (Castagnoli), the checksum of the journal's records (RFC 3720, appendix B.4 has test
// vectors).
#ifndef SOJOURN_COMMON_CRC32C_H_
#define SOJOURN_COMMON_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace sojourn {

// Extends `crc`, the checksum of what came before (0: nothing), by `data`.
uint32_t Crc32c(uint32_t crc, std::string_view data);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_CRC32C_H_
