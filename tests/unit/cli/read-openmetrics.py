# SPDX-License-Identifier: GPL-2.0-or-later
# Reads a file of metrics as Prometheus does, in its new format and in its old one. It must have families and samples.
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as new_format
from prometheus_client.parser import text_string_to_metric_families as old_format

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
families = list(new_format(text))
assert families and all(family.name.startswith("pciassign_") for family in families)
for family in families:
    assert family.documentation, family.name
new_count = sum(len(family.samples) for family in families)
old_count = sum(len(family.samples) for family in old_format(text))
assert new_count == old_count > 0, (new_count, old_count)
print(f"{len(families)} families, {new_count} samples")
