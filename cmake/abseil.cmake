# Debian builds Abseil for C++11, where absl::string_view is a type of its own; Sojourn's interfaces use
# std::string_view. The two are made convertible into each other by copies of Abseil's headers with a
# few lines more. Layout and symbols stay Debian's, so its libraries still link.
find_path(ABSEIL_INCLUDE absl/strings/string_view.h REQUIRED)
set(ABSEIL_OVERLAY ${CMAKE_BINARY_DIR}/abseil)

# Puts `addition` before `anchor` in the variable `text`.
macro(_insert addition anchor)
  string(FIND "${text}" "${anchor}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "This is not the Abseil that cmake/abseil.cmake knows: \"${anchor}\" is not in it")
  endif()
  string(REPLACE "${anchor}" "${addition}${anchor}" text "${text}")
endmacro()

file(READ ${ABSEIL_INCLUDE}/absl/base/options.h text)
if(text MATCHES "#define ABSL_OPTION_USE_STD_STRING_VIEW 0")
  file(READ ${ABSEIL_INCLUDE}/absl/strings/string_view.h text)
  _insert("#include <concepts>\n#include <string_view>\n" "#include \"absl/base/attributes.h\"")
  _insert("  constexpr string_view(std::string_view text) noexcept
      : ptr_(text.data()), length_(text.size()) {}
  constexpr operator std::string_view() const noexcept { return {ptr_, length_}; }\n"
    "  // Null `string_view` constructor")
  _insert("template <std::same_as<std::string_view> T>
constexpr bool operator==(string_view x, T y) noexcept { return x == string_view(y); }\n\n"
    "constexpr bool operator!=(string_view x, string_view y)")
  file(CONFIGURE OUTPUT ${ABSEIL_OVERLAY}/absl/strings/string_view.h CONTENT "${text}" @ONLY)

  file(READ ${ABSEIL_INCLUDE}/absl/strings/internal/str_split_internal.h text)
  _insert("  ConvertibleToStringView(std::string_view s) : value_(s) {}\n"
    "  ConvertibleToStringView(const std::string& s)")
  file(CONFIGURE OUTPUT ${ABSEIL_OVERLAY}/absl/strings/internal/str_split_internal.h
    CONTENT "${text}" @ONLY)

  file(READ ${ABSEIL_INCLUDE}/absl/strings/str_cat.h text)
  _insert("  AlphaNum(std::string_view pc) : piece_(pc) {}\n" "  AlphaNum(absl::string_view pc)")
  file(CONFIGURE OUTPUT ${ABSEIL_OVERLAY}/absl/strings/str_cat.h CONTENT "${text}" @ONLY)
  include_directories(BEFORE ${ABSEIL_OVERLAY})
endif()
