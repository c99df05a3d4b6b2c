# SPDX-License-Identifier: GPL-2.0-or-later
"""check.py SCHEMAS MESSAGES GOLDEN: the schemas are well-formed and strict, and every message that the tests kept fits them.

MESSAGES holds what the daemon and the command line said in the unit tests, one object a line; see fixture.cpp. A request has to fit
where the daemon carried it out. A method, notification or command that no message was of is an error as well: nothing would check it.
"""
import collections
import json
import pathlib
import sys

import jsonschema

KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "additionalProperties", "items", "minItems",
    "enum", "const", "anyOf", "allOf", "pattern", "minLength", "minimum", "maximum",
}
schema_file, messages, golden = (pathlib.Path(argument) for argument in sys.argv[1:4])
schema = json.loads(schema_file.read_text(encoding="utf-8"))
complaints = []


def check_strict(node, where):
    """A misspelt keyword means nothing to a validator, and an open object hides an unknown member."""
    for keyword in node:
        if keyword not in KNOWN:
            complaints.append(f"{where}: no keyword: {keyword}")
    if "properties" in node:
        if node.get("additionalProperties") is not False:
            complaints.append(f"{where}: takes unknown members")
        for name in node.get("required", []):
            if name not in node["properties"]:
                complaints.append(f"{where}: {name} is required and not there")
    for group in ("properties", "$defs"):
        for name, child in node.get(group, {}).items():
            check_strict(child, f"{where}/{name}")
    for child in node.get("anyOf", []) + node.get("allOf", []) + ([node["items"]] if "items" in node else []):
        check_strict(child, where)


validators = {}


def errors_of(path, value):
    if path not in validators:
        validators[path] = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{path}", "$defs": schema["$defs"]})
    return validators[path].iter_errors(value)


def fits(path, value, where):
    """Whether the value fits the schema at a path below $defs; complains if not."""
    error = jsonschema.exceptions.best_match(errors_of(path, value))
    if error:
        place = "/".join(str(step) for step in error.absolute_path)
        complaints.append(f"{where}: no {path}: {place}: {error.message[:300]}")
    return error is None


seen = collections.Counter()
checked = 0


def check_answer(answer, request, where):
    if "method" in answer:
        seen[f"notification {answer['method']}"] += 1
        fits("notification", answer, where)
    elif "error" in answer:
        seen["failure"] += 1
        fits("failure", answer, where)
    elif fits("result", answer, where):
        if request is None:
            complaints.append(f"{where}: an answer to nothing")
            return
        method = request["method"]
        seen[f"method {method}"] += 1
        fits("request", request, where)
        fits(f"methods/properties/{method}/properties/params", request.get("params", {}), where)
        fits(f"methods/properties/{method}/properties/result", answer["result"], where)
        if method == "list-commands":
            told = {command["name"] for command in answer["result"]}
            if told != set(methods):
                complaints.append(f"{where}: methods without schema, or the other way round: {told ^ set(methods)}")


def check_envelope(text, where):
    envelope = json.loads(text)
    if "error" in envelope:
        seen["cli error"] += 1
        fits("cli_error", envelope, where)
    elif fits("cli_result", envelope, where):
        seen[f"command {envelope['command']}"] += 1
        fits(f"commands/properties/{envelope['command']}", envelope["result"], where)


def check_kept(file):
    global checked
    requests = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        kept = json.loads(line)
        checked += 1
        where = kept["test"]
        connection = (kept["test"], kept["daemon"], kept["session"])
        if kept["way"] == "request":
            try:
                request = json.loads(kept["text"])
                requests[connection + (json.dumps(request["id"]),)] = request
            except (ValueError, KeyError, TypeError):
                pass  # Garbage: the answer to it is what counts.
        elif kept["way"] == "answer":
            answer = json.loads(kept["text"])
            check_answer(answer, requests.get(connection + (json.dumps(answer.get("id")),)), where)
        elif kept["way"] == "watch":
            for event in kept["text"].splitlines():
                fits("change_event", json.loads(event), where)
        elif kept["text"]:
            check_envelope(kept["text"], where)


jsonschema.Draft202012Validator.check_schema(schema)
check_strict(schema, "")
methods = schema["$defs"]["methods"]["properties"]
commands = schema["$defs"]["commands"]["properties"]
for file in sorted(messages.glob("*.jsonl")):
    check_kept(file)
for file in sorted(golden.glob("*.json")):
    check_envelope(file.read_text(encoding="utf-8"), f"golden/{file.name}")

wanted = [f"method {name}" for name in methods] + [f"command {name}" for name in commands]
wanted += ["notification step", "notification event", "failure", "cli error"]
for name in wanted:
    if not seen[name]:
        complaints.append(f"no test has a message of: {name}")

# The check itself has to be able to fail.
unknown_member = {"version": "1", "protocol": 1, "xen": "", "more": 1}
if not any(errors_of("address", "00:04.0")) or not any(errors_of("version", unknown_member)):
    complaints.append("the validator takes what does not fit")

for complaint in complaints[:40]:
    print(complaint)
print(f"{checked} messages, {len(complaints)} complaints")
sys.exit(bool(complaints))
