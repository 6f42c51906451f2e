#pragma once

#include <string>

namespace ferry::test {

/// A scratch directory with certificates made for this run, gone with the process: ca, other-ca, server (localhost and
/// 127.0.0.1), broker (the same, and a client), client, stranger (signed by other-ca), each as .pem and .key.
const std::string& certificates();

}  // namespace ferry::test
