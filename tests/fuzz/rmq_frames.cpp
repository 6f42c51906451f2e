// What an AMQP broker sends: frames, methods, messages in parts, and the tables of headers that strangers write.

#include <algorithm>
#include <string>

#include "target.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/rmq/content.hpp"
#include "transports/rmq/frame.hpp"

namespace ferry::fuzz {
namespace {

using namespace ferry::rmq;

constexpr std::size_t frame_max = 4096;
constexpr std::size_t message_max = 1 << 16;

struct Pool {
  Pool() { init_amqp_pool(&pool, frame_max); }
  ~Pool() { empty_amqp_pool(&pool); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  amqp_pool_t pool{};
};

/// It was no UTF-8 where it came from, or cannot be written.
bool is_altered(std::string_view name) { return name.size() > most_short_text || name.find("\xEF\xBF\xBD") != name.npos; }

void check_table(std::string_view table) {
  const Headers headers = headers_of(table);
  std::string written;
  for (const auto& [name, value] : headers) {
    if (is_altered(name)) return;
    FUZZ_CHECK(find_header(table, name));
    FUZZ_CHECK(!find_header(without_header(table, name), name));
    append_header(written, name, value);
  }
  const Headers again = headers_of(written);
  FUZZ_CHECK(std::equal(again.begin(), again.end(), headers.begin(), headers.end()));
}

/// What was read of a message's properties, written again, is the same.
void check_properties(std::string_view encoded) {
  Properties properties;
  if (!read_properties(encoded, properties)) return;
  for (const auto& text : {properties.content_type, properties.headers, properties.correlation_id, properties.reply_to}) {
    if (text) FUZZ_CHECK(lies_in(*text, encoded));
  }
  std::string written;
  append_properties(written, properties);
  Properties again;
  FUZZ_CHECK(read_properties(written, again));
  FUZZ_CHECK(again.headers == properties.headers && again.correlation_id == properties.correlation_id);
  FUZZ_CHECK(again.reply_to == properties.reply_to && again.timestamp == properties.timestamp);
  FUZZ_CHECK(again.priority == properties.priority && again.cluster_id == properties.cluster_id);
  if (properties.headers) check_table(*properties.headers);
}

/// As the connection does it. False: it would end here.
bool take(const Frame& frame, amqp_pool_t& pool, ContentReader& reader, const net::ChunkPtr& memory) {
  if (frame.type == AMQP_FRAME_HEARTBEAT) return true;
  if (frame.type != AMQP_FRAME_METHOD) {
    const ContentReader::Step step = reader.take(frame, memory, message_max);
    if (step == ContentReader::Step::complete) {
      FUZZ_CHECK(reader.content().body.size() <= message_max);
      check_properties(reader.content().encoded_properties);
      reader.reset();
    }
    return step == ContentReader::Step::complete || step == ContentReader::Step::more;
  }
  Method method;
  if (!reader.idle() || !read_method(frame, pool, method)) return false;
  FUZZ_CHECK(method.channel == frame.channel);
  if (method.id == AMQP_BASIC_DELIVER_METHOD || method.id == AMQP_BASIC_RETURN_METHOD) reader.begin(method, memory);
  return true;
}

}  // namespace

void run(std::string_view input) {
  check_table(input);
  check_properties(input);
  Pool pool;
  ContentReader reader;
  const net::ChunkPtr memory = net::ChunkPtr::copy_of(input);
  const std::string_view all(memory.data(), input.size());
  for (std::string_view rest = all; !rest.empty();) {
    const std::size_t before = rest.size();
    Frame frame;
    std::size_t needed = 0;
    const FrameStep step = read_frame(rest, frame_max, frame, needed);
    if (step == FrameStep::more) FUZZ_CHECK(needed > before && needed <= frame_max);
    if (step != FrameStep::frame) return;
    FUZZ_CHECK(rest.size() < before && lies_in(frame.payload, all));
    const bool good = take(frame, pool.pool, reader, memory);
    recycle_amqp_pool(&pool.pool);
    if (!good) return;
  }
}

}  // namespace ferry::fuzz
