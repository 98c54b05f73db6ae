#!/usr/bin/env python3
"""Audits a whole ledger that `e2l audit --export DIR` wrote, from docs/format alone: nothing of the Rust code is used.

    audit.py DIR

Walks the blocks from the genesis on: encodings and roots, the chains of headers and of proposals, the leader's and
every sender's signature and certificate at the block's time, each envelope's judgement, each collector's sequence and
links, every proposal and decision about the network with the configuration that comes of them, the finality policy, and
the state root of every height, with all log heads, made anew from the calls. Exit 0 when all of it holds, 1 with the
first height that does not, 2 when there is nothing to audit.
"""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "docs/format"))
import check_vectors as formats  # noqa: E402
import contracts  # noqa: E402
import governance  # noqa: E402
from check_vectors import Failure, decode, digest, merkle, state_key  # noqa: E402
from contracts import Caller, Log, Rejected, Space  # noqa: E402

VALID, BAD_PAYLOAD, BAD_SIGNATURE, DUPLICATE, NOT_ACTIVE, REJECTED, WITNESS = 0, 2, 4, 9, 17, 101, 109
EXPIRED, REVOKED, ROLE, GAP, OTHER_NETWORK, OTHER_COMPONENT, OTHER_EXECUTABLE = 100, *range(110, 116)
ENGINE_FAILURES = range(102, 109)
# A proposal may have these bytes besides its components.
PROPOSAL_BYTES = 65_536
PEER, COLLECTOR, ADMIN = (formats.ROLES.index(role) for role in ("peer", "collector", "admin"))


class Finding(Exception):
    """What does not hold, and at which height."""


def hold(holds, why):
    if not holds:
        raise Failure(why)


class StateMap:
    """The compact sparse Merkle tree over the state."""

    def __init__(self):
        self.top = None

    def put(self, key, value):
        """Writes a value, or removes it where it is None."""
        key = digest("map key", key)
        self.top = (self._remove(self.top, key, 0) if value is None
                    else self._put(self.top, key, digest("value", value), 0))

    def root(self):
        return self.top[-1] if self.top else bytes(32)

    def _put(self, node, key, value, depth):
        leaf = (key, value, digest("map leaf", key + value))
        if node is None or (len(node) == 3 and node[0] == key):
            return leaf
        children = list(node[:2]) if len(node) == 4 else [None, None]
        if len(node) == 3:
            children[self._bit(node[0], depth)] = node
        side = self._bit(key, depth)
        children[side] = self._put(children[side], key, value, depth + 1)
        return self._node(children)

    def _remove(self, node, key, depth):
        if node is None or len(node) == 3:
            return None if node and node[0] == key else node
        children, side = list(node[:2]), self._bit(key, depth)
        children[side] = self._remove(children[side], key, depth + 1)
        left = [child for child in children if child]
        # A subtree with one leaf is that leaf.
        return left[0] if len(left) == 1 and len(left[0]) == 3 else self._node(children)

    @staticmethod
    def _bit(key, depth):
        return key[depth // 8] >> (7 - depth % 8) & 1

    @staticmethod
    def _node(children):
        hashes = b"".join(child[-1] if child else bytes(32) for child in children)
        return (*children, None, digest("map node", hashes))


class Audit:
    def __init__(self, anchor, created, components):
        self.anchor, self.epoch = anchor, anchor.at(0)
        self.certificates, self.heads, self.requests = {}, {}, set()
        self.state, self.headers = StateMap(), Log()
        self.governance = governance.Governance(self.state.put)
        # Components by digest, those of the genesis; others come with proposals. What contracts have, and what runs, by name.
        self.components, self.spaces, self.running = components, {}, {}
        self.height, self.transactions, self.changes = 0, 0, 0
        # Proofs of headers that lie below others, whose configurations come with later blocks.
        self.unproven = []
        # Whose call has met the policy of a proposal.
        self.callers = {}
        # Digest of the component that event.md describes: the first that is active as `eventdb`.
        self.events = None
        # From which height on the state is not made anew, and for want of what.
        self.unknown_from = None
        config = b"\1" + self.epoch.encoding
        self.state.put(state_key(0, b"config", b""), config)
        self.look_at_contracts()
        empty = digest("merkle empty", b"")
        genesis = (anchor.network + struct.pack("<Q", 0) + bytes(32) + anchor.network + empty + struct.pack("<I", 0)
                   + empty + struct.pack("<I", 0) + self.state.root() + 2 * self.epoch.root + struct.pack("<q", created))
        self.tip = dict(height=0, time=created, proposal=anchor.network, digest=digest("header", b"\1" + genesis))

    @property
    def config(self):
        return self.epoch.config

    @property
    def limits(self):
        return self.config["limits"]

    def block(self, encoding, proof):
        """Checks the next block; raises Failure."""
        (header, encoded), proposal, results = decode(encoding, "block")
        finality = decode(proof, "final_header")
        hold(finality["header"][1] == encoded, "its header is not the one that was endorsed")
        self.unproven.append(finality)
        below = self.tip
        self.height, self.time = header["height"], header["time"]
        self.epoch = self.anchor.at(self.height)
        hold(header["network"] == self.anchor.network and header["config_root"] == self.epoch.root,
             "it is of another network, or of another configuration than the blocks below have made")
        hold(header["height"] == below["height"] + 1 and header["previous"] == below["digest"],
             f"it does not follow block {below['height']}")
        hold(header["time"] >= below["time"], "its time lies before that of the block below")
        envelopes = self.proposal(header, proposal)
        hold(header["transactions"] == len(results)
             and header["results_root"] == merkle([digest("result", b"\1" + data) for _, data in results]),
             "its results are not those that its header commits to")
        self.headers.append(below["digest"])
        self.state.put(state_key(0, b"headers", b""), self.headers.encode())
        self.learn(proposal[1])
        self.leader(proposal)
        self.stepped = False
        self.execute(envelopes, [result for result, _ in results])
        self.put_in_force(header)
        for contract in self.running.values():
            contract.end_block()
        if self.stepped and not self.unknown_from and header["state_root"] != self.state.root():
            # Where a step reaches its limits is the engine's to say.
            self.unknown("whether a step of a preparation was within its limits, and the words if it was not")
        if not self.unknown_from:
            hold(header["state_root"] == self.state.root(), "its state root is not that of the state made anew")
        self.transactions += len(results)
        self.tip = dict(height=self.height, time=self.time, proposal=header["proposal"],
                        digest=digest("header", b"\1" + encoded))

    def prove(self, height):
        """Checks the proofs for which the configurations up to `height` are enough, and all where there is none."""
        def waits(proof):
            endorsed = [proof["header"], *proof["descendants"]][-1][0]
            return height is not None and endorsed["height"] > height

        for proof in self.unproven:
            if not waits(proof):
                try:
                    formats.verify_final_header(proof, self.anchor)
                except Failure as failure:
                    raise Finding(f"block {proof['header'][0]['height']}: it is not proven to be final: {failure}") from failure
        self.unproven = [proof for proof in self.unproven if waits(proof)]

    def put_in_force(self, header):
        """Makes the changes that the block has approved; their outcome must be what its header names."""
        before = self.epoch
        found = self.governance.outcomes(before, self.height, self.time, self.prepared_by, not self.unknown_from)
        after, became = next(((after, became) for after, became in found
                              if (after or before).root == header["next_config_root"]), (None, None))
        hold(became is not None, "its next configuration is not what its proposals make of the one before")
        config = before.config
        for key, what in became:
            if what == "active":
                config = self.migrate(key, config, self.callers[key])
            elif what == "failed":
                self.unknown("the words with which a proposal failed")
        approver = lambda key: (self.callers[key].member, self.callers[key].identity)
        self.governance.put_in_force(became, self.height, approver)
        self.go_on_preparing(config, [key for key, what in became if what == "prepared"])
        if after:
            encoding = b"\1" + after.encoding
            self.state.put(state_key(0, b"configs", struct.pack(">Q", after.start)), encoding)
            self.state.put(state_key(0, b"config", b""), encoding)
            self.anchor.learn(after)
            self.changes += 1
            self.epoch = after
            self.look_at_contracts()

    def prepared_by(self, proposal):
        """The contracts of a proposal that prepare themselves; None where nothing here can tell."""
        found = [(definition, self.contract(definition)) for definition in proposal.definitions()]
        if any(contract is None for _, contract in found):
            return None
        return [definition for definition, contract in found if getattr(contract, "prepares", False)]

    def go_on_preparing(self, config, done):
        """Takes one step of the first preparation; `done` names the one that the header says is active now, if one is. A
        preparation that fails is not followed further: the state holds the reason in words that no document gives."""
        queue = self.governance.queue
        if not queue:
            return
        if self.unknown_from:
            for key in done:
                at = next(at for at, one in enumerate(queue) if one.proposal == key)
                del queue[:at + 1]
            return
        first, self.stepped = queue[0], True
        record = self.governance.records[first.proposal]
        caller = self.callers[first.proposal].at(self.height, self.time)
        prepared = self.prepared_by(record.proposal)
        if prepared is None:
            return self.unknown("what is prepared")
        try:
            governance.may_prepare(record.proposal, config, self.height, prepared)
            finished = self.prepare(first, prepared, config, caller)
        except (governance.Refused, Rejected, *contracts.FAILURES):
            hold(not done, "a contract is active whose preparation fails")
            return self.unknown("the words with which a preparation failed")
        hold(finished or not done, "a contract is active before it is prepared")
        record.outcome = governance.preparing(record.since, first.steps)
        if finished and not done:
            return self.unknown("the words with which a migration after a preparation failed")
        if finished:
            self.migrate(first.proposal, config, caller, b"")
            record.outcome = b"\1" + struct.pack("<Q", self.height + 1)
            queue.pop(0)
        self.governance.put_record(record)
        self.governance.put_queue()

    def prepare(self, first, prepared, config, caller):
        """Clears, or calls the contracts' `prepare`; whether all of them are prepared now."""
        prefixes = [definition["version"].encode() + b"/" for definition in prepared]
        while first.phase == governance.CLEAR:
            if first.contract == len(prepared):
                first.contract, first.phase = 0, governance.PREPARE
                break
            space = self.space(prepared[first.contract]["name"])
            removed = space.clear(prefixes[first.contract], governance.KEYS_PER_CLEARING)
            first.contract += removed < governance.KEYS_PER_CLEARING
            if removed:
                return False
        for definition, prefix in zip(prepared, prefixes):
            governance.require(first.steps < self.limits["preparation_steps"], ENGINE_FAILURES[0])
            first.steps += 1
            space, replaced = self.space(definition["name"]), governance.named(config["chaincodes"], definition["name"])
            space.begin(caller, b"", prefix)
            done = self.contract(definition).prepare(space, replaced["version"] if replaced else "")
            space.keep()
            if not done:
                return False
        return True

    def migrate(self, key, config, caller, only=None):
        """Runs the migrations of what a proposal deploys; returns the configuration after it."""
        proposal = self.governance.records[key].proposal
        for definition in proposal.definitions():
            contract = self.contract(definition)
            if not contract or not getattr(contract, "migrates", False):
                continue
            replaced = governance.named(config["chaincodes"], definition["name"])
            space = self.space(definition["name"])
            space.begin(caller, b"", only)
            try:
                contract.migrate(space, replaced["version"] if replaced else "")
            except contracts.FAILURES as error:
                raise Failure(f"the migration of {definition['name']} fails: {error}") from error
            space.keep()
        return proposal.apply(config, self.height + 1).config

    def look_at_contracts(self):
        """Whether it is known what the contracts write that are active from now on."""
        for definition in self.config["chaincodes"]:
            if definition["name"] == "eventdb" and not self.events:
                self.events = definition["digest"]
            if not self.contract(definition):
                self.unknown(f"what {definition['name']} {definition['version']} writes")

    def contract(self, definition):
        """What executes a contract; None where its component is not here, or nothing that runs it."""
        name, wanted = definition["name"], definition["digest"]
        if wanted == self.events:
            return Events
        found = self.running.get((name, wanted))
        if found:
            return found
        key = bytes.fromhex(wanted)
        wasm = self.governance.components.get(key) or self.components.get(key)
        if not wasm or not contracts.wasmtime:
            return None
        found = self.running[name, wanted] = contracts.Contract(wasm, wanted)
        return found

    def space(self, name):
        return self.spaces.setdefault(name, Space(name, self.state.put))

    def unknown(self, what):
        if not self.unknown_from:
            self.unknown_from = f"from height {max(self.height, 1)} on: {what}"

    def proposal(self, header, proposal):
        """Returns each envelope with its digest and that of its statement."""
        (ordered, encoded), certificates, envelopes, _ = proposal
        hold(digest("proposal", b"\1" + encoded) == header["proposal"], "its proposal is not the header's")
        hold(ordered["network"] == self.anchor.network and ordered["previous"] == self.tip["proposal"],
             "its proposal does not follow that of the block below")
        hold((ordered["height"], ordered["time"]) == (self.height, self.time), "header and proposal differ")
        hold(ordered["certificates_root"] == merkle([digest("certificate", der) for der in certificates]),
             "its certificates are not those that were signed")
        hold(envelopes or self.governance.queue, "it is empty, and no preparation is under way that needs it")
        hold(len(certificates) <= len(envelopes) + 1, "it brings certificates beside")
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
                certificate.check_good(self.config, self.time)
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
        hold(certificate.member == ordered["leader"] and role == PEER and self.epoch.voters.get(actor) == name,
             "its signer may not propose it")
        certificate.check_good(self.config, self.time)
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
        wanted = ADMIN if kind else COLLECTOR
        if kind and calls[:2] == (governance.NAME, "ready"):
            wanted = PEER
        if certificate.member[1] != wanted:
            return ROLE
        if certificate.network == self.config["network"] and certificate.digest.hex() in self.config["revoked"]:
            return REVOKED
        try:
            certificate.check_good(self.config, self.time)
            certificate.check_signature(signature, signed)
        except Failure:
            return BAD_SIGNATURE
        return self.judge_request(statement) if kind else self.judge_batch(statement, signed)

    def is_well_formed(self, kind, statement, calls):
        fits = lambda call: len(call[2]) <= self.argument_bytes(call[0])
        if kind:
            return fits(calls) and statement["call"] == formats.call_digest(calls)
        return (0 < len(calls) <= self.limits["batch_max_transactions"] and all(map(fits, calls))
                and self.size(calls) <= self.limits["batch_max_bytes"] and statement["count"] == len(calls)
                and statement["calls_root"] == merkle([formats.call_digest(call) for call in calls]))

    def argument_bytes(self, chaincode):
        """Most bytes of the argument of a call: a proposal brings its components."""
        proposal = self.limits["component_max_bytes"] + PROPOSAL_BYTES if chaincode == governance.NAME else 0
        return max(self.limits["argument_max_bytes"], proposal)

    def judge_code(self, statement):
        """What a batch says of the code that made it."""
        component = statement["component"] and statement["component"].hex()
        replaced = [known["component"] for known in self.config.get("replaced_collectors", [])
                    if known["until_nano"] >= self.time]
        if component not in (governance.collector_component(self.config), *replaced):
            return OTHER_COMPONENT
        allowed = self.config.get("executables", [])
        return OTHER_EXECUTABLE if allowed and statement["executable"].hex() not in allowed else VALID

    def judge_batch(self, statement, signed):
        sender = statement["sender"][0]
        incarnation, sequence, last = self.heads.get(sender, (0, 0, bytes(32)))
        place = statement["incarnation"], statement["sequence"]
        if place <= (incarnation, sequence):
            return DUPLICATE
        follows = (incarnation < place[0] <= incarnation + 1024 and place[1] == 1) or (incarnation > 0 and place == (incarnation, sequence + 1))
        if not follows or statement["previous"] != last:
            return GAP
        other_code = self.judge_code(statement)
        if other_code != VALID:
            return other_code
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
        identity, code, _, output = result
        name, function, argument = call
        if name == governance.NAME:
            return self.govern(function, argument, sender, result, index)
        definition = governance.named(self.config["chaincodes"], name)
        hold((code == NOT_ACTIVE) == (definition is None),
             f"transaction {index}: whether chaincode {name} is active is another matter")
        contract = definition and self.contract(definition)
        if not contract:
            return
        # What it takes to reach a limit, or to trap, is the engine's to say.
        if code in ENGINE_FAILURES:
            return contract.end_block()
        space = self.space(name)
        space.begin(Caller(sender, identity, self.height, index, self.time), argument)
        try:
            expected, said = VALID, contract.invoke(space, function, argument)
        except Rejected as rejected:
            message, witness = rejected.args
            expected, said = WITNESS if witness else REJECTED, message and message.encode()
        except contracts.FAILURES as error:
            raise Failure(f"transaction {index}: the contract fails: {error}") from error
        hold(code == expected, f"transaction {index}: the contract gives it code {expected}, not {code}")
        hold(said is None or output == said[:self.limits["output_max_bytes"]],
             f"transaction {index}: the contract's output is another one")
        if code == VALID:
            space.keep()

    def govern(self, function, argument, sender, result, index):
        identity, code, fuel, output = result
        # What is no contract peers find by compiling it. Then it is refused, and all the rest must be right all the same.
        if governance.NOT_A_COMPONENT <= code <= governance.NOT_A_CONTRACT:
            hold(function == "propose" and fuel == 0, f"transaction {index}: it brings no component")
            return
        caller = governance.Caller(sender, identity, self.height)
        before = len(self.governance.approved)
        try:
            expected, said = VALID, self.governance.call(caller, function, argument, self.epoch).encode()
            for key in self.governance.approved[before:]:
                self.callers[key] = Caller(sender, identity, self.height, index, self.time)
        except governance.Refused as refused:
            expected, said = refused.code, output
        hold(code == expected, f"transaction {index}: the governance gives it code {expected}, not {code}")
        hold(output == said and fuel == 0, f"transaction {index}: it is about proposal {said.decode(errors='replace')}")


class Events:
    """The contract that event.md describes."""

    @staticmethod
    def end_block():
        """It keeps nothing between calls."""

    @classmethod
    def invoke(cls, space, function, argument):
        event = cls.event(argument, space.caller) if function == "createEvent" else None
        if not event:
            raise Rejected(None, False)
        if event["kind"] == 1:
            key = cls.occurrence(event, space.caller.actor)
            first = space.get(key)
            if first:
                raise Rejected(f"transaction {first.hex()} has reported it first", True)
            space.written[key] = space.caller.identity
        if event["kind"] == 2 and event["action"] == "heartbeat" and event["actor_id"] == cls.name(space.caller):
            space.written[b"heartbeat/" + event["actor_id"].encode()] = struct.pack(">q", space.caller.time) + argument
        for log in (b"id/" + event["actor_id"].encode(), b"all"):
            space.append(log, argument)
        return b""

    @staticmethod
    def name(caller):
        return f"{caller.actor}/{caller.role}/{caller.name}"

    @staticmethod
    def occurrence(event, actor):
        time = 0 if event["action"] == "remove" else event["time_nano"]
        texts = "\0".join((actor, event["actor_id"], event["action"]))
        return b"once/" + texts.encode() + b"\0" + struct.pack(">q", time)

    @classmethod
    def event(cls, argument, caller):
        """The event that `createEvent` takes; None if it rejects the call."""
        try:
            event = decode(argument, "event")
        except (AssertionError, ValueError):
            return None
        plain = lambda text, most: 0 < len(text.encode()) <= most and not any(
            ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
        holds = (caller.role in ("collector", "admin") and plain(event["action"], 1024)
                 and plain(event["actor_id"], 256) and event["kind"] < 3 and event["observation"] < 3
                 and event["sequence"] > 0 and event["time_nano"] > 0 and event["received"] > 0
                 and (event["facts"] or {}).get("oom_killed") in (None, 0, 1)
                 and (event["actor_id"].split("/")[1:2] != ["collector"] or event["actor_id"] == cls.name(caller))
                 and (event["kind"] != 1 or len(event["action"].encode()) <= 256))
        return event if holds else None


def audit(directory):
    import json
    file = json.loads((directory / "genesis.json").read_text())
    anchor = formats.Anchor(file)
    components = {digest("chaincode component", wasm): wasm
                  for wasm in (path.read_bytes() for path in directory.glob("*.wasm"))}
    audit = Audit(anchor, file["genesis"]["created_nano"], components)
    count = len(list(directory.glob("*.block")))
    for height in range(1, count + 1):
        try:
            block, proof = (directory / f"{height:010}.{kind}" for kind in ("block", "final"))
            hold(block.exists() and proof.exists(), "it is not there")
            audit.block(block.read_bytes(), proof.read_bytes())
            audit.prove(height + 1)
        except (Failure, AssertionError, ValueError) as error:
            raise Finding(f"block {height}: {error or 'it is malformed'}") from error
    audit.prove(None)
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
    unknown = found.unknown_from
    state = f"the state NOT made anew {unknown}, which is not known here" if unknown else "the state made anew at each"
    print(f"valid: {found.tip['height']} blocks, {found.transactions} transactions, {found.changes} changes of the "
          f"configuration, {sum(len(space.logs) for space in found.spaces.values())} logs; {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
