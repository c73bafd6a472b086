#include "envs/variants/variants.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/random.h"
#include "common/suggest.h"
#include "envs/variants/chatter.h"
#include "envs/variants/formats.h"
#include "envs/variants/layout.h"
#include "envs/variants/renaming.h"

namespace sojourn::envs {
namespace {

using variants::Format;
using variants::Renaming;

enum class Kind { kShuffle, kNoActions, kParaphrase, kVerbs, kObjects, kFormat, kChatter };

struct Known {
  Kind kind;
  const char* name;
  const char* argument;  // "": takes none
  const char* help;
};
constexpr Known kKnown[] = {
    {Kind::kNoActions, "no-actions", "", "observations do not list the valid actions"},
    {Kind::kVerbs, "verbs", "[:made]",
     "other verbs in actions, English ones where there are, or with :made made up"},
    {Kind::kObjects, "objects", "[:made]",
     "other names of objects, English ones where there are, or with :made made up"},
    {Kind::kParaphrase, "paraphrase", "", "observations in another order and in other words"},
    {Kind::kShuffle, "shuffle", "", "the lists in observations have another order each turn"},
    {Kind::kChatter, "chatter", "[:SENTENCES]",
     "unrelated sentences before or below each observation, 1 to 8 (2)"},
    {Kind::kFormat, "line", "", "actions are written as a line \"Action: ...\""},
    {Kind::kFormat, "json", "", "actions are written as a tool call in JSON"},
    {Kind::kFormat, "tags", "", "actions are written as <action>...</action>"},
};

// What a list of variants asks for.
struct Choice {
  std::string names;  // as given, joined by '+'
  bool shuffle = false, no_actions = false, paraphrase = false;
  bool verbs = false, objects = false, made_verbs = false, made_objects = false;
  int chatter = 0;
  const Format* format = nullptr;
};

absl::Status Fault(std::string_view name, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("variants: \"", name, "\" ", why));
}

// Why the environment cannot be seen so; empty when it can.
std::string WhyNot(const Known& known, const Spec& spec) {
  const Interface& interface = spec.interface;
  switch (known.kind) {
    case Kind::kShuffle:
      if (interface.lists.empty()) return "marks no lists in its observations";
      break;
    case Kind::kNoActions:
      if (!interface.lists_no_actions &&
          std::none_of(interface.lists.begin(), interface.lists.end(),
                       [](const auto& list) { return list.of_actions; })) {
        return "does not say how its observations list the valid actions";
      }
      break;
    case Kind::kParaphrase:
      if (interface.sentences.empty() && interface.parts.empty())
        return "has no sentences in other words";
      break;
    case Kind::kVerbs:
      if (interface.verbs.empty()) return "names no verbs of its actions";
      break;
    case Kind::kObjects:
      if (interface.objects.empty()) return "names no objects";
      break;
    case Kind::kFormat:
    case Kind::kChatter:
      break;
  }
  return "";
}

absl::Status Apply(const Known& known, std::string_view argument, Choice& choice) {
  const auto take_made = [&](bool& on, bool& made) -> absl::Status {
    on = true;
    made = argument == "made";
    if (argument.empty() || made) return absl::OkStatus();
    return Fault(known.name, absl::StrCat("takes \"made\" as an argument, not \"", argument, "\""));
  };
  switch (known.kind) {
    case Kind::kVerbs:
      return take_made(choice.verbs, choice.made_verbs);
    case Kind::kObjects:
      return take_made(choice.objects, choice.made_objects);
    case Kind::kChatter:
      choice.chatter = 2;
      if (argument.empty() || (absl::SimpleAtoi(argument, &choice.chatter) && choice.chatter >= 1 &&
                               choice.chatter <= variants::kMostChatter)) {
        return absl::OkStatus();
      }
      return Fault(known.name, absl::StrCat("takes a number from 1 to ", variants::kMostChatter,
                                            ", not \"", argument, "\""));
    case Kind::kShuffle:
      choice.shuffle = true;
      break;
    case Kind::kNoActions:
      choice.no_actions = true;
      break;
    case Kind::kParaphrase:
      choice.paraphrase = true;
      break;
    case Kind::kFormat:
      if (choice.format != nullptr) {
        return Fault(known.name, absl::StrCat("and \"", choice.format->name,
                                              "\" are both action formats; choose one"));
      }
      choice.format = variants::FindFormat(known.name);
      break;
  }
  if (argument.empty()) return absl::OkStatus();
  return Fault(known.name, absl::StrCat("takes no argument, but has \"", argument, "\""));
}

absl::StatusOr<Choice> Parse(std::string_view text, const Spec& spec) {
  Choice choice;
  std::vector<std::string_view> seen, parts;
  for (const std::string_view part :
       absl::StrSplit(text, absl::ByAnyChar("+,"), absl::SkipWhitespace())) {
    parts.push_back(absl::StripAsciiWhitespace(part));
  }
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  for (const std::string_view part : parts) {
    const std::vector<std::string_view> pieces = absl::StrSplit(part, absl::MaxSplits(':', 1));
    const auto known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                    [&](const Known& k) { return k.name == pieces[0]; });
    if (known == std::end(kKnown)) {
      return absl::InvalidArgumentError(absl::StrCat("unknown variant \"", pieces[0],
                                                     "\"; known: ", absl::StrJoin(names, ", "),
                                                     Suggest(pieces[0], names)));
    }
    if (std::find(seen.begin(), seen.end(), pieces[0]) != seen.end())
      return Fault(pieces[0], "is given twice");
    seen.push_back(pieces[0]);
    if (const std::string why = WhyNot(*known, spec); !why.empty()) {
      return Fault(pieces[0], absl::StrCat("is not possible: ", spec.name, " ", why));
    }
    if (absl::Status applied = Apply(*known, pieces.size() > 1 ? pieces[1] : "", choice);
        !applied.ok())
      return applied;
  }
  choice.names = absl::StrJoin(parts, "+");
  return choice;
}

// What all instances share.
struct Shared {
  std::shared_ptr<const Environment> environment;  // as it is
  Choice choice;
  uint64_t seed = 0;
  Spec spec;
  Renaming reserved;  // that begins each task's
};

// Instructions, with the action format instead of the environment's own.
std::string WithFormat(std::string_view instructions, const std::string& own,
                       const Format* format) {
  if (format == nullptr) return std::string(instructions);
  if (own.empty() || instructions.find(own) == std::string::npos) {
    return absl::StrCat(instructions, "\n\n", format->how);
  }
  return absl::StrReplaceAll(instructions, {{own, format->how}});
}

class VariedInstance : public Instance {
 public:
  explicit VariedInstance(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)), instance_(shared_->environment->NewInstance()) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    absl::StatusOr<Turn> turn = instance_->Reset(task);
    if (!turn.ok()) return turn;
    turn_ = 0;
    ChooseWords(task);
    turn->observation = absl::StrCat(Notes(), Show(turn->observation));
    AddChatter(turn->observation);
    return turn;
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    absl::StatusOr<Turn> turn =
        instance_->Step(renaming_.empty() ? std::string(action) : renaming_.Apply(action));
    if (!turn.ok()) return turn;
    ++turn_;
    turn->observation = Show(turn->observation);
    AddChatter(turn->observation);
    return turn;
  }

  std::vector<std::string> ValidActions() const override {
    std::vector<std::string> actions = instance_->ValidActions();
    for (std::string& action : actions) action = renaming_.Apply(action);
    return actions;
  }

  absl::StatusOr<Advice> Expert() override { return Rename(instance_->Expert()); }
  absl::StatusOr<Advice> GoalBlind() override { return Rename(instance_->GoalBlind()); }
  std::string_view Instructions() const override { return instructions_; }

 private:
  void ChooseWords(const TaskId& task) {
    const Choice& choice = shared_->choice;
    const Interface& interface = shared_->spec.interface;
    key_ = RandomKey(shared_->seed)
               .With("variants")
               .With(shared_->spec.name)
               .With(SplitName(task.split))
               .With(static_cast<uint64_t>(task.difficulty))
               .With(static_cast<uint64_t>(task.index));
    renaming_ = shared_->reserved;
    if (choice.verbs) renaming_.Add(interface.verbs, choice.made_verbs, Random(key_.With("verbs")));
    if (choice.objects)
      renaming_.Add(interface.objects, choice.made_objects, Random(key_.With("objects")));
    const std::string_view own = instance_->Instructions();
    instructions_ = renaming_.Apply(own.empty() ? shared_->spec.instructions
                                                : WithFormat(own, interface.format, choice.format));
  }

  // What the agent must be told at the beginning, whether or not it reads instructions.
  std::string Notes() const {
    const Choice& choice = shared_->choice;
    const std::vector<std::string>& commands = shared_->spec.interface.commands;
    std::string notes;
    if (choice.verbs && !commands.empty()) {
      absl::StrAppend(&notes, "The commands are: ", renaming_.Apply(absl::StrJoin(commands, "; ")),
                      ".\n");
    }
    if (choice.format != nullptr) absl::StrAppend(&notes, choice.format->how, "\n");
    return notes.empty() ? notes : absl::StrCat(notes, "\n");
  }

  std::string Show(std::string text) const {
    const Choice& choice = shared_->choice;
    const Interface& interface = shared_->spec.interface;
    if (choice.no_actions) text = variants::WithoutActionLists(text, interface);
    if (choice.shuffle)
      text = variants::ShuffleLists(text, interface, key_.With("shuffle").With(turn_));
    if (choice.paraphrase) text = variants::Paraphrase(text, interface, key_.With("paraphrase"));
    return renaming_.empty() ? text : renaming_.Apply(text);
  }

  void AddChatter(std::string& text) const {
    const int sentences = shared_->choice.chatter;
    if (sentences > 0)
      text = variants::AddChatter(text, sentences, Random(key_.With("chatter").With(turn_)));
  }

  absl::StatusOr<Advice> Rename(absl::StatusOr<Advice> advice) const {
    if (!advice.ok()) return advice;
    return Advice{renaming_.Apply(advice->thought), renaming_.Apply(advice->action)};
  }

  const std::shared_ptr<const Shared> shared_;
  const std::unique_ptr<Instance> instance_;
  RandomKey key_{0};
  uint64_t turn_ = 0;
  Renaming renaming_;
  std::string instructions_;
};

class Varied : public Environment {
 public:
  explicit Varied(Shared shared) : shared_(std::make_shared<Shared>(std::move(shared))) {}

  const Spec& spec() const override { return shared_->spec; }
  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    return shared_->environment->TaskCount(split, difficulty);
  }
  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<VariedInstance>(shared_);
  }

  const Shared& shared() const { return *shared_; }

 private:
  const std::shared_ptr<const Shared> shared_;
};

absl::StatusOr<std::unique_ptr<Environment>> VaryWith(
    std::shared_ptr<const Environment> environment, std::string_view names,
    std::optional<uint64_t> seed) {
  std::string all(names);
  Shared shared{.environment = std::move(environment)};
  if (const auto* varied = dynamic_cast<const Varied*>(shared.environment.get());
      varied != nullptr) {
    all = absl::StrCat(varied->shared().choice.names, "+", names);
    shared.seed = varied->shared().seed;
    shared.environment =
        varied->shared().environment;  // the last: it holds what `varied` refers to
  }
  if (seed.has_value()) shared.seed = *seed;
  shared.spec = shared.environment->spec();
  absl::StatusOr<Choice> choice = Parse(all, shared.spec);
  if (!choice.ok()) return choice.status();
  shared.choice = *std::move(choice);
  const Format*& chosen = shared.choice.format;
  if (chosen != nullptr && chosen->write == shared.spec.write_response) chosen = nullptr;  // its own
  if (shared.choice.verbs || shared.choice.objects) {
    shared.reserved.Reserve(shared.spec.interface.verbs);
    shared.reserved.Reserve(shared.spec.interface.objects);
  }
  if (const Format* format = shared.choice.format; format != nullptr) {
    shared.spec.instructions =
        WithFormat(shared.spec.instructions, shared.spec.interface.format, format);
    shared.spec.read_action = format->read;
    shared.spec.write_response = format->write;
  }
  return std::make_unique<Varied>(std::move(shared));
}

}  // namespace

const std::vector<VariantHelp>& Variants() {
  static const auto& help = *[] {
    auto* all = new std::vector<VariantHelp>;
    for (const Known& known : kKnown)
      all->push_back({absl::StrCat(known.name, known.argument), known.help});
    return all;
  }();
  return help;
}

absl::StatusOr<std::unique_ptr<Environment>> Vary(std::shared_ptr<const Environment> environment,
                                                  std::string_view variants) {
  return VaryWith(std::move(environment), variants, std::nullopt);
}

absl::StatusOr<std::unique_ptr<Environment>> Vary(std::shared_ptr<const Environment> environment,
                                                  std::string_view variants, uint64_t seed) {
  return VaryWith(std::move(environment), variants, seed);
}

std::vector<std::string> PossibleVariants(const Spec& spec) {
  std::vector<std::string> possible;
  for (const Known& known : kKnown) {
    if (WhyNot(known, spec).empty()) possible.push_back(known.name);
  }
  return possible;
}

}  // namespace sojourn::envs
