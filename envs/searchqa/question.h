// Questions, and files of them.
#ifndef SOJOURN_ENVS_SEARCHQA_QUESTION_H_
#define SOJOURN_ENVS_SEARCHQA_QUESTION_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/searchqa/corpus.h"

namespace sojourn::envs::searchqa {

inline constexpr int kMostHops = 3;

// A question and, where it is known, the way to its answer.
struct Question {
  // One passage to be found on the way.
  struct Step {
    std::string query;    // finds it
    std::string title;    // of the passage, without quotes
    std::string found;    // what is to be read there; empty: not known
    std::string thought;  // why it is looked for, a sentence; may be empty
    bool operator==(const Step&) const = default;
  };

  std::string text;
  std::vector<std::string> answers;  // any of them; at least one
  int hops = 1;                      // 1 to kMostHops
  std::vector<Step> steps;
  std::string conclusion;  // a sentence that says the answer; may be empty
  bool operator==(const Question&) const = default;
};

// The question of a line, in the form of NQ-open, {"question": TEXT, "answer": [TEXT, ...]}. The
// answers may also be one text, and called "answers" or "golden_answers" (FlashRAG, Search-R1);
// MuSiQue's "answer_aliases" count too. The hops are those of "hops"; else what an id like
// MuSiQue's "3hop1__..." begins with; else the parts of its "question_decomposition"; else 2 where
// there are HotpotQA's "supporting_facts", whose titles become steps, or a "type" of its or of
// 2WikiMultihopQA; else 1. What is not there is looked for in "metadata" (FlashRAG). "steps" and
// "conclusion" are our own (QuestionLine). InvalidArgument says what is wrong.
absl::StatusOr<Question> ParseQuestion(std::string_view line);

std::string QuestionLine(const Question& question);

// Reads a file of them; lines that hold none are faults. Errors are the file system's.
absl::Status ReadQuestions(const std::string& path, std::vector<Question>* questions,
                           Faults* faults);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_QUESTION_H_
