// What WebShop takes for granted about strings and numbers because it is written in Python. Texts
// are UTF-8; bytes that are not stay as they are.
#ifndef SOJOURN_ENVS_WEBSHOP_PYTHON_STRINGS_H_
#define SOJOURN_ENVS_WEBSHOP_PYTHON_STRINGS_H_

#include <string>
#include <string_view>

namespace sojourn::envs::webshop {

// str.lower() and str.upper(), but for characters that become several (German sharp s, ligatures),
// which upper leaves.
std::string Lower(std::string_view text);
std::string Upper(std::string_view text);

// repr() of a float: the shortest digits that mean the number.
std::string FloatRepr(double value);

// How many characters (code points) a text has.
size_t CharacterCount(std::string_view text);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_PYTHON_STRINGS_H_
