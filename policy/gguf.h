// GGUF, llama.cpp's model files (ggml/docs/gguf.md), versions 2 and 3, little-endian: metadata by
// key, tensors by name.
#ifndef SOJOURN_POLICY_GGUF_H_
#define SOJOURN_POLICY_GGUF_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/dequantize.h"

namespace sojourn::policy {

struct GgufTensor {
  GgmlType type;               // perhaps one that Dequantize cannot read
  std::vector<int64_t> shape;  // as PyTorch has it: the last dimension is contiguous
  int64_t count = 0;           // of values: the shape's product
  absl::Span<const uint8_t> data;
};

// A file mapped into memory: opening reads only the header, and data come from the disk as they are
// used. Everything that is returned by view or span lives as long as this object. As with any
// mapping, a file that is cut short while it is open ends the program.
class GgufFile {
 public:
  // NotFound when there is no such file; DataLoss with the path, the byte and the fault when any
  // part of the header is unsound or the tensors do not lie in the file, aligned and apart.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(const std::string& path);
  // The same of bytes in memory, which must outlive the result; `path` is for messages.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(absl::Span<const uint8_t> bytes,
                                                         const std::string& path);
  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // T is int64_t (any integer type), double (any number), bool, std::string_view, or a std::vector
  // of int64_t (integers or bools), double (numbers) or std::string_view. NotFound: no such key;
  // InvalidArgument: a value of another type, or an integer beyond T.
  template <typename T>
  absl::StatusOr<T> Get(std::string_view key) const;
  // The same, but nothing when there is no such key.
  template <typename T>
  absl::StatusOr<std::optional<T>> Find(std::string_view key) const;

  using Tensors = std::map<std::string, GgufTensor, std::less<>>;
  const Tensors& tensors() const { return tensors_; }
  // NotFound: no such tensor; Unimplemented: one whose type Dequantize cannot read, by name.
  absl::StatusOr<const GgufTensor*> Tensor(std::string_view name) const;

  const std::string& path() const { return path_; }

 private:
  struct Value {
    uint32_t type;  // of an array: of its elements
    bool array = false;
    uint64_t count = 1;
    uint64_t position;  // of the first element, in the file
  };
  class Reader;

  GgufFile(absl::Span<const uint8_t> bytes, std::string path);
  absl::Status ParseAll();
  absl::Status ParseTensor(Reader& reader);
  absl::Status PlaceTensors(uint64_t data_begin);
  template <typename T>
  absl::StatusOr<T> Read(std::string_view key, const Value& value) const;
  absl::Status WrongType(std::string_view key, const Value& value, std::string_view expected) const;

  const absl::Span<const uint8_t> bytes_;
  const std::string path_;
  bool mapped_ = false;  // `bytes_` are to be unmapped
  uint64_t alignment_ = 32;
  std::map<std::string, Value, std::less<>> metadata_;
  Tensors tensors_;
  struct Place {
    Tensors::pointer tensor;
    uint64_t offset, bytes;
    uint64_t described_at;  // the position of the offset, for messages
  };
  std::vector<Place> places_;  // while parsing
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_GGUF_H_
