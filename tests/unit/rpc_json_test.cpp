// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/rpc_json.hpp"
#include "pciassign/rpc_domains.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pciassign::rpc {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

/// Writing, reading and writing again loses nothing.
template <class T>
void expect_round_trip(const T& value) {
  const json::value once = to_json(value);
  const Result<T> read = from_json<T>(json::parse(json::serialize(once)));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(json::serialize(to_json(*read)), json::serialize(once));
}

DeviceView sample_view() {
  DeviceView view;
  view.device.sbdf = {0, 0, 4, 0};
  view.device.vendor = 0x8086;
  view.device.device = 0x10d3;
  view.device.class_code = 0x020000;
  view.device.regions = {{0, 0xfeb40000, 0x20000, false, false, false},
                         {2, 0xc080, 0x20, true, false, false},
                         {4, 0x3800'0000'0000, 0x1'0000'0000, false, true, true}};
  view.device.irq = 20;
  view.device.interrupt_pin = 1;
  view.device.msix = true;
  view.device.reset_methods = {"flr", "pm"};
  view.device.driver = "pciback";
  view.device.path = {{0, 0, 1, 0}};
  view.device.physfn = Sbdf{0, 0, 3, 0};
  view.device.name = "82574L \"Gigabit\"";
  view.device.in_use = {"mounted on /"};
  view.state = "attached";
  view.domid = 3;
  view.domain_name = "net";
  view.virtual_slot = "0000:00:00.00";
  return view;
}

TEST(Json, device_view_round_trip) {
  expect_round_trip(sample_view());
  expect_round_trip(DeviceView{});
  const auto read = from_json<DeviceView>(to_json(sample_view()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->device.regions, sample_view().device.regions);
  EXPECT_EQ(read->device.physfn, sample_view().device.physfn);
}

TEST(Json, driver_domain_round_trip) {
  expect_round_trip(DriverDomainView{});
  DriverDomainView view{
      .name = "net",
      .driver_class = "net",
      .devices = {"0000:00:04.0"},
      .state = "recovering",
      .phase = "wait for the agent",
      .domid = 7,
      .agent = "starting",
      .standby = StandbyView{9, "waiting"},
      .crashes = 2,
      .retry_seconds = 1.5,
      .message = "xl create failed",
      .last_recovery = RecoveryView{"crash",
                                    "cold",
                                    "running",
                                    "2026-01-31T12:00:00Z",
                                    {{"detect", 0.1, 0.1}, {"reset", 0.25, 0.5}}},
      .dependents = {{"guest", 4, "vif", 0, "00:16:3e:00:00:01", "connected", "in place"}}};
  expect_round_trip(view);
  expect_round_trip(DriverDomainsResult{{view}});
  const auto read = from_json<DriverDomainView>(to_json(view));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->standby->domid, DomId{9});
  EXPECT_EQ(read->last_recovery->phases.back().at, 0.5);
  EXPECT_EQ(read->dependents.front().recovery, "in place");
  expect_round_trip(DriverDomainParams{"net"});
  expect_round_trip(DriverDomainChangeParams{"net", false});
  EXPECT_FALSE(
      from_json<DriverDomainChangeParams>(json::parse(R"({"name": "net", "wiat": true})")));
  expect_round_trip(ChangeEvent{.what = "phase",
                                .title = "driver domain net",
                                .domid = 7,
                                .domain_name = "net",
                                .step = {},
                                .message = {},
                                .phase = "reset",
                                .seconds = 0.25});
}

TEST(Json, plan_and_change_round_trip) {
  PlanView plan{.kind = PlanKind::detach,
                .title = "detach",
                .domid = 5,
                .domain_name = "net",
                .devices = {{0, 0, 4, 0}},
                .findings = {{"E-NO-RESET", Severity::warning, Sbdf{0, 0, 4, 0}, "none", "find one",
                              "no-reset"},
                             {"E-ABSENT", Severity::ok, std::nullopt, "", "", ""}},
                .steps = {{"assign", "assign it"}},
                .undo_command = "pciassign attach net 00:04.0"};
  expect_round_trip(plan);
  StepReport step;
  step.id = "assign";
  step.words = "assign it";
  step.took = std::chrono::microseconds(1234);
  step.error = Error{ErrorKind::timed_out, "", "too late", "", 110};
  step.undone = true;
  expect_round_trip(step);
  expect_round_trip(ChangeResult{plan, {step}});
  expect_round_trip(
      StepEvent{.request = 4, .index = 2, .total = 9, .state = "failed", .step = step});
}

TEST(Json, every_kind_of_error_round_trips) {
  for (const ErrorKind kind :
       {ErrorKind::failed, ErrorKind::usage, ErrorKind::not_found, ErrorKind::refused,
        ErrorKind::busy, ErrorKind::unavailable, ErrorKind::timed_out}) {
    const auto read = from_json<Error>(to_json(Error{kind, "E-X", "m", "h", 5}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kind, kind);
  }
}

TEST(Json, status_and_parameters_round_trip) {
  expect_round_trip(StatusResult{.version = {"1.2", 1, "4.17"},
                                 .pid = 77,
                                 .jobs = {{"attach", {{0, 0, 4, 0}}, 3, "assign", 0.5}},
                                 .retries = {{"clean up", "E-BUSY", 3, "net", 4.0, 2},
                                             {"attach", "", std::nullopt, "", std::nullopt, 0}},
                                 .configured = {"net"},
                                 .attachments = 1,
                                 .problems = {{"/f.toml", "/f.toml:1:1: no", "correct it"}}});
  expect_round_trip(ReloadResult{{"net"}, {{"/f.toml", "/f.toml:1:1: no", ""}}});
  expect_round_trip(PlanParams{"attach", "net", {"00:04.0"}});
  expect_round_trip(AttachParams{"net", {"00:04.0", "00:05.0,permissive=1"}, "cold"});
  expect_round_trip(DetachParams{"net", {"00:04.0"}});
  const std::string uuid = "00000000-0000-4000-8000-000000000001";
  expect_round_trip(DomainParams{"net", {}});
  expect_round_trip(DomainParams{"net", uuid});
  expect_round_trip(CreatePrepareParams{"net", {}, {}});
  expect_round_trip(CreatePrepareParams{"net", {}, uuid});
  expect_round_trip(CreateCompleteParams{9, {"00:04.0"}, false, {}});
  expect_round_trip(CreateCompleteParams{9, {"00:04.0"}, false, uuid});
  expect_round_trip(CancelParams{12});
  expect_round_trip(DomainResult{3, "net", "0-0", "pv", true});
  expect_round_trip(CommandInfo{"list", "devices", false});
}

TEST(Params, a_misspelt_member_is_refused) {
  const auto read =
      from_json<AttachParams>(json::parse(R"({"domain":"net","devices":[],"moode":"hot"})"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::usage);
  EXPECT_THAT(read.error().message, HasSubstr("moode"));
}

TEST(Params, wrong_types_are_told_by_name) {
  struct {
    const char* text;
    const char* says;
  } const cases[] = {
      {R"({"devices":[]})", "\"domain\" is missing"},
      {R"({"domain":5,"devices":[]})", "\"domain\" must be a string"},
      {R"({"domain":"net","devices":"00:04.0"})", "\"devices\" must be an array"},
      {R"({"domain":"net","devices":[1]})", "\"devices\" must be a string"},
      {R"([])", "an object"},
  };
  for (const auto& c : cases) {
    const auto read = from_json<AttachParams>(json::parse(c.text));
    ASSERT_FALSE(read) << c.text;
    EXPECT_THAT(read.error().message, HasSubstr(c.says)) << c.text;
  }
}

TEST(Params, numbers_out_of_range_are_refused) {
  for (const char* domid : {"-1", "4294967296", "1.5", "\"3\"", "1e300"}) {
    const std::string text = std::string(R"({"devices":[],"domid":)") + domid + "}";
    EXPECT_FALSE(from_json<CreateCompleteParams>(json::parse(text))) << text;
  }
}

TEST(Results, a_newer_daemons_members_are_ignored) {
  json::object view = to_json(sample_view());
  view["invented_later"] = true;
  EXPECT_TRUE(from_json<DeviceView>(view));
}

}  // namespace
}  // namespace pciassign::rpc
