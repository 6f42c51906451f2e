#include "certificates.hpp"

#include <stdexcept>

#include "ferry_test_paths.hpp"
#include "process.hpp"
#include "scratch.hpp"

namespace ferry::test {

const std::string& certificates() {
  static const ScratchDirectory scratch;
  static const bool made = [] {
    const Finished finished = Process({"/bin/bash", FERRY_TESTS_DIR "/interop/certs.sh", scratch.path()}).wait();
    if (finished.code != 0) throw std::runtime_error("certs.sh: " + finished.err);
    return true;
  }();
  static_cast<void>(made);
  return scratch.path();
}

}  // namespace ferry::test
