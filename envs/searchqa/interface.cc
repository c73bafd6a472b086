#include "envs/searchqa/interface.h"

#include <string>
#include <string_view>

#include "absl/strings/str_split.h"

namespace sojourn::envs::searchqa {
namespace {

// With their plurals where they are more than one.
constexpr std::string_view kThings =
    "actor|actors actress|actresses album|albums animal|animals architect|architects army|armies "
    "artist|artists author|authors award|awards band|bands battle|battles birthplace book|books "
    "brother|brothers building|buildings capital|capitals castle|castles character|characters "
    "child|children church|churches city|cities club|clubs coach|coaches college|colleges "
    "company|companies composer|composers continent|continents country|countries county|counties "
    "daughter|daughters director|directors disease|diseases episode|episodes father|fathers "
    "film|films firm|firms flag|flags founder|founders gallery|galleries game|games "
    "government|governments husband|husbands industry|industries inventor|inventors "
    "island|islands king|kings lake|lakes language|languages leader|leaders magazine|magazines "
    "minister|ministers mother|mothers mountain|mountains movie|movies museum|museums "
    "nation|nations newspaper|newspapers novel|novels ocean|oceans painter|painters "
    "painting|paintings planet|planets player|players poem|poems poet|poets port|ports "
    "president|presidents publisher|publishers queen|queens religion|religions river|rivers "
    "school|schools scientist|scientists season|seasons series ship|ships singer|singers "
    "sister|sisters son|sons song|songs sport|sports star|stars story|stories team|teams "
    "theory|theories town|towns university|universities village|villages war|wars wife|wives "
    "writer|writers";
constexpr std::string_view kCountries =
    "argentina australia austria belgium brazil canada chile china colombia cuba denmark egypt "
    "england finland france germany greece hungary india indonesia iran iraq ireland israel italy "
    "japan kenya mexico morocco netherlands nigeria norway pakistan peru philippines poland "
    "portugal romania russia scotland spain sweden switzerland syria thailand turkey ukraine "
    "vietnam wales";

}  // namespace

Interface TextInterface() {
  Interface interface;
  interface.verbs = {{"search", {"lookup", "query", "retrieve"}},
                     {"answer", {"reply", "conclude", "respond"}}};
  for (const std::string_view names : {kThings, kCountries}) {
    for (const std::string_view name : absl::StrSplit(names, ' ')) {
      interface.objects.push_back({std::string(name), {}});
    }
  }
  interface.lists_no_actions = true;
  interface.lists = {
      {.begin = "<information>Doc ", .separator = "\nDoc ", .end = "</information>"}};
  interface.sentences = {
      {"You must reason inside <think>...</think> first.",
       {"First reason inside <think>...</think>.",
        "Every response begins with your reasons inside <think>...</think>."}},
      {"If confident, output your final answer in <answer>...</answer>.",
       {"When you are sure, give your final answer in <answer>...</answer>.",
        "Put the final answer into <answer>...</answer> once you are confident."}},
      {"Follow this process every time.", {"Do so every time.", "Always proceed like this."}},
      {"Question: $1", {"This is the question: $1", "You are asked: $1"}},
      {"<information></information>",
       {"<information>Nothing.</information>", "<information>No passage.</information>"}},
      {"Congratulations! You have answered the question correctly.",
       {"You have answered the question correctly.", "That is right."}},
      {"Sorry, your answer is incorrect. Please try again.",
       {"That is not the answer. Try again.", "This answer is wrong; try another."}},
      {"Your previous action is invalid.",
       {"What you wrote is no action.", "This was not understood."}}};
  interface.parts = {"You must reason inside", "Question: "};
  return interface;
}

}  // namespace sojourn::envs::searchqa
