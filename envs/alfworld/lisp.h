// The lists in brackets that PDDL is written in.
#ifndef SOJOURN_ENVS_ALFWORLD_LISP_H_
#define SOJOURN_ENVS_ALFWORLD_LISP_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sojourn::envs::alfworld {

// A word or a list. Lists end what they are asked about: a word has no items.
struct Lisp {
  bool is_list = false;
  std::string word;  // in lower case, as PDDL reads it
  std::vector<Lisp> items;
  int line = 0;  // where it begins, from 1

  // Whether it is a list whose first item is this word.
  bool Is(std::string_view head) const {
    return is_list && !items.empty() && !items[0].is_list && items[0].word == head;
  }
  std::string ToString() const;  // on one line
};

// The one list that a text holds; ";" begins a comment. InvalidArgument ("line 3: ...") for
// anything else, for lists too deep and for texts too long.
absl::StatusOr<Lisp> ParseLisp(std::string_view text);

// "line 3: MESSAGE", as InvalidArgument.
absl::Status ErrorAt(const Lisp& place, std::string_view message);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_LISP_H_
