// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/guest.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "assign/actions.hpp"
#include "assign/nodes.hpp"

namespace pciassign::detail {
namespace {

std::string token(DomId domid) {
  return fmt::format("pciassign/channel/{}", domid);
}

std::vector<std::string> watched(DomId domid) {
  return {backend_path(domid) + "/state", frontend_path(domid) + "/state", "@releaseDomain"};
}

bool closing(XenbusState state) {
  return state == XenbusState::closing || state == XenbusState::closed;
}

struct Channel {
  XenbusState back = XenbusState::unknown, front = XenbusState::unknown;
  std::vector<Entry> ours;
};

Result<Channel> look(StoreView& store, DomId domid, const std::vector<Sbdf>& devices) {
  Channel channel;
  auto back = read_state(store, backend_path(domid) + "/state");
  if (!back) return tl::unexpected(back.error());
  auto front = read_state(store, frontend_path(domid) + "/state");
  if (!front) return tl::unexpected(front.error());
  auto entries = read_entries(store, domid);
  if (!entries) return tl::unexpected(entries.error());
  channel.back = *back;
  channel.front = *front;
  std::copy_if(entries->begin(), entries->end(), std::back_inserter(channel.ours),
               [&](const Entry& entry) {
                 return std::find(devices.begin(), devices.end(), entry.device) != devices.end();
               });
  return channel;
}

enum class Life { over, paused, running };

Result<Life> life_of(Ports& ports, const AttachmentRecord& record) {
  auto info = ports.xen.domain(record.domid);
  if (!info && info.error().kind == ErrorKind::not_found) return Life::over;
  if (!info) return tl::unexpected(info.error());
  if (info->uuid_str() != record.domain_uuid || info->gone()) return Life::over;
  return info->paused ? Life::paused : Life::running;
}

/// What an attach waits for, as far as the back end goes; errors when it cannot come any more.
Result<Channel> look_while_attaching(Ports& ports, const AttachmentRecord& record,
                                     const std::vector<Sbdf>& devices) {
  auto life = life_of(ports, record);
  if (!life) return tl::unexpected(life.error());
  if (*life == Life::over)
    return fail(ErrorKind::failed, fmt::format("domain {} died meanwhile", record.domid));
  auto channel = look(ports.store, record.domid, devices);
  if (!channel) return channel;
  if (channel->ours.size() != devices.size())
    return fail(ErrorKind::failed, "something else removed the devices from xenstore",
                "is the domain being destroyed?");
  if (closing(channel->back)) {
    auto why =
        ports.store.read(fmt::format("/local/domain/0/error/backend/pci/{}/0/error", record.domid));
    std::string reason = why && *why ? ": " + **why : std::string{};
    return fail(ErrorKind::failed,
                fmt::format("pciback closed the channel (state {}){}",
                            static_cast<int>(channel->back), reason),
                "see dom0's kernel log: dmesg | grep pciback");
  }
  return channel;
}

bool all_exported(const Channel& channel) {
  return std::all_of(channel.ours.begin(), channel.ours.end(),
                     [](const Entry& entry) { return entry.state == XenbusState::initialised; });
}

}  // namespace

Result<void> watch_channel(Ports& ports, DomId domid) {
  for (const auto& path : watched(domid))
    if (auto ok = ports.store.watch(path, token(domid)); !ok) return ok;
  return {};
}

void unwatch_channel(Ports& ports, DomId domid) {
  // Tried twice. A watch that stays costs an event that nobody waits for, nothing more.
  for (const auto& path : watched(domid))
    if (!ports.store.unwatch(path, token(domid))) (void)ports.store.unwatch(path, token(domid));
}

Result<bool> former_channel_gone(Ports& ports, DomId domid) {
  auto nodes = ports.store.list(backend_path(domid));
  if (!nodes) return tl::unexpected(nodes.error());
  return !nodes->empty() || !ports.pci.has_backend(domid);
}

Result<bool> connected(Ports& ports, const AttachmentRecord& any,
                       const std::vector<Sbdf>& devices) {
  auto channel = look_while_attaching(ports, any, devices);
  if (!channel) return tl::unexpected(channel.error());
  return channel->back == XenbusState::connected && channel->front == XenbusState::connected &&
         all_exported(*channel);
}

Result<bool> exported(Ports& ports, const AttachmentRecord& any, const std::vector<Sbdf>& devices) {
  auto channel = look_while_attaching(ports, any, devices);
  if (!channel) return tl::unexpected(channel.error());
  return channel->back >= XenbusState::initialised && all_exported(*channel);
}

Result<bool> DetachTalk::tell(Ports& ports) {
  bool told = false;
  auto done = ports.store.transaction([&](StoreView& view) -> Result<void> {
    told = false;
    auto channel = look(view, record_.domid, devices_);
    if (!channel) return tl::unexpected(channel.error());
    if (channel->back != XenbusState::connected) return {};
    const auto back = backend_path(record_.domid);
    for (const auto& entry : channel->ours)
      if (auto ok = view.write(fmt::format("{}/state-{}", back, entry.index), "5"); !ok) return ok;
    told = true;
    return view.write(back + "/state", "7");
  });
  if (!done) return tl::unexpected(done.error());
  return told;
}

Result<bool> DetachTalk::ready(Ports& ports) {
  auto life = life_of(ports, record_);
  if (!life) return tl::unexpected(life.error());
  if (*life == Life::over) return true;
  // Nobody would hear it. One that is paused after it was told may still come to answer.
  if (*life == Life::paused && !told_) return true;
  auto channel = look(ports.store, record_.domid, devices_);
  if (!channel) return tl::unexpected(channel.error());
  if (channel->ours.empty()) return true;
  const bool nobody = channel->back == XenbusState::unknown || closing(channel->back) ||
                      channel->front == XenbusState::unknown || closing(channel->front);
  if (nobody) return true;
  if (told_) {
    released_ = channel->back == XenbusState::connected;
    return released_;
  }
  if (channel->back == XenbusState::connected) {
    auto told = tell(ports);
    if (!told) return told;
    told_ = *told;
    return false;
  }
  // A change is under way. If it is this detach, begun before a restart, its answer will do.
  if (channel->back > XenbusState::connected) {
    told_ = std::all_of(channel->ours.begin(), channel->ours.end(),
                        [](const Entry& entry) { return entry.state == XenbusState::closing; });
    return false;
  }
  return true;  // never connected: the guest has not seen the devices
}

}  // namespace pciassign::detail
