#include "transports/nats/dead_letters.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

#include "transports/common/base64.hpp"
#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/nats/api.hpp"
#include "transports/nats/error.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/stream.hpp"

namespace ferry::nats {
namespace {

using nlohmann::json;

constexpr int no_message_found = 10037;
constexpr const char* cause_header = "Dead-Letter-Cause";
constexpr const char* attempts_header = "Dead-Letter-Attempts";
constexpr const char* subject_header = "Dead-Letter-Subject";

/// "2026-11-29T16:00:00.123456789Z", as milliseconds since 1970.
std::chrono::milliseconds time_of(const std::string& text) {
  std::tm parts{};
  double seconds = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%lf", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
                  &parts.tm_min, &seconds) != 6) {
    return {};
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return std::chrono::seconds(::timegm(&parts)) + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// The block as it is on the wire: "NATS/1.0\r\nname: value\r\n...\r\n\r\n".
Headers read_block(std::string_view block) {
  Headers headers;
  bool first = true;
  while (!block.empty()) {
    const std::size_t end = std::min(block.find("\r\n"), block.size());
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(std::min(end + 2, block.size()));
    const std::size_t colon = line.find(':');
    if (std::exchange(first, false) || colon == std::string_view::npos) continue;
    const std::string_view value = line.substr(colon + 1);
    headers.set(line.substr(0, colon), value.substr(std::min(value.find_first_not_of(' '), value.size())));
  }
  return headers;
}

std::string decoded(const json& message, const char* member) {
  std::string bytes;
  transports::from_base64(message.value(member, std::string()), bytes);
  return bytes;
}

std::optional<std::uint64_t> sequence_of(std::string_view id) {
  std::uint64_t sequence = 0;
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), sequence);
  const bool good = parsed.ec == std::errc() && parsed.ptr == id.data() + id.size() && sequence != 0;
  return good ? std::optional(sequence) : std::nullopt;
}

}  // namespace

DeadLetters::DeadLetters(spi::ServerEnvironment environment)
    : environment_(std::move(environment)), settings_(server_settings(environment_)), jetstream_(*settings_.stream) {}

DeadLetters::~DeadLetters() {
  if (connector_) connector_->cancel();
  leave();
}

// --- the connection -------------------------------------------------------------------------------------------------

void DeadLetters::open(Done done, std::function<void(const Failure&)> lost) {
  lost_ = std::move(lost);
  connector_ = std::make_shared<Connector>(*environment_.loop, settings_.link, std::vector<std::string>());
  connector_->start([this, done = std::move(done)](const Failure* failure, const std::shared_ptr<Connection>& connection,
                                                   natsConnection* handle) {
    connector_.reset();
    if (failure != nullptr) return done(failure);
    connection_ = connection;
    connection_->open(handle, *this);
    inbox_ = std::make_unique<Inbox>(connection_, settings_.link.inbox_prefix);
    find_stream(done);
  });
}

void DeadLetters::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) return std::exchange(connector_, nullptr)->end(limit, std::move(done));
  if (!connection_) return environment_.loop->post(std::move(done));
  inbox_.reset();
  std::exchange(connection_, nullptr)->end_gently(limit, std::move(done));
}

void DeadLetters::leave() {
  inbox_.reset();
  if (connection_) std::exchange(connection_, nullptr)->end();
}

void DeadLetters::on_gone(const Failure& why) {
  const Failure failure = why;   // the connection's own goes with it
  leave();
  lost_(failure);
}

void DeadLetters::on_input() {
  if (!inbox_) return;
  inbox_->drain([this](Inbox::Slot& slot, natsMsg* message) {
    const auto answered = std::move(slot.answered);
    inbox_->release(slot);
    answered(message);
  });
}

/// `answered` is called with null where nobody listens.
void DeadLetters::publish(const std::string& subject, const std::string& body, const Headers* headers,
                          std::function<void(natsMsg*)> answered, std::function<void(const Failure&)> refused) {
  Failure failure;
  Inbox::Slot* const slot = inbox_->take(failure);
  if (slot != nullptr) {
    slot->use = Inbox::Slot::Use::call;
    slot->answered = std::move(answered);
    const std::string reply = slot->subject() + "0";
    if (connection_->publish({subject.c_str(), reply.c_str(), body, headers}, failure)) return;
    inbox_->release(*slot);
  }
  environment_.loop->post([failure, refused = std::move(refused)] { refused(failure); });
}

void DeadLetters::ask(const std::string& what, const json& question, Answer answer) {
  publish("$JS.API." + what, question.dump(), nullptr, [answer](const natsMsg* message) {
    if (message == nullptr) return answer(api::no_jetstream("dead letters"));
    json said = json::parse(body_of(message), nullptr, false);
    if (!said.is_object()) return answer(Failure(errc::bad_message, "JetStream answered with something that is no JSON object"));
    answer(std::move(said));
  }, [answer](const Failure& failure) { answer(failure); });
}

/// Where `deadLetter` is an own choice, so may be the stream that takes it in.
void DeadLetters::find_stream(Done done) {
  ask("STREAM.NAMES", {{"subject", jetstream_.dead_letter + ">"}}, [this, done = std::move(done)](const Result<json>& said) {
    if (!said) return done(&said.failure());
    const json names = said->value("streams", json());
    stream_ = names.is_array() && !names.empty() && names.front().is_string() ? names.front().get<std::string>() : jetstream_.stream;
    done(nullptr);
  });
}

// --- looking --------------------------------------------------------------------------------------------------------

void DeadLetters::get(const json& question, std::function<void(Result<std::optional<Stored>>)> got) {
  ask("STREAM.MSG.GET." + stream_, question, [this, got = std::move(got)](const Result<json>& said) {
    if (!said) return got(said.failure());
    const json error = api::error_of(*said);
    if (api::number_of(error, "err_code") == no_message_found) return got(std::optional<Stored>());
    const json message = said->value("message", json());
    if (error.is_object() || !message.is_object()) {
      return got(Failure(errc::transport_failure, "the stream " + stream_ + ": " + api::text_of(error), Fate::not_sent));
    }
    Stored stored{message.value("seq", std::uint64_t{0}), message.value("subject", std::string()), decoded(message, "data"),
                  read_block(decoded(message, "hdrs")), time_of(message.value("time", std::string()))};
    if (!stored.subject.starts_with(jetstream_.dead_letter)) return got(std::optional<Stored>());
    got(std::optional<Stored>(std::move(stored)));
  });
}

std::string DeadLetters::origin_of(const Stored& stored) const {
  const auto said = stored.headers.get(subject_header);
  return said ? std::string(*said) : jetstream_.subject_prefix + stored.subject.substr(jetstream_.dead_letter.size());
}

DeadLetter DeadLetters::letter_of(const Stored& stored) const {
  DeadLetter letter;
  letter.id = std::to_string(stored.sequence);
  letter.pattern = stored.subject.substr(jetstream_.dead_letter.size());
  letter.origin = origin_of(stored);
  letter.cause = stored.headers.get(cause_header).value_or(std::string_view());
  const std::string_view attempts = stored.headers.get(attempts_header).value_or(std::string_view());
  std::from_chars(attempts.data(), attempts.data() + attempts.size(), letter.attempts);
  letter.time = stored.time;
  const spi::Serializer& serializer = *environment_.serializer;
  spi::RequestView view;
  std::string scratch;
  const char* const fault = transports::read_broker_message(serializer, stored.body, letter.pattern,
                                                            transports::Unreadable::is_an_error, view, scratch);
  if (fault == nullptr && view.has_payload) letter.payload = Payload::owned(std::string(view.payload), serializer);
  if (fault == nullptr && !view.headers.empty()) letter.headers = serializer.read_headers(view.headers);
  for (const auto& [name, value] : stored.headers) letter.headers.set(name, value);
  for (const char* const name : {cause_header, attempts_header, subject_header, message_id_header}) letter.headers.erase(name);
  extension::strip_own_headers(letter.headers);
  return letter;
}

void DeadLetters::list(std::size_t limit, Found found) {
  list_from(1, limit, std::make_shared<std::vector<DeadLetter>>(), std::move(found));
}

void DeadLetters::list_from(std::uint64_t sequence, std::size_t limit, std::shared_ptr<std::vector<DeadLetter>> letters, Found found) {
  get({{"seq", sequence}, {"next_by_subj", jetstream_.dead_letter + ">"}},
      [this, limit, letters, found = std::move(found)](const Result<std::optional<Stored>>& stored) {
    if (!stored) return found(stored.failure());
    if (*stored) letters->push_back(letter_of(**stored));
    if (!*stored || letters->size() == limit) return found(std::move(*letters));
    list_from((*stored)->sequence + 1, limit, letters, found);
  });
}

void DeadLetters::find(std::string id, Found found) {
  const auto sequence = sequence_of(id);
  if (!sequence) return environment_.loop->post([found = std::move(found)] { found(std::vector<DeadLetter>()); });
  get({{"seq", *sequence}}, [this, found = std::move(found)](const Result<std::optional<Stored>>& stored) {
    if (!stored) return found(stored.failure());
    std::vector<DeadLetter> letters;
    if (*stored) letters.push_back(letter_of(**stored));
    found(std::move(letters));
  });
}

// --- back to where it was -------------------------------------------------------------------------------------------

void DeadLetters::replay(std::string id, Replayed replayed) {
  const auto sequence = sequence_of(id);
  if (!sequence) return environment_.loop->post([replayed = std::move(replayed)] { replayed(false); });
  get({{"seq", *sequence}}, [this, replayed = std::move(replayed)](Result<std::optional<Stored>> stored) {
    if (!stored) return replayed(stored.failure());
    if (!*stored) return replayed(false);
    put_back(std::move(**stored), replayed);
  });
}

void DeadLetters::put_back(Stored stored, Replayed replayed) {
  const std::string origin = origin_of(stored);
  for (const char* const name : {cause_header, attempts_header, subject_header}) stored.headers.erase(name);
  // Whoever tries again after a loss puts it there once, within the stream's duplicateWindow.
  stored.headers.set(message_id_header, "replay." + stream_ + "." + std::to_string(stored.sequence));
  publish(origin, stored.body, &stored.headers, [this, origin, sequence = stored.sequence, replayed](const natsMsg* message) {
    if (const auto failure = confirmation_failure(message, jetstream_)) return replayed(*failure);
    remove(sequence, origin, replayed);
  }, [replayed](const Failure& failure) { replayed(failure); });
}

void DeadLetters::remove(std::uint64_t sequence, const std::string& origin, Replayed replayed) {
  ask("STREAM.MSG.DELETE." + stream_, {{"seq", sequence}, {"no_erase", true}},
      [origin, replayed = std::move(replayed)](const Result<json>& said) {
    const json error = said ? api::error_of(*said) : json();
    if (said && !error.is_object()) return replayed(true);
    replayed(Failure(said ? make_error_code(errc::transport_failure) : said.failure().code,
                     "the message is on " + origin + " again, and still among the dead letters: " +
                         (said ? api::text_of(error) : said.failure().detail),
                     Fate::confirmed));
  });
}

}  // namespace ferry::nats
