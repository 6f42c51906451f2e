#include "transports/redis/dead_letters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "transports/common/broker_message.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"
#include "transports/redis/stream_id.hpp"

namespace ferry::redis {
namespace {

constexpr std::string_view dead_suffix = ".dead";
constexpr std::uint64_t scanned_at_once = 1000;

/// What a service adds behind the fields of an entry that it gives up.
constexpr std::array<std::string_view, 5> added = {"cause", "attempts", "origin", "entry", "group"};

/// An entry of a stream of dead letters: [id, [field, value, ...]].
struct DeadEntry {
  explicit DeadEntry(const Value& entry) {
    for (const Value& word : entry.at(1)) fields.push_back(word.text);
    if (fields.size() < 2 * added.size()) return;
    const std::size_t own = fields.size() - 2 * added.size();
    for (std::size_t i = 0; i < added.size(); ++i) {
      if (fields[own + 2 * i] != added[i]) return;
      notes[i] = fields[own + 2 * i + 1];
    }
    fields.resize(own);
    good = true;
  }
  std::string_view field(std::string_view name) const {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
      if (fields[i] == name) return fields[i + 1];
    }
    return {};
  }

  bool good = false;                         // else a stranger's: a route may end in ".dead", too
  std::vector<std::string_view> fields;      // of the message
  std::array<std::string_view, added.size()> notes;
};

/// A glob that stands for the text itself.
std::string literal(std::string_view text) {
  std::string glob;
  for (const char c : text) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) glob += '\\';
    glob += c;
  }
  return glob;
}

}  // namespace

DeadLetters::DeadLetters(spi::ServerEnvironment environment)
    : environment_(std::move(environment)),
      settings_(server_settings(environment_)),
      access_(std::make_shared<const Access>(settings_.access)) {}

DeadLetters::~DeadLetters() {
  if (connector_) connector_->cancel();
  if (connection_) connection_->drop();
}

void DeadLetters::open(Done done, std::function<void(const Failure&)> lost) {
  lost_ = std::move(lost);
  connector_ = std::make_shared<Connector>(*environment_.loop, access_, 1, 0,
                                           [this, done = std::move(done)](const Failure* failure, Connections connections) {
    connector_.reset();
    if (failure != nullptr) return done(failure);
    connection_ = connections.front();
    connection_->set_user(this);
    connection_->watch(settings_.access.ping_interval, true);
    done(nullptr);
  });
  environment_.loop->post([connector = connector_] { connector->start(); });
}

void DeadLetters::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  if (!connection_) return environment_.loop->post(std::move(done));
  std::exchange(connection_, nullptr)->close(limit, std::move(done));
}

void DeadLetters::on_gone(Connection&, const Failure& why) {
  const auto last = std::exchange(connection_, nullptr);   // it is what calls us
  if (last) lost_(why);
}

// --- names ----------------------------------------------------------------------------------------------------------

std::string DeadLetters::route_of(std::string_view key) const {
  key.remove_prefix(settings_.streams.prefix.size());
  key.remove_suffix(dead_suffix.size());
  return std::string(key);
}

std::optional<DeadLetters::Place> DeadLetters::place_of(std::string_view id) const {
  const std::size_t at = id.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view entry = id.substr(at + 1);
  const auto other = [](char c) { return c != '-' && (c < '0' || c > '9'); };   // "-" alone would be a range's end
  if (entry.find_first_of("0123456789") != 0 || std::any_of(entry.begin(), entry.end(), other)) return std::nullopt;
  std::string route(id.substr(0, at));
  std::string key = settings_.streams.key(route).append(dead_suffix);
  return Place{std::move(route), std::move(key), std::string(entry)};
}

std::optional<DeadLetter> DeadLetters::letter_of(const std::string& route, const Value& entry) const {
  const DeadEntry dead(entry);
  if (!dead.good) return std::nullopt;
  const std::string_view id = entry.at(0).text;
  DeadLetter letter;
  letter.id = route + '@' + std::string(id);
  letter.pattern = route;
  letter.cause = dead.notes[0];
  std::from_chars(dead.notes[1].data(), dead.notes[1].data() + dead.notes[1].size(), letter.attempts);
  letter.origin = dead.notes[2];
  letter.service = dead.notes[4];
  letter.time = std::chrono::milliseconds(id_order(id).first);
  const spi::Serializer& serializer = *environment_.serializer;
  spi::RequestView view;
  std::string scratch;
  const char* const fault = transports::read_broker_message(serializer, dead.field("message"), route,
                                                            transports::Unreadable::is_text, view, scratch);
  if (fault != nullptr) return letter;
  if (view.has_payload) letter.payload = Payload::owned(std::string(view.payload), serializer);
  if (!view.headers.empty()) letter.headers = serializer.read_headers(view.headers);
  return letter;
}

// --- looking --------------------------------------------------------------------------------------------------------

void DeadLetters::list(std::size_t limit, Found found) {
  listing_ = {limit, std::move(found), {}, {}};
  scan("0");
}

/// Which streams of dead letters there are.
void DeadLetters::scan(std::string cursor) {
  Command command;
  command.add("SCAN").add(cursor).add("MATCH").add(literal(settings_.streams.prefix) + "*" + std::string(dead_suffix));
  command.add("COUNT").add(scanned_at_once).add("TYPE").add("stream");
  connection_->ask(command.text(), [this](const Value& reply) {
    if (reply.is(Value::Type::error)) return std::exchange(listing_.found, nullptr)(refusal("SCAN", reply.text));
    for (const Value& key : reply.at(1)) listing_.keys.emplace(key.text);   // SCAN may say a key twice
    if (reply.at(0).text != "0") return scan(std::string(reply.at(0).text));
    read_next();
  });
}

/// One stream after the other; then the oldest of all.
void DeadLetters::read_next() {
  if (listing_.keys.empty()) {
    const auto older = [](const DeadLetter& a, const DeadLetter& b) {
      return id_order(a.id.substr(a.id.rfind('@') + 1)) < id_order(b.id.substr(b.id.rfind('@') + 1));
    };
    std::stable_sort(listing_.letters.begin(), listing_.letters.end(), older);
    if (listing_.letters.size() > listing_.limit) listing_.letters.resize(listing_.limit);
    return std::exchange(listing_.found, nullptr)(std::move(listing_.letters));
  }
  const std::string key = std::move(listing_.keys.extract(listing_.keys.begin()).value());
  Command command;
  command.add("XRANGE").add(key).add("-").add("+").add("COUNT").add(static_cast<std::uint64_t>(listing_.limit));
  connection_->ask(command.text(), [this, key](const Value& reply) {
    if (reply.is(Value::Type::error)) return std::exchange(listing_.found, nullptr)(refusal("XRANGE " + key, reply.text));
    for (const Value& entry : reply) {
      if (auto letter = letter_of(route_of(key), entry)) listing_.letters.push_back(std::move(*letter));
    }
    read_next();
  });
}

void DeadLetters::find(std::string id, Found found) {
  const auto place = place_of(id);
  if (!place) return environment_.loop->post([found = std::move(found)] { found(std::vector<DeadLetter>()); });
  connection_->ask(Command().add("XRANGE").add(place->key).add(place->entry).add(place->entry).text(),
                   [this, place = *place, found = std::move(found)](const Value& reply) {
    if (reply.is(Value::Type::error)) return found(refusal("XRANGE " + place.key, reply.text));
    std::vector<DeadLetter> letters;
    if (reply.size() != 0) {
      if (auto letter = letter_of(place.route, reply.at(0))) letters.push_back(std::move(*letter));
    }
    found(std::move(letters));
  });
}

// --- back to where it was -------------------------------------------------------------------------------------------

void DeadLetters::replay(std::string id, Replayed replayed) {
  const auto place = place_of(id);
  if (!place) return environment_.loop->post([replayed = std::move(replayed)] { replayed(false); });
  connection_->ask(Command().add("XRANGE").add(place->key).add(place->entry).add(place->entry).text(),
                   [this, place = *place, replayed = std::move(replayed)](const Value& reply) {
    if (reply.is(Value::Type::error)) return replayed(refusal("XRANGE " + place.key, reply.text));
    if (reply.size() == 0) return replayed(false);
    put_back(place, reply.at(0), replayed);
  });
}

void DeadLetters::put_back(const Place& place, const Value& entry, Replayed replayed) {
  const DeadEntry dead(entry);
  if (!dead.good) return replayed(false);
  const std::string origin(dead.notes[2]);
  Command command;
  command.add("XADD").add(origin).add("*");
  for (const std::string_view word : dead.fields) command.add(word);
  connection_->ask(command.text(), [this, place, origin, replayed = std::move(replayed)](const Value& reply) {
    if (reply.is(Value::Type::error)) return replayed(refusal("XADD " + origin, reply.text));
    remove(place, origin, replayed);
  });
}

void DeadLetters::remove(const Place& place, const std::string& origin, Replayed replayed) {
  connection_->ask(Command().add("XDEL").add(place.key).add(place.entry).text(),
                   [place, origin, replayed = std::move(replayed)](const Value& reply) {
    if (!reply.is(Value::Type::error)) return replayed(true);
    Failure failure = refusal("XDEL " + place.key, reply.text);
    failure.detail = "the message is in " + origin + " again, and still among the dead letters: " + failure.detail;
    failure.fate = Fate::confirmed;
    replayed(std::move(failure));
  });
}

}  // namespace ferry::redis
