"""The chaincode `governance`, from governance.md alone: what proposals and decisions do to the state and to the
configuration. `check_vectors.py` checks its encodings, `tests/python/audit.py` follows the changes of a whole ledger."""
import copy
import struct

import check_vectors as formats
from check_vectors import Epoch, Reader, decode, digest, list_, state_key, text_

NAME = "governance"
VALID, BAD_PAYLOAD, DUPLICATE, REJECTED, ROLE = 0, 2, 9, 101, 111
NOT_A_COMPONENT, FOREIGN_IMPORT, COMPONENT_LIMIT, NOT_A_CONTRACT = 120, 121, 122, 123
UNKNOWN, ALREADY_DECIDED, PROPOSAL_EXPIRED, SUPERSEDED, CLOSED, BAD_CONFIGURATION, TOO_MANY = range(124, 131)
ADMIN, PEER = formats.ROLES.index("admin"), formats.ROLES.index("peer")
CLEAR, PREPARE, UNDO = range(3)
PHASES = ("clear", "prepare", "undo")
KEYS_PER_CLEARING, MAX_VERSION = 256, 64
MAX_CHANGES, MAX_NOTE, MAX_OPEN, MAX_OPEN_OF_ACTOR, KEPT_CLOSED = 64, 1024, 64, 8, 64
NEVER_LOWERED = ("batch_max_transactions", "batch_max_bytes", "argument_max_bytes")


class Refused(Exception):
    """The code with which a call is refused."""

    @property
    def code(self):
        return self.args[0]


def require(holds, code):
    if not holds:
        raise Refused(code)


# --- Changes: one row for each variant of the enum, in the order of their tags ------------------------------
class Variant:
    """Reads a change; names the part of a configuration that it replaces, None where that is nothing; makes it."""

    def __init__(self, read, part, make):
        self.read, self.part, self.make = read, part, make


def named(items, name):
    return next((item for item in items if item["name"] == name), None)


def chaincode_part(config, change):
    known = named(config["chaincodes"], change["name"])
    return known and formats.encode_chaincode(known)


def deploy(config, change):
    require(change["name"] != NAME, BAD_CONFIGURATION)
    others = [known for known in config["chaincodes"] if known["name"] != change["name"]]
    config["chaincodes"] = sorted(others + [change], key=lambda known: known["name"])


def remove_chaincode(config, change):
    require(named(config["chaincodes"], change["name"]), BAD_CONFIGURATION)
    config["chaincodes"] = [known for known in config["chaincodes"] if known["name"] != change["name"]]


def set_limits(config, change):
    require(all(change[name] >= config["limits"][name] for name in NEVER_LOWERED), BAD_CONFIGURATION)
    config["limits"] = change


def revoke(config, change):
    config["revoked"] = sorted({*config["revoked"], *change})


def read_authorities(reader):
    return dict(actor=reader.text(), authorities=[der.hex() for der in reader.list(reader.data_)])


def authorities_part(config, change):
    known = named(config["actors"], change["actor"])
    return known and formats.encode_authorities(known["authorities"])


def set_authorities(config, change):
    known = named(config["actors"], change["actor"])
    require(known, BAD_CONFIGURATION)
    known["authorities"] = change["authorities"]


def actor_of(config, name):
    known = named(config["actors"], name)
    require(known, BAD_CONFIGURATION)
    return known


def read_place(reader):
    return dict(name=reader.text(), address=reader.text())


def admit(config, place):
    """The peer at a place, with the next Raft id."""
    number = config["next_raft_id"]
    config["next_raft_id"] = number + 1
    return dict(name=place["name"], raft_id=number, address=place["address"])


def read_new_actor(reader):
    return dict(name=reader.text(), authorities=[der.hex() for der in reader.list(reader.data_)],
                peer=reader.option(lambda: read_place(reader)), votes=bool(reader.tag(2)))


def actor_part(config, change):
    known = named(config["actors"], change["name"])
    return known and formats.encode_actor(known)


def add_actor(config, change):
    require(not named(config["actors"], change["name"]), BAD_CONFIGURATION)
    actor = dict(name=change["name"], authorities=change["authorities"],
                 peer=change["peer"] and admit(config, change["peer"]),
                 suffrage="staging" if change["votes"] else "nonvoter")
    config["actors"] = sorted(config["actors"] + [actor], key=lambda known: known["name"])


def remove_actor(config, change):
    actor_of(config, change["name"])
    config["actors"] = [known for known in config["actors"] if known["name"] != change["name"]]


def peer_part(config, change):
    known = named(config["actors"], change["actor"])
    return known and formats.encode_peer(known["peer"])


def replace_peer(config, change):
    known = actor_of(config, change["actor"])
    require(not known["peer"] or known["peer"]["name"] != change["peer"]["name"], BAD_CONFIGURATION)
    known["peer"] = admit(config, change["peer"])


def move_peer(config, change):
    known = actor_of(config, change["actor"])
    require(known["peer"], BAD_CONFIGURATION)
    known["peer"]["address"] = change["address"]


def vote_part(config, change):
    known = named(config["actors"], change["actor"])
    return known and bytes([formats.SUFFRAGE.index(known["suffrage"])])


def set_vote(config, change):
    known = actor_of(config, change["actor"])
    if not change["votes"]:
        known["suffrage"] = "nonvoter"
    elif known["suffrage"] != "voter":
        known["suffrage"] = "staging"


CHANGES = (
    Variant(Reader.chaincode, chaincode_part, deploy),
    Variant(lambda reader: dict(name=reader.text()), chaincode_part, remove_chaincode),
    Variant(Reader.limits, lambda config, change: formats.encode_limits(config["limits"]), set_limits),
    Variant(Reader.digests, lambda config, change: None, revoke),
    Variant(read_authorities, authorities_part, set_authorities),
    Variant(read_new_actor, actor_part, add_actor),
    Variant(lambda reader: dict(name=reader.text()), actor_part, remove_actor),
    Variant(lambda reader: dict(actor=reader.text(), peer=read_place(reader)), peer_part, replace_peer),
    Variant(lambda reader: dict(actor=reader.text(), address=reader.text()), peer_part, move_peer),
    Variant(lambda reader: dict(actor=reader.text(), votes=bool(reader.tag(2))), vote_part, set_vote),
    Variant(lambda reader: dict(finality=reader.policy(), lifecycle=reader.policy()),
            lambda config, change: formats.encode_policy(config["finality"]) + formats.encode_policy(config["lifecycle"]),
            lambda config, change: config.update(change)),
    Variant(lambda reader: dict(engine=reader.text(), architecture=reader.text(), configuration=reader.hash().hex()),
            lambda config, change: formats.encode_engine(config["engine"]),
            lambda config, change: config.update(engine=change)),
    Variant(Reader.digests,
            lambda config, change: list_(sorted(bytes.fromhex(value) for value in config.get("executables", []))),
            lambda config, change: config.update(executables=change)),
)
DEPLOYS, LEAVES, OF_ONE_PEER = CHANGES[0], CHANGES[6], CHANGES[7:9]


class Proposal:
    """A governance proposal, and the bytes it came in."""

    def __init__(self, reader):
        def change():
            replaces, variant = reader.hash(), CHANGES[reader.tag(len(CHANGES))]
            return replaces, variant, variant.read(reader)

        (self.changes, self.expires, self.note), self.encoding = reader.span(
            lambda: (reader.list(change), reader.u64(), reader.text()))
        self.id = digest("governance proposal", b"\1" + self.encoding)

    def check_form(self):
        require(1 <= len(self.changes) <= MAX_CHANGES and len(self.note.encode()) <= MAX_NOTE, BAD_PAYLOAD)

    def apply(self, config, start):
        """The epoch that begins at `start` when all its changes are made."""
        changed = copy.deepcopy(config)
        for replaces, variant, change in self.changes:
            part = variant.part(config, change)
            require((bytes(32) if part is None else digest("config part", part)) == replaces, SUPERSEDED)
            variant.make(changed, change)
        try:
            epoch = Epoch(changed, start)
        except AssertionError as error:
            raise Refused(BAD_CONFIGURATION) from error
        require(epoch.encoding != formats.encode_config(config), BAD_CONFIGURATION)
        return epoch

    def leaving(self):
        """Actors that leave by it."""
        return {change["name"] for _, variant, change in self.changes if variant is LEAVES}

    def owner(self):
        """The actor whose peer is all that it changes; None otherwise."""
        if not all(variant in OF_ONE_PEER for _, variant, _ in self.changes):
            return None
        owners = {change["actor"] for _, _, change in self.changes}
        return owners.pop() if len(owners) == 1 else None

    def definitions(self):
        """The contracts that it deploys."""
        return [change for _, variant, change in self.changes if variant is DEPLOYS]

    def deployed(self):
        """Digests of their components."""
        return [bytes.fromhex(definition["digest"]) for definition in self.definitions()]


# --- Records of proposals -----------------------------------------------------------------------------------
OPEN, EXPIRED = b"\0", b"\4"


class Record:
    def __init__(self, proposal, proposer):
        self.proposal, self.proposer, self.votes, self.outcome = proposal, proposer, {}, OPEN

    def is_open(self, height):
        return self.outcome == OPEN and height <= self.proposal.expires

    def vote(self, caller, approves, voters):
        require(self.outcome in (OPEN, EXPIRED), CLOSED)
        require(caller.height <= self.proposal.expires, PROPOSAL_EXPIRED)
        require(caller.actor in voters, ROLE)
        require(caller.actor not in self.votes, ALREADY_DECIDED)
        self.votes[caller.actor] = (caller.member_bytes + caller.transaction + struct.pack("<Q", caller.height), approves)

    def verdict(self, epoch):
        """True when its policy is met, False when it cannot be any more, None before."""
        owner, leaving = self.proposal.owner(), self.proposal.leaving()
        if owner in epoch.voters and owner in self.votes and self.votes[owner][1]:
            return True
        everyone = list(epoch.voters)
        others = [actor for actor in everyone if actor not in leaving]
        of_others, of_all = epoch.required_of(len(others)), 0
        if leaving:
            of_others, of_all = min(of_others, len(others)), len(everyone) // 2 + 1
        said = lambda actors, approves: sum(
            actor in self.votes and self.votes[actor][1] is approves for actor in actors)
        if said(others, True) >= of_others and said(everyone, True) >= of_all:
            return True
        if len(others) - said(others, False) < of_others or len(everyone) - said(everyone, False) < of_all:
            return False
        return None

    def encode(self):
        votes = [text_(actor) + signed + bytes([approves]) for actor, (signed, approves) in
                 sorted(self.votes.items(), key=lambda item: item[0].encode())]
        return b"\1" + self.proposal.encoding + self.proposer.member_bytes + list_(votes) + self.outcome


COLLECTOR, MAX_REPLACED = "collector", 16


def collector_component(config):
    known = named(config["chaincodes"], COLLECTOR)
    return known and known["digest"]


def with_replaced_collector(after, before, height, nano):
    """The epoch after a block of this time that may have given the collectors another component."""
    if not after or collector_component(after.config) == collector_component(before.config):
        return after
    config = copy.deepcopy(after.config)
    kept = [known for known in config.get("replaced_collectors", []) if known["until_nano"] >= nano]
    until = nano + config["limits"]["collector_grace_ms"] * 1_000_000
    kept.append(dict(component=collector_component(before.config), until_nano=until))
    config["replaced_collectors"] = kept[-MAX_REPLACED:]
    return Epoch(config, height + 1)


# --- Preparations -------------------------------------------------------------------------------------------
class Preparation:
    """An approved proposal whose contracts prepare themselves."""

    def __init__(self, proposal, approver, transaction):
        self.proposal, self.approver, self.transaction = proposal, approver, transaction
        self.contract, self.phase, self.steps = 0, CLEAR, 0

    def encode(self):
        return (self.proposal + self.approver + self.transaction
                + struct.pack("<IBQ", self.contract, self.phase, self.steps))


def encode_preparations(queue):
    return b"\1" + list_([preparation.encode() for preparation in queue])


def preparing(since, steps):
    return b"\5" + struct.pack("<QQ", since, steps)


def may_prepare(proposal, config, height, prepared):
    """Whether these contracts of a proposal may be prepared under a configuration; raises Refused."""
    proposal.apply(config, height + 1)
    for definition in prepared:
        version, known = definition["version"], named(config["chaincodes"], definition["name"])
        require(version[:1].isascii() and version[:1].isdigit() and "/" not in version
                and len(version.encode()) <= MAX_VERSION, BAD_CONFIGURATION)
        require(not known or known["version"] != version, BAD_CONFIGURATION)


class Caller:
    """Who calls, and where."""

    def __init__(self, sender, transaction, height):
        ((self.actor, self.role, self.name), self.member_bytes) = sender
        self.transaction, self.height = transaction, height


class Governance:
    """What the state holds of proposals. `put` writes a value of the state."""

    def __init__(self, put):
        self.put = put
        self.records, self.components = {}, {}
        self.open, self.closed = set(), []
        # Ids of proposals whose policy this block has met, in order, and actors whose peers are ready.
        self.approved, self.ready = [], []
        # Approved proposals whose contracts are being prepared.
        self.queue = []

    def call(self, caller, function, argument, epoch):
        """Makes a call; returns its id's text, or raises Refused, and then nothing has changed."""
        if function == "ready":
            known = named(epoch.config["actors"], caller.actor)
            ready = known and known["suffrage"] == "staging" and known["peer"]["name"] == caller.name
            require(ready and caller.role == PEER, ROLE)
            self.ready.append(caller.actor)
            return caller.actor
        require(caller.role == ADMIN and caller.actor in epoch.voters, ROLE)
        if function == "propose":
            return self.propose(caller, argument, epoch)
        require(function in ("approve", "reject"), REJECTED)
        return self.decide(caller, argument, function == "approve", epoch)

    def propose(self, caller, argument, epoch):
        try:
            proposal, components = decode(argument, lambda reader: (Proposal(reader), reader.list(reader.data_)))
        except (AssertionError, ValueError) as error:
            raise Refused(BAD_PAYLOAD) from error
        proposal.check_form()
        require(proposal.expires >= caller.height, PROPOSAL_EXPIRED)
        require(proposal.expires <= caller.height + epoch.config["limits"]["request_lifetime_blocks"], BAD_PAYLOAD)
        proposal.apply(epoch.config, caller.height + 1)
        require(proposal.id not in self.records, DUPLICATE)
        expired = [key for key in self.open if not self.records[key].is_open(caller.height)]
        still = self.open.difference(expired)
        of_actor = [key for key in still if self.records[key].proposer.actor == caller.actor]
        require(len(still) < MAX_OPEN and len(of_actor) < MAX_OPEN_OF_ACTOR, TOO_MANY)
        brought = self.check_components(proposal, components)
        self.close_expired(caller.height)
        for key, component in brought.items():
            if key not in self.components:
                self.components[key] = component
                self.put(state_key(0, b"component", key), component)
        record = self.records[proposal.id] = Record(proposal, caller)
        record.vote(caller, True, epoch.voters)
        self.open.add(proposal.id)
        self.put_index()
        return self.take_down(record, caller, epoch)

    def check_components(self, proposal, components):
        """Whether what is deployed is on the ledger or comes with the proposal; what peers admit is theirs to say."""
        wanted, brought = set(proposal.deployed()), {}
        for component in components:
            key = digest("chaincode component", component)
            require(key in wanted and key not in brought, BAD_PAYLOAD)
            brought[key] = component
        require(wanted <= {*self.components, *brought}, BAD_PAYLOAD)
        return brought

    def decide(self, caller, argument, approves, epoch):
        try:
            key = decode(argument, Reader.hash)
        except AssertionError as error:
            raise Refused(BAD_PAYLOAD) from error
        require(key in self.records, UNKNOWN)
        record = copy.copy(self.records[key])
        record.votes = dict(record.votes)
        record.vote(caller, approves, epoch.voters)
        if approves:
            record.proposal.apply(epoch.config, caller.height + 1)
        self.records[key] = record
        return self.take_down(record, caller, epoch)

    def take_down(self, record, caller, epoch):
        verdict, key = record.verdict(epoch), record.proposal.id
        if verdict is not None:
            self.close_expired(caller.height)
            self.close(key)
            self.put_index()
        if verdict is False:
            record.outcome = b"\2" + struct.pack("<Q", caller.height)
        if verdict:
            self.approved.append(key)
        self.put_record(record)
        return key.hex()

    def close_expired(self, height):
        """Closes what has expired, in the order of ids."""
        for key in sorted(self.open):
            record = self.records[key]
            if not record.is_open(height):
                record.outcome = EXPIRED
                self.put_record(record)
                self.close(key)

    def close(self, key):
        if key in self.open:
            self.open.remove(key)
            self.closed = [*self.closed, key][-KEPT_CLOSED:]

    def put_record(self, record):
        self.put(state_key(0, b"proposal", record.proposal.id), record.encode())

    def put_index(self):
        self.put(state_key(0, b"proposals", b""), b"\1" + list_(sorted(self.open)) + list_(self.closed))

    # --- Coming into force ----------------------------------------------------------------------------------
    def outcomes(self, epoch, height, nano, prepared, known):
        """All that may come of what this block has approved, and of the preparation that is under way, the likeliest first:
        pairs of the epoch of the next height (None where nothing changes) and of what became of each proposal: "active",
        "preparing" or "failed". A migration may fail, which only its own peers know; each of those that deploy may.
        `prepared` gives the contracts of a proposal that prepare themselves, None where that is not known; `known` says
        whether every step so far is."""
        found = [(None, [])]
        for key in self.approved:
            proposal, longer = self.records[key].proposal, []
            own = prepared(proposal)
            for before, became in found:
                config = (before or epoch).config
                fails = bool(proposal.deployed()) if not own else False
                if not own:
                    try:
                        longer.append((proposal.apply(config, height + 1), [*became, (key, "active")]))
                    except Refused:
                        fails = True
                if own is None or own:
                    try:
                        may_prepare(proposal, config, height, own or [])
                        longer.append((before, [*became, (key, "preparing")]))
                    except Refused:
                        fails = True
                if fails:
                    longer.append((before, [*became, (key, "failed")]))
            found = longer[:256]
        found = [outcome for before in found for outcome in self.with_prepared(*before, epoch, height, known)]
        return [(with_replaced_collector(self.with_votes(after, epoch, height), epoch, height, nano), became)
                for after, became in found]

    def with_prepared(self, before, became, epoch, height, known):
        """The same, and then with the first preparation done; with any of them, where steps are not known."""
        queue = [preparation.proposal for preparation in self.queue]
        queue += [key for key, what in became if what == "preparing"]
        found = [(before, became)]
        for key in queue[:1] if known else queue:
            try:
                after = self.records[key].proposal.apply((before or epoch).config, height + 1)
                found.append((after, [*became, (key, "prepared")]))
            except Refused:
                continue
        return found

    def with_votes(self, after, epoch, height):
        """The epoch after a block in which peers have said that they are ready."""
        for actor in self.ready:
            config = copy.deepcopy((after or epoch).config)
            known = named(config["actors"], actor)
            if known != named(epoch.config["actors"], actor):
                continue
            known["suffrage"] = "voter"
            try:
                after = Epoch(config, height + 1)
            except AssertionError:
                continue
        return after

    def put_in_force(self, became, height, approvers):
        """Notes what came of this block's proposals. Of one that failed the state holds the reason in words too, which no
        document gives. `approvers` gives member and transaction of the call that met a proposal's policy."""
        for key, what in became:
            record = self.records[key]
            if what == "active":
                record.outcome = b"\1" + struct.pack("<Q", height + 1)
            elif what == "preparing":
                record.outcome, record.since = preparing(height, 0), height
                self.queue.append(Preparation(key, *approvers(key)))
                self.put_queue()
            elif what == "failed":
                record.outcome = b"\3"
            if what in ("active", "preparing"):
                self.put_record(record)
        self.approved, self.ready = [], []

    def put_queue(self):
        self.put(state_key(0, b"preparations", b""), encode_preparations(self.queue) if self.queue else None)


# --- The vectors --------------------------------------------------------------------------------------------
STATUS = {"open": lambda outcome: b"\0", "active": lambda outcome: b"\1" + struct.pack("<Q", outcome["from_height"]),
          "rejected": lambda outcome: b"\2" + struct.pack("<Q", outcome["height"]),
          "failed": lambda outcome: b"\3" + struct.pack("<Q", outcome["height"]) + bytes(
              [formats.CODE_NAMES[outcome["code"]]]) + text_(outcome["why"]), "expired": lambda outcome: b"\4",
          "preparing": lambda outcome: preparing(outcome["since"], outcome["steps"])}


def check_vectors(vectors, config, same):
    h = bytes.fromhex
    config = decode(h(vectors["config"]["encoding"]), "config")
    same("the configuration, encoded again", digest("config", b"\1" + formats.encode_config(config)),
         Epoch(config).root.hex())
    whole = decode(h(vectors["proposal"]["encoding"]), Proposal)
    same("a proposal's id", whole.id, vectors["proposal"]["digest"])
    after = whole.apply(config, 1)
    same("the configuration after it", b"\1" + after.encoding, vectors["config_after"]["encoding"])
    same("its digest", after.root, vectors["config_after"]["digest"])
    proposal, components = decode(h(vectors["proposing"]["encoding"]),
                                  lambda reader: (Proposal(reader), reader.list(reader.data_)))
    same("what is proposed", proposal.encoding, whole.encoding.hex())
    same("its components", [digest("chaincode component", component) for component in components], proposal.deployed())
    same("what is decided", decode(h(vectors["decision"]["encoding"]), Reader.hash), whole.id.hex())
    for vector in vectors["alone"]:
        alone = decode(h(vector["encoding"]), Proposal)
        same(f"what {vector['change']} replaces", alone.changes[0][0], vector["replaces"])
        same(f"{vector['change']} alone", alone.apply(config, 1).root, vector["config_root_after"])
    same("one vector for each change", len(vectors["alone"]), len(CHANGES))
    for vector in vectors["refused"]:
        try:
            code = decode(h(vector["encoding"]), Proposal).apply(config, 1) and VALID
        except Refused as refused:
            code = refused.code
        same(f"a proposal of {vector['name']}", code, vector["code"])
    for vector in vectors["records"]:
        member = lambda member: text_(member["actor"]) + bytes([formats.ROLES.index(member["role"])]) + text_(member["name"])
        proposer = Caller((("provider", ADMIN, "admin"), text_("provider") + bytes([ADMIN]) + text_("admin")), b"", 0)
        record = Record(whole, proposer)
        for actor, vote in vector["votes"].items():
            signed = member(vote["member"]) + h(vote["transaction"]) + struct.pack("<Q", vote["height"])
            record.votes[actor] = signed, vote["approves"]
        record.outcome = STATUS[vector["outcome"]["status"]](vector["outcome"])
        same(f"a record that is {vector['outcome']['status']}", record.encode(), vector["encoding"])
    queue = []
    for vector in vectors["preparations"]["queue"]:
        queue.append(Preparation(h(vector["proposal"]), member(vector["approver"]), h(vector["transaction"])))
        queue[-1].contract, queue[-1].steps = vector["contract"], vector["steps"]
        queue[-1].phase = PHASES.index(vector["phase"])
    same("preparations", encode_preparations(queue), vectors["preparations"]["encoding"])
    book = Governance(lambda key, value: same("the index of proposals", value, vectors["index"]["encoding"]))
    book.open, book.closed = set(map(h, vectors["index"]["open"])), [h(key) for key in vectors["index"]["closed"]]
    book.put_index()
