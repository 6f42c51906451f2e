#include "transports/common/net/place.hpp"

#include <sys/un.h>

#include <filesystem>

namespace ferry::net {

Place read_place(const spi::Options& options, const std::string& directory) {
  Place place;
  place.host = options.string("host");
  place.port = static_cast<std::uint16_t>(options.integer("port"));
  if (!options.has("path")) return place;
  place.path = (std::filesystem::path(directory) / options.string("path")).lexically_normal().string();
  if (place.path.size() >= sizeof(sockaddr_un::sun_path)) {
    spi::config_error(options.place("path"), "\"" + place.path + "\" is too long for a Unix-domain socket",
                      "at most " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes are possible");
  }
  return place;
}

}  // namespace ferry::net
