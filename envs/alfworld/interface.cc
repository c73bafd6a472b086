#include "envs/alfworld/interface.h"

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "envs/alfworld/catalogue.h"

namespace sojourn::envs::alfworld {
namespace {

// "countertop", "alarmclock"
std::set<std::string> NamesOfThings() {
  std::set<std::string> names;
  for (const ReceptacleKind& kind : ReceptacleKinds()) {
    names.insert(absl::AsciiStrToLower(std::string(kind.name)));
  }
  for (const ObjectKind& kind : ObjectKinds()) names.insert(absl::AsciiStrToLower(kind.name));
  return names;
}

}  // namespace

Interface TextInterface() {
  Interface interface;
  // "open", "clean" and "cool" stay: they are states as well.
  interface.verbs = {{"go to", {"walk to", "approach", "head for"}},
                     {"take", {"grab", "seize", "collect"}},
                     {"move", {"shift", "transfer", "carry"}},
                     {"put", {"lay", "deposit", "leave"}},
                     {"close", {"shut", "seal"}},
                     {"examine", {"inspect", "study", "survey"}},
                     {"use", {"operate", "activate", "switch"}},
                     {"heat", {"warm", "bake"}},
                     {"slice", {"carve", "chop"}},
                     {"look", {"glance", "peek", "gaze"}},
                     {"inventory", {"belongings", "possessions"}}};
  for (const std::string& name : NamesOfThings()) interface.objects.push_back({name, {}});
  interface.commands = {"go to PLACE",
                        "open PLACE",
                        "close PLACE",
                        "take OBJECT from PLACE",
                        "move OBJECT to PLACE (in some households: put OBJECT in/on PLACE)",
                        "examine OBJECT",
                        "use OBJECT",
                        "heat OBJECT with PLACE",
                        "clean OBJECT with PLACE",
                        "cool OBJECT with PLACE",
                        "slice OBJECT with OBJECT",
                        "look",
                        "inventory"};
  interface.lists = {
      {.begin = "\nAVAILABLE ACTIONS: ", .separator = ",", .of_actions = true},
      {.begin = "you see ", .separator = ", ", .end = ".", .last = "and "},
      {.begin = "You are carrying: ", .separator = ", ", .end = ".", .last = "and "}};
  interface.sentences = {
      {"You are in the middle of a room. Looking quickly around you, you see $1.",
       {"This is a room with $1.", "In this room there are $1."}},
      {"Your task is to: $1", {"What you must do: $1", "Your job: $1"}},
      {"AVAILABLE ACTIONS: ", {"You may do one of these: ", "POSSIBLE ACTIONS: "}},
      {"You are facing the $1. Next to it, you see $2.",
       {"The $1 is before you. Beside it: $2.", "You stand before the $1, next to $2."}},
      {"On the $1, you see $2.", {"The $1 has this on it: $2.", "Lying on the $1: $2."}},
      {"In it, you see $1.", {"It holds $1.", "Inside: $1."}},
      {"The $1 is closed.", {"You find the $1 closed.", "It is closed, this $1."}},
      {"You arrive at $1.", {"Now you are at $1.", "You have come to $1."}},
      {"You open the $1.", {"Now the $1 is open.", "The $1 opens."}},
      {"You close the $1.", {"Now the $1 is closed.", "The $1 closes."}},
      {"You pick up the $1 from the $2.",
       {"You have the $1 now, from the $2.", "The $1 leaves the $2."}},
      {"You move the $1 to the $2.", {"The $1 is at the $2 now.", "Now the $2 has the $1."}},
      {"You put the $1 in/on the $2.", {"The $1 is in/on the $2 now.", "Now the $2 has the $1."}},
      {"You turn on the $1.", {"The $1 is on now.", "Now the $1 shines."}},
      {"You are not carrying anything.", {"Your hands are empty.", "You hold nothing."}},
      {"You are carrying: $1.", {"You hold $1.", "In your hands: $1."}}};
  interface.parts = {"You are in the middle of a room", "Your task is to: ", "AVAILABLE ACTIONS: "};
  interface.format =
      "You should choose from two actions: \"THOUGHT\" or "
      "\"ACTION\". If you choose \"THOUGHT\", you should first think about the current condition "
      "and "
      "plan for your future actions, and then output your action in this turn. Your output must "
      "strictly follow this format:\"Thought:\nyour thoughts.\n\nAction:\nyour next action\"; If "
      "you "
      "choose \"ACTION\", you should directly output the action in this turn. Your output must "
      "strictly follow this format:\"Action:\nyour next action\".";
  return interface;
}

}  // namespace sojourn::envs::alfworld
