// recipes.txt as a string: the build writes recipe_table.cc from it, so nothing is read at run
// time.
#ifndef SOJOURN_ENVS_TEXTCRAFT_RECIPE_TABLE_H_
#define SOJOURN_ENVS_TEXTCRAFT_RECIPE_TABLE_H_

namespace sojourn::envs::textcraft {

extern const char* const kMinecraftRecipes;

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_RECIPE_TABLE_H_
