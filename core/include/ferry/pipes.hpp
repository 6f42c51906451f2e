#pragma once
// Pipes that many handlers need. `Pipeline().pipe(pick("id"))`.

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/context.hpp"
#include "ferry/payload.hpp"

namespace ferry {

/// The handler is given one member of the payload, as with NestJS's `@Payload('id')`: a name, or a JSON pointer that begins with
/// a slash. Where it is not there, there is no payload.
/// Throws `std::invalid_argument` for what is no JSON pointer.
std::function<Payload(Payload, Context&)> pick(std::string_view member);

/// Members that must be there, by name or JSON pointer, and not be null. The caller of a message without one gets an `RpcError`
/// whose message names it.
std::function<void(const nlohmann::json&)> required(std::initializer_list<std::string_view> members);

/// A number from `least` to `most`, if it is there. The caller of a message with another gets an `RpcError` whose message names
/// the member and the bounds; so for anything but a number.
std::function<void(const nlohmann::json&)> in_range(std::string_view member, double least, double most);

/// A text of `least` to `most` characters (code points), or an array of so many elements, if it is there. So for anything else.
std::function<void(const nlohmann::json&)> length_in(std::string_view member, std::size_t least, std::size_t most);

/// One of these values, if it is there: `one_of("/state", {"open", "closed"})`.
std::function<void(const nlohmann::json&)> one_of(std::string_view member, std::initializer_list<nlohmann::json> values);

}  // namespace ferry
