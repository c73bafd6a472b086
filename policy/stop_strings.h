// Ends a response where its text contains one of some strings, wherever tokens begin and end.
#ifndef SOJOURN_POLICY_STOP_STRINGS_H_
#define SOJOURN_POLICY_STOP_STRINGS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sojourn::policy {

// For ResponseRequest::stop. `bytes` gives a token's text, in bytes: characters may be split among
// tokens. Empty strings are never found.
std::function<bool(int32_t)> StopAtStrings(std::vector<std::string> strings,
                                           std::function<std::string(int32_t)> bytes);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_STOP_STRINGS_H_
