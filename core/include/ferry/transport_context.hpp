#pragma once

#include <string_view>

namespace ferry {

/// What a transport lets a handler see beyond `Context`. The classes in `contexts/` derive from it, one a transport.
/// Lifetime: as long as the message it belongs to.
class TransportContext {
 public:
  TransportContext() = default;
  virtual ~TransportContext();
  TransportContext(const TransportContext&) = delete;
  TransportContext& operator=(const TransportContext&) = delete;
};

}  // namespace ferry
