#include "transports/rmq/dead_letters.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <openssl/evp.h>

#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/rmq/copy_headers.hpp"
#include "transports/rmq/error.hpp"

namespace ferry::rmq {
namespace {

/// What RabbitMQ itself says of a message's way through queues whose messages expire, as those that wait for a retry do.
constexpr std::array broker_headers = {std::string_view("x-death"), std::string_view("x-first-death-exchange"),
                                       std::string_view("x-first-death-queue"), std::string_view("x-first-death-reason")};

std::string_view table_of(const Content& content) { return content.properties.headers.value_or(std::string_view()); }

/// A quorum queue counts how often a message was looked at.
std::string stable_table(const Content& content) { return without_header(table_of(content), "x-delivery-count"); }

/// Of everything that a look at it does not change.
std::string digest_of(const Content& content) {
  Properties properties = content.properties;
  const std::string table = stable_table(content);
  properties.headers = table;
  std::string whole;
  append_properties(whole, properties);
  whole.append(content.body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(whole.data(), whole.size(), digest, nullptr, EVP_sha256(), nullptr);
  constexpr std::size_t shown = 8;   // bytes; enough to tell the letters of a queue apart
  constexpr std::string_view hex = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < shown; ++i) (id += hex[digest[i] >> 4]) += hex[digest[i] & 15u];
  return id;
}

template <class T>
T number_in(const Headers& headers, std::string_view name) {
  T number = 0;
  const std::string_view text = headers.get(name).value_or(std::string_view());
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string route_of(const spi::RequestView& view) {
  using Form = spi::RequestView::PatternForm;
  if (view.pattern_form == Form::absent) return {};
  if (view.pattern_form == Form::text) return detail::lookup_key(view.pattern).text;
  const nlohmann::json pattern = nlohmann::json::parse(view.pattern, nullptr, false);
  return pattern.is_string() ? detail::lookup_key(pattern.get_ref<const std::string&>()).text : detail::route_of_json(view.pattern).text;
}

}  // namespace

DeadLetters::DeadLetters(spi::ServerEnvironment environment)
    : environment_(std::move(environment)),
      settings_(server_settings(environment_)),
      access_(std::make_shared<const Access>(settings_.access)),
      queue_(settings_.retry->dead_letter_queue) {
  if (!queue_.empty()) return;
  spi::config_error(environment_.options.place("queueOptions"), "the queue's dead letters go to an exchange of the program's own",
                    "only those in a queue of ferry's own, where there is no dead-letter exchange, can be looked at");
}

DeadLetters::~DeadLetters() {
  if (connector_) connector_->cancel();
  if (connection_) connection_->drop();
}

// --- the connection -------------------------------------------------------------------------------------------------

void DeadLetters::open(Done done, std::function<void(const Failure&)> lost) {
  lost_ = std::move(lost);
  connector_ = std::make_shared<Connector>(*environment_.loop, access_, 0,
                                           [this, done = std::move(done)](const Failure* failure,
                                                                          std::shared_ptr<Connection> connection) {
    connector_.reset();
    if (failure != nullptr) return done(failure);
    connection_ = std::move(connection);
    connection_->set_user(this);
    setup_ = std::make_unique<Setup>(*connection_);
    setup_->open(work);
    setup_->open(copies);
    setup_->confirms(copies);
    setup_->run([done] { done(nullptr); });
  });
  environment_.loop->post([connector = connector_] { connector->start(); });
}

void DeadLetters::close(std::chrono::milliseconds limit, std::function<void()> done) {
  if (connector_) std::exchange(connector_, nullptr)->cancel();
  if (!connection_) return environment_.loop->post(std::move(done));
  std::exchange(connection_, nullptr)->close(limit, std::move(done));
}

void DeadLetters::on_gone(Connection&, const Failure& why) {
  const Failure failure = why;   // the connection's own goes with it
  const auto last = std::exchange(connection_, nullptr);
  if (last) lost_(failure);
}

void DeadLetters::on_channel_closed(Connection& connection, std::uint16_t, const Failure& why) {
  connection.destroy(Failure(why.code, "the queue of dead letters " + queue_ + ": " + why.detail, Fate::not_sent));
}

// --- looking --------------------------------------------------------------------------------------------------------

void DeadLetters::walk(std::function<bool(Content&)> see, std::function<void()> end) {
  see_ = std::move(see);
  end_ = std::move(end);
  take_next();
}

void DeadLetters::take_next() {
  connection_->send(work, AMQP_BASIC_GET_METHOD, amqp_basic_get_t{0, bytes_of(queue_), 0});
}

void DeadLetters::on_method(Connection&, const Method& method) {
  switch (method.id) {
    case AMQP_BASIC_GET_EMPTY_METHOD: return std::exchange(end_, nullptr)();
    case AMQP_BASIC_ACK_METHOD: return confirmed(true);
    case AMQP_BASIC_NACK_METHOD: return confirmed(false);
    default: setup_->take(method);
  }
}

void DeadLetters::on_content(Connection&, Content& content) {
  if (content.returned) {
    unroutable_ = unroutable(content.exchange, content.routing_key);
    return;   // its confirmation follows
  }
  if (see_(content)) return take_next();
  std::exchange(end_, nullptr)();
}

/// The answer to what is asked behind it comes when it is done.
void DeadLetters::give_back(std::function<void()> then) {
  connection_->send(work, AMQP_BASIC_NACK_METHOD, amqp_basic_nack_t{0, 1, 1});   // tag 0: all
  setup_->qos(work, 0, false);
  setup_->run(std::move(then));
}

DeadLetter DeadLetters::letter_of(const Content& content) const {
  DeadLetter letter;
  letter.id = digest_of(content);
  spi::RequestView view;
  std::string scratch;
  transports::read_envelope(*environment_.serializer, content.body, transports::Unreadable::is_text, view, scratch);
  letter.pattern = route_of(view);
  if (view.has_payload) letter.payload = Payload::owned(std::string(view.payload), *environment_.serializer);
  if (!view.headers.empty()) letter.headers = environment_.serializer->read_headers(view.headers);
  const Headers table = headers_of(stable_table(content));
  for (const auto& [name, value] : table) letter.headers.set(name, value);
  for (const std::string_view name : copy_headers) letter.headers.erase(name);
  for (const std::string_view name : broker_headers) letter.headers.erase(name);
  extension::strip_own_headers(letter.headers);
  letter.origin = letter.service = table.get(origin_header).value_or(settings_.topology.queue);
  letter.cause = table.get(cause_header).value_or(std::string_view());
  letter.attempts = number_in<std::uint64_t>(table, deliveries_header);
  letter.time = std::chrono::milliseconds(number_in<std::int64_t>(table, time_header));
  return letter;
}

void DeadLetters::list(std::size_t limit, Found found) {
  const auto letters = std::make_shared<std::vector<DeadLetter>>();
  walk([this, limit, letters](Content& content) {
    letters->push_back(letter_of(content));
    return letters->size() < limit;
  }, [this, letters, found = std::move(found)] {
    give_back([letters, found] { found(std::move(*letters)); });
  });
}

void DeadLetters::find(std::string id, Found found) {
  const auto letters = std::make_shared<std::vector<DeadLetter>>();
  walk([this, id = std::move(id), letters](Content& content) {
    if (digest_of(content) == id) letters->push_back(letter_of(content));
    return letters->empty();
  }, [this, letters, found = std::move(found)] {
    give_back([letters, found] { found(std::move(*letters)); });
  });
}

// --- back to where it was -------------------------------------------------------------------------------------------

void DeadLetters::replay(std::string id, Replayed replayed) {
  chosen_.reset();
  walk([this, id = std::move(id)](Content& content) {
    if (digest_of(content) == id) chosen_ = content;
    return !chosen_.has_value();
  }, [this, replayed = std::move(replayed)] {
    if (chosen_) return put_back(replayed);
    give_back([replayed] { replayed(false); });
  });
}

/// A copy first, and when the broker has confirmed that, the letter is acknowledged.
void DeadLetters::put_back(Replayed replayed) {
  replayed_ = std::move(replayed);
  unroutable_.reset();
  std::string table = stable_table(*chosen_);
  const std::string origin = find_header(table, origin_header).value_or(settings_.topology.queue);
  for (const std::string_view name : copy_headers) table = without_header(table, name);
  for (const std::string_view name : broker_headers) table = without_header(table, name);
  Properties properties = chosen_->properties;
  properties.headers = table;
  properties.user_id.reset();   // the broker takes no other than our own
  Publication to;
  to.routing_key = origin;
  to.mandatory = true;
  to.properties = &properties;
  std::string body(chosen_->body);
  Failure failure;
  if (connection_->publish(copies, to, {}, body, {}, failure)) return;
  give_back([failure, answer = std::exchange(replayed_, nullptr)] { answer(failure); });
}

void DeadLetters::confirmed(bool taken) {
  if (!replayed_) return;
  Result<bool> result = true;
  if (unroutable_) {
    result = *std::exchange(unroutable_, std::nullopt);
  } else if (!taken) {
    result = Failure(RmqError::nacked, "the broker does not take the message over: its queue is full, or it failed", Fate::not_sent);
  } else {
    connection_->send(work, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{chosen_->delivery_tag, 0});
  }
  chosen_.reset();
  give_back([result = std::move(result), answer = std::exchange(replayed_, nullptr)] { answer(result); });
}

}  // namespace ferry::rmq
