// ferry completion: bash runs the script; zsh and fish do where they are installed.

#include <algorithm>
#include <string>
#include <vector>

#include <unistd.h>

#include "ferry_test_paths.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

const std::vector<std::string> verbs{"send", "emit", "listen", "bench", "dlq", "check", "transports", "schema", "completion"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (end != begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// What bash would offer for the last of these words.
std::vector<std::string> offered(const std::vector<std::string>& words) {
  std::string line = "source <('" FERRY_BUILD_PROGRAM_DIR "/ferry' completion bash); COMP_WORDS=(";
  for (const std::string& word : words) line += "'" + word + "' ";
  line += "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); complete -p ferry >/dev/null || exit 9; "
          "\"$(complete -p ferry | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\"; "
          "[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' \"${COMPREPLY[@]}\"";
  const Finished run = Process({"/bin/bash", "--norc", "-c", line}).wait();
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  return lines_of(run.out);
}

bool has_word(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE("bash completes commands, options and values") {
  const std::vector<std::string> all = offered({"ferry", ""});
  for (const std::string& verb : verbs) CHECK(has_word(all, verb));
  CHECK(offered({"ferry", "se"}) == std::vector<std::string>{"send"});
  CHECK(offered({"ferry", "--v"}) == std::vector<std::string>{"--version"});
  CHECK(offered({"ferry", "bench", "--ra"}) == std::vector<std::string>{"--rate"});
  CHECK(offered({"ferry", "send", "--ra"}).empty());
  CHECK(offered({"ferry", "completion", ""}).size() >= 3);
  CHECK(offered({"ferry", "completion", "z"}) == std::vector<std::string>{"zsh"});
  CHECK(offered({"ferry", "bench", "--rate", ""}).empty());   // a number: nothing to offer
}

TEST_CASE("bash completes file names where a file is meant, with spaces in them") {
  const Scratch scratch;
  const std::string file = scratch.file("my app.json", "{}");
  const std::string start = scratch.path() + "/my";
  CHECK(offered({"ferry", "check", start}) == std::vector<std::string>{file});
  CHECK(offered({"ferry", "send", "--config", start}) == std::vector<std::string>{file});
  CHECK(offered({"ferry", "transports", "--plugin-path", start}) == std::vector<std::string>{file});
  CHECK(offered({"ferry", "send", start}).empty());
  CHECK(offered({"ferry", "check", "--no"}) == std::vector<std::string>{"--no-connect"});
}

TEST_CASE("every option of --help is known to every shell") {
  for (const std::string& verb : verbs) {
    const std::vector<std::string> known = offered({"ferry", verb, "--"});
    const std::string help = ferry_tool({verb, "--help"}).out;
    std::size_t options = 0;
    for (std::size_t at = help.find("\n  -"); at != std::string::npos; at = help.find("\n  -", at + 1)) {
      const std::size_t name = help.find("--", at);
      const std::string option = help.substr(name, help.find_first_of(" ,\n", name) - name);
      INFO(verb << ' ' << option);
      CHECK(has_word(known, option));
      ++options;
    }
    CHECK(options == known.size());
  }
  const std::string zsh = ferry_tool({"completion", "zsh"}).out;
  CHECK(has(zsh, "#compdef ferry"));
  CHECK(has(zsh, "'*--rate["));
  CHECK_FALSE(has(zsh, ":TARGET:"));   // it would keep zsh from completing options
  CHECK(has(zsh, "'1:SHELL:(bash zsh fish)'"));
  const std::string fish = ferry_tool({"completion", "fish"}).out;
  CHECK(has(fish, "-n '__fish_seen_subcommand_from bench' -l rate -x"));
  CHECK(has(fish, "-n '__fish_seen_subcommand_from check' -F"));
}

TEST_CASE("zsh and fish find no fault with their scripts") {
  const Scratch scratch;
  for (const std::string shell : {"zsh", "fish"}) {
    const std::string program = "/usr/bin/" + shell;
    if (access(program.c_str(), X_OK) != 0) continue;
    const std::string file = scratch.file(shell, ferry_tool({"completion", shell}).out);
    const Finished run = Process({program, "-n", file}).wait();
    INFO(run.err);
    CHECK(run.code == 0);
  }
  CHECK(ferry_tool({"completion", "bash"}).code == 0);
}
