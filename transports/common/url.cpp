#include "transports/common/url.hpp"

#include <algorithm>
#include <charconv>

#include "ferry/error.hpp"

namespace ferry::transports {
namespace {

/// Passwords do not belong in logs.
std::string without_password(std::string_view url) {
  const std::size_t start = url.find("://");
  const std::size_t begin = start == std::string_view::npos ? 0 : start + 3;
  const std::size_t at = url.substr(0, url.find_first_of("/?", begin)).rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(url);
  const std::size_t colon = url.find(':', begin);
  if (colon == std::string_view::npos || colon > at) return std::string(url);
  return std::string(url.substr(0, colon)).append(":***").append(url.substr(at));
}

struct Reader {
  std::string_view url;
  const Url::Form& form;

  [[noreturn]] void bad(std::string_view why) const { Url::refuse(url, why, form); }

  std::string decode(std::string_view text) const {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        out += text[i];
        continue;
      }
      unsigned value = 0;
      const char* digits = text.data() + i + 1;
      if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
        bad("% must be followed by two hexadecimal digits");
      }
      out += static_cast<char>(value);
      i += 2;
    }
    return out;
  }

  void read_authority(std::string_view authority, Url& out) const {
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      const std::string_view user = authority.substr(0, at);
      const std::size_t colon = user.find(':');
      out.user = decode(user.substr(0, colon));
      if (colon != std::string_view::npos) out.password = decode(user.substr(colon + 1));
      authority.remove_prefix(at + 1);
    }
    std::string_view host = authority;
    const std::size_t colon = authority.rfind(':');
    const std::size_t bracket = authority.rfind(']');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
      host = authority.substr(0, colon);
      out.port = read_port(authority.substr(colon + 1));
    }
    if (host.starts_with('[') != host.ends_with(']')) bad("an IPv6 address stands between [ and ]");
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    if (host.empty()) bad("it names no host");
    out.host = decode(host);
  }

  std::uint16_t read_port(std::string_view text) const {
    unsigned number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number > 65535) {
      bad("\"" + std::string(text) + "\" is no port");
    }
    return static_cast<std::uint16_t>(number);
  }

  void read_query(std::string_view query, Url& out) const {
    while (!query.empty()) {
      const std::string_view item = query.substr(0, query.find('&'));
      query.remove_prefix(std::min(query.size(), item.size() + 1));
      const std::size_t equals = item.find('=');
      if (equals == std::string_view::npos) bad("\"" + std::string(item) + "\" has no value");
      out.query.emplace_back(decode(item.substr(0, equals)), decode(item.substr(equals + 1)));
    }
  }
};

}  // namespace

std::string_view Url::scheme_of(std::string_view url) noexcept {
  const std::size_t mark = url.find("://");
  return mark == std::string_view::npos ? std::string_view() : url.substr(0, mark);
}

Url Url::parse(std::string_view url, const Form& form) {
  const Reader reader{url, form};
  Url out;
  out.scheme = scheme_of(url);
  if (out.scheme.empty()) reader.bad("it has no scheme");
  std::string_view rest = url.substr(out.scheme.size() + 3);
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    reader.read_query(rest.substr(question + 1), out);
    rest = rest.substr(0, question);
  }
  if (!form.authority) {
    if (rest.empty()) reader.bad("it names no path");
    out.path = reader.decode(rest);
    return out;
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  reader.read_authority(rest.substr(0, slash), out);
  out.path = reader.decode(rest.substr(slash));
  return out;
}

void Url::refuse(std::string_view url, std::string_view why, const Form& form) {
  throw ConfigError(errc::bad_config,
                    "\"" + without_password(url) + "\": " + std::string(why) + "; " + std::string(form.examples));
}

}  // namespace ferry::transports
