//! What became of a transaction.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $remedy:literal;)*) => {
        /// Validation code of a transaction. Numbers below 100 and 255 keep Hyperledger Fabric's meaning
        /// (`TxValidationCode` in fabric-protos `peer/transaction.proto`); our own start at 100.
        /// Causes and remedies: `docs/format/validation-codes.md`.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[borsh(use_discriminant = true)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[repr(u8)]
        pub enum ValidationCode { $($(#[$doc])* $name = $number,)* }

        impl ValidationCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in output.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What to do about it, in one sentence.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    /// Executed; its writes are in the state.
    Valid = 0, "VALID", "nothing to do";
    /// The payload is not the canonical encoding or breaks a limit.
    BadPayload = 2, "BAD_PAYLOAD", "send the canonical encoding within the network's limits";
    /// The signature or the certificate of the sender is not valid.
    BadCreatorSignature = 4, "BAD_CREATOR_SIGNATURE", "sign with the key of a certificate that the actor's authority issued and that is valid now";
    /// The transaction is already on the ledger.
    DuplicateTxid = 9, "DUPLICATE_TXID", "nothing to do: the first one counts";
    /// No chaincode of that name is active.
    ExpiredChaincode = 17, "EXPIRED_CHAINCODE", "call a chaincode that `e2l chaincode list` shows";
    /// The request's last height has passed.
    Expired = 100, "EXPIRED", "sign the request again with a later last height";
    /// The contract refused the call.
    ContractRejected = 101, "CONTRACT_REJECTED", "the output says why: correct the call";
    /// The contract trapped (panicked).
    Trapped = 102, "TRAPPED", "a defect of the contract: report it to its authors";
    /// The call used up its fuel.
    OutOfFuel = 103, "OUT_OF_FUEL", "do less in one call, or raise the limit by governance";
    /// The contract asked for more memory than a call may have.
    OutOfMemory = 104, "OUT_OF_MEMORY", "do less in one call, or raise the limit by governance";
    /// The contract nested its calls too deeply.
    StackOverflow = 105, "STACK_OVERFLOW", "a defect of the contract: report it to its authors";
    /// The contract returned more than a call may return.
    OutputTooLarge = 106, "OUTPUT_TOO_LARGE", "ask for less, or raise the limit by governance";
    /// The contract wrote more than a call may write.
    WriteLimit = 107, "WRITE_LIMIT", "write less in one call, or raise the limit by governance";
    /// The contract used the host against the rules (a write in a query, a range outside its argument).
    IllegalAccess = 108, "ILLEGAL_ACCESS", "a defect of the contract: report it to its authors";
    /// What it reports is on the ledger already, in another's words.
    Witness = 109, "WITNESS", "nothing to do: it stands beside the first report, which the output names";
    /// The sender's certificate is revoked.
    CreatorRevoked = 110, "CREATOR_REVOKED", "get a new certificate from the actor's authority";
    /// The sender's role may not do this.
    RoleNotAllowed = 111, "ROLE_NOT_ALLOWED", "use an identity whose role may do it";
    /// The batch's sequence number or link does not follow the sender's last batch.
    SequenceGap = 112, "SEQUENCE_GAP", "send the batch that follows the last one on the ledger";
    /// Signed for another network.
    WrongNetwork = 113, "WRONG_NETWORK", "use the configuration of this network";
    /// The collector recorded the batch by another component than the one in force, and the grace is over.
    OtherComponent = 114, "OTHER_COMPONENT", "nothing to do: the collector records its events anew by the component in force";
    /// The executable of the batch's collector is not on the actors' list.
    OtherExecutable = 115, "OTHER_EXECUTABLE", "install a collector that the actors allow, or have them allow this one: `e2l proposal create executables`";
    /// What is to be deployed is not a valid WebAssembly component.
    NotAComponent = 120, "NOT_A_COMPONENT", "build the contract with `e2l chaincode build` and propose what that writes";
    /// The component imports what the host does not offer.
    ForeignImport = 121, "FOREIGN_IMPORT", "a contract may import event2ledger:ledger/state and /logs and nothing else: remove what needs the import";
    /// The component has more of something than a component may have.
    ComponentLimit = 122, "COMPONENT_LIMIT", "make the component smaller, or raise `component_max_bytes` by governance";
    /// The component does not export what a contract exports.
    NotAContract = 123, "NOT_A_CONTRACT", "implement the world event2ledger:ledger/contract of wit/ledger.wit";
    /// There is no such proposal.
    UnknownProposal = 124, "UNKNOWN_PROPOSAL", "name a proposal that `e2l proposal list` shows";
    /// The actor has decided about the proposal before.
    AlreadyDecided = 125, "ALREADY_DECIDED", "nothing to do: an actor decides once";
    /// The proposal's last height has passed.
    ProposalExpired = 126, "PROPOSAL_EXPIRED", "propose it anew, with a later last height";
    /// What the proposal replaces has changed since.
    ProposalSuperseded = 127, "PROPOSAL_SUPERSEDED", "look at what is in force now, and propose it anew";
    /// The proposal is decided.
    ProposalClosed = 128, "PROPOSAL_CLOSED", "nothing to do: `e2l proposal show` says what became of it";
    /// The configuration would make no sense, or nothing would change.
    BadConfiguration = 129, "BAD_CONFIGURATION", "the output says why: correct the proposal";
    /// Too many proposals are open.
    TooManyProposals = 130, "TOO_MANY_PROPOSALS", "decide the open ones first: `e2l proposal list`";
    /// Anything else.
    InvalidOtherReason = 255, "INVALID_OTHER_REASON", "see the peer's log";
}

impl fmt::Display for ValidationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
