#include "envs/webshop/interface.h"

#include "envs/webshop/generator.h"

namespace sojourn::envs::webshop {

Interface TextInterface() {
  Interface interface;
  interface.verbs = {{"search", {"lookup", "seek", "hunt"}}, {"click", {"press", "tap", "choose"}}};
  for (const std::string& name : NamesOfWares()) interface.objects.push_back({name, {}});
  interface.commands = {"search[KEYWORDS]", "click[BUTTON]"};
  interface.lists = {
      {.begin = "\nAvailable actions: click[", .separator = ", click[", .of_actions = true},
      {.begin = "\nAvailable actions: search[keywords]", .of_actions = true},
      {.begin = "Next > [SEP] ", .separator = " [SEP] ", .fields = 3}};
  interface.sentences = {
      {"Instruction: [SEP] ", {"What to buy: [SEP] ", "You are to do this: [SEP] "}},
      {"Page #1 (Total results: #2)",
       {"Results, page #1 (of #2 results)", "#2 results; this is page #1"}},
      {"Price: ", {"It costs ", "To pay: "}},
      {"Rating: N.A.", {"Not rated.", "No rating."}},
      {"Thank you for shopping with us!",
       {"Thank you for your order!", "That was your order, thank you!"}},
      {"Your score (min 0.0, max 1.0)",
       {"You get, from 0.0 to 1.0", "This gives you (0.0 to 1.0)"}}};
  interface.format =
      "Your response should use the following format:\n\n"
      "Thought:\n"
      "I think ... \n\n"
      "Action: \n"
      "click[something]";
  return interface;
}

}  // namespace sojourn::envs::webshop
