#include "transports/redis/connection.hpp"

#include <algorithm>
#include <utility>

#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t fed_bytes = 16 * 1024;      // hiredis moves what is left of a piece after each kilobyte taken
constexpr std::uint32_t asked = 0;                // Expected::kind: its reply goes to the first of `answers_`
constexpr std::uint32_t pinged = ~std::uint32_t{0};

}  // namespace

Connection::Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire,
                       std::string name)
    : Link(loop, std::move(wire), {access->max_send_bytes, access->high_water_bytes}, std::move(name)),
      access_(std::move(access)) {}

Connection::~Connection() = default;

// --- start ----------------------------------------------------------------------------------------------------------

void Connection::start(std::chrono::milliseconds limit, LogIn log_in, std::function<void(const Failure*)> ready) {
  log_in_ = std::move(log_in);
  Link::start(limit, std::move(ready));
}

/// All of it at once; the last, a ping, shows whether the server takes commands at all.
void Connection::on_open() {
  const auto step = [this](std::string_view what, std::initializer_list<std::string_view> words) {
    std::string command;
    append_command(command, words);
    ++log_in_steps_;
    ask(command, [this, what](const Value& reply) { on_log_in(what, reply); });
  };
  const LogIn log_in = std::exchange(log_in_, {});
  const Credentials& who = log_in.credentials;
  if (who.given()) {
    if (who.username.empty()) step("AUTH", {"AUTH", who.password});
    else step("AUTH", {"AUTH", who.username, who.password});
  }
  if (!log_in.name.empty()) step("CLIENT SETNAME", {"CLIENT", "SETNAME", log_in.name});
  if (log_in.db != 0) step("SELECT", {"SELECT", std::to_string(log_in.db)});
  step("PING", {"PING"});
}

void Connection::on_log_in(std::string_view what, const Value& reply) {
  if (!starting()) return;
  // A user who may not ping is logged in all the same.
  const bool refused = reply.is(Value::Type::error) && !(what == "PING" && error_kind(reply.text) == RedisError::no_permission);
  if (refused) return destroy(refusal(what, reply.text));
  if (--log_in_steps_ == 0) started();
}

// --- reading --------------------------------------------------------------------------------------------------------

/// hiredis keeps what it is fed, so one piece after the other, each when all replies of the last one are taken.
std::size_t Connection::take(std::string_view unread, std::size_t&) {
  heard_ = true;
  if (!take_replies() || unread.empty()) return 0;
  const std::size_t size = std::min(fed_bytes, unread.size());
  reader_.feed(unread.substr(0, size));
  return size;
}

/// False: somebody ended or holds us.
bool Connection::take_replies() {
  while (!gone() && !held()) {
    const RespReader::Step step = reader_.next();
    if (step == RespReader::Step::reply) {
      take_reply(reader_.reply());
    } else if (step == RespReader::Step::broken) {
      destroy(Failure(RedisError::protocol, "Connection closed: " + name() + " does not speak Redis's protocol: " +
                                                std::string(reader_.error())));
    } else if (reader_.held() > access_->max_message_bytes) {
      destroy(Failure(errc::connection_lost, "Connection closed: a message is longer than maxMessageSize (" +
                                                 std::to_string(access_->max_message_bytes) + ")"));
    } else {
      return true;
    }
  }
  return false;
}

void Connection::take_reply(const Value& reply) {
  if (take_published(reply)) return;
  if (expected_.empty()) {
    // A server that ends a connection may say why: "-ERR max number of clients reached".
    const std::string text = reply.is(Value::Type::error) ? std::string(reply.text) : "a reply to nothing";
    return destroy(Failure(errc::connection_lost, "Connection closed: " + name() + " said: " + text));
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  if (expected.kind == asked) {
    const Answer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer(reply);
  }
  if (expected.kind == pinged) return;
  const bool demoted = reply.is(Value::Type::error) && ends_connection(error_kind(reply.text));
  if (user_ != nullptr) user_->on_reply(*this, expected, reply);
  if (demoted && !gone()) destroy(refusal("Connection closed", reply.text));
}

bool Connection::take_published(const Value& reply) {
  if (!reply.is(Value::Type::array) || (reply.number != 3 && reply.number != 4)) return false;
  Value::Iterator part = reply.begin();
  const bool by_pattern = reply.number == 4;
  if (part->text != (by_pattern ? "pmessage" : "message") || !part->is(Value::Type::string)) return false;
  ++part;
  const std::string_view pattern = by_pattern ? part->text : std::string_view();
  if (by_pattern) ++part;
  const std::string_view channel = part->text;
  ++part;
  if (user_ != nullptr) user_->on_published(*this, {pattern, channel, part->text, memory()});
  return true;
}

// --- writing --------------------------------------------------------------------------------------------------------

void Connection::ask(std::string_view command, Answer answer) {
  if (gone()) return;
  answers_.push_back(std::move(answer));
  send(command, {asked, 0});
}

void Connection::on_collected(std::size_t messages) { expected_.insert(expected_.end(), messages, {afar_kind_, 0}); }

void Connection::on_relieved() {
  if (user_ != nullptr) user_->on_relieved(*this);
}

// --- life -----------------------------------------------------------------------------------------------------------

void Connection::watch(std::chrono::milliseconds interval, bool ping) {
  interval_ = interval;
  pings_ = ping;
  waiting_ = !ping;
  heard_ = true;
  if (interval_ > 0ms && !gone()) tick();
}

void Connection::tick() {
  if (waiting_ && !heard_ && !held()) {
    return destroy(Failure(RedisError::silent, "Connection closed: " + name() + " was silent for " +
                                                   std::to_string(interval_.count()) + " ms (pingInterval)"));
  }
  if (pings_ && !held()) {
    std::string command;
    append_command(command, {"PING"});
    waiting_ = true;
    send(command, {pinged, 0});
  }
  heard_ = held();   // a hold that ends until the next tick leaves too little time
  after(interval_, [this] { tick(); });
}

void Connection::close(std::chrono::milliseconds limit, std::function<void()> done) {
  end_within(limit, std::move(done));
  if (!gone()) post_flush();   // and there `on_flushed`
}

/// The end: everything was sent, and the server has answered all of it.
void Connection::on_flushed() {
  if (!ending() || !out().empty() || !expected_.empty()) return;
  say_end();
  destroy(Failure(errc::closed, "closed"));
}

void Connection::on_end() {
  expected_.clear();
  // Later, because the caller may be an answer.
  loop().post([self = std::static_pointer_cast<Connection>(shared_from_this())] { self->answers_.clear(); });
}

void Connection::on_gone(const Failure& why) {
  if (user_ != nullptr) std::exchange(user_, nullptr)->on_gone(*this, why);
}

}  // namespace ferry::redis
