// What variants (envs/variants/variants.h) must know of an environment's texts.
#ifndef SOJOURN_ENVS_INTERFACE_H_
#define SOJOURN_ENVS_INTERFACE_H_

#include <string>
#include <vector>

namespace sojourn::envs {

// Every field may stay empty: a variant that needs what is missing is refused for this environment,
// by name and with the reason. Texts are quoted exactly as the environment says them, without any
// variant.
struct Interface {
  // A word of the texts, or words with one space between them, and others that may stand for it. A
  // word is a run of letters and digits: "oak_planks" is two. With several forms
  // ("craft|crafted|crafting") actions use the first, and every alternative has as many, in the
  // same order. Words that begin a sentence need no form of their own. No alternatives: a word is
  // made up.
  struct Word {
    std::string text;
    std::vector<std::string> others;
  };
  std::vector<Word> verbs;    // of actions: "go to", "craft", "using"
  std::vector<Word> objects;  // what actions name: "ball", "red", "oak"

  // The forms of all actions, such as "go to OBJECT NUMBER": told at the beginning of an episode
  // whose verbs are renamed. Empty: the observations tell them anyway.
  std::vector<std::string> commands;

  // Lists in observations: what stands between `begin` and the next `end` (empty: the line's end),
  // cut at each `separator`. `last` is what stands before the last element alone ("and "). With
  // several `fields` an element is as many pieces: a name, a title, and a price.
  struct List {
    std::string begin, separator, end;
    std::string last = {};
    bool of_actions = false;  // the valid actions, told without being asked for
    int fields = 1;
  };
  std::vector<List> lists;
  bool lists_no_actions = false;  // as it is: the variant without such lists changes nothing

  // Sentences of observations, and others that say the same. They begin with text, and have holes:
  // $1 to $9 for any text that does not go past the line or a full stop before a space, #1 to #9
  // for a number. A hole takes as little as will do, one at the end as much as it can. Every
  // alternative has the same holes. Where several sentences fit, the first listed is taken.
  struct Sentence {
    std::string text;
    std::vector<std::string> others;
  };
  std::vector<Sentence> sentences;

  // How the parts of an observation begin that may change places.
  std::vector<std::string> parts;

  // What the instructions say about the form of a response, and nothing else.
  std::string format;
};

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_INTERFACE_H_
