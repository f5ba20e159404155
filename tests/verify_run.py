"""Recomputes every digest of a run's evidence, with nothing but Python's standard library.

Reads one JSON object: `id` (the run), `release`, `grants`, `receipt` (envelopes) and `lines` (base64), as the public API
gives them. Signatures are not checked. Ends with 1 and the first difference if there is one.
"""
import base64, hashlib, json, sys
from decimal import Decimal

def digest(*parts):
    return "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest()

def number(value):
    """A double as ECMAScript writes it: the value is 0.DIGITS times ten to the power of `point`."""
    _, digits, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits, point = "".join(map(str, digits)), len(digits) + exponent
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1:+d}"
    return "0" if value == 0 else "-" + text if value < 0 else text

def canonical(value):
    """RFC 8785, but that an integer of up to 64 bits keeps its digits."""
    if isinstance(value, dict):
        fields = sorted(value.items(), key=lambda field: field[0].encode("utf-16-be"))
        return b"{" + b",".join(canonical(key) + b":" + canonical(item) for key, item in fields) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    return (number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)).encode()

def agree(what, found, expected):
    print(what, found)
    if found != expected:
        sys.exit(f"{what} is {found}, the evidence says {expected}")

evidence = json.load(sys.stdin)
payloads = {name: base64.b64decode(json.loads(evidence[name])["payload"]) for name in ("release", "grants", "receipt")}
receipt, values, events = json.loads(payloads["receipt"]), {}, []
for name in ("release", "grants"):
    agree(name, digest(payloads[name]), receipt[name])
chain = hashlib.sha256(b"flowforge.run.v1\n" + evidence["id"].encode()).digest()
for line in base64.b64decode(evidence["lines"]).splitlines():
    entry = json.loads(line)
    if "seq" in entry:
        agree("record", entry["seq"], len(events))
        chain = hashlib.sha256(chain + line).digest()
        events.append(entry["event"])
    elif "json" in entry:
        # The digest is over the bytes as they stand in the line.
        stands = line[line.index(b',"json":') + len(b',"json":') : -1]
        agree("value", digest(b"flowforge.value.v1\n", bytes.fromhex(entry["salt"]), stands), entry["value"])
        values[entry["value"]] = entry["json"]
agree("chain", "sha256:" + chain.hex(), receipt["chain"])
agree("records", len(events), receipt["records"])
agree("outcome", digest(canonical(events[-1]["outcome"])), receipt["outcome"])
lists, parts = {digest(b"null"): []}, list(values.values())
while parts:
    part = parts.pop()
    parts += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, list):
        lists[digest(canonical(part))] = part
for event in events:
    if event["type"] != "loop_started":
        continue
    if event["list"] in lists:  # A loop that repeats has none, which is recorded as null.
        agree(f"elements of {event['step']}", event["count"], len(lists[event["list"]]))
    else:
        print("list of", event["step"], event["list"], "is made by an expression: no recorded value is it")
