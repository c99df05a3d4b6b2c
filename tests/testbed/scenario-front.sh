#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off --timeout 900
#
# pcifront's life: save and restore of guests, unbinding and unloading with drivers bound, devices held beyond their removal, and
# a back end (fake-back) that falls silent, answers late, reports errors and comes again.
. /usr/share/pciassign-tests/lib.sh

nic=0000:00:04.0 old_nic=0000:00:03.0 disk=0000:00:05.0

disk_is_whole() {
	local sum
	must guest until "$1" 30 "test -b /dev/nvme0n1"
	sum=$(guest run "$1" "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum")
	assert_equal "the disk's content" "$TESTBED_NVME_SHA256" "${sum%% *}"
}

# After a restore the agent's channel is gone; the guest's kernel still speaks on its console.
wait_console() { # NAME SECONDS REGEX
	grep -qm 1 -E "$3" < <(timeout $(($2 * TESTBED_PATIENCE)) tail -n +1 -F "/host/logs/guest-$1.log" 2>/dev/null)
}

step "saving a guest with devices is refused; it needs xl's patience of a minute and goes on meanwhile"
must guest start busy --mem 200 --cfg "pci=[\"$nic\"]"
guest_network busy e1000e
{
	xl save busy /root/busy.save >/host/logs/save-busy 2>&1
	echo "status $?" >>/host/logs/save-busy
} &
refused=$!

step "a checkpoint of a guest without devices"
must guest start plain --mem 160 --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
must xl save -c plain /root/plain.save 2>/dev/null
must guest run plain true
rm /root/plain.save

step "save and restore of it, and a device afterwards"
must xl save plain /root/plain.save 2>/dev/null
must xl restore /root/plain.save 2>/dev/null
must xl pci-attach plain "$old_nic"
must wait_console plain 60 'pci 0000:00:00.0: .8086:100e.'
must guest kill plain
must guest gone plain 60

step "pcifront goes with drivers bound, while somebody holds a device and its configuration space"
must guest start held --mem 200 --cfg "pci=[\"$disk\"]"
disk_is_whole held
# shellcheck disable=SC2016
must guest run held '
	mkfifo /run/go
	{
		exec 6</dev/nvme0 7<"$(echo /sys/bus/pci/drivers/nvme/0000:*/config)"
		echo held >/run/held
		read -r _ </run/go
		dd bs=4 count=1 <&7
		echo "status $?" >/run/late
	} </dev/null >/dev/null 2>&1 &
	guest-agent --wait 60 "test -s /run/held" || exit 1
	rmmod pcifront && exit 1 # xenbus refuses while it drives something
	echo pci-0 >/sys/bus/xen/drivers/pcifront/unbind
	rmmod pcifront && ! ls /sys/bus/pci/devices/0000:*'
must guest run held 'modprobe pcifront'
disk_is_whole held
must guest run held 'echo go >/run/go'
must guest until held 30 "test -s /run/late"
assert_equal "a read of what is gone" "status 1" "$(guest run held cat /run/late)"
must guest kill held
must guest gone held 60

step "the refusal, and the guest after it"
wait "$refused"
cat /host/logs/save-busy
assert_match "xl save" "status [1-9]" "$(tail -n 1 /host/logs/save-busy)"
assert_match "its reason" "detach them before it is saved" "$(grep 'PCI devices' /host/logs/guest-busy.log)"
guest_network busy e1000e
must xl pci-detach busy "$nic"
must xl pci-attach busy "$nic"
guest_network busy e1000e
must guest kill busy
must guest gone busy 60

step "a back end that the test commands"
unload_pciback
must guest start lonely --mem 160
id=$(xl domid lonely)
front=/local/domain/$id/device/pci/0 back=/local/domain/0/backend/pci/$id/0
mkfifo /run/fake.in /run/fake.out

fake_start() {
	/usr/lib/pciassign-testbed/fake-back "$id" </run/fake.in >/run/fake.out &
	fake=$!
	exec 8>/run/fake.in 9</run/fake.out
	fake_says ready
}
fake_says() {
	local answer
	read -r -t $((40 * TESTBED_PATIENCE)) -u 9 answer || fail "the fake back end says nothing"
	[[ -z ${1:-} ]] || assert_equal "the fake back end" "$1" "$answer"
	echo "$answer"
}
fake() {
	echo "$*" >&8
	fake_says
}
# The dword at an offset of the function's configuration space, as the guest reads it.
dword() {
	guest run lonely "dd if=/sys/bus/pci/devices/0000:00:00.0/config bs=1 skip=$(($1)) count=4 2>/dev/null | od -An -tx4" | tr -d ' '
}

must xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$id" "$back/online" 1 "$back/state" 3 \
	"$back/num_devs" 1 "$back/dev-0" 0000:00:00.0 "$back/vdev-0" 0000:00:00.00 "$back/state-0" 3 \
	"$back/root_num" 1 "$back/root-0" 0000:00
must xenstore-chmod -r "$back" n0 "r$id"
must xenstore-write "$front/backend" "$back" "$front/backend-id" 0
must xenstore-chmod -r "$front" "n$id" r0
must xenstore-write "$front/state" 1 # last: with it the guest's xenbus begins
must wait_xenstore 30 "$front/state" == 3
fake_start
must xenstore-write "$back/state" 4
must wait_xenstore 30 "$front/state" == 4
must guest until lonely 30 "test -e /sys/bus/pci/devices/0000:00:00.0/config"

step "silence is noticed once, and no later access waits"
assert_equal "a dword" c0de0040 "$(dword 0x40)"
fake silent
begin=$SECONDS
must guest run lonely "cat /sys/bus/pci/devices/0000:00:00.0/config >/dev/null; cat /sys/bus/pci/devices/0000:00:00.0/config | wc -c"
echo "512 bytes of a silent back end took $((SECONDS - begin)) s"
# pcifront waits three seconds for an answer: more than three minutes if it did so for each of the registers.
((SECONDS - begin < 60 * TESTBED_SLOW)) || fail "every access waits"
must guest until lonely 30 "dmesg | grep 'no answer from the back end'"
assert_equal "times it was noticed" 1 "$(guest run lonely "dmesg | grep -c 'no answer from the back end'")"

step "a late answer is nobody else's, and the function works again"
before=$(fake count)
fake answer
must guest until lonely 30 "dmesg | grep 'answers again'"
assert_equal "ops that waited" $((before + 1)) "$(fake count)"
for offset in 0x44 0x48 0x4c 0x40; do
	assert_equal "the dword at $offset" "c0de00${offset#0x}" "$(dword "$offset")"
done

step "error recovery is answered: nobody drives the function"
for request in "6 2" "8 1" "9 1" "7 1" "77 -5"; do
	assert_equal "the answer to $request" 1 "$(fake "aer $request")"
done

step "another back end takes its place, without a word of the first"
page=$(xenstore-read "$front/pci-op-ref")
must xenstore-write "$back/state" 2
must wait_xenstore 30 "$front/state" == 3
# The first one still maps the old page, so that nothing else has its number.
[[ $page != "$(xenstore-read "$front/pci-op-ref")" ]] || fail "the channel is the old one"
kill "$fake"
wait "$fake" 2>/dev/null
must guest run lonely "! test -e /sys/bus/pci/devices/0000:00:00.0"
must xenstore-write "$back/state" 3
fake_start
must xenstore-write "$back/state" 4
must wait_xenstore 30 "$front/state" == 4
assert_equal "a dword of the new one" c0de0050 "$(dword 0x50)"

step "the back end dies with its nodes while an access waits: nothing waits for long"
fake silent
must guest run lonely 'cat /sys/bus/pci/devices/0000:00:00.0/config >/dev/null 2>&1 &'
must xenstore-rm "$back"
must wait_xenstore 20 "$front/state" == 6
must guest run lonely "! test -e /sys/bus/pci/devices/0000:00:00.0"
must guest run lonely "echo pci-0 >/sys/bus/xen/drivers/pcifront/unbind; rmmod pcifront"
kill "$fake"
wait "$fake" 2>/dev/null
must guest kill lonely
must guest gone lonely 60
must modprobe pciback
echo "scenario-front: PASS"
