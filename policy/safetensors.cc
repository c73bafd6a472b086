#include "policy/safetensors.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/mapped_file.h"

namespace sojourn::policy {
namespace {

using nlohmann::json;
using torch::Tensor;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxDimensions = 16;

struct TypeName {
  const char* name;
  torch::ScalarType type;
};
constexpr TypeName kTypes[] = {{"F32", torch::kFloat}, {"F64", torch::kDouble},
                               {"F16", torch::kHalf},  {"BF16", torch::kBFloat16},
                               {"I64", torch::kLong},  {"I32", torch::kInt},
                               {"I16", torch::kShort}, {"I8", torch::kChar},
                               {"U8", torch::kByte},   {"BOOL", torch::kBool}};

struct Entry {
  std::string name;
  torch::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;  // of the data
};

// One tensor's description; an empty string when it is sound, else what is wrong.
std::string ParseEntry(const json& value, uint64_t data_bytes, Entry& entry) {
  if (!value.is_object()) return "is not an object";
  const auto type = value.find("dtype"), shape = value.find("shape"),
             place = value.find("data_offsets");
  if (type == value.end() || shape == value.end() || place == value.end() || !type->is_string() ||
      !shape->is_array() || !place->is_array()) {
    return "needs a dtype, a shape and data_offsets";
  }
  const std::string& type_name = type->get_ref<const std::string&>();
  const auto known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypeName& t) { return type_name == t.name; });
  if (known == std::end(kTypes)) return "has an unknown dtype";
  entry.type = known->type;
  if (shape->size() > kMaxDimensions) return absl::StrCat("has ", shape->size(), " dimensions");
  uint64_t bytes = c10::elementSize(entry.type);
  for (const json& size : *shape) {
    if (!size.is_number_unsigned()) return "has a shape that is not of whole numbers";
    const uint64_t n = size.get<uint64_t>();
    // A dimension of 0 must not hide what the others would overflow.
    if (n > uint64_t{1} << 48 || __builtin_mul_overflow(bytes, n, &bytes))
      return "has a shape that overflows";
    entry.shape.push_back(static_cast<int64_t>(n));
  }
  if (place->size() != 2 || !(*place)[0].is_number_unsigned() ||
      !(*place)[1].is_number_unsigned()) {
    return "has data_offsets that are not two whole numbers";
  }
  entry.begin = (*place)[0].get<uint64_t>();
  entry.end = (*place)[1].get<uint64_t>();
  if (entry.begin > entry.end || entry.end > data_bytes) {
    return absl::StrCat("lies at ", entry.begin, " to ", entry.end, " of ", data_bytes,
                        " bytes of data");
  }
  if (entry.end - entry.begin != bytes) {
    return absl::StrCat("takes ", entry.end - entry.begin, " bytes, but its shape ", bytes);
  }
  return "";
}

struct Contents {
  std::vector<Entry> entries;  // in the order of their data
  std::string_view data;
};

absl::StatusOr<Contents> Parse(std::string_view bytes, const std::string& path) {
  const auto fault = [&](const std::string& what) {
    return absl::DataLossError(absl::StrCat(path, ": not a sound safetensors file: ", what));
  };
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes)
    return fault(absl::StrCat("only ", bytes.size(), " bytes"));
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - sizeof header_bytes) {
    return fault(absl::StrCat("a header of ", header_bytes, " bytes in a file of ", bytes.size()));
  }
  const std::string_view data = bytes.substr(sizeof header_bytes + header_bytes);
  const std::string_view text = bytes.substr(sizeof header_bytes, header_bytes);
  const json header = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return fault("the header is not a JSON object");

  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    Entry entry{name};
    if (const std::string wrong = ParseEntry(value, data.size(), entry); !wrong.empty()) {
      return fault(absl::StrCat("tensor \"", name, "\" ", wrong));
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;  // no overlaps, no holes; a name given twice leaves a hole
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return fault(absl::StrCat("tensor \"", entry.name, "\" begins at ", entry.begin,
                                ", but the data before it ends at ", covered));
    }
    covered = entry.end;
  }
  if (covered != data.size()) {
    return fault(absl::StrCat("tensors cover ", covered, " of ", data.size(), " bytes of data"));
  }
  return Contents{std::move(entries), data};
}

Tensor Copy(const Entry& entry, std::string_view data) {
  Tensor tensor = torch::empty(entry.shape, entry.type);
  if (entry.end > entry.begin) {
    std::memcpy(tensor.mutable_data_ptr(), data.data() + entry.begin, entry.end - entry.begin);
  }
  return tensor;
}

}  // namespace

absl::StatusOr<Weights> ParseSafetensors(std::string_view bytes, const std::string& path) {
  const auto contents = Parse(bytes, path);
  if (!contents.ok()) return contents.status();
  Weights tensors;
  for (const Entry& entry : contents->entries) tensors[entry.name] = Copy(entry, contents->data);
  return tensors;
}

absl::StatusOr<Weights> ReadSafetensors(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const auto contents = Parse((*file)->bytes(), path);
  if (!contents.ok()) return contents.status();
  Weights tensors;
  for (const Entry& entry : contents->entries) {
    char* const place = (*file)->data() + (contents->data.data() - (*file)->bytes().data()) + entry.begin;
    const bool aligned = reinterpret_cast<uintptr_t>(place) % c10::elementSize(entry.type) == 0;
    tensors[entry.name] = entry.end == entry.begin || !aligned
                              ? Copy(entry, contents->data)
                              : torch::from_blob(place, entry.shape, [mapping = *file](void*) {}, entry.type);
  }
  return tensors;
}

std::string SerializeSafetensors(const Weights& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  std::vector<Tensor> plain;
  uint64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    plain.push_back(tensor.detach().to(torch::kCPU).contiguous());
    const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) {
      return t.type == tensor.scalar_type();
    });
    TORCH_CHECK(type != std::end(kTypes), "safetensors has no name for the type of ", name);
    const uint64_t begin = end;
    end += tensor.nbytes();
    header[name] = {
        {"dtype", type->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
  const uint64_t header_bytes = text.size();
  std::string bytes;
  bytes.reserve(sizeof header_bytes + text.size() + end);
  bytes.append(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
  bytes += text;
  for (const Tensor& tensor : plain) {
    if (tensor.nbytes() > 0)
      bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  return bytes;
}

absl::Status WriteSafetensors(const std::string& path, const Weights& tensors) {
  return WriteFileAtomically(path, SerializeSafetensors(tensors));
}

}  // namespace sojourn::policy
