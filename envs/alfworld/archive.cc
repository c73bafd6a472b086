#include "envs/alfworld/archive.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kMostMemory = 256 << 20;
constexpr size_t kMostName = 4096;

// Bytes of an unpacked .xz file, one after another.
class Unpacker {
 public:
  explicit Unpacker(const std::string& path) : file_(path, std::ios::binary) {
    result_ = lzma_stream_decoder(&stream_, kMostMemory, LZMA_CONCATENATED);
  }
  ~Unpacker() { lzma_end(&stream_); }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  bool is_open() const { return file_.is_open(); }
  bool is_broken() const { return result_ != LZMA_OK && result_ != LZMA_STREAM_END; }

  // Up to `size` bytes, appended to `text` if there is one; how many there were.
  size_t Read(size_t size, std::string* text) {
    size_t done = 0;
    while (done < size) {
      if (begin_ == end_ && !Fill()) break;
      const size_t part = std::min(size - done, end_ - begin_);
      if (text != nullptr) text->append(reinterpret_cast<char*>(out_.data()) + begin_, part);
      begin_ += part;
      done += part;
    }
    return done;
  }

 private:
  bool Fill() {
    begin_ = end_ = 0;
    while (end_ == 0 && result_ == LZMA_OK) {
      if (stream_.avail_in == 0 && file_) {
        file_.read(reinterpret_cast<char*>(in_.data()), in_.size());
        stream_.next_in = in_.data();
        stream_.avail_in = static_cast<size_t>(file_.gcount());
      }
      stream_.next_out = out_.data();
      stream_.avail_out = out_.size();
      result_ = lzma_code(&stream_, file_ ? LZMA_RUN : LZMA_FINISH);
      end_ = out_.size() - stream_.avail_out;
    }
    return end_ > 0;
  }

  std::ifstream file_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  lzma_ret result_;
  std::array<uint8_t, 1 << 16> in_, out_;
  size_t begin_ = 0, end_ = 0;  // what of out_ is left
};

// A field of a header: octal digits.
uint64_t Octal(std::string_view field) {
  uint64_t value = 0;
  for (const char c : field) {
    if (c >= '0' && c <= '7') value = value * 8 + (c - '0');
  }
  return value;
}

std::string Text(std::string_view field) {
  return std::string(field.substr(0, std::min(field.find('\0'), field.size())));
}

bool IsHeader(std::string_view block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<uint8_t>(block[i]);
  }
  return sum == Octal(block.substr(148, 8));
}

// The value of "path" among the records "LENGTH name=value\n" of an extended header.
std::string PathIn(std::string_view records) {
  for (size_t at = 0; at < records.size();) {
    size_t length = 0, digits = at;
    while (digits < records.size() && records[digits] >= '0' && records[digits] <= '9' &&
           length < kMostName) {
      length = length * 10 + (records[digits++] - '0');
    }
    if (length <= digits - at || length > records.size() - at) break;
    const std::string_view record = records.substr(digits, at + length - digits);
    if (absl::StartsWith(record, " path=")) {
      return std::string(record.substr(6, record.size() - 7));
    }
    at += length;
  }
  return "";
}

}  // namespace

absl::Status ForEachFileInArchive(
    const std::string& path, std::string_view suffix, size_t most_bytes,
    const std::function<void(const std::string& name, std::string text)>& visit) {
  Unpacker unpacker(path);
  if (!unpacker.is_open()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  const auto broken = [&](std::string_view what) {
    return absl::DataLossError(absl::StrCat(path, ": ", what));
  };
  std::string long_name;
  while (true) {
    std::string block;
    const size_t size = unpacker.Read(kBlock, &block);
    if (unpacker.is_broken()) return broken("not a whole .xz file");
    if (size == 0 || (size == kBlock && block.find_first_not_of('\0') == std::string::npos)) {
      return absl::OkStatus();
    }
    if (size < kBlock || !IsHeader(block)) return broken("no tar archive in it");
    const std::string_view header = block;
    const uint64_t length = Octal(header.substr(124, 12));
    const char kind = header[156];
    std::string name = Text(header.substr(0, 100));
    const std::string folder =
        header.substr(257, 5) == "ustar" ? Text(header.substr(345, 155)) : "";
    if (!folder.empty()) name = absl::StrCat(folder, "/", name);

    const bool is_name = (kind == 'L' || kind == 'x') && length <= kMostName;
    if (kind == '0' || kind == '\0') name = long_name.empty() ? name : long_name;
    const bool is_wanted =
        (kind == '0' || kind == '\0') && absl::EndsWith(name, std::string(suffix));
    std::string text;
    const bool is_kept = is_name || (is_wanted && length <= most_bytes);
    if (unpacker.Read(length, is_kept ? &text : nullptr) < length) {
      return broken(absl::StrCat("cut short in ", name));
    }
    unpacker.Read((kBlock - length % kBlock) % kBlock, nullptr);
    if (is_name) {
      long_name = kind == 'L' ? Text(text) : PathIn(text);
      continue;
    }
    long_name.clear();
    if (is_wanted) visit(name, std::move(text));
  }
}

}  // namespace sojourn::envs::alfworld
