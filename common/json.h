// JSON that a peer sent.
#ifndef SOJOURN_COMMON_JSON_H_
#define SOJOURN_COMMON_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>

namespace sojourn {

// nlohmann::json copies, compares and writes values by recursion: a megabyte of brackets would end
// the process. Nothing that is exchanged nests nearly so deep.
constexpr int kMaxJsonDepth = 64;

// How deep lists and objects lie in each other; of what is no JSON, any number.
int JsonDepth(std::string_view text);

// Discarded (is_discarded()): not JSON, not UTF-8, or deeper than kMaxJsonDepth.
nlohmann::json ParseJson(std::string_view text);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_JSON_H_
