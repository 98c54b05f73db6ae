"""Executes contracts for `audit.py`: a second host for components, from wit/ledger.wit and README.md, on PyPI's wasmtime.

What a call writes and returns is made anew; what it takes to reach a limit, and how much fuel a call has used, is the
peers' to say.
"""
import bisect
import copy
import struct

import check_vectors as formats
from check_vectors import digest, state_key

try:
    import wasmtime
    from wasmtime import component as components
except ImportError:
    wasmtime = None

# Enough for any call that peers have let through, and an end for one that never ends.
FUEL = 100_000_000_000
MAX_KEY = 1024


class Log:
    """An append-only log: its head, and its entries as contracts read them."""

    def __init__(self):
        self.length, self.peaks, self.entries = 0, [], []

    def append(self, leaf, entry=None):
        size = 1
        while self.length & size:
            leaf, size = digest("merkle node", self.peaks.pop() + leaf), size * 2
        self.peaks.append(leaf)
        self.length += 1
        self.entries.append(entry)

    def encode(self):
        return b"\1" + struct.pack("<QI", self.length, len(self.peaks)) + b"".join(self.peaks)


class Caller:
    """Whose call it is and where it stands: a contract's context, and the provenance of what it appends."""

    def __init__(self, sender, identity, height, index, time):
        ((self.actor, role, self.name), encoding) = sender
        self.role, self.identity, self.height, self.index, self.time = formats.ROLES[role], identity, height, index, time
        self.member = encoding
        self.provenance = identity + encoding + struct.pack("<QIq", height, index, time)

    def at(self, height, time):
        """The same caller, in a block in which none of its calls is executed."""
        found = copy.copy(self)
        found.height, found.index, found.time = height, 0, time
        return found

    def fields(self, **more):
        values = {"transaction-id": self.identity, "sender": self.name, "actor": self.actor, "role": self.role,
                  "height": self.height, "block-time-nano": self.time, **more}
        record = components.Record()
        for name, value in values.items():
            setattr(record, name, value)
        return record


class Space:
    """The keys and logs of one chaincode. `put` writes a value of the ledger's state, None removes it."""

    def __init__(self, name, put):
        self.scope, self.put = name.encode(), put
        self.values, self.keys, self.logs = {}, [], {}
        self.begin(None, b"")

    def begin(self, caller, argument, only=None):
        """Forgets what the last call wrote, unless it was kept. `only` is what the keys begin with that the next may write,
        and no logs; None where it may write all."""
        self.caller, self.argument, self.written, self.appended = caller, argument, {}, []
        self.only = only

    def put_own(self, key, value):
        assert self.only is None or key.startswith(self.only), "the key is not one that may be written here"
        self.written[key] = value

    def clear(self, prefix, most):
        """Removes keys that begin with a prefix that ends in a slash, as many as may be at once; returns how many."""
        self.begin(None, b"")
        found = self.scan(prefix, prefix[:-1] + b"0", most)
        self.written = {key: None for key, _ in found}
        self.keep()
        return len(found)

    def get(self, key):
        return self.written[key] if key in self.written else self.values.get(key)

    def scan(self, start, end, limit):
        known = self.keys[bisect.bisect_left(self.keys, start):bisect.bisect_left(self.keys, end) if end else None]
        new = [key for key in self.written if start <= key and (not end or key < end)]
        pairs = ((key, self.get(key)) for key in sorted({*known, *new}))
        return [pair for pair in pairs if pair[1] is not None][:limit]

    def pending(self, log):
        return [value for name, value in self.appended if name == log]

    def length(self, log):
        return (self.logs[log].length if log in self.logs else 0) + len(self.pending(log))

    def append(self, log, value):
        assert self.only is None, "no log may be appended to here"
        self.appended.append((log, value))
        return self.length(log) - 1

    def read(self, log, start, limit):
        own = [(self.caller, value) for value in self.pending(log)]
        entries = (self.logs[log].entries if log in self.logs else []) + own
        return [(position, *entries[position]) for position in range(start, min(start + limit, len(entries)))]

    def keep(self):
        """What the call wrote is on the ledger."""
        for key, value in self.written.items():
            if (key in self.values) != (value is not None):
                at = bisect.bisect_left(self.keys, key)
                self.keys[at:at + (value is None)] = [] if value is None else [key]
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
            self.put(state_key(1, self.scope, key), value)
        touched = {}
        for name, value in self.appended:
            log = touched[name] = self.logs.setdefault(name, Log())
            log.append(digest("log entry", self.caller.provenance + digest("value", value)), (self.caller, value))
        for name, log in touched.items():
            self.put(state_key(2, self.scope, name), log.encode())
        self.begin(None, b"")


class Rejected(Exception):
    """A contract's refusal: its message, None where it is not known, and whether it is a witness's."""


# How an executed contract fails otherwise.
FAILURES = (AssertionError, *((wasmtime.WasmtimeError, wasmtime.Trap) if wasmtime else ()))


class Contract:
    """A component, in one instance for the calls of a block."""

    engine = None

    def __init__(self, wasm, name):
        self.digest = name
        if Contract.engine is None:
            config = wasmtime.Config()
            config.consume_fuel = True
            config.cranelift_nan_canonicalization = True
            config.wasm_relaxed_simd_deterministic = True
            Contract.engine = wasmtime.Engine(config)
        self.component = components.Component(self.engine, wasm)
        self.migrates, self.prepares = (
            self.component.get_export_index(name) is not None for name in ("migrate", "prepare"))
        self.instance, self.used = None, False

    def end_block(self):
        self.instance = None

    def invoke(self, space, function, argument):
        """The output; raises Rejected, and another error where it traps."""
        # What a call before has left in memory must not fail this one: that is tried again in a new instance.
        again, caller = self.instance is not None and self.used, space.caller
        try:
            return self.call("invoke", space, caller.fields(), function, argument)
        except (Rejected, *FAILURES):
            if not again:
                raise
        self.instance = None
        space.begin(caller, argument)
        return self.call("invoke", space, caller.fields(), function, argument)

    def migrate(self, space, before):
        return self.alone("migrate", space, before)

    def prepare(self, space, before):
        """Whether the step is the last."""
        return self.alone("prepare", space, before)

    def alone(self, name, space, before):
        """A call in an instance of its own."""
        self.instance = None
        try:
            return self.call(name, space, space.caller.fields(), before)
        finally:
            self.instance = None

    def call(self, name, space, *arguments):
        if self.instance is None:
            self.start()
        self.space, self.used = space, True
        self.store.set_fuel(FUEL)
        function = self.instance.get_func(self.store, name)
        try:
            answer = function(self.store, *arguments)
            function.post_return(self.store)
        except FAILURES:
            self.instance = None
            raise
        if isinstance(answer, (bytes, bool)):
            return answer
        raise Rejected(answer.message, answer.kind == "witness")

    def start(self):
        linker, self.used = components.Linker(self.engine), False
        linker.allow_shadowing = True
        with linker.root() as root:
            for interface, functions in self.host().items():
                with root.add_instance(f"event2ledger:ledger/{interface}@1.0.0") as instance:
                    for name, function in functions.items():
                        instance.add_func(name, function)
        self.store = wasmtime.Store(self.engine)
        self.store.set_fuel(FUEL)
        self.instance = linker.instantiate(self.store, self.component)

    def host(self):
        def key(value):
            assert len(value) <= MAX_KEY, "a key is too long"
            return value

        def pair(item):
            record = components.Record()
            record.key, record.value = item
            return record

        def entry(position, caller, value):
            return caller.fields(position=position, index=caller.index, value=value)

        def part(offset, length):
            assert offset + length <= len(self.space.argument), "not within the argument"
            return self.space.argument[offset:offset + length]

        put = lambda store, name, value: self.space.put_own(key(name), value)
        return {
            "types": {},
            "state": {
                "get": lambda store, name: self.space.get(key(name)),
                "put": put,
                "delete": lambda store, name: put(store, name, None),
                "scan": lambda store, start, end, limit: [pair(item) for item in self.space.scan(start, end, limit)],
            },
            "logs": {
                "append": lambda store, log, value: self.space.append(key(log), value),
                "append-argument": lambda store, log, offset, length: self.space.append(key(log), part(offset, length)),
                "length": lambda store, log: self.space.length(log),
                "read": lambda store, log, start, limit: [entry(*item) for item in self.space.read(log, start, limit)],
            },
        }
