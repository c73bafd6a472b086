// Goes through a large JSON text entry by entry, so that a broken one spoils no other and each can
// be named by its line.
#ifndef SOJOURN_ENVS_WEBSHOP_JSON_ENTRIES_H_
#define SOJOURN_ENVS_WEBSHOP_JSON_ENTRIES_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sojourn::envs::webshop {

struct JsonEntry {
  std::string key;               // of an object's member; "" elsewhere
  int64_t line = 1;              // where it begins, from 1
  std::string fault;             // why there is no value, "not JSON"; "" when there is one
  nlohmann::ordered_json value;  // null when there is a fault
};

using TakeEntry = std::function<void(JsonEntry)>;

// Calls `take` for each element of a JSON array, or, when the text does not begin with "[", for
// each line of it that is not blank. Values nested deeper than 64 are faults, and so is a text that
// ends early.
void ForEachElement(std::string_view text, const TakeEntry& take);

// Calls `take` for each member of a JSON object; what is no object is one fault.
void ForEachMember(std::string_view text, const TakeEntry& take);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_JSON_ENTRIES_H_
