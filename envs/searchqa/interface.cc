#include "envs/searchqa/interface.h"

namespace sojourn::envs::searchqa {

Interface TextInterface() {
  Interface interface;
  interface.verbs = {{"search", {"lookup", "query", "retrieve"}},
                     {"answer", {"reply", "conclude", "respond"}}};
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
