#include "certificates.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "ferry_test_paths.hpp"
#include "process.hpp"

namespace ferry::test {

const std::string& certificates() {
  struct Scratch {
    Scratch() {
      std::string pattern = (std::filesystem::temp_directory_path() / "ferry-certs-XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory");
      path = pattern;
      const Finished made = Process({"/bin/bash", FERRY_TESTS_DIR "/interop/certs.sh", path}).wait();
      if (made.code != 0) throw std::runtime_error("certs.sh: " + made.err);
    }
    ~Scratch() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::string path;
  };
  static const Scratch scratch;
  return scratch.path;
}

}  // namespace ferry::test
