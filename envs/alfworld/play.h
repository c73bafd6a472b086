// A game as it is played: ALFWorld's text engine.
#ifndef SOJOURN_ENVS_ALFWORLD_PLAY_H_
#define SOJOURN_ENVS_ALFWORLD_PLAY_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "envs/alfworld/facts.h"
#include "envs/alfworld/game.h"
#include "envs/alfworld/grammar.h"

namespace sojourn::envs::alfworld {

class Play {
 public:
  struct Command {
    Verb verb;
    Arguments arguments;
    std::string text;
  };

  struct Reply {
    std::string text;
    bool understood = true;  // one of the admissible commands; if not, nothing happened
    Entity shown = kNobody;  // a receptacle whose contents the text tells
  };

  // At the start of the game.
  explicit Play(std::shared_ptr<const Game> game);

  // The welcome, what there is, and the task.
  std::string Intro() const;

  // Plays the command that is written like this but for white space around it. Goes on after the
  // game is won; it may be undone then.
  Reply Step(std::string_view command);

  // All commands that do something or show something now, in the order of their texts.
  const std::vector<Command>& admissible() const { return admissible_; }
  bool won() const { return won_; }

  const Game& game() const { return *game_; }
  World world() const { return World(&game_->fixed(), &state_); }
  Entity location() const { return world()[Predicate::kAtLocation].Of(game_->agent())[0].b; }
  Entity held() const;  // kNobody: nothing
  bool IsAt(Entity receptacle, Entity location) const;
  bool IsAccessible(Entity receptacle) const;  // no door, or an open one

 private:
  void Apply(const Command& command);
  void FindAdmissible();
  Telling telling(const World& world) const { return {world, game_->names(), game_->task()}; }

  std::shared_ptr<const Game> game_;
  State state_;
  std::vector<Command> admissible_;
  bool won_ = false;
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_PLAY_H_
