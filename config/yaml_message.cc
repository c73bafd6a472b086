#include "config/yaml_message.h"

#include <google/protobuf/descriptor.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"

namespace sojourn::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Join(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

std::string Line(const YAML::Node& node) {
  return node.Mark().line >= 0 ? absl::StrCat(" (line ", node.Mark().line + 1, ")") : "";
}

std::string_view KindOf(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "nothing";
  return "a value";
}

class Reader {
 public:
  Reader(const std::function<void(Message*)>& defaults, std::vector<std::string>* faults)
      : defaults_(defaults), faults_(faults) {}

  void ReadMessage(const YAML::Node& node, const std::string& path, Message* message) {
    if (!node.IsMap()) {
      Fault(path.empty() ? "the file" : path, absl::StrCat("expected a mapping, found ", KindOf(node)), node);
      return;
    }
    const Descriptor* type = message->GetDescriptor();
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Fault(path, "a key must be a plain name", entry.first);
        continue;
      }
      const std::string key = entry.first.Scalar();
      const FieldDescriptor* field = type->FindFieldByName(key);
      if (field == nullptr) {
        std::vector<std::string> known;
        for (int i = 0; i < type->field_count(); ++i) known.push_back(type->field(i)->name());
        Fault(Join(path, key), absl::StrCat("unknown key", Suggest(key, known)), entry.first);
      } else if (!seen.insert(key).second) {
        Fault(Join(path, key), "given twice; keep one", entry.first);
      } else {
        ReadField(entry.second, Join(path, key), field, message);
      }
    }
  }

 private:
  void Fault(const std::string& path, const std::string& reason, const YAML::Node& node) {
    faults_->push_back(absl::StrCat(path, ": ", reason, Line(node)));
  }

  void ReadField(const YAML::Node& node, const std::string& path, const FieldDescriptor* field, Message* message) {
    const auto* reflection = message->GetReflection();
    if (field->is_map()) {
      if (!node.IsMap()) return Fault(path, absl::StrCat("expected a mapping, found ", KindOf(node)), node);
      for (const auto& entry : node) {
        if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
          Fault(path, "each entry must be `name: value`", entry.first);
          continue;
        }
        Message* pair = reflection->AddMessage(message, field);
        const Descriptor* type = field->message_type();
        pair->GetReflection()->SetString(pair, type->FindFieldByNumber(1), entry.first.Scalar());
        pair->GetReflection()->SetString(pair, type->FindFieldByNumber(2), entry.second.Scalar());
      }
    } else if (field->is_repeated()) {
      if (!node.IsSequence()) return Fault(path, absl::StrCat("expected a list, found ", KindOf(node)), node);
      reflection->ClearField(message, field);
      for (size_t i = 0; i < node.size(); ++i) {
        const std::string element_path = absl::StrCat(path, "[", i, "]");
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          Message* element = reflection->AddMessage(message, field);
          if (defaults_) defaults_(element);
          ReadMessage(node[i], element_path, element);
        } else {
          ReadScalar(node[i], element_path, field, message, /*add=*/true);
        }
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadMessage(node, path, reflection->MutableMessage(message, field));
    } else {
      ReadScalar(node, path, field, message, /*add=*/false);
    }
  }

  template <typename T>
  std::optional<T> Integer(const YAML::Node& node, const std::string& path) {
    const std::string& text = node.Scalar();
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    if (std::is_unsigned_v<T> && !text.empty() && text[0] == '-') {
      Fault(path, absl::StrCat("expected a whole number of at least 0, found \"", text, "\""), node);
    } else {
      Fault(path, absl::StrCat("expected a whole number of at most ", std::numeric_limits<T>::max(), ", found \"",
                               text, "\""), node);
    }
    return std::nullopt;
  }

  void ReadScalar(const YAML::Node& node, const std::string& path, const FieldDescriptor* field, Message* message,
                  bool add) {
    if (!node.IsScalar()) return Fault(path, absl::StrCat("expected a value, found ", KindOf(node)), node);
    const auto* r = message->GetReflection();
    const std::string& text = node.Scalar();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        add ? r->AddString(message, field, text) : r->SetString(message, field, text);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (text != "true" && text != "false") {
          return Fault(path, absl::StrCat("expected true or false, found \"", text, "\""), node);
        }
        r->SetBool(message, field, text == "true");
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
          return Fault(path, absl::StrCat("expected a number, found \"", text, "\""), node);
        }
        r->SetDouble(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT32:
        if (auto value = Integer<uint32_t>(node, path)) r->SetUInt32(message, field, *value);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        if (auto value = Integer<int32_t>(node, path)) r->SetInt32(message, field, *value);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        if (auto value = Integer<uint64_t>(node, path)) {
          add ? r->AddUInt64(message, field, *value) : r->SetUInt64(message, field, *value);
        }
        break;
      default:
        Fault(path, "cannot be given in a file", node);
    }
  }

  const std::function<void(Message*)>& defaults_;
  std::vector<std::string>* faults_;
};

void WriteScalar(const Message& message, const FieldDescriptor* field, int index, YAML::Emitter* out) {
  const auto* r = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      *out << YAML::DoubleQuoted
           << (index >= 0 ? r->GetRepeatedString(message, field, index) : r->GetString(message, field));
      break;
    case FieldDescriptor::CPPTYPE_BOOL: *out << r->GetBool(message, field); break;
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      char text[32];
      const auto [end, error] = std::to_chars(text, text + sizeof text, r->GetDouble(message, field));
      *out << std::string(text, end);   // the shortest text that reads back to the same number
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT32: *out << r->GetUInt32(message, field); break;
    case FieldDescriptor::CPPTYPE_INT32: *out << r->GetInt32(message, field); break;
    case FieldDescriptor::CPPTYPE_UINT64:
      *out << (index >= 0 ? r->GetRepeatedUInt64(message, field, index) : r->GetUInt64(message, field));
      break;
    default: *out << YAML::Null;
  }
}

}  // namespace

absl::Status ReadYaml(const std::string& yaml, const std::string& path,
                      const std::function<void(Message*)>& defaults, Message* message) {
  YAML::Node node;
  try {
    node = YAML::Load(yaml);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not YAML: ", e.msg, " (line ", e.mark.line + 1, ")"));
  }
  std::vector<std::string> faults;
  Reader(defaults, &faults).ReadMessage(node, "", message);
  return FaultsOf(path, faults);
}

absl::Status FaultsOf(const std::string& path, const std::vector<std::string>& faults) {
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ":\n  ", absl::StrJoin(faults, "\n  ")));
}

void WriteYaml(const Message& message, YAML::Emitter* out) {
  const Descriptor* type = message.GetDescriptor();
  const auto* r = message.GetReflection();
  *out << YAML::BeginMap;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->is_repeated() && r->FieldSize(message, field) == 0) continue;
    if (!field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !r->HasField(message, field)) {
      continue;
    }
    *out << YAML::Key << field->name() << YAML::Value;
    if (field->is_map()) {
      *out << YAML::BeginMap;
      std::map<std::string, std::string> sorted;
      for (int k = 0; k < r->FieldSize(message, field); ++k) {
        const Message& pair = r->GetRepeatedMessage(message, field, k);
        const auto* p = pair.GetReflection();
        sorted[p->GetString(pair, field->message_type()->FindFieldByNumber(1))] =
            p->GetString(pair, field->message_type()->FindFieldByNumber(2));
      }
      for (const auto& [name, value] : sorted) {
        *out << YAML::Key << name << YAML::Value << YAML::DoubleQuoted << value;
      }
      *out << YAML::EndMap;
    } else if (field->is_repeated()) {
      *out << YAML::BeginSeq;
      for (int k = 0; k < r->FieldSize(message, field); ++k) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          WriteYaml(r->GetRepeatedMessage(message, field, k), out);
        } else {
          WriteScalar(message, field, k, out);
        }
      }
      *out << YAML::EndSeq;
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      WriteYaml(r->GetMessage(message, field), out);
    } else {
      WriteScalar(message, field, -1, out);
    }
  }
  *out << YAML::EndMap;
}

}  // namespace sojourn::config
