#include "envs/variants/chatter.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sojourn::envs::variants {
namespace {

// None names an object, an action or a direction of an environment.
constexpr std::string_view kSentences[] = {
    "It is raining outside.",
    "Somebody is humming a tune far away.",
    "Yesterday was a holiday.",
    "The air smells faintly of coffee.",
    "A bird sings.",
    "Nobody remembers who painted the ceiling.",
    "The news speaks of a storm at sea.",
    "A train passes in the distance.",
    "Dinner will be late tonight.",
    "Last winter was colder than this one.",
    "Two neighbours argue about the weather.",
    "It will soon be midnight.",
    "A cat sleeps and does not care.",
    "The radio repeats an old joke.",
    "Seven people asked about this last week.",
    "Your shoes are new.",
    "A distant bell rings three times.",
    "The mayor gave a speech on Monday.",
    "Someone has written a poem about all this.",
    "It has been a long day.",
    "The moon is almost full.",
    "A faint draught can be felt.",
    "There was a concert here in 1987.",
    "The price of bread has risen again.",
};
static_assert(std::size(kSentences) >= kMostChatter);

}  // namespace

std::string AddChatter(std::string_view text, int sentences, Random random) {
  std::vector<std::string_view> chosen(std::begin(kSentences), std::end(kSentences));
  random.Shuffle(chosen);
  chosen.resize(sentences);
  const std::string line = absl::StrJoin(chosen, " ");
  return random.Below(2) == 0 ? absl::StrCat(line, "\n", text) : absl::StrCat(text, "\n", line);
}

}  // namespace sojourn::envs::variants
