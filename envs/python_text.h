// What AgentGym's servers and clients take for granted about text because they are written in
// Python.
#ifndef SOJOURN_ENVS_PYTHON_TEXT_H_
#define SOJOURN_ENVS_PYTHON_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sojourn::envs {

// How many bytes of UTF-8 the white space at the front takes, as str.isspace() and the regular
// expression \s know it (Unicode spaces and the separators 0x1c-0x1f included).
size_t LeadingSpace(std::string_view text);

// str.strip().
std::string_view StripSpace(std::string_view text);

// repr() of a str. Bytes that are not UTF-8 are shown as \xNN.
std::string PythonRepr(std::string_view text);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_PYTHON_TEXT_H_
