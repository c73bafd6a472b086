// A made-up world to ask about: books, museums, companies, people, towns, rivers and countries with
// facts that join them, told in passages like an encyclopedia's. Nothing is stored: a number
// decides every name and every fact.
#ifndef SOJOURN_ENVS_SEARCHQA_WORLD_H_
#define SOJOURN_ENVS_SEARCHQA_WORLD_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/random.h"
#include "envs/environment.h"
#include "envs/searchqa/question.h"

namespace sojourn::envs::searchqa {

inline constexpr uint32_t kFewestPassages = 100, kMostPassages = 10'000'000;

// Immutable. The seed, the split and the number of passages alone decide. The two splits of a seed
// are different worlds: no name of one is a name of the other, so neither is any passage or
// question.
class World {
 public:
  World(uint64_t seed, Split split, uint32_t passages);

  // A passage's contents in the corpus's form. The first ones tell each entity's facts; the rest,
  // a quarter, are second passages of some entities, which tell nothing but mention others.
  uint32_t passages() const { return passages_; }
  std::string Passage(uint32_t number) const;

  // All questions of so many hops (1 to kMostHops), each once, in an order that mixes them. Each
  // leads from one entity over so many facts to the answer, never through two of a kind. The steps'
  // passages are those that tell the facts.
  int64_t QuestionCount(int hops) const { return path_ends_[hops].back(); }
  Question MakeQuestion(int hops, int64_t index) const;

 private:
  static constexpr int kKinds = 7;
  struct Entity {
    int kind;
    uint32_t number;
  };

  // What a fact leads to: an entity, or a year (when the relation's object is no kind).
  struct Object {
    Entity entity;
    std::string text;
  };

  std::string MadeWord(int kind, uint32_t number) const;
  std::string Name(Entity entity) const;
  std::vector<std::string> OtherNames(Entity entity) const;
  Object Follow(Entity subject, int relation) const;
  Entity EntityOf(uint32_t passage) const;
  Random Draw(std::string_view what, Entity entity) const;
  Entity Another(Entity entity, Random& random) const;

  const RandomKey key_;
  const Split split_;
  const uint32_t passages_;
  uint32_t entities_ = 0;
  std::array<uint32_t, kKinds> counts_;
  int word_bits_;
  // Of each number of hops: the chains of relations, and how many questions they and those before
  // have.
  std::array<std::vector<std::vector<int>>, kMostHops + 1> paths_;
  std::array<std::vector<int64_t>, kMostHops + 1> path_ends_;
};

// A number of `bits` bits (even, at most 62) mixed by a key: one to one.
uint64_t MixBits(RandomKey key, uint64_t value, int bits);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_WORLD_H_
