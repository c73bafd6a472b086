#ifndef SOJOURN_COMMON_SHA256_H_
#define SOJOURN_COMMON_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

namespace sojourn {

// SHA-256 of bytes that come in parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Add(std::string_view bytes);
  std::string Hex();  // lower case; ends the sum: nothing may be added after

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Hex(std::string_view bytes);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_SHA256_H_
