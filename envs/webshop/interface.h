// WebShop's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_WEBSHOP_INTERFACE_H_
#define SOJOURN_ENVS_WEBSHOP_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::webshop {

// Its objects are what a made-up shop sells, and most others: kinds of products, colors, scents and
// flavors. The names of buttons stay, since they are clicked.
Interface TextInterface();

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_INTERFACE_H_
