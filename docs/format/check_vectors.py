#!/usr/bin/env python3
"""Checks vectors.json against README.md, proofs.md and, with `governance.py`, governance.md. Nothing of the Rust code is used: it is a verifier in
another language. For public test vectors only.

Python's standard library is enough for most of it: BLAKE3, Ed25519 and ECDSA P-256 are written out here from their
specifications. Proofs carry X.509 certificates, and these need PyPI's `cryptography`, 42 or newer; without it, what
depends on them is counted and reported as not checked (with --all that is a failure). PyPI's `blake3` is used where it
is installed, for speed. `tests/python/audit.py` walks a whole ledger with what is here.
"""
import json
import pathlib
import re
import struct
import sys

try:
    import blake3 as fast_blake3
except ImportError:
    fast_blake3 = None
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519 as ed25519_keys
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    if not hasattr(x509.Certificate, "not_valid_after_utc"):
        x509 = None
except ImportError:
    x509 = None

if not __debug__:
    sys.exit("run without -O: assertions are checks here")
HERE = pathlib.Path(__file__).parent

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
    if fast_blake3:
        return fast_blake3.blake3(data, derive_key_context="event2ledger v1 " + kind).digest()
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
        return item() if self.tag(2) else None

    def member(self):
        return self.text(), self.tag(5), self.text()

    def tag(self, count):
        tag = self.u8()
        assert tag < count, "unknown tag"
        return tag

    def signature(self):
        return self.hash(), self.tag(2), self.take(64)

    def call(self):
        return self.text(), self.text(), self.data_()

    def span(self, item):
        """An item, and the bytes it takes."""
        start = self.at
        value = item()
        return value, self.data[start:self.at]

    def batch_header(self):
        return dict(network=self.hash(), sender=self.span(self.member), incarnation=self.u64(), sequence=self.u64(),
                    previous=self.hash(), created=self.i64(), count=self.u32(), calls_root=self.hash(),
                    component=self.option(self.hash), executable=self.hash())

    def request_header(self):
        return dict(network=self.hash(), sender=self.span(self.member), nonce=self.take(16), expires=self.u64(),
                    call=self.hash())

    def batch(self):
        return self.span(self.batch_header), self.list(self.call), self.span(self.signature)

    def request(self):
        return self.span(self.request_header), self.call(), self.span(self.signature)

    def envelope(self):
        kind = self.tag(2)
        return kind, (self.request() if kind else self.batch())

    def packed_envelope(self):
        """The canonical bytes of the envelope."""
        kind = self.tag(2)
        statement = self.span((self.batch_header, self.request_header)[kind])[1]
        signature = self.span(self.signature)[1]
        groups = self.list(lambda: (self.u32(), lz4(self.u32(), self.data_())))
        count, calls = sum(count for count, _ in groups), b"".join(calls for _, calls in groups)
        assert not kind or count == 1, "a request has one call"
        return b"\1" + bytes([kind]) + statement + (b"" if kind else struct.pack("<I", count)) + calls + signature

    def proposal_header(self):
        return dict(network=self.hash(), leader=self.member(), term=self.u64(), height=self.u64(),
                    previous=self.hash(), time=self.i64(), certificates_root=self.hash(),
                    envelopes_root=self.hash(), envelopes=self.u32())

    def proposal(self):
        return (self.span(self.proposal_header), self.list(self.data_), self.list(self.envelope),
                self.signature())

    def result(self):
        identity, code = self.hash(), self.u8()
        assert code in CODES, "unknown code"
        return identity, code, self.u64(), self.data_()

    def header(self):
        return dict(network=self.hash(), height=self.u64(), previous=self.hash(), proposal=self.hash(),
                    data_root=self.hash(), envelopes=self.u32(), results_root=self.hash(),
                    transactions=self.u32(), state_root=self.hash(), config_root=self.hash(),
                    next_config_root=self.hash(), time=self.i64())

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

    # What proofs.md adds.
    def inclusion(self):
        return dict(index=self.u32(), count=self.u32(), path=self.list(self.hash))

    def vote(self):
        return dict(kind=self.tag(2), network=self.hash(), height=self.u64(), of=self.hash())

    def final_header(self):
        return dict(header=self.span(self.header), descendants=self.list(lambda: self.span(self.header)),
                    endorsements=self.list(lambda: (self.span(self.vote), self.signature())),
                    certificates=self.list(self.data_))

    def statement(self):
        kind = self.tag(2)
        return kind, self.span(self.request_header if kind else self.batch_header)

    def receipt(self):
        subject = lambda: None if self.tag(2) else (self.call(), self.option(self.inclusion))
        return dict(statement=self.statement(), signature=self.span(self.signature), certificate=self.data_(),
                    envelope_path=self.inclusion(), subject=subject(), result=self.span(self.result),
                    result_path=self.inclusion(), finality=self.final_header())

    def log_head(self):
        return dict(length=self.u64(), peaks=self.list(self.hash))

    def provenance(self):
        return self.hash(), self.member(), self.u64(), self.u32(), self.i64()

    def log_page(self):
        return dict(chaincode=self.text(), log=self.data_(), head=self.span(self.log_head),
                    siblings=self.list(self.hash), other=self.option(lambda: (self.hash(), self.hash())),
                    start=self.u64(), entries=self.list(lambda: (self.span(self.provenance)[1], self.data_())),
                    beside=self.list(self.hash), finality=self.final_header())

    def sender_head(self):
        head = lambda: dict(incarnation=self.u64(), sequence=self.u64(), batch=self.hash())
        return dict(sender=self.member(), head=self.span(head), siblings=self.list(self.hash),
                    other=self.option(lambda: (self.hash(), self.hash())), finality=self.final_header())

    def ancestry(self):
        run = lambda: dict(start=self.u64(), headers=self.list(self.hash), beside=self.list(self.hash))
        return dict(head=self.span(self.log_head), siblings=self.list(self.hash),
                    other=self.option(lambda: (self.hash(), self.hash())), runs=self.list(run),
                    finality=self.final_header())

    def config(self):
        """A configuration, its fields as genesis.json names them."""
        text, peer = self.text, lambda: dict(name=self.text(), raft_id=self.u64(), address=self.text())
        actor = lambda: dict(name=text(), authorities=[der.hex() for der in self.list(self.data_)],
                             peer=self.option(peer), suffrage=SUFFRAGE[self.tag(3)])
        return dict(network=text(), actors=self.list(actor), revoked=self.digests(), finality=self.policy(),
                    lifecycle=self.policy(), limits=self.limits(), chaincodes=self.list(self.chaincode),
                    engine=dict(engine=text(), architecture=text(), configuration=self.hash().hex()),
                    next_raft_id=self.u64(), executables=self.digests(),
                    replaced_collectors=self.list(self.replaced_collector))

    def replaced_collector(self):
        return dict(component=self.option(lambda: self.hash().hex()), until_nano=self.i64())

    def digests(self):
        """A set of digests, in hexadecimal."""
        digests = self.list(self.hash)
        assert digests == sorted(set(digests)), "not in strictly ascending order"
        return [value.hex() for value in digests]

    def policy(self):
        tag = self.tag(3)
        return ("all", "majority")[tag] if tag < 2 else dict(at_least=self.u32())

    def limits(self):
        return {name: self.u64() for name, _, _ in LIMITS}

    def chaincode(self):
        return dict(name=self.text(), version=self.text(), digest=self.hash().hex())

    def config_change(self):
        return dict(config=self.config(), finality=self.final_header())

    def evidence(self):
        kind = self.tag(3)
        statement = (self.vote, self.proposal_header, self.batch_header)[kind]
        signed = lambda: (self.span(statement), self.signature(), self.data_())
        return kind, signed(), signed()


CODE_NAMES = {name: int(number) for number, name in re.findall(
    r"^\| (\d+) \| `(\w+)`", (HERE / "validation-codes.md").read_text(), re.M)}
CODES = set(CODE_NAMES.values())


def lz4(length, data):
    """Unpacks an LZ4 block that comes to so many bytes."""
    out, at = bytearray(), 0

    def more(number):
        nonlocal at
        while number >= 15:
            at += 1
            number += data[at - 1]
            if data[at - 1] < 255:
                break
        return number

    while True:
        token, at = data[at], at + 1
        literals = more(token >> 4)
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            break
        offset, at = int.from_bytes(data[at:at + 2], "little"), at + 2
        assert 0 < offset <= len(out), "no such place"
        for _ in range(more(token & 15) + 4):
            out.append(out[-offset])
    assert len(out) == length, "not the length it says"
    return bytes(out)


def decode(data, item):
    reader = Reader(data)
    assert reader.u8() == 1, "unknown version"
    value = item(reader) if callable(item) else getattr(reader, item)()
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


# --- Certificates and signatures of proofs ------------------------------------------------------------------
class Failure(Exception):
    """Why a proof does not hold: a name from the table in proofs.md."""


NOT_CHECKED = {"certificates": 0, "signatures": 0}
ROLES = ("peer", "collector", "admin", "client", "auditor")
SUFFRAGE = ("nonvoter", "voter", "staging")
NAME = re.compile("[a-z0-9][a-z0-9-]{0,62}")


def check(holds, failure):
    if not holds:
        raise Failure(failure)


class Certificate:
    def __init__(self, der):
        try:
            self.parse(der)
        except Exception as error:  # the parser has exceptions of its own
            raise Failure("Certificate") from error

    def parse(self, der):
        assert len(der) <= 8192
        self.x509, self.digest = x509.load_der_x509_certificate(der), digest("certificate", der)
        assert self.x509.public_bytes(serialization.Encoding.DER) == der, "bytes around the certificate"
        names = [e.value for e in self.x509.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
        uris = [uri for name in names for uri in name.get_values_for_type(x509.UniformResourceIdentifier)]
        assert len(uris) == 1 and uris[0].startswith("spiffe://")
        self.network, actor, role, name = uris[0].removeprefix("spiffe://").split("/")
        assert all(NAME.fullmatch(part) for part in (self.network, actor, name))
        self.member = actor, ROLES.index(role), name
        common = self.x509.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert common and common[0].value == name
        self.key = self.x509.public_key()
        if isinstance(self.key, ed25519_keys.Ed25519PublicKey):
            self.algorithm = 0
        else:
            assert isinstance(self.key, ec.EllipticCurvePublicKey) and isinstance(self.key.curve, ec.SECP256R1)
            self.algorithm = 1

    def check_good(self, config, nano):
        check(self.network == config["network"] and self.digest.hex() not in config["revoked"], "Certificate")
        self.check_path(config, max(nano, 0) // 10**9)

    def check_issued(self, config):
        check(self.network == config["network"], "Certificate")
        self.check_path(config, int(self.x509.not_valid_after_utc.timestamp()))

    def check_issued_ever(self, anchor):
        """Under any configuration that is known."""
        for epoch in reversed(anchor.epochs):
            try:
                return self.check_issued(epoch.config)
            except Failure:
                continue
        raise Failure("Certificate")

    def check_path(self, config, seconds):
        actors = [actor for actor in config["actors"] if actor["name"] == self.member[0]]
        check(actors and any(self.issued_by(bytes.fromhex(der)) for der in actors[0]["authorities"]), "Certificate")
        first, last = self.x509.not_valid_before_utc, self.x509.not_valid_after_utc
        check(int(first.timestamp()) <= seconds <= int(last.timestamp()), "Certificate")
        for extension in self.x509.extensions:
            value = extension.value
            check(not (extension.critical and isinstance(value, x509.UnrecognizedExtension)), "Certificate")
            check(not (isinstance(value, x509.BasicConstraints) and value.ca), "Certificate")
            if isinstance(value, x509.ExtendedKeyUsage):
                check(x509.ExtendedKeyUsageOID.CLIENT_AUTH in value, "Certificate")

    def issued_by(self, der):
        authority = x509.load_der_x509_certificate(der)
        assert not any(isinstance(e.value, x509.NameConstraints) for e in authority.extensions), "not written here"
        try:
            self.x509.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return self.x509.version is x509.Version.v3

    def check_signature(self, signature, statement):
        named, algorithm, data = signature
        check(named == self.digest and algorithm == self.algorithm, "Signature")
        try:
            if algorithm == 0:
                small = lambda point: ed_times(8, ed_point(point)) == (0, 1)
                public = self.key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
                assert int.from_bytes(data[32:], "little") < L and not small(public) and not small(data[:32])
                self.key.verify(data, statement)
            else:
                r, s = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
                assert 0 < r < N and 0 < s <= N // 2
                self.key.verify(encode_dss_signature(r, s), statement, ec.ECDSA(hashes.SHA256()))
        except (AssertionError, InvalidSignature) as error:
            raise Failure("Signature") from error


def certificate(der):
    """The certificate; None, and counted with its signature, where nothing here can read it."""
    if x509:
        return Certificate(der)
    for kind in NOT_CHECKED:
        NOT_CHECKED[kind] += 1
    return None


# --- Configurations (README.md, "Configuration and genesis"; fields as genesis.json names them) -------------
def data_(value): return struct.pack("<I", len(value)) + value
def text_(value): return data_(value.encode())
def list_(values): return struct.pack("<I", len(values)) + b"".join(values)


def encode_policy(value):
    if isinstance(value, str):
        return bytes([("all", "majority").index(value)])
    return b"\2" + struct.pack("<I", value["at_least"])


def encode_peer(value):
    if not value:
        return b"\0"
    return b"\1" + text_(value["name"]) + struct.pack("<Q", value["raft_id"]) + text_(value["address"])


def encode_authorities(value): return list_([data_(bytes.fromhex(der)) for der in value])


def encode_actor(value):
    return (text_(value["name"]) + encode_authorities(value["authorities"]) + encode_peer(value["peer"])
            + bytes([SUFFRAGE.index(value["suffrage"])]))


def encode_limits(value): return b"".join(struct.pack("<Q", value[name]) for name, _, _ in LIMITS)


def encode_chaincode(value):
    return text_(value["name"]) + text_(value["version"]) + bytes.fromhex(value["digest"])


def encode_engine(value):
    return text_(value["engine"]) + text_(value["architecture"]) + bytes.fromhex(value["configuration"])


def encode_config(config):
    """The encoding of a configuration, without its version byte: its parts, in their order."""
    return b"".join((
        text_(config["network"]),
        list_([encode_actor(value) for value in config["actors"]]),
        list_(sorted(bytes.fromhex(value) for value in config["revoked"])),
        encode_policy(config["finality"]),
        encode_policy(config["lifecycle"]),
        encode_limits(config["limits"]),
        list_([encode_chaincode(value) for value in config["chaincodes"]]),
        encode_engine(config["engine"]),
        struct.pack("<Q", config["next_raft_id"]),
        list_(sorted(bytes.fromhex(value) for value in config.get("executables", []))),
        list_([encode_replaced_collector(value) for value in config.get("replaced_collectors", [])]),
    ))


def encode_replaced_collector(value):
    component = value["component"]
    return (b"\0" if component is None else b"\1" + bytes.fromhex(component)) + struct.pack("<q", value["until_nano"])


class Epoch:
    """A configuration that is usable, the first height that it is in force at, and what follows from it. Another raises
    AssertionError."""

    def __init__(self, config, start=0):
        self.config, self.start = config, start
        self.check()
        self.encoding = encode_config(config)
        self.root = digest("config", b"\1" + self.encoding)

    def check(self):
        config = self.config
        actors, chaincodes = config["actors"], config["chaincodes"]
        peers = [actor["peer"] for actor in actors if actor["peer"]]
        for name in [config["network"], *(part["name"] for part in actors + chaincodes + peers)]:
            assert NAME.fullmatch(name), name
        for names in ([part["name"] for part in group] for group in (actors, chaincodes)):
            assert names == sorted(set(names)), "not in order"
        assert all(actor["authorities"] for actor in actors)
        assert len({peer["raft_id"] for peer in peers}) == len(peers)
        assert all(peer["raft_id"] < config["next_raft_id"] for peer in peers)
        assert all(actor["peer"] or actor["suffrage"] == "nonvoter" for actor in actors)
        self.voters = {actor["name"]: actor["peer"]["name"] for actor in actors if actor["suffrage"] == "voter"}
        self.required, self.approvals = (self.policy(config[policy]) for policy in ("finality", "lifecycle"))
        for required in (self.required, self.approvals):
            assert 1 <= required <= len(self.voters)
        for name, low, high in LIMITS:
            assert low <= config["limits"][name] <= high, name

    def policy(self, policy):
        return self.of(len(self.voters), policy)

    @staticmethod
    def of(voters, policy):
        return {"all": max(voters, 1), "majority": voters // 2 + 1}[policy] if isinstance(policy, str) else max(
            policy["at_least"], 1)

    def required_of(self, voters):
        """Approvals that so many voters need."""
        return self.of(voters, self.config["lifecycle"])


# --- Proofs (proofs.md) -------------------------------------------------------------------------------------
class Anchor:
    """What a verifier takes from genesis.json, and the changes of the configuration that it has seen since."""

    def __init__(self, file):
        first = Epoch(file["genesis"]["config"])
        self.epochs = [first]
        created = file["genesis"]["created_nano"]
        self.network = digest("genesis", b"\1" + struct.pack("<q", created) + first.encoding)
        approval, approved = digest("genesis approval", self.network), set()
        for given in file["approvals"]:
            der = bytes.fromhex(given["certificate"])
            found = certificate(der)
            if not found:
                continue
            check(found.member[1] == ROLES.index("admin"), "Endorsement")
            found.check_good(first.config, created)
            algorithm = ["ed25519", "ecdsa-p256"].index(given["algorithm"])
            found.check_signature((found.digest, algorithm, bytes.fromhex(given["signature"])), approval)
            approved.add(found.member[0])
        assert not x509 or approved == {actor["name"] for actor in first.config["actors"]}, "an approval is missing"

    def at(self, height):
        """The configuration that a height is executed under, as far as is known."""
        return next(epoch for epoch in reversed(self.epochs) if epoch.start <= height)

    def learn(self, epoch):
        assert epoch.start > self.epochs[-1].start
        self.epochs.append(epoch)


LIMITS = [(name, int(low.replace(",", "")), int(high.replace(",", ""))) for name, low, high in re.findall(
    r"^\| (\w+) \| [\d,]+ \| ([\d,]+) \| ([\d,]+) \|$", (HERE / "README.md").read_text(), re.M)]
assert len(LIMITS) == 24


def verify_final_header(proof, anchor):
    chain = [proof["header"], *proof["descendants"]]
    for header, _ in chain:
        check(header["network"] == anchor.network, "OtherNetwork")
        check(header["config_root"] == anchor.at(header["height"]).root, "Configuration")
    digests = [digest("header", b"\1" + encoded) for _, encoded in chain]
    for ((below, _), (header, _), previous) in zip(chain, chain[1:], digests):
        follows = (header["previous"] == previous and header["height"] == below["height"] + 1
                   and header["config_root"] == below["next_config_root"])
        check(follows and header["time"] >= below["time"], "Chain")
    check(len(proof["certificates"]) == len(proof["endorsements"]), "Endorsement")
    endorsed, actors = chain[-1][0], []
    own, above = (anchor.at(header["height"]) for header in (chain[0][0], endorsed))
    for ((vote, encoded), signature), der in zip(proof["endorsements"], proof["certificates"]):
        said = dict(kind=1, network=anchor.network, height=endorsed["height"], of=digests[-1])
        check(vote == said, "Endorsement")
        signer = certificate(der)
        if not signer:
            continue
        actor, role, name = signer.member
        check(role == ROLES.index("peer") and own.voters.get(actor) == above.voters.get(actor) == name, "Endorsement")
        signer.check_good(above.config, endorsed["time"])
        signer.check_signature(signature, digest("endorsement", b"\1" + encoded[1:]))
        check(not actors or actors[-1] < actor, "Endorsement")
        actors.append(actor)
    check(not x509 or len(actors) >= own.required, "TooFewEndorsements")
    return proof["header"][0], dict(height=chain[0][0]["height"], digest=digests[0].hex(), endorsed_by=actors,
                                    voters=len(own.voters))


def check_inclusion(proof, leaf, count, root):
    try:
        found = climb(leaf, proof["index"], proof["count"], proof["path"])
    except (AssertionError, IndexError) as error:
        raise Failure("NotIncluded") from error
    check(proof["index"] < proof["count"] == count and found == root, "NotIncluded")


def call_digest(call):
    text = lambda value: struct.pack("<I", len(value.encode())) + value.encode()
    return digest("call", text(call[0]) + text(call[1]) + digest("value", call[2]))


def verify_receipt(proof, anchor):
    header, block = verify_final_header(proof["finality"], anchor)
    request, (statement, encoded) = proof["statement"]
    signed, sender = digest("request" if request else "batch", b"\1" + encoded), statement["sender"]
    envelope = digest("envelope", signed + proof["signature"][1])
    check_inclusion(proof["envelope_path"], envelope, header["envelopes"], header["data_root"])
    (identity, code, _, _), result = proof["result"]
    check_inclusion(proof["result_path"], digest("result", b"\1" + result), header["transactions"],
                    header["results_root"])
    if proof["subject"]:
        call, path = proof["subject"]
        check(bool(path) != bool(request), "Inconsistent")
        if request:
            check(statement["call"] == call_digest(call), "NotIncluded")
            place = statement["nonce"]
        else:
            check_inclusion(path, call_digest(call), statement["count"], statement["calls_root"])
            place = struct.pack("<QQI", statement["incarnation"], statement["sequence"], path["index"])
        check(identity == digest("transaction id", statement["network"] + sender[1] + place), "Inconsistent")
        check(statement["network"] == anchor.network, "OtherNetwork")
        signer = certificate(proof["certificate"])
        if signer:
            check(signer.member == sender[0], "Inconsistent")
            signer.check_good(anchor.at(header["height"]).config, header["time"])
            signer.check_signature(proof["signature"][0], signed)
    else:
        check(identity == envelope and code != 0, "Inconsistent")
        der = proof["certificate"]
        check(not der or digest("certificate", der) == proof["signature"][0][0], "Inconsistent")
    actor, role, name = sender[0]
    call = [call[0], call[1], call[2].hex()] if proof["subject"] else None
    return dict(transaction=identity.hex(), index=proof["result_path"]["index"], code=code,
                sender=f"{actor}/{ROLES[role]}/{name}", call=call, block=block)


def map_proof_holds(proof, root, key, value):
    siblings, other = proof["siblings"], proof["other"]
    bit = lambda of, depth: of[depth // 8] >> (7 - depth % 8) & 1
    if len(siblings) > 256 or (value and other):
        return False
    found = digest("map leaf", key + value) if value else bytes(32)
    if other:
        if other[0] == key or any(bit(key, depth) != bit(other[0], depth) for depth in range(len(siblings))):
            return False
        found = digest("map leaf", other[0] + other[1])
    for depth in reversed(range(len(siblings))):
        pair = siblings[depth] + found if bit(key, depth) else found + siblings[depth]
        found = digest("map node", pair)
    return found == root


def range_holds(head, start, entries, beside):
    end, length = start + len(entries), head["length"]
    if len(head["peaks"]) != length.bit_count() or end > length:
        return False
    entries, beside = iter(entries), iter(beside)

    def overlaps(first, size):
        return first < end and start < first + size

    def root(first, size):
        if not overlaps(first, size):
            return next(beside)
        if size == 1:
            return next(entries)
        left = root(first, size // 2)
        return digest("merkle node", left + root(first + size // 2, size // 2))

    first, peaks = 0, iter(head["peaks"])
    try:
        for size in (1 << power for power in reversed(range(64)) if length >> power & 1):
            peak = next(peaks)
            if overlaps(first, size) and root(first, size) != peak:
                return False
            first += size
    except StopIteration:
        return False
    return next(entries, None) is None and next(beside, None) is None


def verify_log_page(proof, anchor):
    header, block = verify_final_header(proof["finality"], anchor)
    head, encoded = proof["head"]
    check(head["length"] or not head["peaks"], "Inconsistent")
    key = digest("map key", state_key(2, proof["chaincode"].encode(), proof["log"]))
    value = digest("value", b"\1" + encoded) if head["length"] else None
    check(map_proof_holds(proof, header["state_root"], key, value), "NotIncluded")
    entries = [digest("log entry", provenance + digest("value", data)) for provenance, data in proof["entries"]]
    check(range_holds(head, proof["start"], entries, proof["beside"]), "NotIncluded")
    return dict(length=head["length"], positions=list(range(proof["start"], proof["start"] + len(entries))),
                values=[data.hex() for _, data in proof["entries"]], block=block)


def verify_sender_head(proof, anchor):
    header, block = verify_final_header(proof["finality"], anchor)
    head, encoded = proof["head"]
    actor, role, name = proof["sender"]
    sender = f"{actor}/{ROLES[role]}/{name}"
    value = digest("value", b"\1" + encoded) if any(encoded) else None
    key = digest("map key", state_key(0, b"sender", sender.encode()))
    check(map_proof_holds(proof, header["state_root"], key, value), "NotIncluded")
    return dict(sender=sender, **{**head, "batch": head["batch"].hex()}, block=block)


def verify_ancestry(proof, anchor):
    header, block = verify_final_header(proof["finality"], anchor)
    head, encoded = proof["head"]
    key = digest("map key", state_key(0, b"headers", b""))
    check(map_proof_holds(proof, header["state_root"], key, digest("value", b"\1" + encoded)), "NotIncluded")
    for run in proof["runs"]:
        check(range_holds(head, run["start"], run["headers"], run["beside"]), "NotIncluded")
    return dict(headers=[[run["start"], [one.hex() for one in run["headers"]]] for run in proof["runs"]], block=block)


def verify_config_change(proof, anchor):
    """The epoch that a block begins, with its header."""
    header, _ = verify_final_header(proof["finality"], anchor)
    named = header["next_config_root"]
    check(named != header["config_root"] and named == digest("config", b"\1" + encode_config(proof["config"])),
          "NotIncluded")
    try:
        return Epoch(proof["config"], header["height"] + 1), header
    except AssertionError as error:
        raise Failure("Inconsistent") from error


def verify_evidence(proof, anchor):
    kind, *pieces = proof
    statements = [statement for (statement, _), _, _ in pieces]
    place = (("kind", "height"), ("term", "height"), ("incarnation", "sequence"))[kind]
    check(len({tuple(statement[field] for field in place) for statement in statements}) == 1, "NoContradiction")
    digests, signers = [], []
    for (statement, encoded), signature, der in pieces:
        if kind == 0:
            domain, encoded = ("acknowledgement", "endorsement")[statement["kind"]], encoded[1:]
        else:
            domain = ("proposal", "batch")[kind - 1]
        digests.append(digest(domain, b"\1" + encoded))
        check(statement["network"] == anchor.network, "OtherNetwork")
        signer = certificate(der)
        if not signer:
            continue
        signer.check_issued_ever(anchor)
        check(ROLES[signer.member[1]] == ("peer", "peer", "collector")[kind], "NoContradiction")
        signer.check_signature(signature, digests[-1])
        signers.append(signer.member)
        check(signers[0] == signer.member, "NoContradiction")
    check(digests[0] != digests[1], "NoContradiction")
    for statement in statements:
        named = {0: signers[:1], 1: [statement.get("leader")], 2: [statement.get("sender", [None])[0]]}[kind]
        check(not x509 or named == signers[:1], "NoContradiction")
    guilty = f"{signers[0][0]}/{ROLES[signers[0][1]]}/{signers[0][2]}" if signers else None
    return dict(guilty=guilty, statements=[one.hex() for one in digests])


def verify(kind, encoding, anchor):
    """What a proof proves; raises Failure."""
    try:
        proof = decode(encoding, kind)
    except (AssertionError, ValueError) as error:
        raise Failure("Encoding") from error
    if kind == "final_header":
        return verify_final_header(proof, anchor)[1]
    if kind == "config_change":
        epoch, header = verify_config_change(proof, anchor)
        return dict(height=header["height"], config_root=epoch.root.hex())
    return {"receipt": verify_receipt, "log_page": verify_log_page, "sender_head": verify_sender_head,
            "ancestry": verify_ancestry, "evidence": verify_evidence}[kind](proof, anchor)


UNDECIDED = ("Configuration", "TooFewEndorsements")
# Failures that certificates decide, at least in part: without them a forged proof may seem to hold.
BY_CERTIFICATE = ("Certificate", "Signature", "Endorsement", "TooFewEndorsements", "NoContradiction", "Inconsistent")


def check_proofs(proofs, same):
    """Returns how many vectors cannot be decided here."""
    open_ = 0
    for vector in proofs["vectors"]:
        what = f"{vector['kind']}: {vector['name']}"
        anchor = Anchor(proofs["genesis_files"][vector["genesis"]])
        for change in vector.get("after", ()):
            anchor.learn(verify_config_change(decode(bytes.fromhex(change), "config_change"), anchor)[0])
        try:
            found = dict(proves=verify(vector["kind"], bytes.fromhex(vector["encoding"]), anchor))
        except Failure as failure:
            found = dict(failure=str(failure), undecided=str(failure) in UNDECIDED)
        expected = {field: vector[field] for field in ("proves", "failure", "undecided") if field in vector}
        if not x509 and "proves" in found:
            if expected.get("failure") in BY_CERTIFICATE:
                open_ += 1
                continue
            for side in (found["proves"], expected["proves"]):
                side.pop("guilty", None)
                side.get("block", side).pop("endorsed_by", None)
        same(what, found, expected)
    return open_


# --- The checks ---------------------------------------------------------------------------------------------
def main():
    vectors = json.loads((HERE / "vectors.json").read_text())
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

    for packed, envelope in zip(vectors["packed_envelopes"], vectors["envelopes"], strict=True):
        same("packed envelope", decode(h(packed["encoding"]), "packed_envelope"), envelope["encoding"])

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
    import governance
    governance.check_vectors(vectors["governance"], config, same)
    open_ = check_proofs(vectors["proofs"], same)
    print(f"{checks} checks: vectors.json is what the format documents say")
    if not x509:
        print("NOT CHECKED, for lack of the Python package `cryptography` (42 or newer): "
              f"{NOT_CHECKED['certificates']} certificates and {NOT_CHECKED['signatures']} signatures of proofs, "
              f"and whether {open_} forged proofs fail")
        if "--all" in sys.argv[1:]:
            sys.exit(1)


if __name__ == "__main__":
    main()
