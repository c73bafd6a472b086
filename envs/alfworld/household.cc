#include "envs/alfworld/household.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/random.h"
#include "envs/alfworld/catalogue.h"
#include "envs/alfworld/rules.h"
#include "envs/alfworld/wording.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr int kTestPeriod = 5;
constexpr const char* kTitles[] = {
    "look_at_obj_in_light",           "pick_and_place_simple",
    "pick_clean_then_place_in_recep", "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",  "pick_two_obj_and_place"};
// OBJ is put on or in REC.
constexpr const char* kSentences[][2] = {
    {"look at OBJ under the REC.", "examine the OBJ with the REC."},
    {"put a OBJ in REC.", "put some OBJ on REC."},
    {"put a clean OBJ in REC.", "clean some OBJ and put it in REC."},
    {"put a hot OBJ in REC.", "heat some OBJ and put it in REC."},
    {"put a cool OBJ in REC.", "cool some OBJ and put it in REC."},
    {"put two OBJ in REC.", "find two OBJ and put them in REC."}};

// What the first observation shows.
struct Plan {
  Room room = Room::kKitchen;
  std::vector<int> counts;    // of each kind of receptacle
  int object = 0, place = 0;  // what, and where to; for kLook the place is not used
  std::string task;
};

int IndexOf(std::string_view object) {
  const auto kinds = ObjectKinds();
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const ObjectKind& kind) { return kind.name == object; });
  return static_cast<int>(found - kinds.begin());
}

int DeskLamp() {
  static const int index = IndexOf("DeskLamp");
  return index;
}

template <typename T>
const T& Pick(const std::vector<T>& choices, Random& random) {
  return choices[random.Below(choices.size())];
}

std::vector<Room> RoomsFor(Kind kind) {
  switch (kind) {
    case Kind::kLook:
      return {Room::kLivingRoom, Room::kBedroom};
    case Kind::kClean:
      return {Room::kKitchen, Room::kKitchen, Room::kBathroom};
    case Kind::kHeat:
    case Kind::kCool:
      return {Room::kKitchen};
    default:
      return {Room::kKitchen, Room::kLivingRoom, Room::kBedroom, Room::kBathroom};
  }
}

// Every kind as often as a room must have it, then more as long as there is space.
std::vector<int> DrawCounts(Room room, int receptacles, Random& random) {
  const auto kinds = ReceptacleKinds();
  const int r = static_cast<int>(room);
  std::vector<int> counts, more;
  int total = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    counts.push_back(kinds[i].counts[r].least);
    total += counts.back();
    for (int k = counts.back(); k < kinds[i].counts[r].most; ++k)
      more.push_back(static_cast<int>(i));
  }
  random.Shuffle(more);
  const int least = std::min(total + 2, receptacles);
  const int size = least + static_cast<int>(random.Below(receptacles - least + 1));
  for (size_t i = 0; i < more.size() && total < size; ++i, ++total) ++counts[more[i]];
  return counts;
}

// Whether there is a receptacle for it other than of the kind `but`.
bool HasPlace(const ObjectKind& object, const std::vector<int>& counts, int but) {
  return std::any_of(object.places.begin(), object.places.end(),
                     [&](int place) { return counts[place] > 0 && place != but; });
}

// The kinds of receptacles that tasks take things to: none where they are taken anyway.
bool IsDestination(Kind kind, int place) {
  const std::string_view name = ReceptacleKinds()[place].name;
  return name != "SinkBasin" && name != "BathtubBasin" &&
         !(kind == Kind::kHeat && name == "Microwave") &&
         !(kind == Kind::kCool && name == "Fridge");
}

bool Suits(Kind kind, const ObjectKind& object) {
  switch (kind) {
    case Kind::kClean:
      return object.cleanable;
    case Kind::kHeat:
      return object.heatable;
    case Kind::kCool:
      return object.coolable;
    default:
      return true;
  }
}

Plan DrawPlan(Kind kind, int receptacles, Random& random) {
  const auto objects = ObjectKinds();
  while (true) {  // nearly always once
    Plan plan;
    plan.room = Pick(RoomsFor(kind), random);
    plan.counts = DrawCounts(plan.room, receptacles, random);
    std::vector<std::pair<int, int>> choices;
    for (size_t i = 0; i < objects.size(); ++i) {
      const ObjectKind& object = objects[i];
      if (!object.in_room[static_cast<int>(plan.room)] || object.is_lamp || !Suits(kind, object)) {
        continue;
      }
      if (kind == Kind::kLook) {
        if (HasPlace(object, plan.counts, -1)) choices.emplace_back(static_cast<int>(i), -1);
        continue;
      }
      for (const int place : object.places) {
        if (plan.counts[place] > 0 && IsDestination(kind, place) &&
            HasPlace(object, plan.counts, place)) {
          choices.emplace_back(static_cast<int>(i), place);
        }
      }
    }
    const bool has_light = HasPlace(objects[DeskLamp()], plan.counts, -1);
    if (choices.empty() || (kind == Kind::kLook && !has_light)) continue;
    std::tie(plan.object, plan.place) = Pick(choices, random);
    const std::string_view place =
        kind == Kind::kLook ? "DeskLamp" : ReceptacleKinds()[plan.place].name;
    plan.task =
        absl::StrCat("Your task is to: ",
                     absl::StrReplaceAll(kSentences[static_cast<int>(kind) - 1][random.Below(2)],
                                         {{"OBJ", absl::AsciiStrToLower(objects[plan.object].name)},
                                          {"REC", absl::AsciiStrToLower(place)}}));
    return plan;
  }
}

bool IsTest(const Plan& plan) {
  RandomKey key = RandomKey(0).With("alfworld split").With(plan.task);
  for (const int count : plan.counts) key = key.With(static_cast<uint64_t>(count));
  return key.value() % kTestPeriod == 0;
}

// "_bar__plus_01_dot_25" for 125.
std::string Coordinate(int hundredths) {
  return absl::StrFormat("_bar__%s_%02d_dot_%02d", hundredths < 0 ? "minus" : "plus",
                         std::abs(hundredths) / 100, std::abs(hundredths) % 100);
}

// Builds the problem of a plan.
class Builder {
 public:
  Builder(const Plan& plan, Kind kind, Random random)
      : plan_(plan),
        kind_(kind),
        random_(random),
        receptacle_types_(ReceptacleKinds().size(), -1),
        object_types_(ObjectKinds().size(), -1) {}

  Problem Build() {
    agent_ = problem_.Add("agent1", Type::kAgent);
    problem_.Say(Predicate::kAtLocation, agent_, NewLocation());
    MakeReceptacles();
    MakeObjects();
    for (size_t r = 0; r < receptacle_types_.size(); ++r) {
      for (size_t o = 0; o < object_types_.size(); ++o) {
        if (receptacle_types_[r] >= 0 && object_types_[o] >= 0 && !ObjectKinds()[o].is_lamp &&
            ObjectKinds()[o].GoesInto(static_cast<int>(r))) {
          problem_.Say(Predicate::kCanContain, receptacle_types_[r], object_types_[o]);
        }
      }
    }
    // Types that the domain's rules name must exist.
    for (const char* name : {"MicrowaveType", "FridgeType", "SinkBasinType"}) {
      Declare(name, Type::kReceptacleType);
    }
    for (const char* name : {"KnifeType", "ButterKnifeType"}) Declare(name, Type::kObjectType);
    problem_.goal = ParseLisp(GoalText()).value();
    return std::move(problem_);
  }

 private:
  struct Receptacle {
    int kind, thing, location;
  };

  // No two things have the same first coordinate.
  std::string Position() {
    const int x = 7 * serial_++ + static_cast<int>(random_.Below(7));
    return absl::StrCat(Coordinate(random_.Below(2) == 0 ? x : -x),
                        Coordinate(static_cast<int>(random_.Below(200))),
                        Coordinate(static_cast<int>(random_.Below(600)) - 300));
  }

  int NewLocation() {
    const int x = serial_++;
    return problem_.Add(
        absl::StrCat("loc_bar_", random_.Below(2) == 0 ? "" : "_minus_", x, "_bar_",
                     random_.Below(20), "_bar_", random_.Below(4), "_bar_", 15 * random_.Below(5)),
        Type::kLocation);
  }

  int Declare(std::string_view name, Type type) {
    const std::string id = absl::AsciiStrToLower(name);
    for (size_t i = 0; i < problem_.things.size(); ++i) {
      if (problem_.things[i].id == id) return static_cast<int>(i);
    }
    return problem_.Add(id, type);
  }

  int NewThing(std::string_view kind, std::string_view suffix, Type type) {
    return problem_.Add(absl::AsciiStrToLower(absl::StrCat(kind, Position(), suffix)), type);
  }

  int ReceptacleType(int kind) {
    int& type = receptacle_types_[kind];
    if (type < 0) {
      type = Declare(absl::StrCat(ReceptacleKinds()[kind].name, "Type"), Type::kReceptacleType);
    }
    return type;
  }

  int ObjectType(int kind) {
    int& type = object_types_[kind];
    if (type < 0) type = Declare(absl::StrCat(ObjectKinds()[kind].name, "Type"), Type::kObjectType);
    return type;
  }

  void MakeReceptacles() {
    for (size_t kind = 0; kind < plan_.counts.size(); ++kind) {
      const ReceptacleKind& form = ReceptacleKinds()[kind];
      for (int i = 0; i < plan_.counts[kind]; ++i) {
        const int thing =
            form.basin_of.empty()
                ? NewThing(form.name, "", Type::kReceptacle)
                : NewThing(form.basin_of, absl::StrCat("_bar_", form.name), Type::kReceptacle);
        // Neighbours can be reached from one place.
        const bool shares = !receptacles_.empty() && random_.Below(5) == 0;
        const int location = shares ? Pick(receptacles_, random_).location : NewLocation();
        receptacles_.push_back({static_cast<int>(kind), thing, location});
        problem_.Say(Predicate::kReceptacleType, thing, ReceptacleType(static_cast<int>(kind)));
        problem_.Say(Predicate::kReceptacleAtLocation, thing, location);
        if (form.openable) problem_.Say(Predicate::kOpenable, thing);
      }
    }
  }

  // Into some receptacle that takes it, but none of the kind `but`; the likelier kinds more often.
  void MakeObject(int kind, int but) {
    const ObjectKind& form = ObjectKinds()[kind];
    std::vector<const Receptacle*> places;
    for (const Receptacle& receptacle : receptacles_) {
      if (receptacle.kind == but || !form.GoesInto(receptacle.kind)) continue;
      const auto rank =
          std::find(form.places.begin(), form.places.end(), receptacle.kind) - form.places.begin();
      places.insert(places.end(), rank < 3 ? 3 : 1, &receptacle);
    }
    if (places.empty()) return;
    const Receptacle& receptacle = *Pick(places, random_);
    const int thing = NewThing(form.name, "", Type::kObject);
    problem_.Say(Predicate::kObjectType, thing, ObjectType(kind));
    problem_.Say(Predicate::kObjectAtLocation, thing, receptacle.location);
    problem_.Say(Predicate::kInReceptacle, thing, receptacle.thing);
    const std::pair<bool, Predicate> natures[] = {
        {!form.is_lamp, Predicate::kPickupable},
        {form.cleanable, Predicate::kCleanable},
        {form.heatable, Predicate::kHeatable},
        {form.coolable, Predicate::kCoolable},
        {form.sliceable, Predicate::kSliceable},
        {form.is_receptacle, Predicate::kIsReceptacleObject},
        {form.is_lamp, Predicate::kToggleable}};
    for (const auto& [is, predicate] : natures) {
      if (is) problem_.Say(predicate, thing);
    }
  }

  void MakeObjects() {
    const int room = static_cast<int>(plan_.room);
    // The wanted ones, where the goal is not reached from the start.
    const int wanted = (kind_ == Kind::kTwo ? 2 : 1) + static_cast<int>(random_.Below(2));
    for (int i = 0; i < wanted; ++i) MakeObject(plan_.object, plan_.place);
    if (kind_ == Kind::kLook || random_.Below(2) == 0) {
      if (ObjectKinds()[DeskLamp()].in_room[room]) MakeObject(DeskLamp(), -1);
    }
    std::vector<int> others;
    for (size_t i = 0; i < ObjectKinds().size(); ++i) {
      const ObjectKind& kind = ObjectKinds()[i];
      if (kind.in_room[room] && !kind.is_lamp && static_cast<int>(i) != plan_.object) {
        others.push_back(static_cast<int>(i));
      }
    }
    const auto size = receptacles_.size() + random_.Below(receptacles_.size());
    for (size_t i = 0; i < size; ++i) MakeObject(Pick(others, random_), -1);
  }

  std::string GoalText() const {
    const std::string object = absl::StrCat(ObjectKinds()[plan_.object].name, "Type");
    if (kind_ == Kind::kLook) {
      return absl::StrCat(
          "(and (exists (?o - object ?a - agent) (and (holds ?a ?o) (objectType ?o ", object,
          "))) (exists (?t - object ?r - receptacle ?l - location ?a - agent) (and (isToggled ?t) "
          "(toggleable ?t) (objectType ?t DeskLampType) (inReceptacle ?t ?r) (receptacleAtLocation "
          "?r "
          "?l) (atLocation ?a ?l))))");
    }
    const std::string place = absl::StrCat(ReceptacleKinds()[plan_.place].name, "Type");
    const char* const state = kind_ == Kind::kClean  ? "(cleanable ?o) (isClean ?o) "
                              : kind_ == Kind::kHeat ? "(heatable ?o) (isHot ?o) "
                              : kind_ == Kind::kCool ? "(coolable ?o) (isCool ?o) "
                                                     : "";
    const std::string second =
        kind_ == Kind::kTwo ? absl::StrCat(" (exists (?p - object) (and (objectType ?p ", object,
                                           ") (inReceptacle ?p ?r) (not (= ?o ?p))))")
                            : "";
    return absl::StrCat("(exists (?r - receptacle) (exists (?o - object) (and (receptacleType ?r ",
                        place, ") (objectType ?o ", object, ") ", state, "(inReceptacle ?o ?r)",
                        second, ")))");
  }

  const Plan& plan_;
  const Kind kind_;
  Random random_;
  Problem problem_;
  int agent_ = 0;
  int serial_ = 1;
  std::vector<Receptacle> receptacles_;
  std::vector<int> receptacle_types_, object_types_;  // things by kind, -1: not declared
};

}  // namespace

Household MakeHousehold(uint64_t seed, Split split, Kind kind, int64_t index, int receptacles) {
  Random random(RandomKey(seed)
                    .With("alfworld")
                    .With(SplitName(split))
                    .With(static_cast<uint64_t>(kind))
                    .With(static_cast<uint64_t>(index))
                    .With(static_cast<uint64_t>(receptacles)));
  Plan plan = DrawPlan(kind, receptacles, random);
  while (IsTest(plan) != (split == Split::kTest)) plan = DrawPlan(kind, receptacles, random);
  Household household;
  household.problem = Builder(plan, kind, random).Build();
  household.title =
      absl::StrCat(kTitles[static_cast<int>(kind) - 1], "-", ObjectKinds()[plan.object].name,
                   "-None-", kind == Kind::kLook ? "DeskLamp" : ReceptacleKinds()[plan.place].name,
                   "-", static_cast<int>(plan.room));
  household.task = std::move(plan.task);
  return household;
}

absl::StatusOr<std::shared_ptr<const Game>> MakeGame(const Household& household) {
  return Game::Make(household.problem, Rules{.has_help = true}, Wording(), household.task);
}

std::string HouseholdText(const Household& household, const std::vector<std::string>& walkthrough) {
  return nlohmann::json({{"pddl_domain", DomainText()},
                         {"grammar", GrammarText(household.task)},
                         {"pddl_problem", ProblemText(household.problem, "household")},
                         {"solvable", true},
                         {"walkthrough", walkthrough}})
      .dump(1);
}

}  // namespace sojourn::envs::alfworld
