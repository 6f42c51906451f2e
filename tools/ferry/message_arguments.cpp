#include "message_arguments.hpp"

#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <ferry/error.hpp>
#include <ferry/spi/options.hpp>

#include "exit_code.hpp"

namespace ferry::tool {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::string read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw UsageError("cannot read " + name + ": " + std::generic_category().message(errno));
  return text;
}

/// The argument itself, or what it stands for. JSON starts neither with @ nor is it a lone minus.
Payload parse_payload(const std::string& argument) {
  std::string text = argument;
  std::string what = "PAYLOAD " + text.substr(0, 200);
  if (argument == "-") {
    what = "what standard input has";
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else if (argument.starts_with('@')) {
    what = argument.substr(1);
    text = read_file(what);
  }
  try {
    return Payload::from_json(std::string(trimmed(text)));
  } catch (const SerializationError& error) {
    throw UsageError(what + " is not JSON (" + error.what() + "); a string needs its quotes, as in '\"text\"'");
  }
}

void add_header(SendOptions& options, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw UsageError("--header " + std::string(text) + " is not NAME=VALUE, as in --header tenant=acme");
  }
  options.header(text.substr(0, equals), text.substr(equals + 1));
}

}  // namespace

Pattern parse_pattern(std::string_view text) {
  const bool object = nlohmann::json::parse(text, nullptr, false).is_object();
  return object ? Pattern::from_json(text) : Pattern(text);
}

void MessageArguments::add_to(CLI::App& command) {
  given_[0] = command.add_option("TARGET", texts_[0], "A URL, as tcp://127.0.0.1:3001; left out with --config");
  given_[1] = command.add_option("PATTERN", texts_[1], "A JSON object, or a plain string");
  given_[2] = command.add_option("PAYLOAD", texts_[2], "JSON; @FILE or -: read it from a file, or from standard input; left out: no data");
  for (CLI::Option* each : given_) each->type_name("");
  target_.add_options(command);
  command.add_option("--timeout", timeout_, "How long to wait: 500ms, 2s, or milliseconds")->type_name("TIME");
  command.add_option("--header", headers_, "A header of the message; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

std::vector<std::string> MessageArguments::positional() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < texts_.size() && given_[i]->count() != 0; ++i) all.push_back(texts_[i]);
  return all;
}

SendOptions MessageArguments::options() const {
  SendOptions options;
  if (!timeout_.empty()) {
    const auto limit = spi::parse_duration(timeout_, {"--timeout", ""});
    if (limit.count() == 0) throw UsageError("--timeout 0 leaves no time for an answer; leave it out for the default");
    options.timeout(limit);
  }
  for (const std::string& header : headers_) add_header(options, header);
  return options;
}

Message MessageArguments::read() const {
  std::vector<std::string> texts = positional();
  Target target = target_;
  if (!target.from_config()) {
    if (texts.size() < 2) throw UsageError("TARGET and PATTERN are needed, as in tcp://127.0.0.1:3001 '{\"cmd\":\"sum\"}' '[1,2]'");
    target.set_url(texts.front());
    texts.erase(texts.begin());
  } else if (texts.size() == 3) {
    throw UsageError("\"" + texts.front() + "\" is one argument too many: with --config give PATTERN and PAYLOAD only");
  } else if (texts.empty()) {
    throw UsageError("PATTERN is needed");
  }
  std::optional<Payload> payload;
  if (texts.size() == 2) payload = parse_payload(texts[1]);
  return {std::move(target), parse_pattern(texts[0]), std::move(payload), options()};
}

}  // namespace ferry::tool
