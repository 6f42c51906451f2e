#include "hub.hpp"

#include <utility>

namespace ferry::memory {

// ---- one server ------------------------------------------------------------------------------------------------------

Listener::Listener(const spi::ServerEnvironment& environment, spi::ServerSink& sink, std::size_t max_queue)
    : main_loop_(environment.loop),
      loops_(environment.loops.empty() ? std::vector<spi::Loop*>{environment.loop} : environment.loops),
      serializer_(environment.serializer),
      sink_(sink),
      max_queue_(max_queue) {}

std::shared_ptr<Link> Listener::accept(Link::ClientSide client) {
  const std::lock_guard lock(mutex_);
  if (closing_) return nullptr;
  Link::ServerSide server{loops_[next_loop_++ % loops_.size()], serializer_, max_queue_, paused_, &sink_, weak_from_this()};
  links_.push_back(Link::make(std::move(client), std::move(server)));
  return links_.back();
}

void Listener::forget(const Link& link) {
  const std::lock_guard lock(mutex_);
  std::erase_if(links_, [&link](const auto& each) { return each.get() == &link; });
}

void Listener::set_paused(bool paused) {
  const std::lock_guard lock(mutex_);
  paused_ = paused;
  for (const auto& link : links_) link->pause_requests(paused);
}

std::shared_ptr<Countdown> Listener::count_links(std::function<void()> done) {
  closing_ = true;
  return std::shared_ptr<Countdown>(new Countdown{{links_.size() + 1}, main_loop_, std::move(done)});
}

void Listener::drain(std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  const auto countdown = count_links(std::move(done));
  for (const auto& link : links_) link->drain(countdown);
  countdown->arrive();
}

void Listener::close(std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  const auto countdown = count_links(std::move(done));
  for (auto& link : std::exchange(links_, {})) {
    const spi::Loop& loop = link->server_loop();
    loop.post([link = std::move(link), countdown] {
      link->end();
      countdown->arrive();
    });
  }
  countdown->arrive();
}

// ---- all of them -----------------------------------------------------------------------------------------------------

Hub& Hub::instance() {
  static Hub hub;
  return hub;
}

void Hub::add(const std::string& name, std::shared_ptr<Listener> listener) {
  const std::lock_guard lock(mutex_);
  listeners_[name].push_back(std::move(listener));
  version_.fetch_add(1, std::memory_order_release);
}

void Hub::remove(const std::string& name, const Listener& listener) {
  const std::lock_guard lock(mutex_);
  const auto found = listeners_.find(name);
  if (found == listeners_.end()) return;
  std::erase_if(found->second, [&listener](const auto& each) { return each.get() == &listener; });
  if (found->second.empty()) listeners_.erase(found);
  version_.fetch_add(1, std::memory_order_release);
}

std::vector<std::shared_ptr<Listener>> Hub::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = listeners_.find(name);
  return found == listeners_.end() ? std::vector<std::shared_ptr<Listener>>() : found->second;
}

}  // namespace ferry::memory
