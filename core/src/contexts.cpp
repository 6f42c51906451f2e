// The destructors are out of line so that each class's type information exists once, in core: a plugin's context is
// recognised across shared objects by it.

#include "ferry/contexts/grpc_context.hpp"
#include "ferry/contexts/kafka_context.hpp"
#include "ferry/contexts/mqtt_context.hpp"
#include "ferry/contexts/nats_context.hpp"
#include "ferry/contexts/redis_context.hpp"
#include "ferry/contexts/rmq_context.hpp"
#include "ferry/contexts/tcp_context.hpp"

namespace ferry {

TransportContext::~TransportContext() = default;
TcpContext::~TcpContext() = default;
RedisContext::~RedisContext() = default;
NatsContext::~NatsContext() = default;
RmqContext::~RmqContext() = default;
KafkaContext::~KafkaContext() = default;
MqttContext::~MqttContext() = default;
GrpcContext::~GrpcContext() = default;

}  // namespace ferry
