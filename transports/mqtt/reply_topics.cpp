#include "transports/mqtt/reply_topics.hpp"

namespace ferry::mqtt {

ReplyTopic& ReplyTopics::get(const std::string& route, bool& fresh) {
  const auto [entry, made] = topics_.try_emplace(route);
  ReplyTopic& topic = entry->second;
  fresh = made;
  if (!made) return topic;
  topic.route = route;
  topic.number = ++last_number_;
  topic.place_ = idle_.insert(idle_.end(), &topic);
  by_number_.emplace(topic.number, &topic);
  return topic;
}

ReplyTopic* ReplyTopics::find(std::uint64_t number) noexcept {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

void ReplyTopics::use(ReplyTopic& topic) {
  if (topic.busy++ == 0) idle_.erase(topic.place_);
}

void ReplyTopics::release(ReplyTopic& topic) {
  if (--topic.busy == 0) topic.place_ = idle_.insert(idle_.end(), &topic);
}

void ReplyTopics::erase(ReplyTopic& topic) {
  if (topic.busy == 0) idle_.erase(topic.place_);
  by_number_.erase(topic.number);
  topics_.erase(std::string(topic.route));
}

void ReplyTopics::clear() {
  idle_.clear();
  by_number_.clear();
  topics_.clear();
}

std::vector<std::string> ReplyTopics::evict(std::size_t kept) {
  std::vector<std::string> filters;
  for (auto at = idle_.begin(); idle_.size() > kept && at != idle_.end();) {
    ReplyTopic& topic = **at++;
    if (!topic.open) continue;   // its confirmation comes soon
    filters.push_back(topic.filter());
    erase(topic);
  }
  return filters;
}

}  // namespace ferry::mqtt
