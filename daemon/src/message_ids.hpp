// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Every message that the daemon logs: its name, and the MESSAGE_ID under which journald knows it.
/// Both stay for ever; daemon/etc/pciassign.catalog explains each to the administrator.
#pragma once
#include <array>
#include <string_view>

namespace pciassign::daemon {

struct MessageId {
  std::string_view name;
  std::string_view uuid;  ///< 128 bits, in hexadecimal.
};

inline constexpr std::array kMessageIds{
    MessageId{"ready", "8a56939a7c484103b1de6ae4802c6f7f"},
    MessageId{"stopped", "c5453cf5f7d0459abd09b9c1cc9376d4"},
    MessageId{"config", "e92a9a1de9494579a762c15d108d1fe7"},
    MessageId{"xenstore-lost", "dd086d597c65471787194218c8c937d3"},
    MessageId{"domains", "36fbaa2a78ba4bb6b3a3ecdf69eb4458"},
    MessageId{"domain-paused", "c68460a3647d42c48fe589606447ec51"},
    MessageId{"domain-waits", "489d7150368a41f7bb65f4195d29ddd3"},
    MessageId{"domain-ready", "d07bf49fb40c4605a319ff50492639ce"},
    MessageId{"domain-runs-already", "9fc8aeaca5c0475881282c2505c17377"},
    MessageId{"started-without", "c79353a57cb246caa10530a666ac2a37"},
    MessageId{"attach-failed", "e567e5b5ac4f449bbfdc9563deb92be6"},
    MessageId{"attach-retry", "7b9c38109a2144ea9b617965e6ff834a"},
    MessageId{"pause-failed", "ae3c7d4d1f6842cc801f73c400e2e5e2"},
    MessageId{"pause-not-noted", "f23618566175412a89674727e3624203"},
    MessageId{"unpause-failed", "608041d429074da79cee3af243f7b8ca"},
    MessageId{"create-not-noted", "916149caf7d24b40b7c433ecf9a51805"},
    MessageId{"plan-begins", "c07369218ba74ff8985c6638a714bde9"},
    MessageId{"step", "745ac652dd1145458f3bb7e10446720c"},
    MessageId{"plan-done", "a0c62f70216b47de8d4031807f9410cc"},
    MessageId{"plan-failed", "d6bca196882b4cbdb76d8a07a38ae75c"},
    MessageId{"undo-failed", "59a0079cfd6d4a8ca18aeb573799782c"},
    MessageId{"retry", "62f9a18a6f5d440994b213facc723ec0"},
    MessageId{"watch", "850ccc210bf94780ad0bf46fc254cd17"},
    MessageId{"client-gone", "44952655bf2a48b4a28a82c0b9cfa9bf"},
    MessageId{"not-root", "e3f590291a2e444b894bf6968180339b"},
    MessageId{"bad-message", "ab81a28de485498b88f9e880b3ad2043"},
    MessageId{"message-too-long", "b02e057b510f42e3ab3b89ed8b61080e"},
    MessageId{"too-many-clients", "24f8487b543c46e4b4dd983256a9f0ef"},
    MessageId{"metrics-file", "931931e37cac47269265c9fa05854ab6"},
    MessageId{"driver-domain", "e140abb30a5c434888e8b66329c9a460"},
    MessageId{"driver-domain-state", "3645f7acec8f44a3ba9bc84147e34c11"},
    MessageId{"driver-domain-phase", "0e27d916d1704a748f5687942916dd8c"},
    MessageId{"driver-domain-ready", "5e11af36efd34bea8894ec8d5a176b49"},
    MessageId{"driver-domain-recovered", "540c3645ae3b40c1b80762ba56dd7e6b"},
    MessageId{"driver-domain-failed", "f0ef19fd7df04a0c98bba0912040340d"},
    MessageId{"driver-domain-given-up", "5dd8598888fd4f7e8de29067ac25ec0e"},
    MessageId{"driver-domain-blocked", "7b3cd8aa3d0740c59e047aaf15f1e29c"},
    MessageId{"dependent-failed", "7d876094b8b94c5ca21b5e3c8c5805e5"},
    MessageId{"former-record", "3b1d5e0c8f6a4d0f9a52c7e4d81b60f2"},
    MessageId{"journal-file", "e02b7c6d5f1a4b53a8d06c9f4e7712ab"},
    MessageId{"left-alone", "b6d20c5f4a374f1e8c1f0d3a97e2465b"},
    MessageId{"metrics-socket", "62c5a8b4fb504c11a1675c3e13eec0cb"},
};

/// The name of a message in a call of the log: one that is not in the table does not compile.
class LogId {
 public:
  // Not explicit: log.info("ready", ...) is what it is for.
  consteval LogId(const char* name) : id_(find(name)) {}
  [[nodiscard]] constexpr std::string_view name() const { return id_.name; }
  [[nodiscard]] constexpr std::string_view uuid() const { return id_.uuid; }

 private:
  static consteval MessageId find(std::string_view name) {
    for (const MessageId& id : kMessageIds) {
      if (id.name == name) return id;
    }
    throw "no such message: add it to kMessageIds and to the catalog";
  }
  MessageId id_;
};

}  // namespace pciassign::daemon
