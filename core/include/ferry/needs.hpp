#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ferry {

/// What a handler relies on. Held at start-up against what its service's transport promises with the options it has:
/// `needs::at_least_once | needs::durable`.
class Needs {
 public:
  constexpr Needs() = default;
  constexpr explicit Needs(std::uint8_t bits) : bits_(bits) {}
  constexpr Needs operator|(Needs other) const { return Needs(static_cast<std::uint8_t>(bits_ | other.bits_)); }
  constexpr bool includes(Needs other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(Needs, Needs) = default;

 private:
  std::uint8_t bits_ = 0;
};

namespace needs {

inline constexpr Needs at_least_once{1};    ///< an event is acknowledged after its handler succeeded, and else delivered again
inline constexpr Needs ordered_by_key{2};   ///< messages of one key are handled one after another, in the order they were sent
inline constexpr Needs durable{4};          ///< an event waits for a service that is away
inline constexpr Needs reply{8};            ///< the caller gets the handler's answer
inline constexpr Needs binary{16};          ///< bytes travel as bytes, not as text

/// All of them, as they are called in reports.
struct Named {
  Needs need;
  std::string_view name;
};
inline constexpr std::array<Named, 5> all{{{at_least_once, "at_least_once"},
                                           {ordered_by_key, "ordered_by_key"},
                                           {durable, "durable"},
                                           {reply, "reply"},
                                           {binary, "binary"}}};

}  // namespace needs
}  // namespace ferry
