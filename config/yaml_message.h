// YAML to and from protocol messages, by the messages' own field names.
#ifndef SOJOURN_CONFIG_YAML_MESSAGE_H_
#define SOJOURN_CONFIG_YAML_MESSAGE_H_

#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>
#include <vector>

namespace sojourn::config {

// Fills `message` from a mapping: present keys overwrite, absent ones leave what is there. A new element
// of a repeated message is first given to `defaults`. Every fault is added to `faults` as
// `path: reason; suggestion`: unknown and repeated keys, wrong types, numbers out of range.
void ReadYaml(const YAML::Node& node, const std::string& path,
              const std::function<void(google::protobuf::Message*)>& defaults,
              google::protobuf::Message* message, std::vector<std::string>* faults);

// Every field with its value; empty lists and maps are left out.
void WriteYaml(const google::protobuf::Message& message, YAML::Emitter* out);

}  // namespace sojourn::config

#endif  // SOJOURN_CONFIG_YAML_MESSAGE_H_
