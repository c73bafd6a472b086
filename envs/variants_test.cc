// What every variant keeps of every registered environment.
#include "envs/variants/variants.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Null where an environment cannot be made without data.
std::shared_ptr<const Environment> Plain(const std::string& name) {
  static auto& made = *new std::map<std::string, std::shared_ptr<const Environment>>;
  std::shared_ptr<const Environment>& environment = made[name];
  if (environment != nullptr) return environment;
  auto now = Make(name);
  if (now.ok()) environment = *std::move(now);
  return environment;
}

std::vector<std::shared_ptr<const Environment>> All() {
  std::vector<std::shared_ptr<const Environment>> all;
  for (const std::string& name : Names()) {
    if (Plain(name) != nullptr) all.push_back(Plain(name));
  }
  EXPECT_GE(all.size(), 3);
  return all;
}

// Every variant alone, with both kinds of words, and compositions.
std::vector<std::string> Compositions(const Spec& spec) {
  const std::vector<std::string> possible = PossibleVariants(spec);
  std::vector<std::string> all = possible, most;
  for (const std::string& name : possible) {
    const bool renames = name == "verbs" || name == "objects";
    if (renames) all.push_back(name + ":made");
    if (name == "line" || name == "json") continue;
    most.push_back(renames ? name + (most.size() % 2 == 0 ? ":made" : "") : name);
  }
  all.push_back(absl::StrJoin(most, "+"));
  std::reverse(most.begin(), most.end());
  all.push_back(absl::StrJoin(most, ","));
  return all;
}

// Where a variant is what the environment is already.
bool ChangesNothing(const Spec& spec, const std::string& variants) {
  if (variants == "line") return spec.write_response == FormatReAct;
  return variants == "no-actions" && spec.name != "babyai" && spec.name != "alfworld";
}

// Plays a task in both, the expert's advice or any valid action by turns, and compares.
testing::AssertionResult PlaysAlike(const Environment& plain, const Environment& varied,
                                    Instance& a, Instance& b, const TaskId& task, Random random,
                                    bool* differs) {
  const auto fail = [&](const auto&... what) {
    return testing::AssertionFailure()
           << absl::StrCat(SplitName(task.split), " task ", task.index, " of difficulty ",
                           task.difficulty, ": ", what...);
  };
  auto original = a.Reset(task), shown = b.Reset(task);
  if (!original.ok() || !shown.ok()) return fail("reset: ", shown.status().ToString());
  const bool by_expert = random.Below(2) == 0;
  for (int turn = 0; turn < 12 && !original->done; ++turn) {
    *differs = *differs || original->observation != shown->observation;
    const std::vector<std::string> actions = a.ValidActions(), others = b.ValidActions();
    if (actions.size() != others.size()) return fail("other valid actions");
    if (std::set<std::string>(others.begin(), others.end()).size() !=
        std::set<std::string>(actions.begin(), actions.end()).size()) {
      return fail("two actions have one name");
    }
    const auto expert = a.Expert(), advice = b.Expert();
    if (expert.ok() != advice.ok()) return fail("expert: ", advice.status().ToString());
    const size_t choice = random.Below(actions.size());
    const bool advised = by_expert && advice.ok();
    const std::string action = advised ? advice->action : others[choice];
    const std::string response =
        varied.spec().write_response(advised ? advice->thought : "", action);
    const auto read = varied.spec().read_action(response);
    if (!read.ok()) return fail("cannot be read: ", response, ": ", read.status().message());
    original = a.Step(advised ? expert->action : actions[choice]);
    shown = b.Step(*read);
    if (!original.ok() || !shown.ok()) return fail("step: ", shown.status().ToString());
    if (original->reward != shown->reward || original->done != shown->done ||
        original->success != shown->success || original->progress != shown->progress ||
        original->invalid_action != shown->invalid_action) {
      return fail("turn ", turn, ": another outcome of ", action);
    }
  }
  *differs = *differs || original->observation != shown->observation;
  return testing::AssertionSuccess();
}

TEST(VariantsTest, TasksPlayAlikeInEveryVariantAndComposition) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  int tasks = 0;
  for (const auto& plain : All()) {
    const std::string& name = plain->spec().name;
    const auto& difficulties = plain->spec().difficulties;
    const auto a = plain->NewInstance();
    for (const std::string& variants : Compositions(plain->spec())) {
      const auto varied = Vary(plain, variants, seed);
      ASSERT_TRUE(varied.ok()) << varied.status();
      const auto b = (*varied)->NewInstance();
      int played = 0, differing = 0;
      constexpr int kTasks = 60;
      for (int i = 0; i < kTasks; ++i) {
        Random random(RandomKey(seed).With(name).With(variants).With(i));
        TaskId task{random.Below(4) == 0 ? Split::kTest : Split::kTrain,
                    difficulties[i % difficulties.size()].difficulty};
        const int64_t count = *plain->TaskCount(task.split, task.difficulty);
        if (count == 0) continue;
        task.index = static_cast<int64_t>(random.Below(std::min<int64_t>(200, count)));
        bool differs = false;
        ASSERT_TRUE(PlaysAlike(*plain, **varied, *a, *b, task, random, &differs))
            << name << " " << variants;
        differing += differs;
        ++played;
      }
      tasks += played;
      // A list of one has no other order, and a question may be about no such thing.
      const bool may_agree =
          variants == "shuffle" || (name == "searchqa" && variants.starts_with("objects"));
      if (ChangesNothing(plain->spec(), variants)) {
        EXPECT_EQ(differing, 0) << name << " " << variants;
      } else {
        EXPECT_GE(differing, may_agree ? played / 2 : played) << name << " " << variants;
      }
    }
  }
  std::printf("%d tasks\n", tasks);
}

TEST(VariantsTest, TheExpertSolvesWhatItSolvesWithoutVariants) {
  int solved = 0;
  for (const auto& plain : All()) {
    const std::string& name = plain->spec().name;
    std::vector<std::string> compositions = Compositions(plain->spec());
    const auto all = Vary(plain, compositions.back(), 7);
    ASSERT_TRUE(all.ok()) << all.status();
    const auto a = plain->NewInstance(), b = (*all)->NewInstance();
    const auto solves = [&](Instance& instance, const TaskId& task) {
      auto turn = instance.Reset(task);
      for (int t = 0; t < 40 && turn.ok() && !turn->done; ++t) {
        const auto advice = instance.Expert();
        if (!advice.ok()) break;
        turn = instance.Step(advice->action);
      }
      return turn.ok() && turn->success;
    };
    for (const DifficultySpec& difficulty : plain->spec().difficulties) {
      for (int64_t index = 0; index < 20; ++index) {
        const TaskId task{Split::kTrain, difficulty.difficulty, index};
        if (index >= *plain->TaskCount(task.split, task.difficulty)) break;
        const bool expected = solves(*a, task);
        EXPECT_EQ(solves(*b, task), expected) << name << " " << difficulty.name << " " << index;
        solved += expected;
      }
    }
  }
  EXPECT_GT(solved, 0);
}

TEST(VariantsTest, TheSameTaskReadsTheSameInEveryInstance) {
  for (const auto& plain : All()) {
    const std::string& name = plain->spec().name;
    const std::string variants = Compositions(plain->spec()).back();
    const auto read = [&](uint64_t seed, bool played_before) {
      const auto varied = Vary(plain, variants, seed);
      const auto instance = (*varied)->NewInstance();
      const TaskId task{Split::kTest, plain->spec().difficulties[0].difficulty, 3};
      if (played_before) {
        EXPECT_TRUE(instance->Reset({Split::kTrain, task.difficulty, 1}).ok());
        EXPECT_TRUE(instance->Step(instance->ValidActions()[0]).ok());
      }
      std::string text = instance->Reset(task)->observation;
      absl::StrAppend(&text, "\n", instance->Instructions(), "\n",
                      instance->Step(instance->ValidActions()[0])->observation);
      return text;
    };
    EXPECT_EQ(read(1, false), read(1, true)) << name;
    EXPECT_NE(read(1, false), read(2, false)) << name;
  }
}

TEST(VariantsTest, EveryVariantIsPossibleForTheStudysEnvironments) {
  for (const char* name : {"alfworld", "babyai", "searchqa", "textcraft", "webshop"}) {
    ASSERT_NE(Plain(name), nullptr) << name;
    EXPECT_EQ(PossibleVariants(Plain(name)->spec()).size(), Variants().size()) << name;
  }
}

// The products of a page of results, each with its title and price.
std::vector<std::string> Products(const std::string& observation) {
  constexpr std::string_view kNext = "Next > [SEP] ";
  const size_t begin = observation.find(kNext) + kNext.size();
  std::vector<std::string> pieces =
      absl::StrSplit(observation.substr(begin, observation.find('\n') - begin), " [SEP] ");
  std::vector<std::string> products;
  for (size_t i = 0; i + 2 < pieces.size(); i += 3) {
    products.push_back(absl::StrCat(pieces[i], pieces[i + 1], pieces[i + 2]));
  }
  return products;
}

TEST(VariantsTest, AShopsResultsComeInAnotherOrderAndItsActionsCanBeLeftOut) {
  const std::shared_ptr<const Environment> shop = *Make("webshop", {{"action_list", "true"}});
  const auto open = [&](const char* variants) {
    auto instance = (*Vary(shop, variants))->NewInstance();
    EXPECT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
    return instance->Step("search[dress]")->observation;
  };
  const std::string plain = open(""), shuffled = open("shuffle");
  const auto products = Products(plain);
  ASSERT_EQ(products.size(), 10);
  EXPECT_THAT(Products(shuffled), testing::UnorderedElementsAreArray(products));
  EXPECT_NE(Products(shuffled), products);
  EXPECT_NE(shuffled.substr(shuffled.find('\n')), plain.substr(plain.find('\n')));
  EXPECT_EQ(open("no-actions"), plain.substr(0, plain.find('\n')));
}

TEST(VariantsTest, OldWordsMeanNothingInRenamedTasks) {
  const auto craft = *Vary(Plain("textcraft"), "verbs+objects");
  const auto game = craft->NewInstance();
  const auto turn = game->Reset({Split::kTrain, 1, 0});
  EXPECT_THAT(turn->observation, AllOf(Not(HasSubstr("craft ")), HasSubstr("The commands are: ")));
  const auto plain = Plain("textcraft")->NewInstance();
  ASSERT_TRUE(plain->Reset({Split::kTrain, 1, 0}).ok());
  const std::string old = plain->ValidActions()[0];
  const auto refused = game->Step(old);
  EXPECT_TRUE(refused->invalid_action);
  EXPECT_THAT(refused->observation, HasSubstr(old));  // it is told what it wrote
  EXPECT_THAT(std::string(game->Instructions()), Not(HasSubstr("\"get\"")));
}

TEST(VariantsTest, NoAlternativeIsAWordThatTheEnvironmentSays) {
  for (const auto& plain : All()) {
    const std::string& name = plain->spec().name;
    const Interface& interface = plain->spec().interface;
    std::string texts = plain->spec().instructions;
    const auto instance = plain->NewInstance();
    for (const DifficultySpec& difficulty : plain->spec().difficulties) {
      for (int64_t index = 0; index < 5; ++index) {
        if (index >= *plain->TaskCount(Split::kTrain, difficulty.difficulty)) break;
        absl::StrAppend(
            &texts, "\n",
            instance->Reset({Split::kTrain, difficulty.difficulty, index})->observation);
      }
    }
    for (const auto& words : {interface.verbs, interface.objects}) {
      for (const Interface::Word& word : words) {
        for (const std::string& other : word.others) {
          EXPECT_EQ(std::count(word.text.begin(), word.text.end(), '|'),
                    std::count(other.begin(), other.end(), '|'));
          const std::string first = other.substr(0, other.find('|'));
          EXPECT_THAT(texts, Not(HasSubstr(absl::StrCat(" ", first, " "))))
              << name << ": " << word.text;
        }
      }
    }
  }
}

TEST(VariantsTest, TheyAreOptionsOfEveryEnvironmentAndAddUp) {
  const auto babyai = Make("babyai", {{"variants", "verbs+json"}, {"variant_seed", "3"}});
  ASSERT_TRUE(babyai.ok()) << babyai.status();
  EXPECT_NE((*babyai)->spec().read_action, ParseAction);
  EXPECT_THAT((*babyai)->spec().instructions,
              AllOf(HasSubstr("{\"name\": \"act\""), Not(HasSubstr("<Your Action>"))));
  const auto instance = (*babyai)->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 5, 0}).ok());
  const std::vector<std::string> actions = instance->ValidActions();

  std::shared_ptr<const Environment> verbs =
      *Make("babyai", {{"variants", "verbs"}, {"variant_seed", "3"}});
  const auto both = Vary(verbs, "json");
  ASSERT_TRUE(both.ok()) << both.status();
  const auto again = (*both)->NewInstance();
  ASSERT_TRUE(again->Reset({Split::kTrain, 5, 0}).ok());
  EXPECT_EQ(again->ValidActions(), actions);
  EXPECT_THAT(std::string(Vary(verbs, "no-actions+verbs").status().message()),
              HasSubstr("given twice"));
}

// Tells nothing of its texts, as a remote one.
class Silent : public Environment {
 public:
  const Spec& spec() const override { return spec_; }
  absl::StatusOr<int64_t> TaskCount(Split, int) const override { return 0; }
  std::unique_ptr<Instance> NewInstance() const override { return nullptr; }

 private:
  const Spec spec_{.name = "silent"};
};

TEST(VariantsTest, MistakesAreRefusedByNameWithAReason) {
  const auto message = [](const char* environment, const char* variants) {
    const auto made = Make(environment, {{"variants", variants}});
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << variants;
    return std::string(made.status().message());
  };
  EXPECT_THAT(message("babyai", "verb"),
              AllOf(HasSubstr("unknown variant \"verb\""), HasSubstr("did you mean \"verbs\"?")));
  EXPECT_THAT(message("babyai", "verbs+shuffle,verbs"), HasSubstr("\"verbs\" is given twice"));
  EXPECT_THAT(message("babyai", "json+tags"), HasSubstr("both action formats"));
  EXPECT_THAT(message("babyai", "json:x"), HasSubstr("takes no argument"));
  EXPECT_THAT(message("babyai", "verbs:up"), HasSubstr("takes \"made\""));
  EXPECT_THAT(message("babyai", "chatter:9"), HasSubstr("1 to 8"));
  auto silent = std::make_shared<Silent>();
  const auto refusal = [&](const char* variants) {
    return std::string(Vary(silent, variants).status().message());
  };
  EXPECT_THAT(refusal("no-actions"), HasSubstr("silent does not say how its observations list"));
  EXPECT_THAT(refusal("objects"), HasSubstr("silent names no objects"));
  EXPECT_THAT(refusal("shuffle"), HasSubstr("silent marks no lists"));
  EXPECT_TRUE(Vary(silent, "json+chatter").ok());
  EXPECT_EQ(Make("babyai", {{"variant_seed", "-1"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Make("babyai", {{"variants", ""}}).ok());
}

TEST(VariantsTest, TheyLeaveAnEnvironmentsOwnFactsAlone) {
  const auto plain = Plain("textcraft");
  const auto varied = Vary(plain, "verbs+tags+chatter:8");
  EXPECT_EQ((*varied)->spec().name, "textcraft");
  EXPECT_EQ((*varied)->spec().evaluation_turns, plain->spec().evaluation_turns);
  EXPECT_EQ(*(*varied)->TaskCount(Split::kTest, 2), *plain->TaskCount(Split::kTest, 2));
  EXPECT_FALSE((*varied)->TaskCount(Split::kTest, 9).ok());
  EXPECT_FALSE((*varied)->NewInstance()->Reset({Split::kTest, 9, 0}).ok());
  EXPECT_EQ((*varied)->NewInstance()->Step("x").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sojourn::envs
