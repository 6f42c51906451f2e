#pragma once
// The tables of options: NestJS's names and defaults, then ferry's own.

#include "ferry/spi/options.hpp"

namespace ferry::kafka {

using spi::Option;
using spi::OptionKind;

inline constexpr Option tls_table[] = {
    {"ca", OptionKind::strings, "", "authorities to trust instead of the system's: PEM texts, or PEM files"},
    {"cert", OptionKind::string, "", "certificate, with its chain: PEM text, or a PEM file"},
    {"key", OptionKind::string, "", "private key: PEM text, or a PEM file"},
    {"passphrase", OptionKind::string, "", "of the private key"},
    {"rejectUnauthorized", OptionKind::boolean, "true", "refuse a broker whose certificate no authority vouches for"},
    {"checkServerIdentity", OptionKind::boolean, "true", "refuse a broker whose certificate is another host's"},
};

inline constexpr Option sasl_table[] = {
    {.name = "mechanism", .kind = OptionKind::string, .doc = "how to log in",
     .choices = "plain|scram-sha-256|scram-sha-512", .required = true},
    {.name = "username", .kind = OptionKind::string, .doc = "user name", .required = true},
    {.name = "password", .kind = OptionKind::string, .doc = "password", .required = true},
};

inline constexpr Option retry_table[] = {
    {"initialRetryTime", OptionKind::duration, "", "before the first attempt to connect again"},
    {"maxRetryTime", OptionKind::duration, "", "longest wait between attempts"},
    {"retries", OptionKind::integer, "", "attempts in a row before giving up", 0},
};

inline constexpr Option connection_table[] = {
    {"clientId", OptionKind::string, "", "shown by the brokers; by default \"nestjs-consumer\", as NestJS has it"},
    {"brokers", OptionKind::strings, "\"localhost:9092\"", "host:port of one or more brokers of one cluster"},
    {"ssl", OptionKind::any, "", "true, or an object of ca, cert, key, passphrase, rejectUnauthorized, checkServerIdentity"},
    {.name = "sasl", .kind = OptionKind::object, .doc = "log in", .members = sasl_table},
    {.name = "retry", .kind = OptionKind::object, .doc = "connecting again; what is not given: the config's `reconnect`", .members = retry_table},
    {"connectionTimeout", OptionKind::duration, "1000", "for one broker to accept the connection", 1000},
    {"authenticationTimeout", OptionKind::duration, "10000", "beyond that, for the brokers to let us in and to answer", 1},
    {"requestTimeout", OptionKind::duration, "30000", "for a broker to answer a request", 1000, 300000},
};

// Of clients and of services, which have more.
#define FERRY_KAFKA_PRODUCER_OPTIONS \
    {"allowAutoTopicCreation", OptionKind::boolean, "true", "create topics that are not there"}, \
    {"idempotent", OptionKind::boolean, "true", "a retry inside the driver never stores a record twice (NestJS: false)"}, \
    {"linger", OptionKind::duration, "0", "wait for more records before a batch leaves", 0, 900000}, \
    {"maxBufferedMessages", OptionKind::integer, "100000", "records not yet confirmed; more are refused", 1, 10000000}, \
    {"maxBufferedBytes", OptionKind::size, "\"64MiB\"", "bytes not yet confirmed; more are refused", 1024}, \
    {"maxMessageBytes", OptionKind::size, "1000000", "of one record; brokers have their own limit", 1000, 1000000000}, \
    {"deliveryTimeout", OptionKind::duration, "30000", "for a record to be confirmed, retries included", 1}

inline constexpr Option producer_table[] = {FERRY_KAFKA_PRODUCER_OPTIONS};
inline constexpr Option service_producer_table[] = {
    FERRY_KAFKA_PRODUCER_OPTIONS,
    {"transactionalId", OptionKind::string, "", "what handlers put out and the offsets are committed together; each instance needs "
     "an id of its own, which it keeps"},
    {"transactionTimeout", OptionKind::duration, "60000", "after which the brokers abort a transaction that was left", 1000, 900000},
};
#undef FERRY_KAFKA_PRODUCER_OPTIONS

inline constexpr Option send_table[] = {
    {"acks", OptionKind::integer, "-1", "copies that confirm a record: -1 all in sync, 1 the leader's, 0 none", -1, 1},
    {"timeout", OptionKind::duration, "30000", "for the copies to confirm", 1, 900000},
    {.name = "compression", .kind = OptionKind::string, .fallback = "\"none\"", .doc = "of batches",
     .choices = "none|gzip|snappy|lz4|zstd"},
};

inline constexpr Option topic_table[] = {
    {"partitions", OptionKind::integer, "-1", "of topics that are created; -1: as the broker likes", -1, 100000},
    {"replicas", OptionKind::integer, "-1", "of topics that are created; -1: as the broker likes", -1, 1000},
};

inline constexpr Option subscribe_table[] = {
    {"fromBeginning", OptionKind::boolean, "false", "a group that is new reads what was there before it"},
};

inline constexpr Option run_table[] = {
    {"autoCommit", OptionKind::boolean, "true", "commit what was handled; false: only by the context's commit()"},
    {"autoCommitInterval", OptionKind::duration, "1000", "between commits, or transactions (NestJS: with each batch)", 1},
    {"autoCommitThreshold", OptionKind::integer, "", "records handled after which to commit at once", 1},
    {"partitionsConsumedConcurrently", OptionKind::integer, "", "partitions whose events are handled at the same time; by default all", 1},
};

inline constexpr Option reader_table[] = {
    {"groupId", OptionKind::string, "\"nestjs-group\"", "the postfix is added"},
    {"maxWaitTimeInMs", OptionKind::duration, "100", "a broker's wait for records before it answers that there are none (NestJS: 5000)", 1, 300000},
    {"maxBytesPerPartition", OptionKind::size, "1048576", "read at a time", 1, 1000000000},
    {"minBytes", OptionKind::size, "1", "a broker waits for", 1, 100000000},
    {"maxBytes", OptionKind::size, "10485760", "read at a time from one broker", 1, 2000000000},
    {"metadataMaxAge", OptionKind::duration, "300000", "after which topics and brokers are looked up again", 1000, 3600000},
    {"maxBufferedBytes", OptionKind::size, "\"16MiB\"", "read ahead of the handlers", 1024, 2000000000},
    {"rackId", OptionKind::string, "", "read from brokers of the same rack"},
};

inline constexpr Option consumer_table[] = {
    {"groupId", OptionKind::string, "\"nestjs-group\"", "the postfix is added; members of one group share its records"},
    {"maxWaitTimeInMs", OptionKind::duration, "500", "a broker's wait for records before it answers that there are none (NestJS: 5000)", 1, 300000},
    {"maxBytesPerPartition", OptionKind::size, "1048576", "read at a time", 1, 1000000000},
    {"minBytes", OptionKind::size, "1", "a broker waits for", 1, 100000000},
    {"maxBytes", OptionKind::size, "10485760", "read at a time from one broker", 1, 2000000000},
    {"metadataMaxAge", OptionKind::duration, "300000", "after which topics and brokers are looked up again", 1000, 3600000},
    {"maxBufferedBytes", OptionKind::size, "\"16MiB\"", "read ahead of the handlers", 1024, 2000000000},
    {"rackId", OptionKind::string, "", "read from brokers of the same rack"},
    {"sessionTimeout", OptionKind::duration, "30000", "silence after which a member is taken for gone", 1, 3600000},
    {"heartbeatInterval", OptionKind::duration, "3000", "between signs of life", 1, 3600000},
    {"rebalanceTimeout", OptionKind::duration, "60000", "for all members to take part in sharing partitions out again; half of it is "
     "left to handlers to finish", 1, 86400000},
    {"groupInstanceId", OptionKind::string, "", "static membership: a restart within sessionTimeout moves no partition"},
    {.name = "assignor", .kind = OptionKind::string, .fallback = "\"cooperative-sticky\"",
     .doc = "how the group shares its partitions", .choices = "cooperative-sticky|range|roundrobin"},
    {"readUncommitted", OptionKind::boolean, "false", "also read what a transaction has not committed"},
    {"allowAutoTopicCreation", OptionKind::boolean, "true", "create topics that are not there"},
};

}  // namespace ferry::kafka
