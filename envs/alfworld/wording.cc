#include "envs/alfworld/wording.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envs/alfworld/rules.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr char kGrammar[] = R"GRAMMAR(grammar :: """
{
  "intro": [{"rhs": "-= Welcome to TextWorld, ALFRED! =-\n\n#room#\n\n#task#"}],
  "task": [{"rhs": TASK}],
  "room": [{"rhs": "You are in the middle of a room. Looking quickly around you, you see #places#."}],
  "places": [
    {"condition": "receptacleatlocation(r:receptacle, l:location)",
     "rhs": "[{r.indefinite + ' ' + r.name | receptacleatlocation(r:receptacle, l:location)}]"},
    {"rhs": "nothing"}
  ],
  "around": [
    {"condition": "atlocation(a:agent, l:location) & receptacleatlocation(r:receptacle, l:location)",
     "rhs": "You are facing the [{r.name | receptacleatlocation(r:receptacle, l:location)}]. Next to it, you see #loose#."},
    {"rhs": "#room#"}
  ],
  "loose": [
    {"rhs": "[{o.indefinite + ' ' + o.name | objectatlocation(o:object, l:location) & receptacleatlocation(r:receptacle, l:location) & not_inreceptacle(o:object, r:receptacle)}]"}
  ],
  "contents": [
    {"condition": "openable(r:receptacle) & opened(r:receptacle)",
     "rhs": "The {r.name} is open. In it, you see #inside#."},
    {"condition": "openable(r:receptacle)", "rhs": "The {r.name} is closed."},
    {"rhs": "On the {r.name}, you see #inside#."}
  ],
  "inside": [
    {"rhs": "[{o.indefinite + ' ' + o.name | inreceptacle(o:object, r:receptacle)}]"}
  ],
  "carried": [
    {"condition": "holdsany(a:agent)",
     "rhs": "You are carrying: [{o.indefinite + ' ' + o.name | holds(a:agent, o:object)}]."},
    {"rhs": "You are not carrying anything."}
  ],
  "nature": [
    {"condition": "isreceptacleobject(o:object)",
     "rhs": "This is a normal {o.name}. In it, you see [{i.indefinite + ' ' + i.name | inreceptacleobject(i:object, o:object)}]."},
    {"condition": "issliced(o:object) & isclean(o:object) & ishot(o:object)", "rhs": "This is a hot and clean sliced {o.name}."},
    {"condition": "issliced(o:object) & isclean(o:object) & iscool(o:object)", "rhs": "This is a cool and clean sliced {o.name}."},
    {"condition": "issliced(o:object) & isclean(o:object)", "rhs": "This is a clean sliced {o.name}."},
    {"condition": "issliced(o:object) & ishot(o:object)", "rhs": "This is a hot sliced {o.name}."},
    {"condition": "issliced(o:object) & iscool(o:object)", "rhs": "This is a cool sliced {o.name}."},
    {"condition": "isclean(o:object) & ishot(o:object)", "rhs": "This is a hot and clean {o.name}."},
    {"condition": "isclean(o:object) & iscool(o:object)", "rhs": "This is a cool and clean {o.name}."},
    {"condition": "ishot(o:object)", "rhs": "This is a hot {o.name}."},
    {"condition": "isclean(o:object)", "rhs": "This is a clean {o.name}."},
    {"condition": "iscool(o:object)", "rhs": "This is a cold {o.name}."},
    {"condition": "istoggled(o:object)", "rhs": "This {o.name} is on."},
    {"condition": "issliced(o:object)", "rhs": "This is a sliced {o.name}."},
    {"rhs": "There's nothing special about {o.name}."}
  ],
  "list_empty": [{"rhs": "nothing"}],
  "list_separator": [{"rhs": ", "}],
  "list_last_separator": [{"rhs": ", and "}]
}
""";

action look { template :: "look"; feedback :: "#around#"; }
action inventory { template :: "inventory"; feedback :: "#carried#"; }
action examineReceptacle { template :: "examine {r}"; feedback :: "#contents#"; }
action examineObject { template :: "examine {o}"; feedback :: "#nature#"; }
action GotoLocation { template :: "go to {r}"; feedback :: "You arrive at {r.name}. #contents#"; }
action OpenObject { template :: "open {r}"; feedback :: "You open the {r.name}. #contents#"; }
action CloseObject { template :: "close {r}"; feedback :: "You close the {r.name}."; }
action PickupObject {
  template :: "take {o} from {r}"; feedback :: "You pick up the {o.name} from the {r.name}.";
}
action PutObject { template :: "move {o} to {r}"; feedback :: "You move the {o.name} to the {r.name}."; }
action CleanObject {
  template :: "clean {o} with {r}"; feedback :: "You clean the {o.name} using the {r.name}.";
}
action HeatObject {
  template :: "heat {o} with {r}"; feedback :: "You heat the {o.name} using the {r.name}.";
}
action CoolObject {
  template :: "cool {o} with {r}"; feedback :: "You cool the {o.name} using the {r.name}.";
}
action SliceObject {
  template :: "slice {co} with {ko}"; feedback :: "You sliced the {co.name} with the {ko.name}.";
}
action ToggleObject { template :: "use {o}"; feedback :: "You turn on the {o.name}."; }
action help { template :: "help"; feedback :: "
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"; }
)GRAMMAR";

}  // namespace

std::string GrammarText(std::string_view task) {
  return absl::StrReplaceAll(kGrammar, {{"TASK", nlohmann::json(std::string(task)).dump()}});
}

std::shared_ptr<const Grammar> Wording() {
  static const auto* const grammar = new std::shared_ptr<const Grammar>(
      Grammar::Parse(GrammarText(""), Rules{.has_help = true}).value());
  return *grammar;
}

}  // namespace sojourn::envs::alfworld
