#include "policy/gguf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/suggest.h"

namespace sojourn::policy {
namespace {

// The format's own limits.
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 64;
constexpr uint32_t kMaxDimensions = 4;
// Arrays of arrays are allowed by the format and used by nobody; deeper ones are an attack.
constexpr int kMaxDepth = 4;

enum ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
  kValueTypes = 13,
};
constexpr const char* kTypeNames[] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                      "int32",  "float32", "bool",   "string", "array",
                                      "uint64", "int64",   "float64"};
// The least bytes that a value takes: a string its length; an array its type and count.
constexpr uint64_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

bool IsUtf8(std::string_view text) {
  auto at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (auto left = static_cast<utf8proc_ssize_t>(text.size()); left > 0;) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t bytes = utf8proc_iterate(at, left, &code);
    if (bytes <= 0) return false;
    at += bytes;
    left -= bytes;
  }
  return true;
}

template <typename T>
T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

bool IsInteger(uint32_t type) { return type <= kInt32 || type == kUint64 || type == kInt64; }

// Of an integer or bool; false when it is beyond int64_t.
bool LoadInteger(uint32_t type, const uint8_t* at, int64_t& out) {
  switch (type) {
    case kUint8:
    case kBool:
      out = *at;
      return true;
    case kInt8:
      out = Load<int8_t>(at);
      return true;
    case kUint16:
      out = Load<uint16_t>(at);
      return true;
    case kInt16:
      out = Load<int16_t>(at);
      return true;
    case kUint32:
      out = Load<uint32_t>(at);
      return true;
    case kInt32:
      out = Load<int32_t>(at);
      return true;
    default:
      out = Load<int64_t>(at);
      return type == kInt64 || out >= 0;
  }
}

double LoadNumber(uint32_t type, const uint8_t* at) {
  if (type == kFloat32) return Load<float>(at);
  if (type == kFloat64) return Load<double>(at);
  if (type == kUint64) return static_cast<double>(Load<uint64_t>(at));
  int64_t integer;
  LoadInteger(type, at, integer);
  return static_cast<double>(integer);
}

template <typename Map>
std::string SuggestKey(std::string_view key, const Map& map) {
  std::vector<std::string> known;
  for (const auto& [name, value] : map) known.push_back(name);
  return Suggest(key, known);
}

}  // namespace

// Takes values off the bytes, never beyond their end.
class GgufFile::Reader {
 public:
  Reader(const GgufFile& file, uint64_t position) : file_(file), position_(position) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.bytes_.size() - position_; }

  absl::Status Fault(uint64_t position, std::string_view what) const {
    return absl::DataLossError(absl::StrCat(file_.path_, ": not a sound GGUF file: at byte ",
                                            position, " of ", file_.bytes_.size(), ": ", what));
  }

  template <typename T>
  absl::Status Take(T& out, std::string_view what) {
    if (left() < sizeof out) return Fault(position_, absl::StrCat("the file ends in ", what));
    out = Load<T>(file_.bytes_.data() + position_);
    position_ += sizeof out;
    return absl::OkStatus();
  }

  absl::Status TakeString(std::string_view& out, uint64_t limit, std::string_view what) {
    const uint64_t start = position_;
    uint64_t size = 0;
    if (absl::Status s = Take(size, what); !s.ok()) return s;
    if (size > left()) {
      return Fault(start, absl::StrCat(what, " of ", size, " bytes with ", left(), " left"));
    }
    if (size > limit) {
      return Fault(start, absl::StrCat(what, " of ", size, " bytes; at most ", limit));
    }
    out = {reinterpret_cast<const char*>(file_.bytes_.data()) + position_, size};
    position_ += size;
    return absl::OkStatus();
  }

  // A name that an error message can show: not empty, UTF-8.
  absl::Status TakeName(std::string_view& out, uint64_t limit, std::string_view what) {
    const uint64_t start = position_;
    if (absl::Status s = TakeString(out, limit, what); !s.ok()) return s;
    if (out.empty()) return Fault(start, absl::StrCat(what, " is empty"));
    if (!IsUtf8(out)) {
      return Fault(start, absl::StrCat(what, " \"", absl::CHexEscape(out), "\" is not UTF-8"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeType(uint32_t& type, std::string_view key) {
    const uint64_t start = position_;
    if (absl::Status s = Take(type, "a value's type"); !s.ok()) return s;
    if (type < kValueTypes) return absl::OkStatus();
    return Fault(start, absl::StrCat("value type ", type, " of \"", key, "\"; the last is ",
                                     kValueTypes - 1, " (", kTypeNames[kValueTypes - 1], ")"));
  }

  // An array's element type and count, checked against the bytes left.
  absl::Status TakeArrayHead(uint32_t& type, uint64_t& count, std::string_view key) {
    if (absl::Status s = TakeType(type, key); !s.ok()) return s;
    const uint64_t start = position_;
    if (absl::Status s = Take(count, "an array's length"); !s.ok()) return s;
    if (count <= left() / kTypeBytes[type]) return absl::OkStatus();
    return Fault(start, absl::StrCat("an array \"", key, "\" of ", count, " of ", kTypeNames[type],
                                     " with ", left(), " bytes left"));
  }

  // Checks and passes over `count` values.
  absl::Status Skip(uint32_t type, uint64_t count, std::string_view key, int depth = 0) {
    if (type == kString) {
      for (std::string_view text; count > 0; --count) {
        if (absl::Status s = TakeString(text, left(), "a string"); !s.ok()) return s;
      }
    } else if (type == kArray) {
      if (depth == kMaxDepth) return Fault(position_, absl::StrCat("\"", key, "\" nests too deep"));
      for (; count > 0; --count) {
        uint32_t inner;
        uint64_t inner_count;
        if (absl::Status s = TakeArrayHead(inner, inner_count, key); !s.ok()) return s;
        if (absl::Status s = Skip(inner, inner_count, key, depth + 1); !s.ok()) return s;
      }
    } else {
      if (count > left() / kTypeBytes[type]) {
        return Fault(position_, absl::StrCat("the file ends in the value of \"", key, "\""));
      }
      const auto values = file_.bytes_.subspan(position_, count * kTypeBytes[type]);
      if (type == kBool) {
        const auto odd =
            std::find_if(values.begin(), values.end(), [](uint8_t b) { return b > 1; });
        if (odd != values.end()) {
          return Fault(position_ + (odd - values.begin()),
                       absl::StrCat("a bool of \"", key, "\" is ", int{*odd}));
        }
      }
      position_ += values.size();
    }
    return absl::OkStatus();
  }

 private:
  const GgufFile& file_;
  uint64_t position_;
};

GgufFile::GgufFile(absl::Span<const uint8_t> bytes, std::string path)
    : bytes_(bytes), path_(std::move(path)) {}

GgufFile::~GgufFile() {
  if (mapped_) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  const auto failed = [&](std::string_view what) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
  };
  // Not blocking: a pipe must not be waited for before it is refused.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return failed("open");
  const absl::Cleanup close_it = [descriptor] { close(descriptor); };
  struct stat info;
  if (fstat(descriptor, &info) != 0) return failed("stat");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a file; expected a GGUF file"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return Parse({}, path);
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (memory == MAP_FAILED) return failed("map");
  std::unique_ptr<GgufFile> file(new GgufFile({static_cast<const uint8_t*>(memory), size}, path));
  file->mapped_ = true;
  if (absl::Status s = file->ParseAll(); !s.ok()) return s;
  return file;
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(absl::Span<const uint8_t> bytes,
                                                          const std::string& path) {
  std::unique_ptr<GgufFile> file(new GgufFile(bytes, path));
  if (absl::Status s = file->ParseAll(); !s.ok()) return s;
  return file;
}

absl::Status GgufFile::ParseAll() {
  Reader reader(*this, 0);
  uint32_t magic = 0, version = 0;
  if (absl::Status s = reader.Take(magic, "the magic"); !s.ok()) return s;
  if (std::memcmp(&magic, "GGUF", 4) != 0) {
    return reader.Fault(0, "it does not begin with \"GGUF\"");
  }
  if (absl::Status s = reader.Take(version, "the version"); !s.ok()) return s;
  if (version != 2 && version != 3) {
    const bool swapped = version == 2u << 24 || version == 3u << 24;
    return reader.Fault(4, swapped ? "it is big-endian; expected little-endian"
                                   : absl::StrCat("version ", version, "; expected 2 or 3"));
  }
  uint64_t tensors = 0, values = 0;
  if (absl::Status s = reader.Take(tensors, "the number of tensors"); !s.ok()) return s;
  if (absl::Status s = reader.Take(values, "the number of metadata values"); !s.ok()) return s;
  // Length, one letter, type, one byte; length, one letter, dimensions, type, offset.
  if (values > reader.left() / 14) {
    return reader.Fault(16, absl::StrCat(values, " metadata values in ", reader.left(), " bytes"));
  }
  if (tensors > reader.left() / 25) {
    return reader.Fault(8, absl::StrCat(tensors, " tensors in ", reader.left(), " bytes"));
  }

  for (; values > 0; --values) {
    const uint64_t start = reader.position();
    std::string_view key;
    if (absl::Status s = reader.TakeName(key, kMaxKeyBytes, "a metadata key"); !s.ok()) return s;
    Value value;
    if (absl::Status s = reader.TakeType(value.type, key); !s.ok()) return s;
    if ((value.array = value.type == kArray)) {
      if (absl::Status s = reader.TakeArrayHead(value.type, value.count, key); !s.ok()) return s;
    }
    value.position = reader.position();
    if (absl::Status s = reader.Skip(value.type, value.count, key, value.array); !s.ok()) return s;
    if (!metadata_.try_emplace(std::string(key), value).second) {
      return reader.Fault(start, absl::StrCat("metadata key \"", key, "\" comes twice"));
    }
  }
  if (const auto found = metadata_.find("general.alignment"); found != metadata_.end()) {
    const Value& value = found->second;
    alignment_ =
        value.type == kUint32 && !value.array ? Load<uint32_t>(bytes_.data() + value.position) : 0;
    if (alignment_ == 0 || (alignment_ & (alignment_ - 1)) != 0) {
      return reader.Fault(value.position, "general.alignment is not a power of 2 of type uint32");
    }
  }
  for (; tensors > 0; --tensors) {
    if (absl::Status s = ParseTensor(reader); !s.ok()) return s;
  }
  return PlaceTensors((reader.position() + alignment_ - 1) / alignment_ * alignment_);
}

absl::Status GgufFile::ParseTensor(Reader& reader) {
  const uint64_t start = reader.position();
  std::string_view name;
  if (absl::Status s = reader.TakeName(name, kMaxNameBytes, "a tensor's name"); !s.ok()) return s;
  const auto fault = [&](uint64_t position, const auto&... what) {
    return reader.Fault(position, absl::StrCat("tensor \"", name, "\" ", what...));
  };
  const uint64_t shape_at = reader.position();
  uint32_t dimensions = 0, type = 0;
  if (absl::Status s = reader.Take(dimensions, "a tensor's dimensions"); !s.ok()) return s;
  if (dimensions > kMaxDimensions) {
    return fault(shape_at, "has ", dimensions, " dimensions; at most ", kMaxDimensions);
  }
  GgufTensor tensor;
  uint64_t count = 1, nonzero = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    uint64_t size = 0;
    if (absl::Status s = reader.Take(size, "a tensor's shape"); !s.ok()) return s;
    // A dimension of 0 must not hide what the others would overflow. Below 2^48 values, no type's
    // bytes overflow.
    if (size > uint64_t{1} << 48 ||
        __builtin_mul_overflow(nonzero, std::max<uint64_t>(size, 1), &nonzero) ||
        nonzero > uint64_t{1} << 48) {
      return fault(shape_at, "has a shape that overflows");
    }
    count *= size;
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  const uint64_t type_at = reader.position();
  if (absl::Status s = reader.Take(type, "a tensor's type"); !s.ok()) return s;
  const GgmlTypeInfo* const info = FindGgmlType(type);
  if (info == nullptr) return fault(type_at, "has the unknown type ", type);
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % info->values != 0) {
    return fault(shape_at, "has rows of ", row, " values, but type ", info->name, " has blocks of ",
                 info->values);
  }
  tensor.type = info->type;
  tensor.count = static_cast<int64_t>(count);
  const uint64_t offset_at = reader.position();
  uint64_t offset = 0;
  if (absl::Status s = reader.Take(offset, "a tensor's offset"); !s.ok()) return s;
  if (offset % alignment_ != 0) {
    return fault(offset_at, "lies at offset ", offset, ", which is not a multiple of ", alignment_);
  }
  const auto [place, fresh] = tensors_.try_emplace(std::string(name), std::move(tensor));
  if (!fresh) return fault(start, "comes twice");
  places_.push_back({&*place, offset, count / info->values * info->bytes, offset_at});
  return absl::OkStatus();
}

absl::Status GgufFile::PlaceTensors(uint64_t data_begin) {
  const Reader reader(*this, 0);
  std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  const uint64_t data_bytes = bytes_.size() - std::min<uint64_t>(data_begin, bytes_.size());
  uint64_t covered = 0;
  for (const Place& place : places_) {
    const auto fault = [&](const auto&... what) {
      return reader.Fault(place.described_at, absl::StrCat("tensor \"", place.tensor->first, "\" (",
                                                           place.bytes, " bytes) ", what...));
    };
    if (place.offset > data_bytes || place.bytes > data_bytes - place.offset) {
      return fault("lies at offset ", place.offset, " of ", data_bytes, " bytes of data");
    }
    if (place.offset < covered) {
      return fault("lies at offset ", place.offset, ", but the tensor before it ends at ", covered);
    }
    covered = place.offset + place.bytes;
    if (place.bytes > 0) {
      place.tensor->second.data = bytes_.subspan(data_begin + place.offset, place.bytes);
    }
  }
  places_ = {};
  return absl::OkStatus();
}

absl::StatusOr<const GgufTensor*> GgufFile::Tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return absl::NotFoundError(
        absl::StrCat(path_, ": no tensor \"", name, "\"", SuggestKey(name, tensors_)));
  }
  // No values: asks only whether the type can be read.
  if (absl::Status s = Dequantize(found->second.type, {}, 0, nullptr); !s.ok()) {
    return absl::Status(
        s.code(), absl::StrCat(path_, ": tensor \"", name, "\": ", std::string_view(s.message())));
  }
  return &found->second;
}

absl::Status GgufFile::WrongType(std::string_view key, const Value& value,
                                 std::string_view expected) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ": metadata \"", key, "\" is ",
                                                 value.array ? "an array of " : "of type ",
                                                 kTypeNames[value.type], "; expected ", expected));
}

template <typename T>
absl::StatusOr<T> GgufFile::Read(std::string_view key, const Value& value) const {
  const uint8_t* const at = bytes_.data() + value.position;
  const bool number = IsInteger(value.type) || value.type == kFloat32 || value.type == kFloat64;
  if constexpr (std::is_same_v<T, int64_t>) {
    T out;
    if (value.array || !IsInteger(value.type)) return WrongType(key, value, "an integer");
    if (!LoadInteger(value.type, at, out)) return WrongType(key, value, "at most 2^63 - 1");
    return out;
  } else if constexpr (std::is_same_v<T, double>) {
    if (value.array || !number) return WrongType(key, value, "a number");
    return LoadNumber(value.type, at);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value.array || value.type != kBool) return WrongType(key, value, "a bool");
    return *at != 0;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    if (value.array || value.type != kString) return WrongType(key, value, "a string");
    std::string_view out;
    if (absl::Status s = Reader(*this, value.position).TakeString(out, bytes_.size(), "a string");
        !s.ok()) {
      return s;
    }
    return out;
  } else if constexpr (std::is_same_v<T, std::vector<std::string_view>>) {
    if (!value.array || value.type != kString) return WrongType(key, value, "an array of strings");
    T out(value.count);
    Reader reader(*this, value.position);
    for (std::string_view& text : out) {
      if (absl::Status s = reader.TakeString(text, bytes_.size(), "a string"); !s.ok()) return s;
    }
    return out;
  } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
    if (!value.array || !(IsInteger(value.type) || value.type == kBool)) {
      return WrongType(key, value, "an array of integers");
    }
    T out(value.count);
    for (uint64_t i = 0; i < value.count; ++i) {
      if (!LoadInteger(value.type, at + i * kTypeBytes[value.type], out[i])) {
        return WrongType(key, value, "at most 2^63 - 1 each");
      }
    }
    return out;
  } else {
    if (!value.array || !number) return WrongType(key, value, "an array of numbers");
    T out(value.count);
    for (uint64_t i = 0; i < value.count; ++i) {
      out[i] = LoadNumber(value.type, at + i * kTypeBytes[value.type]);
    }
    return out;
  }
}

template <typename T>
absl::StatusOr<T> GgufFile::Get(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found != metadata_.end()) return Read<T>(key, found->second);
  return absl::NotFoundError(
      absl::StrCat(path_, ": no metadata \"", key, "\"", SuggestKey(key, metadata_)));
}

template <typename T>
absl::StatusOr<std::optional<T>> GgufFile::Find(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::optional<T>();
  absl::StatusOr<T> value = Read<T>(key, found->second);
  if (!value.ok()) return value.status();
  return std::optional<T>(*std::move(value));
}

#define SOJOURN_GGUF_VALUE(...)                                                            \
  template absl::StatusOr<__VA_ARGS__> GgufFile::Get<__VA_ARGS__>(std::string_view) const; \
  template absl::StatusOr<std::optional<__VA_ARGS__>> GgufFile::Find<__VA_ARGS__>(         \
      std::string_view) const
SOJOURN_GGUF_VALUE(int64_t);
SOJOURN_GGUF_VALUE(double);
SOJOURN_GGUF_VALUE(bool);
SOJOURN_GGUF_VALUE(std::string_view);
SOJOURN_GGUF_VALUE(std::vector<int64_t>);
SOJOURN_GGUF_VALUE(std::vector<double>);
SOJOURN_GGUF_VALUE(std::vector<std::string_view>);
#undef SOJOURN_GGUF_VALUE

}  // namespace sojourn::policy
