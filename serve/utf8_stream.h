// Bytes that arrive in pieces, as whole UTF-8 characters: what a client is shown is always valid.
#ifndef SOJOURN_SERVE_UTF8_STREAM_H_
#define SOJOURN_SERVE_UTF8_STREAM_H_

#include <string>
#include <string_view>

namespace sojourn::serve {

class Utf8Stream {
 public:
  // The characters that are complete now. Bytes that can belong to none become U+FFFD, one for each
  // maximal ill-formed beginning (the Unicode Standard, section 3.9), as Python's "replace" does.
  std::string Push(std::string_view bytes);
  std::string Flush();  // at the end: U+FFFD for an unfinished character, if there is one

 private:
  std::string held_;  // the beginning of a character
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_UTF8_STREAM_H_
