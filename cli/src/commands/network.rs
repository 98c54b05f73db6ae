//! `e2l network init`: from names to a network that is ready to start; `e2l network join`: an actor that is to join one.

use crate::commands::proposal::parse_policy;
use crate::deploy::{JoinOptions, NetworkOptions, create, find_chaincode, prepare_to_join};
use crate::error::{CliError, CliResult};
use crate::network_dir::{NEW_ACTOR_FILE, NetworkDir, read_genesis};
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use e2l_ledger::{Policy, validate_name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to do with networks.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum NetworkCommand {
    /// Make keys, certificates, a genesis that every actor's admin signs, and each process's configuration
    Init(InitArgs),
    /// Prepare an actor that is to join a network: its keys, certificates and configurations
    ///
    /// Its admin runs this, on its own machine. The file actor.json that it makes holds nothing secret: an actor of the
    /// network proposes it with `e2l peer join`, and the others approve. The new peer can be started at once: it waits to be
    /// admitted, fetches and executes the whole ledger, and votes when it has caught up.
    Join(JoinArgs),
}

/// An actor that is to join.
#[derive(Debug, Clone, clap::Args)]
pub struct JoinArgs {
    /// Directory to make; must be empty or not exist
    pub dir: PathBuf,
    /// The network's genesis, from one of its actors: compare its hash with others
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// Name of the new actor (not --actor, which says as whom a command is run)
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: String,
    /// Its peer's address, host:port
    #[arg(long, value_name = "ADDRESS")]
    pub address: String,
    /// How many collectors it gets
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    pub collectors: u32,
    /// An auditor: sees and verifies everything, and has no vote
    #[arg(long)]
    pub observer: bool,
    /// Components of the contracts that the genesis names [default: as for `e2l network init`]
    #[arg(long, value_name = "FILE")]
    pub chaincode: Vec<PathBuf>,
}

/// A new network.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// Directory to make; must be empty or not exist
    pub dir: PathBuf,
    /// Organisations, each with its own certificate authority and peer; the first is the default of --actor
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true, value_parser = name)]
    pub actors: Vec<String>,
    /// Collectors per actor [default: one for the first actor]
    #[arg(long, value_name = "ACTOR=N", value_delimiter = ',', value_parser = count)]
    pub collectors: Vec<(String, u32)>,
    /// Peers listen on 127.0.0.1 at this port and those above it
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 7051,
        conflicts_with = "addresses"
    )]
    pub base_port: u16,
    /// The peers' addresses, host:port, one per actor in their order
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub addresses: Vec<String>,
    /// Endorsements that make a block final: all, majority, or a number of actors
    ///
    /// With all there is no exception for a malicious leader in a cut network, and one absent peer stops it. With a number
    /// below a majority so few actors alone can say what is final.
    #[arg(long, value_name = "POLICY", value_parser = parse_policy, default_value = "majority")]
    pub finality: Policy,
    /// Approvals that change contracts and configuration: all, majority, or a number of actors
    #[arg(long, value_name = "POLICY", value_parser = parse_policy, default_value = "all")]
    pub lifecycle: Policy,
    /// Chaincode component that is active from the first block on [default: $E2L_CHAINCODE, else eventdb.wasm beside e2l, else target/chaincode/eventdb.wasm]
    #[arg(long, value_name = "FILE")]
    pub chaincode: Option<PathBuf>,
    /// No chaincode in the genesis: the actors deploy their first with `e2l chaincode propose`
    #[arg(long, conflicts_with = "chaincode")]
    pub without_chaincode: bool,
    /// Name of the network
    #[arg(long, value_name = "NAME", default_value = "event2ledger", value_parser = name)]
    pub name: String,
}

fn name(text: &str) -> Result<String, String> {
    validate_name(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

fn count(text: &str) -> Result<(String, u32), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(actor, count)| Some((actor, count.parse().ok()?)));
    let (actor, count) = parsed.ok_or_else(|| format!("`{text}` is not ACTOR=N, such as provider=2"))?;
    if count > 100 {
        return Err(format!(
            "{count} collectors are too many for one actor: at most 100"
        ));
    }
    Ok((name(actor)?, count))
}

#[derive(Debug, Serialize)]
struct Made {
    actor: String,
    address: String,
    collectors: usize,
    directory: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// The names make no sense together, the directory is in use, or no component is found.
pub fn run(command: &NetworkCommand, format: Format) -> CliResult<()> {
    match command {
        NetworkCommand::Init(args) => {
            let network = create(&args.dir, &options(args)?)?;
            print(&network, format)
        }
        NetworkCommand::Join(args) => join(args),
    }
}

fn join(args: &JoinArgs) -> CliResult<()> {
    let genesis = read_genesis(&args.genesis)?;
    let named = !args.chaincode.is_empty() || genesis.genesis.config.chaincodes.is_empty();
    let chaincodes = match named {
        true => args.chaincode.clone(),
        false => vec![find_chaincode(None)?],
    };
    let hash = genesis.genesis.digest();
    let options = JoinOptions {
        actor: args.name.clone(),
        address: args.address.clone(),
        collectors: args.collectors,
        votes: !args.observer,
        chaincodes,
    };
    let network = prepare_to_join(&args.dir, genesis, &options)?;
    let home = network.actor_dir(&args.name);
    println!("{}", home.join(NEW_ACTOR_FILE).display());
    eprintln!("\ngenesis {hash}: compare it with what the network's actors say");
    eprintln!("Give that file to an actor of the network, who proposes it: e2l peer join {NEW_ACTOR_FILE}");
    eprintln!("Start the peer; it waits until it is admitted:");
    eprintln!("  e2l-peer --config {}", home.join("peer/peer.toml").display());
    Ok(())
}

fn options(args: &InitArgs) -> CliResult<NetworkOptions> {
    let mut collectors: BTreeMap<String, u32> = args.collectors.iter().cloned().collect();
    if collectors.is_empty() {
        collectors.extend(args.actors.first().map(|first| (first.clone(), 1)));
    }
    if let Some(unknown) = collectors.keys().find(|actor| !args.actors.contains(actor)) {
        return Err(CliError::usage(
            format!("--collectors names `{unknown}`, which is not among --actors"),
            format!("use one of: {}", args.actors.join(", ")),
        ));
    }
    check_policy("--finality", args.finality, args.actors.len())?;
    check_policy("--lifecycle", args.lifecycle, args.actors.len())?;
    Ok(NetworkOptions {
        name: args.name.clone(),
        addresses: addresses(args)?,
        actors: args.actors.clone(),
        collectors,
        finality: args.finality,
        lifecycle: args.lifecycle,
        chaincode: match args.without_chaincode {
            true => None,
            false => Some(find_chaincode(args.chaincode.as_deref())?),
        },
        synthetic_rate: None,
    })
}

/// Refuses what all actors together could not meet: the genesis's own check comes when all keys are made.
fn check_policy(option: &str, policy: Policy, actors: usize) -> CliResult<()> {
    let required = policy.required(actors);
    if required <= actors {
        return Ok(());
    }
    Err(CliError::usage(
        format!("{option} wants {required} actors, and --actors names {actors}"),
        format!("give all, majority, or a number from 1 to {actors}"),
    ))
}

fn addresses(args: &InitArgs) -> CliResult<Vec<String>> {
    if args.addresses.is_empty() {
        let ports = (0..args.actors.len()).map(|i| u16::try_from(i).ok()?.checked_add(args.base_port));
        let made: Option<Vec<String>> = ports.map(|port| Some(format!("127.0.0.1:{}", port?))).collect();
        return made
            .ok_or_else(|| CliError::usage("ports above 65535 do not exist", "choose a lower --base-port"));
    }
    if args.addresses.len() == args.actors.len() {
        return Ok(args.addresses.clone());
    }
    Err(CliError::usage(
        format!(
            "{} addresses for {} actors",
            args.addresses.len(),
            args.actors.len()
        ),
        "give one address per actor, in their order",
    ))
}

fn print(network: &NetworkDir, format: Format) -> CliResult<()> {
    let config = &network.genesis().genesis.config;
    let mut items = Vec::new();
    let mut table = Table::new([
        Column::new("ACTOR"),
        Column::new("PEER"),
        Column::new("COLLECTORS").right(),
        Column::new("DIRECTORY"),
    ]);
    for actor in network.actors() {
        let peer = config.actor(actor).and_then(|actor| actor.peer.as_ref());
        let made = Made {
            actor: actor.clone(),
            address: peer.map(|peer| peer.address.clone()).unwrap_or_default(),
            collectors: network.collector_dirs(actor)?.len(),
            directory: network.actor_dir(actor),
        };
        table.push(vec![
            Cell::new(&made.actor, Style::Bold),
            (&made.address).into(),
            made.collectors.to_string().into(),
            made.directory.display().to_string().into(),
        ]);
        items.push(made);
    }
    let listing = Listing {
        columns: &["actor", "address", "collectors", "directory"],
        items: &items,
        table,
    };
    listing.print(format)?;
    eprintln!(
        "\nnetwork {}, genesis {}",
        config.network,
        network.genesis().genesis.digest()
    );
    eprintln!("Give each actor its directory (ca.key stays offline). Each starts its own processes:");
    eprintln!("  e2l-peer --config DIRECTORY/peer/peer.toml");
    eprintln!("  e2l-collector --config DIRECTORY/collector-1/collector.toml");
    eprintln!("and reads with: e2l events --profile DIRECTORY/client/profile.toml");
    Ok(())
}
