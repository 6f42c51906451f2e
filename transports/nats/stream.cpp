#include "transports/nats/stream.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "transports/nats/api.hpp"
#include "transports/nats/error.hpp"

namespace ferry::nats {
namespace {

using namespace api;
using nlohmann::json;

constexpr int not_found = 404;
constexpr int stream_name_in_use = 10058;
constexpr int subjects_overlap = 10065;

std::int64_t nanoseconds(std::chrono::milliseconds time) { return std::chrono::nanoseconds(time).count(); }

/// FNV-1a: the same in every build, for names that must not change.
std::uint64_t hash(std::string_view text) noexcept {
  std::uint64_t value = 14695981039346656037ull;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return value;
}

}  // namespace

std::optional<Failure> confirmation_failure(const natsMsg* message, const StreamSettings& settings) {
  const std::string what = "stream " + settings.stream;
  if (message == nullptr) return no_jetstream(what);
  const json answer = json::parse(body_of(message), nullptr, false);
  const json error = error_of(answer);
  if (error.is_object()) {
    const bool full = number_of(error, "code") == 503 || text_of(error).find("maximum") != std::string::npos;
    return Failure(full ? errc::overloaded : errc::transport_failure, what + " refused the event: " + text_of(error),
                   Fate::not_sent);
  }
  if (answer.is_object() && answer.contains("seq")) return std::nullopt;
  return Failure(errc::bad_message, what + ": an answer that is no confirmation");
}

json stream_config(const StreamSettings& settings) {
  return {{"name", settings.stream},
          {"subjects", {settings.subject_prefix + ">", settings.dead_letter + ">"}},
          {"retention", settings.retention},
          {"storage", settings.storage},
          {"discard", settings.discard},
          {"max_msgs", settings.max_messages},
          {"max_bytes", settings.max_bytes > 0 ? settings.max_bytes : -1},
          {"max_age", nanoseconds(settings.max_age)},
          {"duplicate_window", nanoseconds(settings.duplicate_window)},
          {"max_consumers", -1},
          {"max_msg_size", -1},
          {"num_replicas", settings.replicas}};
}

std::string consumer_name(const StreamSettings& settings, std::string_view route) {
  constexpr std::size_t shown = 40;
  std::string name = settings.durable + "-";
  for (const char c : route.substr(0, shown)) name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ? c : '-';
  constexpr std::string_view hex = "0123456789abcdef";
  name += '-';
  const std::uint64_t value = hash(route);
  for (int shift = 28; shift >= 0; shift -= 4) name += hex[(value >> shift) & 15u];
  return name;
}

json consumer_config(const StreamSettings& settings, const std::string& name, const std::string& route) {
  return {{"stream_name", settings.stream},
          {"config",
           {{"durable_name", name},
            {"deliver_policy", "all"},
            {"ack_policy", "explicit"},
            {"ack_wait", nanoseconds(settings.ack_wait)},
            {"max_deliver", -1},   // the service counts: what kills it must reach the dead letters, too
            {"max_ack_pending", settings.max_ack_pending},
            {"replay_policy", "instant"},
            {"filter_subject", settings.subject_prefix + route}}}};
}

// --- the dialogue ---------------------------------------------------------------------------------------------------

StreamSetup::StreamSetup(Connection& connection, Inbox& inbox, const StreamSettings& settings,
                         std::chrono::milliseconds limit)
    : connection_(connection), inbox_(inbox), settings_(settings), limit_(limit), loop_(connection.loop()),
      timer_(connection.loop().executor()) {}

void StreamSetup::add_consumer(const std::string& route) { routes_.push_back(route); }

void StreamSetup::cancel() {
  done_ = nullptr;
  timer_.cancel();
}

void StreamSetup::run(std::function<void(const Failure*)> done) {
  done_ = std::move(done);
  ask_for_stream();
}

void StreamSetup::ask_for_stream() {
  ask("$JS.API.STREAM.INFO." + settings_.stream, nullptr, &StreamSetup::stream_known);
}

void StreamSetup::ask(const std::string& subject, const json& body, void (StreamSetup::*next)(const json&)) {
  Failure failure;
  slot_ = inbox_.take(failure);
  if (slot_ == nullptr) return finish(failure);
  next_ = next;
  slot_->use = Inbox::Slot::Use::call;
  slot_->answered = [self = weak_from_this()](const natsMsg* message) {
    if (const auto setup = self.lock()) setup->take(message);
  };
  const std::string text = body.is_null() ? std::string() : body.dump();
  const std::string reply = slot_->subject() + "0";
  if (!connection_.publish({subject.c_str(), reply.c_str(), text, nullptr}, failure)) {
    inbox_.release(*std::exchange(slot_, nullptr));
    return finish(failure);
  }
  timer_.expires_after(limit_);
  timer_.async_wait([self = weak_from_this()](std::error_code error) {
    const auto setup = self.lock();
    if (!setup || error || setup->slot_ == nullptr || !setup->done_) return;
    setup->inbox_.retire(*std::exchange(setup->slot_, nullptr));
    setup->finish(Failure(make_code(NATS_TIMEOUT), "JetStream did not answer in time", Fate::not_sent));
  });
}

void StreamSetup::take(const natsMsg* message) {
  slot_ = nullptr;   // its owner has released it
  timer_.cancel();
  if (!done_) return;
  if (message == nullptr) return finish(no_jetstream("stream " + settings_.stream));
  const json answer = json::parse(body_of(message), nullptr, false);
  if (!answer.is_object()) return finish(Failure(errc::bad_message, "JetStream answered with something that is no JSON object"));
  (this->*next_)(answer);
}

Failure StreamSetup::refused(const json& answer, const std::string& what) const {
  return Failure(errc::bad_config, what + ": " + text_of(error_of(answer)), Fate::not_sent);
}

void StreamSetup::stream_known(const json& answer) {
  const json error = error_of(answer);
  const std::string what = "stream " + settings_.stream;
  if (error.is_object()) {
    if (number_of(error, "code") != not_found) return finish(refused(answer, what));
    if (overlap_) return finish(std::move(overlap_));
    if (!settings_.create) return finish(Failure(errc::bad_config, what + " does not exist; create it, or leave out noAssert"));
    return ask("$JS.API.STREAM.CREATE." + settings_.stream, stream_config(settings_), &StreamSetup::stream_made);
  }
  const json subjects = answer.value("config", json::object()).value("subjects", json::array());
  const auto covers = [&](const std::string& prefix) {
    return std::any_of(subjects.begin(), subjects.end(), [&](const json& each) {
      if (!each.is_string()) return false;
      const auto subject = each.get<std::string>();
      return subject.ends_with('>') && prefix.starts_with(subject.substr(0, subject.size() - 1));
    });
  };
  if (settings_.create && !covers(settings_.subject_prefix)) {
    return finish(Failure(errc::bad_config, what + " exists, but has not the subjects \"" + settings_.subject_prefix +
                                                ">\"; add them, or name another stream or subjectPrefix"));
  }
  next_consumer();
}

void StreamSetup::stream_made(const json& answer) {
  const json error = error_of(answer);
  const int code = error.is_object() ? number_of(error, "err_code") : 0;
  if (!error.is_object() || code == stream_name_in_use) return next_consumer();   // or somebody else was faster
  Failure failure = refused(answer, "cannot create the stream " + settings_.stream);
  if (code != subjects_overlap) return finish(std::move(failure));
  // Perhaps with that very stream, which somebody else creates at the same time.
  overlap_ = std::move(failure);
  ask_for_stream();
}

void StreamSetup::next_consumer() {
  if (made_ == routes_.size()) return finish(std::nullopt);
  const std::string& route = routes_[made_];
  const std::string name = consumer_name(settings_, route);
  ask("$JS.API.CONSUMER.DURABLE.CREATE." + settings_.stream + "." + name, consumer_config(settings_, name, route),
      &StreamSetup::consumer_made);
}

void StreamSetup::consumer_made(const json& answer) {
  if (error_of(answer).is_object()) return finish(refused(answer, "cannot create the consumer of " + routes_[made_]));
  ++made_;
  next_consumer();
}

/// Later: who is told may end the connection, which is in the middle of reading.
void StreamSetup::finish(std::optional<Failure> failure) {
  loop_.post([self = shared_from_this(), failure = std::move(failure)] {
    const auto done = std::exchange(self->done_, nullptr);
    if (done) done(failure ? &*failure : nullptr);
  });
}

}  // namespace ferry::nats
