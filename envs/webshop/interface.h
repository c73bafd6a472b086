// WebShop's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_WEBSHOP_INTERFACE_H_
#define SOJOURN_ENVS_WEBSHOP_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::webshop {

// It names no objects: products and options are a shop's own. The names of buttons stay, since they
// are clicked.
Interface TextInterface();

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_INTERFACE_H_
