// What made-up households are made of: kinds of receptacles and objects, with ALFWorld's names and
// its facts about what goes where.
#ifndef SOJOURN_ENVS_ALFWORLD_CATALOGUE_H_
#define SOJOURN_ENVS_ALFWORLD_CATALOGUE_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace sojourn::envs::alfworld {

enum class Room { kKitchen, kLivingRoom, kBedroom, kBathroom };
inline constexpr int kRooms = 4;

struct ReceptacleKind {
  std::string_view name;  // "CounterTop"
  bool openable = false;
  struct Range {
    int least = 0, most = 0;
  };
  std::array<Range, kRooms> counts;  // in a room, however large it is
  // A basin's id is of the form Sink_bar_..._bar_SinkBasin.
  std::string_view basin_of;
};

struct ObjectKind {
  std::string name;  // "AlarmClock"
  bool cleanable = false, heatable = false, coolable = false, sliceable = false;
  bool is_receptacle = false;  // things can lie in it
  bool is_lamp = false;        // toggleable, and stays where it is
  std::array<bool, kRooms> in_room{};
  std::vector<int> places;  // kinds of receptacles that take it, the likeliest first
  bool GoesInto(int receptacle_kind) const;
};

absl::Span<const ReceptacleKind> ReceptacleKinds();
absl::Span<const ObjectKind> ObjectKinds();

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_CATALOGUE_H_
