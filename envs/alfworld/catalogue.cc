#include "envs/alfworld/catalogue.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace sojourn::envs::alfworld {
namespace {

// Counts in kitchens, living rooms, bedrooms and bathrooms.
constexpr ReceptacleKind kReceptacles[] = {
    {"ArmChair", false, {{{0, 0}, {1, 2}, {0, 1}, {0, 0}}}, ""},
    {"BathtubBasin", false, {{{0, 0}, {0, 0}, {0, 0}, {0, 1}}}, "Bathtub"},
    {"Bed", false, {{{0, 0}, {0, 0}, {1, 2}, {0, 0}}}, ""},
    {"Cabinet", true, {{{2, 20}, {0, 4}, {0, 2}, {0, 5}}}, ""},
    {"Cart", false, {{{0, 0}, {0, 0}, {0, 0}, {0, 1}}}, ""},
    {"CoffeeMachine", false, {{{1, 1}, {0, 0}, {0, 0}, {0, 0}}}, ""},
    {"CoffeeTable", false, {{{0, 0}, {0, 2}, {0, 0}, {0, 0}}}, ""},
    {"CounterTop", false, {{{1, 3}, {0, 0}, {0, 0}, {1, 2}}}, ""},
    {"Desk", false, {{{0, 0}, {0, 1}, {1, 2}, {0, 0}}}, ""},
    {"DiningTable", false, {{{0, 2}, {0, 1}, {0, 1}, {0, 0}}}, ""},
    {"Drawer", true, {{{1, 8}, {0, 9}, {1, 9}, {0, 6}}}, ""},
    {"Dresser", false, {{{0, 0}, {0, 1}, {0, 1}, {0, 1}}}, ""},
    {"Fridge", true, {{{1, 1}, {0, 0}, {0, 0}, {0, 0}}}, ""},
    {"GarbageCan", false, {{{1, 1}, {1, 1}, {1, 1}, {1, 1}}}, ""},
    {"HandTowelHolder", false, {{{0, 0}, {0, 0}, {0, 0}, {1, 2}}}, ""},
    {"LaundryHamper", false, {{{0, 0}, {0, 0}, {0, 1}, {0, 0}}}, ""},
    {"Microwave", true, {{{1, 1}, {0, 0}, {0, 0}, {0, 0}}}, ""},
    {"Ottoman", false, {{{0, 0}, {0, 1}, {0, 0}, {0, 0}}}, ""},
    {"Safe", true, {{{0, 0}, {0, 0}, {0, 1}, {0, 0}}}, ""},
    {"Shelf", false, {{{0, 3}, {0, 7}, {0, 5}, {0, 3}}}, ""},
    {"SideTable", false, {{{0, 1}, {1, 3}, {1, 2}, {0, 1}}}, ""},
    {"SinkBasin", false, {{{1, 1}, {0, 0}, {0, 0}, {1, 2}}}, "Sink"},
    {"Sofa", false, {{{0, 0}, {1, 2}, {0, 0}, {0, 0}}}, ""},
    {"StoveBurner", false, {{{2, 5}, {0, 0}, {0, 0}, {0, 0}}}, ""},
    {"TVStand", false, {{{0, 0}, {0, 1}, {0, 0}, {0, 0}}}, ""},
    {"Toaster", false, {{{0, 1}, {0, 0}, {0, 0}, {0, 0}}}, ""},
    {"Toilet", false, {{{0, 0}, {0, 0}, {0, 0}, {1, 1}}}, ""},
    {"ToiletPaperHanger", false, {{{0, 0}, {0, 0}, {0, 0}, {1, 1}}}, ""},
    {"TowelHolder", false, {{{0, 0}, {0, 0}, {0, 0}, {1, 2}}}, ""},
};

struct ObjectRow {
  const char* name;
  const char* nature;  // washed, heated, cooled, sliced; holds others; a lamp that is turned on
  const char* rooms;   // Kitchen, Living room, Bedroom, Washroom
  const char* places;
};

constexpr ObjectRow kObjects[] = {
    {"AlarmClock", "", "B", "Desk SideTable Shelf Dresser DiningTable CounterTop"},
    {"Apple", "chsw", "K",
     "Fridge CounterTop Microwave DiningTable GarbageCan SinkBasin SideTable"},
    {"Book", "", "BKL",
     "Bed Desk Drawer CounterTop DiningTable Cabinet Dresser SideTable Sofa CoffeeTable ArmChair "
     "Shelf Ottoman"},
    {"Bowl", "cow", "BKL",
     "Cabinet Fridge CounterTop DiningTable Desk Shelf Microwave SinkBasin SideTable Dresser "
     "CoffeeTable"},
    {"Box", "o", "L",
     "DiningTable Sofa CoffeeTable Dresser SideTable Shelf Desk ArmChair Cabinet Ottoman"},
    {"Bread", "chs", "K", "CounterTop DiningTable Fridge SideTable Microwave GarbageCan"},
    {"ButterKnife", "w", "K", "CounterTop DiningTable Drawer SinkBasin SideTable"},
    {"CD", "", "B",
     "Drawer Desk Dresser SideTable Shelf GarbageCan DiningTable Cabinet Safe CounterTop"},
    {"Candle", "", "LW",
     "Toilet CounterTop Cabinet Shelf Drawer SideTable DiningTable CoffeeTable Dresser Cart"},
    {"CellPhone", "", "BKL",
     "Bed Drawer Desk Dresser SideTable CounterTop ArmChair DiningTable Shelf Safe CoffeeTable "
     "Sofa Ottoman"},
    {"Cloth", "w", "W",
     "BathtubBasin Cabinet CounterTop Drawer SinkBasin Shelf Toilet Cart Desk SideTable "
     "LaundryHamper ArmChair Dresser GarbageCan"},
    {"CreditCard", "", "BKL",
     "Drawer SideTable Shelf Dresser CoffeeTable ArmChair Desk Sofa CounterTop DiningTable Ottoman "
     "Safe"},
    {"Cup", "chow", "K",
     "Cabinet CounterTop Fridge DiningTable SinkBasin Microwave Shelf SideTable"},
    {"DishSponge", "w", "KW",
     "CounterTop Cabinet DiningTable Drawer SinkBasin GarbageCan Shelf BathtubBasin Toilet Cart "
     "SideTable"},
    {"Egg", "chsw", "K", "Fridge CounterTop SinkBasin GarbageCan Microwave DiningTable SideTable"},
    {"Fork", "w", "K", "CounterTop DiningTable Drawer SinkBasin SideTable"},
    {"Glassbottle", "", "K", "CounterTop Cabinet DiningTable SinkBasin Fridge Shelf Microwave"},
    {"HandTowel", "", "W",
     "HandTowelHolder CounterTop Cabinet Drawer Cart SideTable Shelf Toilet BathtubBasin "
     "GarbageCan SinkBasin"},
    {"Kettle", "w", "K", "StoveBurner CounterTop Cabinet DiningTable SinkBasin SideTable Shelf"},
    {"KeyChain", "", "BL",
     "Drawer Desk SideTable Dresser Shelf DiningTable ArmChair Sofa CoffeeTable Safe CounterTop "
     "Ottoman"},
    {"Knife", "w", "K", "CounterTop DiningTable Drawer SinkBasin SideTable"},
    {"Ladle", "w", "K", "CounterTop Drawer Cabinet DiningTable SinkBasin"},
    {"Laptop", "", "BL",
     "Bed DiningTable Sofa Desk ArmChair CoffeeTable SideTable Dresser CounterTop Ottoman"},
    {"Lettuce", "csw", "K", "CounterTop DiningTable Fridge SinkBasin SideTable GarbageCan"},
    {"Mug", "chow", "BK",
     "CounterTop CoffeeMachine Cabinet Fridge DiningTable Microwave SinkBasin Desk Shelf SideTable "
     "Dresser"},
    {"Newspaper", "", "L",
     "Sofa DiningTable CoffeeTable SideTable Shelf ArmChair Drawer Dresser Ottoman Cabinet "
     "GarbageCan"},
    {"Pan", "cow", "K", "StoveBurner CounterTop Cabinet DiningTable Fridge SideTable SinkBasin"},
    {"Pen", "", "BKL",
     "Desk DiningTable SideTable Dresser Drawer Shelf CounterTop GarbageCan CoffeeTable"},
    {"Pencil", "", "BKL",
     "Drawer SideTable Desk Dresser DiningTable Shelf CounterTop GarbageCan CoffeeTable"},
    {"PepperShaker", "", "K", "CounterTop Cabinet Drawer DiningTable Shelf SideTable"},
    {"Pillow", "", "BL", "Bed Sofa ArmChair Ottoman"},
    {"Plate", "chow", "KL",
     "Cabinet CounterTop DiningTable Fridge Shelf SinkBasin Microwave SideTable CoffeeTable"},
    {"Pot", "cow", "K",
     "StoveBurner CounterTop Fridge DiningTable Cabinet Shelf SinkBasin SideTable"},
    {"Potato", "chsw", "K",
     "CounterTop Fridge DiningTable Microwave SinkBasin GarbageCan SideTable"},
    {"RemoteControl", "", "BL",
     "Sofa CoffeeTable ArmChair Drawer Dresser SideTable DiningTable Shelf Desk CounterTop "
     "Ottoman"},
    {"SaltShaker", "", "K", "Cabinet CounterTop DiningTable Drawer Shelf SideTable"},
    {"SoapBar", "w", "W",
     "CounterTop SinkBasin Toilet Cabinet Shelf Drawer BathtubBasin GarbageCan Cart SideTable"},
    {"SoapBottle", "", "KW",
     "CounterTop Cabinet DiningTable GarbageCan Toilet Shelf SideTable Drawer Cart"},
    {"Spatula", "w", "K", "CounterTop DiningTable Drawer SinkBasin SideTable"},
    {"Spoon", "w", "K", "CounterTop Drawer DiningTable SinkBasin SideTable"},
    {"SprayBottle", "", "KW",
     "CounterTop Cabinet Toilet GarbageCan Shelf Cart DiningTable SideTable Dresser Drawer"},
    {"Statue", "", "BKL", "Shelf DiningTable CounterTop SideTable CoffeeTable Dresser Desk Safe"},
    {"TissueBox", "", "BLW",
     "SideTable Shelf DiningTable CounterTop CoffeeTable Desk Drawer Dresser Cart Cabinet Toilet "
     "GarbageCan TVStand"},
    {"ToiletPaper", "", "W",
     "Toilet Cabinet CounterTop ToiletPaperHanger Shelf GarbageCan Drawer SideTable Cart Dresser"},
    {"Tomato", "chsw", "K",
     "CounterTop Fridge DiningTable GarbageCan SinkBasin SideTable Microwave"},
    {"Towel", "", "W", "TowelHolder"},
    {"Vase", "", "BKL",
     "Shelf CounterTop Cabinet DiningTable SideTable CoffeeTable Dresser Desk Safe"},
    {"Watch", "", "L", "CoffeeTable SideTable DiningTable Dresser Drawer Shelf Desk"},
    {"WineBottle", "c", "K", "CounterTop DiningTable Cabinet GarbageCan Shelf Fridge SideTable"},
    {"DeskLamp", "t", "BL", "SideTable Desk Dresser"},
};

int FindReceptacle(std::string_view name) {
  const auto found = std::find_if(std::begin(kReceptacles), std::end(kReceptacles),
                                  [&](const ReceptacleKind& kind) { return kind.name == name; });
  return static_cast<int>(found - std::begin(kReceptacles));
}

}  // namespace

bool ObjectKind::GoesInto(int receptacle_kind) const {
  return std::find(places.begin(), places.end(), receptacle_kind) != places.end();
}

absl::Span<const ReceptacleKind> ReceptacleKinds() { return kReceptacles; }

absl::Span<const ObjectKind> ObjectKinds() {
  static const auto* const kinds = [] {
    auto* const made = new std::vector<ObjectKind>;
    for (const ObjectRow& row : kObjects) {
      ObjectKind& kind = made->emplace_back();
      kind.name = row.name;
      const std::string_view nature = row.nature, rooms = row.rooms;
      const auto is = [&](char c) { return nature.find(c) != std::string_view::npos; };
      kind.cleanable = is('w');
      kind.heatable = is('h');
      kind.coolable = is('c');
      kind.sliceable = is('s');
      kind.is_receptacle = is('o');
      kind.is_lamp = is('t');
      for (int i = 0; i < kRooms; ++i) {
        kind.in_room[i] = rooms.find("KLBW"[i]) != std::string_view::npos;
      }
      for (const std::string_view place : absl::StrSplit(row.places, ' ')) {
        kind.places.push_back(FindReceptacle(place));
      }
    }
    return made;
  }();
  return *kinds;
}

}  // namespace sojourn::envs::alfworld
