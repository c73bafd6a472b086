// YAML to and from protocol messages, by the messages' own field names.
#ifndef SOJOURN_CONFIG_YAML_MESSAGE_H_
#define SOJOURN_CONFIG_YAML_MESSAGE_H_

#include <google/protobuf/message.h>
#include <yaml-cpp/emitter.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace sojourn::config {

// Fills `message` from a YAML mapping: present keys overwrite, absent ones leave what is there. A new
// element of a repeated message is first given to `defaults`. InvalidArgument lists every fault, one
// a line, as `key path: reason; suggestion`: unknown and repeated keys, wrong types, numbers out of
// range. `path` names the file in messages.
absl::Status ReadYaml(const std::string& yaml, const std::string& path,
                      const std::function<void(google::protobuf::Message*)>& defaults,
                      google::protobuf::Message* message);

// The error for a file with these faults, one a line; OK when there are none.
absl::Status FaultsOf(const std::string& path, const std::vector<std::string>& faults);

// Every field with its value; empty lists and maps are left out.
void WriteYaml(const google::protobuf::Message& message, YAML::Emitter* out);

}  // namespace sojourn::config

#endif  // SOJOURN_CONFIG_YAML_MESSAGE_H_
