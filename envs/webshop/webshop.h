// WebShop as an environment: find what an instruction asks for, choose its options and buy it.
#ifndef SOJOURN_ENVS_WEBSHOP_WEBSHOP_H_
#define SOJOURN_ENVS_WEBSHOP_WEBSHOP_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/webshop/shop.h"

namespace sojourn::envs {

const Spec& WebShopSpec();

// Options (defaults in the spec):
//   data         "": a made-up shop (webshop/generator.h), whose tasks do not end; else a folder with
//                WebShop's files (webshop/data_files.h), whose goals are the tasks.
//   goals        of a folder: "synthetic" or "human".
//   products     how many products a made-up shop has.
//   seed         of a made-up shop.
//   action_list  "true": every observation ends with the available actions.
//
// Difficulties are numbers of constraints (attributes and options): 1-2, 3-4, 5-6, 7 and more. Train and
// test tasks are told apart by the instruction before options and price, so they share none.
// The reward and the progress are the original's score of the purchase; success is the full score.
absl::StatusOr<std::unique_ptr<Environment>> MakeWebShop(const Options& options);

// What the options name, for those who play it otherwise (AgentGym's server): a shop with goals.
absl::StatusOr<std::shared_ptr<const webshop::Shop>> LoadWebShop(const Options& options);

DataReport CheckWebShop(const std::string& directory);

// The action as AgentGym's client of WebShop reads it: what follows the last "Action:", without white
// space around it; of a response without one the whole, if it searches or clicks. Never an error.
absl::StatusOr<std::string> ReadShopAction(std::string_view response);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_WEBSHOP_WEBSHOP_H_
