#!/usr/bin/env python3
"""Checks vectors.json against the format document with nothing but Python's standard library.

It is a verifier in another language: BLAKE3, Ed25519 and ECDSA P-256 are written out here from their
specifications, and nothing of the Rust code is used. Slow, and for public test vectors only.
"""
import json
import pathlib
import struct
import sys

# --- BLAKE3 in key derivation mode, with output of 32 bytes -------------------------------------------------
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
START, END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
MASK = 0xFFFFFFFF


def compress(chaining, block, counter, length, flags):
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    v = chaining + IV[:4] + [counter & MASK, counter >> 32, length, flags]

    def mix(a, b, c, d, x, y):
        for word, r1, r2 in ((x, 16, 12), (y, 8, 7)):
            v[a] = (v[a] + v[b] + word) & MASK
            t = v[d] ^ v[a]
            v[d] = (t >> r1 | t << (32 - r1)) & MASK
            v[c] = (v[c] + v[d]) & MASK
            t = v[b] ^ v[c]
            v[b] = (t >> r2 | t << (32 - r2)) & MASK

    for _ in range(7):
        m = words
        mix(0, 4, 8, 12, m[0], m[1])
        mix(1, 5, 9, 13, m[2], m[3])
        mix(2, 6, 10, 14, m[4], m[5])
        mix(3, 7, 11, 15, m[6], m[7])
        mix(0, 5, 10, 15, m[8], m[9])
        mix(1, 6, 11, 12, m[10], m[11])
        mix(2, 7, 8, 13, m[12], m[13])
        mix(3, 4, 9, 14, m[14], m[15])
        words = [words[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def blake3(key, data, flags):
    def chunk(data, counter, last):
        chaining = key
        blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
        for i, block in enumerate(blocks):
            final = i == len(blocks) - 1
            f = flags | (START if i == 0 else 0) | (END if final else 0) | (ROOT if final and last else 0)
            chaining = compress(chaining, block, counter, len(block), f)
        return chaining

    def tree(data, counter, root):
        if len(data) <= 1024:
            return chunk(data, counter, root)
        chunks = (len(data) + 1023) // 1024
        left = 1 << ((chunks - 1).bit_length() - 1)
        halves = tree(data[:left * 1024], counter, False) + tree(data[left * 1024:], counter + left, False)
        return compress(key, struct.pack("<16I", *halves), 0, 64, flags | PARENT | (ROOT if root else 0))

    return struct.pack("<8I", *tree(data, 0, True))


KEYS = {}


def digest(kind, data):
    """The hash of `data` as an object of kind `kind`."""
    if kind not in KEYS:
        KEYS[kind] = list(struct.unpack("<8I", blake3(IV, ("event2ledger v1 " + kind).encode(), CONTEXT)))
    return blake3(KEYS[kind], data, MATERIAL)


# --- Ed25519 (RFC 8032) -------------------------------------------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def ed_add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P


def ed_times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = ed_add(result, point)
        point, n = ed_add(point, point), n >> 1
    return result


def ed_point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    assert y < P, "a coordinate that is not reduced"
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "not a point of the curve"
    return (P - x if x & 1 != sign else x), y


def ed25519(public, message, signature):
    import hashlib
    base = ed_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    key, r = ed_point(public), ed_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    small = lambda point: ed_times(8, point) == (0, 1)
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return s < L and not small(key) and not small(r) and ed_times(s, base) == ed_add(r, ed_times(k, key))


# --- ECDSA P-256 with SHA-256, low s (FIPS 186-5) -----------------------------------------------------------
Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def p256_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % Q == 0:
        return None
    slope = ((3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, Q) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, Q)) % Q
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def p256_times(n, point):
    result = None
    while n:
        if n & 1:
            result = p256_add(result, point)
        point, n = p256_add(point, point), n >> 1
    return result


def p256(public, message, signature):
    import hashlib
    assert public[0] == 4 and len(public) == 65
    key = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s <= N // 2):
        return False
    e, w = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    point = p256_add(p256_times(e * w % N, G), p256_times(r * w % N, key))
    return point is not None and point[0] % N == r


# --- The encoding: a version byte, then Borsh ---------------------------------------------------------------
class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "truncated"
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size, signed=False):
        return int.from_bytes(self.take(size), "little", signed=signed)

    def u8(self): return self.number(1)
    def u32(self): return self.number(4)
    def u64(self): return self.number(8)
    def i64(self): return self.number(8, True)
    def hash(self): return self.take(32)
    def data_(self): return self.take(self.u32())
    def text(self): return self.data_().decode()
    def list(self, item): return [item() for _ in range(self.u32())]

    def option(self, item):
        tag = self.u8()
        assert tag < 2
        return item() if tag else None

    def member(self):
        actor, role, name = self.text(), self.u8(), self.text()
        assert role < 5
        return actor, role, name

    def signature(self):
        return self.hash(), self.u8(), self.take(64)

    def call(self):
        return self.text(), self.text(), self.data_()

    def span(self, item):
        """An item, and the bytes it takes."""
        start = self.at
        value = item()
        return value, self.data[start:self.at]

    def batch_header(self):
        return dict(network=self.hash(), sender=self.span(self.member), incarnation=self.u64(), sequence=self.u64(),
                    previous=self.hash(), created=self.i64(), count=self.u32(), calls_root=self.hash())

    def request_header(self):
        return dict(network=self.hash(), sender=self.span(self.member), nonce=self.take(16), expires=self.u64(),
                    call=self.hash())

    def batch(self):
        return self.span(self.batch_header), self.list(self.call), self.span(self.signature)

    def request(self):
        return self.span(self.request_header), self.call(), self.span(self.signature)

    def envelope(self):
        kind = self.u8()
        assert kind < 2
        return kind, (self.request() if kind else self.batch())

    def proposal_header(self):
        return dict(network=self.hash(), leader=self.member(), term=self.u64(), height=self.u64(),
                    previous=self.hash(), time=self.i64(), certificates_root=self.hash(),
                    envelopes_root=self.hash(), envelopes=self.u32())

    def proposal(self):
        return (self.span(self.proposal_header), self.list(self.data_), self.list(self.envelope),
                self.signature())

    def result(self):
        return self.hash(), self.u8(), self.u64(), self.data_()

    def header(self):
        return dict(network=self.hash(), height=self.u64(), previous=self.hash(), proposal=self.hash(),
                    data_root=self.hash(), envelopes=self.u32(), results_root=self.hash(),
                    transactions=self.u32(), state_root=self.hash(), config_root=self.hash(), time=self.i64())

    def block(self):
        return self.span(self.header), self.proposal(), self.list(lambda: self.span(self.result))

    def map(self):
        pairs = self.list(lambda: (self.text(), self.text()))
        keys = [key.encode() for key, _ in pairs]
        assert keys == sorted(set(keys)), "keys must be strictly ascending"
        return dict(pairs)

    def facts(self):
        return dict(image_digest=self.option(self.text), started=self.option(self.i64),
                    finished=self.option(self.i64), exit_code=self.option(self.i64),
                    oom_killed=self.option(self.u8))

    def event(self):
        return dict(kind=self.u8(), action=self.text(), actor_id=self.text(), attributes=self.map(),
                    scope=self.text(), time=self.i64(), time_nano=self.i64(), received=self.i64(),
                    sequence=self.u64(), observation=self.u8(), facts=self.option(self.facts))


def decode(data, item):
    reader = Reader(data)
    assert reader.u8() == 1, "unknown version"
    value = getattr(reader, item)()
    assert reader.at == len(data), "trailing bytes"
    return value


# --- Trees --------------------------------------------------------------------------------------------------
def merkle(leaves):
    if not leaves:
        return digest("merkle empty", b"")
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return digest("merkle node", merkle(leaves[:left]) + merkle(leaves[left:]))


def climb(leaf, index, count, path):
    """The root to which an inclusion proof leads; `path` is read from its end."""
    if count == 1:
        assert not path, "the path is too long"
        return leaf
    left = 1 << ((count - 1).bit_length() - 1)
    if index < left:
        return digest("merkle node", climb(leaf, index, left, path[:-1]) + path[-1])
    return digest("merkle node", path[-1] + climb(leaf, index - left, count - left, path[:-1]))


def map_root(leaves, depth=0):
    """`leaves`: pairs of a hashed key and the digest of its value."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return digest("map leaf", leaves[0][0] + leaves[0][1])
    bit = lambda key: key[depth // 8] >> (7 - depth % 8) & 1
    halves = [[leaf for leaf in leaves if bit(leaf[0]) == side] for side in (0, 1)]
    return digest("map node", map_root(halves[0], depth + 1) + map_root(halves[1], depth + 1))


def state_key(prefix, scope, rest):
    return bytes([prefix, len(scope)]) + scope + rest


# --- The checks ---------------------------------------------------------------------------------------------
def main():
    path = pathlib.Path(__file__).with_name("vectors.json")
    vectors = json.loads(path.read_text())
    h = bytes.fromhex
    checks = 0

    def same(what, found, expected):
        nonlocal checks
        checks += 1
        if isinstance(found, bytes):
            found = found.hex()
        if found != expected:
            sys.exit(f"{what}: found {found}, vectors.json says {expected}")

    def object_(name, kind, vector=None):
        vector = vector or vectors[name]
        same(name, digest(kind, h(vector["encoding"])), vector["digest"])
        return h(vector["encoding"])

    def signed(what, signature, statement):
        keys = {v["certificate_digest"]: v for v in vectors["keys"].values()}
        certificate, algorithm, data = signature
        key = keys[certificate.hex()]
        same(f"algorithm of the signature on {what}", ["ed25519", "ecdsa-p256"][algorithm], key["algorithm"])
        verify = (ed25519, p256)[algorithm]
        same(f"signature on {what}", verify(h(key["public"]), statement, data), True)
        same(f"altered {what}", verify(h(key["public"]), bytes([statement[0] ^ 1]) + statement[1:], data), False)

    for row in vectors["contexts"]:
        kind = row["context"].removeprefix("event2ledger v1 ")
        same(f"{kind} of nothing", digest(kind, b""), row["of_nothing"])
        same(f"{kind} of abc", digest(kind, b"abc"), row["of_abc"])
    for name, key in vectors["keys"].items():
        same(f"certificate of {name}", digest("certificate", h(key["certificate"])), key["certificate_digest"])

    event = decode(h(vectors["event"]["encoding"]), "event")
    same("event attribute", event["attributes"]["note"], "zwei\nZeilen, \"ä\"")
    same("event exit code", event["facts"]["exit_code"], 7)

    text = lambda value: struct.pack("<I", len(value)) + value.encode()
    call_digest = lambda call: digest("call", text(call[0]) + text(call[1]) + digest("value", call[2]))
    genesis = object_("genesis", "genesis")
    network = digest("genesis", genesis)

    # A block, from its bytes alone.
    (header, header_bytes), proposal, results = decode(h(vectors["block"]["encoding"]), "block")
    (ordered, ordered_bytes), certificates, envelopes, leader_signature = proposal
    proposal_digest = digest("proposal", b"\1" + ordered_bytes)
    same("proposal header", proposal_digest, vectors["proposal_header"]["digest"])
    signed("proposal", leader_signature, proposal_digest)
    same("certificates root", merkle([digest("certificate", der) for der in certificates]),
         ordered["certificates_root"].hex())
    leaves, ids = [], []
    for kind, ((statement, statement_bytes), content, (signature, signature_bytes)) in envelopes:
        statement_digest = digest(("batch", "request")[kind], b"\1" + statement_bytes)
        signed("envelope", signature, statement_digest)
        leaves.append(digest("envelope", statement_digest + signature_bytes))
        sender = statement["sender"][1]
        if kind:
            same("call of a request", call_digest(content), statement["call"].hex())
            ids.append(digest("transaction id", statement["network"] + sender + statement["nonce"]))
            continue
        same("calls root", merkle([call_digest(call) for call in content]), statement["calls_root"].hex())
        same("count", len(content), statement["count"])
        for index in range(statement["count"]):
            numbers = struct.pack("<QQI", statement["incarnation"], statement["sequence"], index)
            ids.append(digest("transaction id", statement["network"] + sender + numbers))
    same("transaction ids", [i.hex() for i in ids], vectors["transaction_ids"])
    same("ids in results", [result[0].hex() for result, _ in results], vectors["transaction_ids"])
    same("envelope digests", [leaf.hex() for leaf in leaves], [e["digest"] for e in vectors["envelopes"]])
    same("envelopes root", merkle(leaves), ordered["envelopes_root"].hex())
    same("data root", header["data_root"], ordered["envelopes_root"].hex())
    same("results root", merkle([digest("result", b"\1" + data) for _, data in results]),
         header["results_root"].hex())
    same("header", digest("header", b"\1" + header_bytes), vectors["header"]["digest"])
    same("proposal in the header", header["proposal"], proposal_digest.hex())
    same("previous header", header["previous"], vectors["genesis_header"]["digest"])
    same("network", header["network"], network.hex())

    for name, kind in [("batch_header", "batch"), ("request_header", "request"), ("header", "header"),
                       ("proposal_header", "proposal"), ("acknowledgement", "acknowledgement"),
                       ("endorsement", "endorsement"), ("config", "config"), ("genesis_header", "header")]:
        object_(name, kind)
    for vote, name in zip(vectors["signed_votes"], ("acknowledgement", "endorsement")):
        reader = Reader(h(vote["encoding"]))
        assert reader.u8() == 1 and reader.u8() == ("acknowledgement", "endorsement").index(name)
        reader.take(72)
        signed(name, reader.signature(), h(vectors[name]["digest"]))

    entry = vectors["log_entry"]
    same("log entry", digest("log entry", h(entry["provenance"]) + h(entry["value_digest"])), entry["digest"])
    for tree in vectors["lists"]["trees"]:
        items = [digest("value", struct.pack(">I", n)) for n in range(tree["count"])]
        same(f"tree of {tree['count']}", merkle(items), tree["root"])
        peaks, at = [], 0
        for bit in reversed(range(32)):
            if tree["count"] >> bit & 1:
                peaks.append(merkle(items[at:at + (1 << bit)]))
                at += 1 << bit
        head = b"\1" + struct.pack("<QI", tree["count"], len(peaks)) + b"".join(peaks)
        same(f"log head of {tree['count']}", head, tree["log_head"])
    items = [digest("value", struct.pack(">I", n)) for n in range(7)]
    for proof in vectors["lists"]["proofs_of_7"]:
        found = climb(items[proof["index"]], proof["index"], proof["count"], [h(p) for p in proof["path"]])
        same(f"proof of leaf {proof['index']}", found, merkle(items).hex())

    for row in vectors["state"]["maps"]:
        leaves = [(digest("map key", h(e["key"])), digest("value", h(e["value"]))) for e in row["entries"]]
        same(f"state map of {len(leaves)}", map_root(leaves), row["root"])
    nine = bytes([9]) * 32
    keys = [state_key(0, b"config", b""), state_key(0, b"sender", b"provider/collector/collector-one"),
            state_key(0, b"certificate", nine), state_key(0, b"request", nine),
            state_key(1, b"eventdb", b"k"), state_key(2, b"eventdb", b"l")]
    for key, row in zip(keys, vectors["state"]["state_keys"], strict=True):
        same(row["what"], key, row["key"])
        same(row["what"], digest("map key", key), row["hash"])
    config = h(vectors["config"]["encoding"])
    root = map_root([(digest("map key", keys[0]), digest("value", config))])
    same("state of the genesis", root, vectors["state"]["genesis_state_root"])
    same("genesis holds its configuration", genesis[9:], config[1:].hex())

    approval_digest = digest("genesis approval", network)
    same("genesis approval", approval_digest, vectors["genesis_approval"])
    for approval in vectors["genesis_file"]["approvals"]:
        certificate = digest("certificate", h(approval["certificate"]))
        algorithm = ["ed25519", "ecdsa-p256"].index(approval["algorithm"])
        signed("genesis", (certificate, algorithm, h(approval["signature"])), approval_digest)
    print(f"{checks} checks: vectors.json is what the format document says")


if __name__ == "__main__":
    main()
