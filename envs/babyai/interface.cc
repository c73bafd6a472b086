#include "envs/babyai/interface.h"

namespace sojourn::envs::babyai {

Interface TextInterface() {
  Interface interface;
  // "pick up" is the goals' word (and the instructions'), "pickup" the actions': they stay two.
  interface.verbs = {
      {"turn", {"rotate", "pivot", "swivel"}},
      {"move forward", {"step ahead", "advance", "proceed"}},
      {"go to", {"walk to", "approach", "head for"}},
      {"pickup", {"grab", "seize", "snatch"}},
      {"pick up", {"collect", "fetch", "obtain"}},
      {"drop", {"release", "discard", "lay down"}},
      {"go through", {"pass through", "traverse", "cross"}},
      {"toggle and go through", {"operate and enter", "unlatch and enter", "work and enter"}},
      {"toggle", {"operate", "switch", "work"}},
      {"check", {"list", "review", "show"}}};
  interface.objects = {
      {"ball", {"orb", "sphere", "globe"}},     {"box", {"crate", "chest", "carton"}},
      {"key", {"keycard", "token", "badge"}},   {"door", {"gate", "hatch", "portal"}},
      {"red", {"crimson", "scarlet", "ruby"}},  {"green", {"emerald", "olive", "lime"}},
      {"blue", {"azure", "navy", "cobalt"}},    {"purple", {"violet", "mauve", "lilac"}},
      {"yellow", {"golden", "amber", "lemon"}}, {"grey", {"silver", "ashen", "slate"}}};
  interface.commands = {"turn left",
                        "turn right",
                        "move forward",
                        "go to OBJECT NUMBER",
                        "pickup OBJECT NUMBER",
                        "drop",
                        "go through DOOR NUMBER",
                        "toggle and go through DOOR NUMBER",
                        "toggle",
                        "check available actions"};
  interface.lists = {
      {.begin = "Available actions: [", .separator = ", ", .end = "]", .of_actions = true},
      {.begin = "You can take the following actions: ", .separator = ", "},
      {.begin = "you can see several objects: ", .separator = ".  ", .end = "The room has walls"}};
  interface.sentences = {
      {"Your goal: $1\n",
       {"What you must do: $1\n", "Mission: $1\n", "You are asked to do this: $1\n"}},
      {"In front of you in this room, you can see several objects: ",
       {"What you see: ", "Ahead of you lies the following: "}},
      {"You cannot see any objects within sight.",
       {"No objects are in view.", "You see no objects."}},
      {"There is a $1 right in front of you #2 steps away.  ",
       {"Straight ahead at a distance of #2 there is a $1.  ", "#2 steps straight ahead: a $1.  "}},
      {"There is a $1 #2 steps in front of you and #3 steps to your left.  ",
       {"#2 ahead and #3 to the left there is a $1.  ",
        "To your left by #3 and ahead by #2: a $1.  "}},
      {"There is a $1 #2 steps in front of you and #3 steps to your right.  ",
       {"#2 ahead and #3 to the right there is a $1.  ",
        "To your right by #3 and ahead by #2: a $1.  "}},
      {"The room has walls around you. ", {"Walls surround you. ", "You are in a walled room. "}},
      {"You are facing a wall #1 steps away. ",
       {"The wall before you is at a distance of #1. ", "A wall stands #1 steps ahead. "}},
      {"You are facing a box #1 steps away. ",
       {"The box before you is at a distance of #1. ", "A box stands #1 steps ahead. "}},
      {"You are not carrying anything.", {"Your hands are empty.", "You hold nothing."}},
      {"You are carrying a $1.", {"You hold a $1.", "In your hands: a $1."}},
      {"Available actions: [$1]", {"You may now do one of these: [$1]", "Choose from: [$1]"}},
      {"You can take the following actions: ",
       {"These are possible: ", "Now you may choose from: "}},
      {"The task is completed.", {"That was all.", "You have done it."}},
      {"No change in state.", {"Nothing changes.", "That has no effect."}},
      {"The action is not recognized. Please check valid actions.",
       {"This action is unknown. Please check valid actions.",
        "Nobody understands that. Please check valid actions."}},
      {"You cannot $1, as there is no path leading to it.",
       {"There is no way to it, so you cannot $1.", "You cannot $1: no path leads there."}}};
  interface.parts = {"Your goal: ",
                     "In front of you in this room",
                     "You cannot see any objects",
                     "The room has walls",
                     "You are not carrying",
                     "You are carrying",
                     "The task is completed.",
                     "Available actions: ["};
  interface.format =
      "Your response should use the following format:\n"
      "Thought:\n<Your Thought>\n\n"
      "Action:\n<Your Action>";
  return interface;
}

}  // namespace sojourn::envs::babyai
