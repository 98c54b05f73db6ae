#!/usr/bin/env python3
"""Audits a whole ledger that `e2l audit --export DIR` wrote, from docs/format alone: nothing of the Rust code is used.

    audit.py DIR

Walks the blocks from the genesis on: encodings and roots, the chains of headers and of proposals, the leader's and
every sender's signature and certificate at the block's time, each envelope's judgement, each collector's sequence and
links, the finality policy, and the state root of every height, with all log heads, made anew from the calls. Exit 0
when all of it holds, 1 with the first height that does not, 2 when there is nothing to audit.
"""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "docs/format"))
import check_vectors as formats  # noqa: E402
from check_vectors import Failure, decode, digest, merkle, state_key  # noqa: E402

VALID, BAD_PAYLOAD, BAD_SIGNATURE, DUPLICATE, REJECTED = 0, 2, 4, 9, 101
EXPIRED, REVOKED, ROLE, GAP, OTHER_NETWORK = 100, 110, 111, 112, 113
PEER, COLLECTOR, ADMIN = (formats.ROLES.index(role) for role in ("peer", "collector", "admin"))


class Finding(Exception):
    """What does not hold, and at which height."""


def hold(holds, why):
    if not holds:
        raise Failure(why)


class StateMap:
    """The compact sparse Merkle tree over the state; leaves are never removed."""

    def __init__(self):
        self.top = None

    def put(self, key, value):
        self.top = self._put(self.top, digest("map key", key), digest("value", value), 0)

    def root(self):
        return self.top[-1] if self.top else bytes(32)

    def _put(self, node, key, value, depth):
        leaf = (key, value, digest("map leaf", key + value))
        if node is None or (len(node) == 3 and node[0] == key):
            return leaf
        children = list(node[:2]) if len(node) == 4 else [None, None]
        bit = lambda of: of[depth // 8] >> (7 - depth % 8) & 1
        if len(node) == 3:
            children[bit(node[0])] = node
        children[bit(key)] = self._put(children[bit(key)], key, value, depth + 1)
        hashes = b"".join(child[-1] if child else bytes(32) for child in children)
        return (*children, None, digest("map node", hashes))


class Log:
    """The head of an append-only log."""

    def __init__(self):
        self.length, self.peaks = 0, []

    def append(self, entry):
        size = 1
        while self.length & size:
            entry, size = digest("merkle node", self.peaks.pop() + entry), size * 2
        self.peaks.append(entry)
        self.length += 1

    def encode(self):
        return b"\1" + struct.pack("<QI", self.length, len(self.peaks)) + b"".join(self.peaks)


class Audit:
    def __init__(self, anchor, created):
        self.anchor, self.limits = anchor, anchor.config["limits"]
        self.certificates, self.heads, self.requests = {}, {}, set()
        self.state, self.logs, self.headers = StateMap(), {}, Log()
        self.transactions = 0
        # A contract that these documents do not describe may write anything.
        self.state_known = True
        self.state.put(state_key(0, b"config", b""), b"\1" + anchor.encode(anchor.config))
        empty = digest("merkle empty", b"")
        genesis = (anchor.network + struct.pack("<Q", 0) + bytes(32) + anchor.network + empty + struct.pack("<I", 0)
                   + empty + struct.pack("<I", 0) + self.state.root() + 2 * anchor.config_root + struct.pack("<q", created))
        self.tip = dict(height=0, time=created, proposal=anchor.network, digest=digest("header", b"\1" + genesis))

    def block(self, encoding, proof):
        """Checks the next block; raises Failure."""
        (header, encoded), proposal, results = decode(encoding, "block")
        proven, _ = formats.verify_final_header(decode(proof, "final_header"), self.anchor)
        hold(proven == header, "its header is not the one that was endorsed")
        below = self.tip
        hold(header["network"] == self.anchor.network and header["config_root"] == self.anchor.config_root,
             "it is of another network, or of a configuration that was changed since the genesis, which is not known here")
        hold(header["height"] == below["height"] + 1 and header["previous"] == below["digest"],
             f"it does not follow block {below['height']}")
        hold(header["time"] >= below["time"], "its time lies before that of the block below")
        self.height, self.time = header["height"], header["time"]
        envelopes = self.proposal(header, proposal)
        hold(header["transactions"] == len(results)
             and header["results_root"] == merkle([digest("result", b"\1" + data) for _, data in results]),
             "its results are not those that its header commits to")
        self.headers.append(below["digest"])
        self.state.put(state_key(0, b"headers", b""), self.headers.encode())
        self.learn(proposal[1])
        self.leader(proposal)
        self.execute(envelopes, [result for result, _ in results])
        if self.state_known:
            hold(header["state_root"] == self.state.root(), "its state root is not that of the state made anew")
        self.transactions += len(results)
        self.tip = dict(height=self.height, time=self.time, proposal=header["proposal"],
                        digest=digest("header", b"\1" + encoded))

    def proposal(self, header, proposal):
        """Returns each envelope with its digest and that of its statement."""
        (ordered, encoded), certificates, envelopes, _ = proposal
        hold(digest("proposal", b"\1" + encoded) == header["proposal"], "its proposal is not the header's")
        hold(ordered["network"] == self.anchor.network and ordered["previous"] == self.tip["proposal"],
             "its proposal does not follow that of the block below")
        hold((ordered["height"], ordered["time"]) == (self.height, self.time), "header and proposal differ")
        hold(ordered["certificates_root"] == merkle([digest("certificate", der) for der in certificates]),
             "its certificates are not those that were signed")
        hold(1 <= len(envelopes) and len(certificates) <= len(envelopes) + 1, "too few envelopes, or certificates beside")
        found, calls, size = [], 0, 0
        for kind, content in envelopes:
            (_, statement), called, (_, signature) = content
            signed = digest("request" if kind else "batch", b"\1" + statement)
            found.append((kind, content, signed, digest("envelope", signed + signature)))
            calls += 1 if kind else len(called)
            size += self.size([called] if kind else called)
        if len(envelopes) > 1:
            hold(calls <= self.limits["block_max_transactions"] and size <= self.limits["block_max_bytes"],
                 "it is over a limit of blocks")
        root = merkle([envelope for *_, envelope in found])
        hold(root == ordered["envelopes_root"] == header["data_root"], "its envelopes are not those that were signed")
        hold(len(envelopes) == ordered["envelopes"] == header["envelopes"], "it has another number of envelopes")
        return found

    @staticmethod
    def size(calls):
        return 512 + sum(len(chaincode.encode()) + len(function.encode()) + len(argument) + 12
                         for chaincode, function, argument in calls)

    def learn(self, certificates):
        for der in certificates:
            try:
                certificate = formats.Certificate(der)
                certificate.check_good(self.anchor.config, self.time)
            except Failure:
                continue
            if certificate.digest not in self.certificates:
                self.certificates[certificate.digest] = certificate
                self.state.put(state_key(0, b"certificate", certificate.digest), der)

    def leader(self, proposal):
        (ordered, encoded), _, _, signature = proposal
        certificate = self.certificates.get(signature[0])
        hold(certificate, "its leader's certificate is not on the ledger")
        actor, role, name = certificate.member
        hold(certificate.member == ordered["leader"] and role == PEER and self.anchor.voters.get(actor) == name,
             "its signer may not propose it")
        certificate.check_good(self.anchor.config, self.time)
        certificate.check_signature(signature, digest("proposal", b"\1" + encoded))

    def judge(self, kind, content, signed):
        """The code of an envelope as a whole; README, "How a block is executed"."""
        (statement, _), calls, (signature, _) = content
        certificate = self.certificates.get(signature[0])
        if not certificate:
            return BAD_SIGNATURE
        if statement["network"] != self.anchor.network:
            return OTHER_NETWORK
        if not self.is_well_formed(kind, statement, calls):
            return BAD_PAYLOAD
        if statement["sender"][0] != certificate.member:
            return BAD_SIGNATURE
        if certificate.member[1] != (ADMIN if kind else COLLECTOR):
            return ROLE
        config = self.anchor.config
        if certificate.network == config["network"] and certificate.digest.hex() in config["revoked"]:
            return REVOKED
        try:
            certificate.check_good(config, self.time)
            certificate.check_signature(signature, signed)
        except Failure:
            return BAD_SIGNATURE
        return self.judge_request(statement) if kind else self.judge_batch(statement, signed)

    def is_well_formed(self, kind, statement, calls):
        fits = lambda call: len(call[2]) <= self.limits["argument_max_bytes"]
        if kind:
            return fits(calls) and statement["call"] == formats.call_digest(calls)
        return (0 < len(calls) <= self.limits["batch_max_transactions"] and all(map(fits, calls))
                and self.size(calls) <= self.limits["batch_max_bytes"] and statement["count"] == len(calls)
                and statement["calls_root"] == merkle([formats.call_digest(call) for call in calls]))

    def judge_batch(self, statement, signed):
        sender = statement["sender"][0]
        incarnation, sequence, last = self.heads.get(sender, (0, 0, bytes(32)))
        place = statement["incarnation"], statement["sequence"]
        if place <= (incarnation, sequence):
            return DUPLICATE
        follows = place == (incarnation + 1, 1) or (incarnation > 0 and place == (incarnation, sequence + 1))
        if not follows or statement["previous"] != last:
            return GAP
        self.heads[sender] = (*place, signed)
        self.state.put(state_key(0, b"sender", self.name(sender).encode()), b"\1" + struct.pack("<QQ", *place) + signed)
        return VALID

    def judge_request(self, statement):
        identity = digest("transaction id", statement["network"] + statement["sender"][1] + statement["nonce"])
        if identity in self.requests:
            return DUPLICATE
        if statement["expires"] < self.height:
            return EXPIRED
        if statement["expires"] > self.height + self.limits["request_lifetime_blocks"]:
            return BAD_PAYLOAD
        self.requests.add(identity)
        self.state.put(state_key(0, b"request", identity), struct.pack(">Q", self.height))
        return VALID

    @staticmethod
    def name(member):
        actor, role, name = member
        return f"{actor}/{formats.ROLES[role]}/{name}"

    def execute(self, envelopes, results):
        index = 0
        for kind, content, signed, envelope in envelopes:
            hold(index < len(results), f"transaction {index}: it has no result")
            code, refused = self.judge(kind, content, signed), results[index][0] == envelope
            hold(refused == (code != VALID), f"transaction {index}: whether its envelope holds was judged otherwise")
            if refused:
                hold(results[index][1] == code, f"transaction {index}: its envelope was refused with another code")
                index += 1
                continue
            (statement, _), calls, _ = content
            for number, call in enumerate([calls] if kind else calls):
                hold(index < len(results), f"transaction {index}: it has no result")
                place = statement["nonce"] if kind else struct.pack(
                    "<QQI", statement["incarnation"], statement["sequence"], number)
                identity = digest("transaction id", statement["network"] + statement["sender"][1] + place)
                hold(results[index][0] == identity, f"transaction {index}: its result is another's")
                self.call(call, statement["sender"], results[index], index)
                index += 1
        hold(index == len(results), f"transaction {index}: it is the result of nothing")

    def call(self, call, sender, result, index):
        identity, code, *_ = result
        chaincode, function, argument = call
        if (chaincode, function) != ("eventdb", "createEvent"):
            self.state_known &= code != VALID
            return
        event = self.event(argument, sender[0][1])
        hold(code != VALID or event, f"transaction {index}: the contract does not accept this event")
        hold(code != REJECTED or not event, f"transaction {index}: the contract accepts this event")
        if code != VALID:
            return
        provenance = identity + sender[1] + struct.pack("<QIq", self.height, index, self.time)
        for name in (b"id/" + event["actor_id"].encode(), b"all"):
            log = self.logs.setdefault(name, Log())
            log.append(digest("log entry", provenance + digest("value", argument)))
            self.state.put(state_key(2, b"eventdb", name), log.encode())

    @staticmethod
    def event(argument, role):
        """The event that `createEvent` takes (event.md); None if it rejects the call."""
        try:
            event = decode(argument, "event")
        except (AssertionError, ValueError):
            return None
        plain = lambda text, most: 0 < len(text.encode()) <= most and not any(
            ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
        holds = (role in (COLLECTOR, ADMIN) and plain(event["action"], 1024) and plain(event["actor_id"], 256)
                 and event["kind"] < 3 and event["observation"] < 3 and event["sequence"] > 0
                 and event["time_nano"] > 0 and event["received"] > 0
                 and (event["facts"] or {}).get("oom_killed") in (None, 0, 1))
        return event if holds else None


def audit(directory):
    import json
    file = json.loads((directory / "genesis.json").read_text())
    anchor = formats.Anchor(file)
    audit = Audit(anchor, file["genesis"]["created_nano"])
    count = len(list(directory.glob("*.block")))
    for height in range(1, count + 1):
        try:
            block, proof = (directory / f"{height:010}.{kind}" for kind in ("block", "final"))
            hold(block.exists() and proof.exists(), "it is not there")
            audit.block(block.read_bytes(), proof.read_bytes())
        except (Failure, AssertionError, ValueError) as error:
            raise Finding(f"block {height}: {error or 'it is malformed'}") from error
    return audit


def main():
    if len(sys.argv) != 2 or not (pathlib.Path(sys.argv[1]) / "genesis.json").exists():
        print("usage: audit.py DIR, a directory that `e2l audit --export DIR` wrote", file=sys.stderr)
        return 2
    if not formats.x509 or not formats.fast_blake3:
        print("audit.py needs PyPI's blake3 and cryptography: scripts/python.sh has them", file=sys.stderr)
        return 2
    try:
        found = audit(pathlib.Path(sys.argv[1]))
    except Finding as finding:
        print(f"FALSE: {finding}")
        return 1
    state = "the state made anew at each" if found.state_known else "the state NOT made anew: it has unknown contracts"
    print(f"valid: {found.tip['height']} blocks, {found.transactions} transactions, {len(found.logs)} logs; {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
