#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

namespace ferry {

/// What a coroutine handler returns. It is Asio's own coroutine type: everything awaitable with Asio is awaitable in it,
/// and it can be handed to `asio::co_spawn` with any completion token.
template <class T>
using task = asio::awaitable<T>;

}  // namespace ferry
