// Boost.Beast by the names that the client (envs/remote) and the server (envs/serve) call it.
#ifndef SOJOURN_ENVS_BEAST_H_
#define SOJOURN_ENVS_BEAST_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

namespace sojourn::envs {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_BEAST_H_
