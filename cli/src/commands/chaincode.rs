//! `e2l chaincode`: what contracts there are, and calls to them.

use crate::commands::argument::{ArgumentArgs, Encoding};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table, stamp};
use crate::session::Session;
use e2l_client::{AgreementError, ClientError, Said, VerifyError, wire};
use e2l_ledger::proof::VerifiedTransaction;
use e2l_ledger::{Call, Digest, Envelope, Role, SignedRequest, ValidationCode};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How often, and how far apart, a receipt is asked for.
const RECEIPT_TRIES: usize = 25;
const RECEIPT_PAUSE: Duration = Duration::from_millis(200);

/// What to do with chaincode.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ChaincodeCommand {
    /// Active chaincodes, as the genesis has them, and their functions
    ///
    /// Name, version and digest are checked against the genesis; what a function is for is as the peer reads it from the
    /// component of that digest.
    List,
    /// Call a function that changes the ledger, signed by the actor's admin; waits until it is proven final
    ///
    /// Exit code 1 if its validation code is not VALID.
    Invoke(CallArgs),
    /// Call a function that reads, at the last final height
    ///
    /// As many actors' peers are asked as the finality policy demands, as of one height, and the answer is shown only
    /// when all of them say the same, byte for byte. That is agreement, not a proof against the genesis as `e2l history`
    /// gives: these actors together can lie. Exit code 1 if they differ, 3 if too few answer.
    Query(QueryArgs),
    /// Build a contract's source into a component; the same source gives the same bytes
    Build(BuildArgs),
}

/// A call.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// The function; `e2l chaincode list` shows them
    pub function: String,
    #[command(flatten)]
    argument: ArgumentArgs,
    /// The chaincode; may be left out where only one is active
    #[arg(long, value_name = "NAME")]
    pub chaincode: Option<String>,
}

/// A call that reads.
#[derive(Debug, Clone, clap::Args)]
pub struct QueryArgs {
    #[command(flatten)]
    call: CallArgs,
    /// Take one peer's word, instead of asking as many actors' peers as make a block final
    #[arg(long)]
    no_verify: bool,
}

/// A build.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    /// Directory of the contract's crate
    #[arg(default_value = "chaincode/eventdb")]
    pub source: PathBuf,
    /// The component to write
    #[arg(long, value_name = "FILE", default_value = "target/chaincode/eventdb.wasm")]
    pub out: PathBuf,
}

impl ChaincodeCommand {
    /// The role in which the call is made.
    pub fn role(&self) -> Role {
        match self {
            Self::Invoke(_) => Role::Admin,
            _ => Role::Client,
        }
    }
}

/// Runs a command that talks to a peer.
///
/// # Errors
/// No peer answers, there is no such function, or the call is refused.
pub async fn run(session: &Session, command: &ChaincodeCommand) -> CliResult<()> {
    match command {
        ChaincodeCommand::List => list(session).await,
        ChaincodeCommand::Invoke(args) => invoke(session, args).await,
        ChaincodeCommand::Query(args) => query(session, args).await,
        ChaincodeCommand::Build(args) => build(args, session.format()),
    }
}

#[derive(Debug, Serialize)]
struct FunctionView {
    chaincode: String,
    version: String,
    digest: String,
    function: String,
    kind: String,
    argument: String,
    summary: String,
}

async fn list(session: &Session) -> CliResult<()> {
    let reply = active(session).await?;
    let mut items = Vec::new();
    let mut table = Table::new([
        Column::new("CHAINCODE"),
        Column::new("VERSION"),
        Column::new("DIGEST").optional(1),
        Column::new("FUNCTION"),
        Column::new("KIND"),
        Column::new("ARGUMENT"),
        Column::new("SUMMARY").shrink(20),
    ]);
    for chaincode in &reply.chaincodes {
        for function in &chaincode.functions {
            let digest = hex::encode(&chaincode.digest);
            table.push(vec![
                Cell::new(&chaincode.name, Style::Bold),
                (&chaincode.version).into(),
                Cell::new(digest.get(..12).unwrap_or(&digest), Style::Dim),
                Cell::new(&function.name, Style::Accent),
                (&function.kind).into(),
                (&function.argument).into(),
                (&function.summary).into(),
            ]);
            items.push(FunctionView {
                chaincode: chaincode.name.clone(),
                version: chaincode.version.clone(),
                digest,
                function: function.name.clone(),
                kind: function.kind.clone(),
                argument: function.argument.clone(),
                summary: function.summary.clone(),
            });
        }
    }
    let columns = [
        "chaincode",
        "version",
        "digest",
        "function",
        "kind",
        "argument",
        "summary",
    ];
    let listing = Listing {
        columns: &columns,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    session.note(&format!(
        "as of height {}; names, versions and digests are those of the genesis, functions as the peer reads them from the \
         components",
        reply.height
    ));
    Ok(())
}

/// The active chaincodes, which must be those of the genesis.
async fn active(session: &Session) -> CliResult<wire::ChaincodesReply> {
    let reply = session.client().chaincodes().await?;
    let shown = reply.chaincodes.iter().map(|shown| {
        let digest = hex::encode(&shown.digest);
        (shown.name.as_str(), shown.version.as_str(), digest)
    });
    let known = session.config().chaincodes.iter().map(|known| {
        let digest = known.digest.to_string();
        (known.name.as_str(), known.version.as_str(), digest)
    });
    same_chaincodes(shown.collect(), known.collect())?;
    Ok(reply)
}

/// Name, version and digest.
type Identity<'a> = (&'a str, &'a str, String);

fn same_chaincodes(mut shown: Vec<Identity<'_>>, mut known: Vec<Identity<'_>>) -> CliResult<()> {
    shown.sort();
    known.sort();
    if shown == known {
        return Ok(());
    }
    let text = |(name, version, digest): &Identity<'_>| format!("`{name}` {version} with digest {digest}");
    let other = shown.iter().find(|one| !known.contains(one));
    let missing = known.iter().find(|one| !shown.contains(one));
    let what = match (other, missing) {
        (Some(other), Some(missing)) => {
            format!(
                "the peer names chaincode {}, the genesis has {}",
                text(other),
                text(missing)
            )
        }
        (Some(other), None) => format!(
            "the peer names chaincode {}, which the genesis does not have",
            text(other)
        ),
        (None, Some(missing)) => format!(
            "the peer leaves out chaincode {}, which the genesis has",
            text(missing)
        ),
        (None, None) => "the peer names a chaincode twice".to_owned(),
    };
    Err(CliError::refused(
        crate::output::sanitise(&what),
        "do not rely on that peer: ask another actor's with --actor NAME",
    ))
}

/// Finds the function, and encodes the argument as it describes.
async fn prepare(session: &Session, args: &CallArgs, kind: &str) -> CliResult<(String, Vec<u8>)> {
    let active = active(session).await?.chaincodes;
    let chaincode = choose(&active, args.chaincode.as_deref())?;
    let named = chaincode
        .functions
        .iter()
        .find(|function| function.name == args.function);
    let function = named.filter(|function| function.kind == kind).ok_or_else(|| {
        if named.is_some() {
            let other = if kind == "query" { "invoke" } else { "query" };
            return CliError::usage(
                format!("`{}` is not a function to {kind}", args.function),
                format!("use `e2l chaincode {other} {}`", args.function),
            );
        }
        let known = chaincode
            .functions
            .iter()
            .filter(|function| function.kind == kind);
        let known: Vec<&str> = known.map(|function| function.name.as_str()).collect();
        CliError::usage(
            format!(
                "chaincode `{}` has no function `{}`",
                chaincode.name, args.function
            ),
            format!("call one of: {}", known.join(", ")),
        )
    })?;
    let encoding = Encoding::parse(&function.argument)?;
    Ok((
        chaincode.name.clone(),
        args.argument.encode(encoding, &args.function)?,
    ))
}

fn choose<'a>(active: &'a [wire::Chaincode], named: Option<&str>) -> CliResult<&'a wire::Chaincode> {
    let names = || {
        active
            .iter()
            .map(|chaincode| chaincode.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (named, active) {
        (None, [only]) => Ok(only),
        (None, _) => Err(CliError::usage(
            format!("{} chaincodes are active", active.len()),
            format!("name one with --chaincode: {}", names()),
        )),
        (Some(name), _) => active
            .iter()
            .find(|chaincode| chaincode.name == name)
            .ok_or_else(|| {
                CliError::usage(
                    format!("no chaincode `{name}` is active"),
                    format!("name one of: {}", names()),
                )
            }),
    }
}

async fn query(session: &Session, args: &QueryArgs) -> CliResult<()> {
    let (chaincode, argument) = prepare(session, &args.call, "query").await?;
    let function = &args.call.function;
    if args.no_verify {
        let reply = session
            .client()
            .query(&chaincode, function, argument.into())
            .await?;
        print_output(&reply.output, session.format())?;
        session.note(&format!(
            "as of height {}, {} UTC; one peer's word, not verified",
            reply.height,
            stamp(reply.time_nano)
        ));
        return Ok(());
    }
    let (voters, policy) = (session.voters(), session.config().finality);
    let required = policy.required(voters);
    let agreed = session
        .client()
        .query_agreed(required, &chaincode, function, argument.into())
        .await
        .map_err(disagreement)?;
    print_output(&agreed.output, session.format())?;
    session.note(&format!(
        "as of height {}, {} UTC, agreed by {} ({} of {voters} actors); not proven against the genesis",
        agreed.height,
        stamp(agreed.time_nano),
        agreed.actors.join(", "),
        agreed.actors.len()
    ));
    Ok(())
}

fn disagreement(error: AgreementError) -> CliError {
    let what = error.to_string();
    match error {
        AgreementError::Refused(error) => error.into(),
        AgreementError::Differ(said) => {
            let lines: String = said
                .iter()
                .map(|said| format!("\n       {}", statement(said)))
                .collect();
            CliError::refused(
                format!("{what}:{lines}"),
                "rely on neither before `e2l audit` has compared their ledgers; `e2l incidents` lists what a peer has \
                 found of itself",
            )
        }
        AgreementError::TooFew { .. } | AgreementError::Apart(_) => CliError::not_proven(
            what,
            "run it again when more peers answer (`e2l peer status --all`), or take one peer's word with --no-verify",
        ),
    }
}

/// Characters of an answer that are shown where answers differ.
const EXCERPT: usize = 160;

/// Who says what.
fn statement(said: &Said) -> String {
    let words = match &said.answer {
        Ok(reply) => {
            let text = shown(&reply.output);
            let start: String = text.chars().take(EXCERPT).collect();
            let more = if start.len() < text.len() { " ..." } else { "" };
            let header = hex::encode(&reply.header);
            format!(
                "says, as of height {} (block {}), in {} bytes: {start}{more}",
                reply.height,
                header.get(..12).unwrap_or(&header),
                reply.output.len()
            )
        }
        Err(words) => format!("refuses: {words}"),
    };
    crate::output::sanitise(&format!("{} {words}", said.actor)).into_owned()
}

/// JSON is shown as JSON, other text as it is, other bytes in hexadecimal.
fn print_output(output: &[u8], format: Format) -> CliResult<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(output).ok();
    let text = match (parsed, format) {
        (Some(value), Format::Table | Format::Json) => format!("{value:#}"),
        (Some(value), _) => value.to_string(),
        (None, _) => shown(output),
    };
    Ok(writeln!(out, "{text}")?)
}

fn shown(output: &[u8]) -> String {
    std::str::from_utf8(output).map_or_else(|_| hex::encode(output), str::to_owned)
}

/// What became of a call.
#[derive(Debug, Serialize)]
struct Outcome {
    tx_id: String,
    height: u64,
    index: u32,
    validation_code: &'static str,
    block_time_nano: i64,
    output: String,
    endorsed_by: Vec<String>,
    voters: usize,
}

async fn invoke(session: &Session, args: &CallArgs) -> CliResult<()> {
    let (chaincode, argument) = prepare(session, args, "invoke").await?;
    let call = Call {
        chaincode,
        function: args.function.clone(),
        argument,
    };
    // Half of the longest life allowed: the ledger may grow while the request travels.
    let life = session.config().limits.request_lifetime_blocks / 2;
    let expires_at = session.status().await?.final_height + life.max(1);
    let nonce: [u8; 16] = rand::random();
    let request = SignedRequest::sign(session.network(), nonce, expires_at, call, session.signer());
    let tx_id = request.header.transaction_id();
    let envelope = e2l_ledger::Canonical::encode(&Envelope::Request(request));
    session.note(&format!("transaction {tx_id}: sent, waiting until it is final"));
    session.client().submit(envelope.into()).await?;
    conclude(session, &proven(session, &tx_id).await?)
}

/// What became of a transaction that a peer has called final. Another peer that is asked may be a moment behind.
async fn proven(session: &Session, tx_id: &Digest) -> CliResult<VerifiedTransaction> {
    let verifier = session.verifier()?;
    for _ in 0..RECEIPT_TRIES {
        match verifier.receipt(tx_id).await {
            Ok((_, proven)) => return Ok(proven),
            Err(VerifyError::Client(ClientError::NotFound { .. })) => tokio::time::sleep(RECEIPT_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::not_proven(
        format!("a peer calls transaction {tx_id} final, and none proves it"),
        format!("ask again with `e2l receipt {tx_id}`"),
    ))
}

fn conclude(session: &Session, proven: &VerifiedTransaction) -> CliResult<()> {
    let code = proven.result.code;
    let outcome = Outcome {
        tx_id: proven.result.id.to_string(),
        height: proven.block.header.height,
        index: proven.index,
        validation_code: code.as_str(),
        block_time_nano: proven.block.header.time_nano,
        output: shown(&proven.result.output),
        endorsed_by: proven.block.endorsed_by.clone(),
        voters: proven.block.voters,
    };
    print_outcome(session, &outcome)?;
    if code == ValidationCode::Valid {
        return Ok(());
    }
    Err(CliError::refused(
        format!(
            "the transaction is on the ledger as {code}, without effect: {}",
            outcome.output
        ),
        code.remedy(),
    ))
}

fn print_outcome(session: &Session, outcome: &Outcome) -> CliResult<()> {
    let good = outcome.validation_code == ValidationCode::Valid.as_str();
    let mut table = Table::new([
        Column::new("HEIGHT").right(),
        Column::new("INDEX").right(),
        Column::new("CODE"),
        Column::new("ENDORSED"),
        Column::new("OUTPUT").shrink(10),
    ]);
    table.push(vec![
        outcome.height.to_string().into(),
        outcome.index.to_string().into(),
        Cell::new(
            outcome.validation_code,
            if good { Style::Good } else { Style::Bad },
        ),
        format!(
            "{} of {}: {}",
            outcome.endorsed_by.len(),
            outcome.voters,
            outcome.endorsed_by.join(" ")
        )
        .into(),
        (&outcome.output).into(),
    ]);
    let columns = [
        "tx_id",
        "height",
        "index",
        "validation_code",
        "block_time_nano",
        "output",
        "endorsed_by",
        "voters",
    ];
    let listing = Listing {
        columns: &columns,
        items: std::slice::from_ref(outcome),
        table,
    };
    listing.print_one(session.format())
}

#[derive(Debug, Serialize)]
struct BuiltView {
    component: PathBuf,
    digest: String,
    bytes: usize,
}

/// Builds a component.
///
/// # Errors
/// The source does not compile, or the tools for it are missing.
pub fn build(args: &BuildArgs, format: Format) -> CliResult<()> {
    let made = e2l_chaincode_builder::build(&args.source).map_err(|error| {
        CliError::usage(
            error,
            "correct the source; `make setup` installs what building needs",
        )
    })?;
    if let Some(directory) = args.out.parent() {
        std::fs::create_dir_all(directory).map_err(|error| CliError::file("create", directory, &error))?;
    }
    std::fs::write(&args.out, &made.component).map_err(|error| CliError::file("write", &args.out, &error))?;
    let built = BuiltView {
        component: args.out.clone(),
        digest: made.digest.to_string(),
        bytes: made.component.len(),
    };
    let mut table = Table::new([
        Column::new("COMPONENT"),
        Column::new("BYTES").right(),
        Column::new("DIGEST"),
    ]);
    table.push(vec![
        built.component.display().to_string().into(),
        built.bytes.to_string().into(),
        Cell::new(&built.digest, Style::Accent),
    ]);
    let listing = Listing {
        columns: &["component", "bytes", "digest"],
        items: &[built],
        table,
    };
    listing.print_one(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<'a>(name: &'a str, version: &'a str, digest: &str) -> Identity<'a> {
        (name, version, digest.to_owned())
    }

    #[test]
    fn chaincodes_must_be_those_of_the_genesis() {
        let known = || vec![one("eventdb", "1", "aa"), one("usage", "2", "bb")];
        let mut reversed = known();
        reversed.reverse();
        assert!(same_chaincodes(reversed, known()).is_ok());
        let lies = [
            vec![one("eventdb", "1", "aa"), one("usage", "2", "cc")],
            vec![one("eventdb", "9", "aa"), one("usage", "2", "bb")],
            vec![one("eventdb", "1", "aa")],
            [known(), vec![one("more", "1", "dd")]].concat(),
            [known(), known()].concat(),
        ];
        for lie in lies {
            let error = same_chaincodes(lie, known()).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Refused, "{error}");
        }
    }
}
