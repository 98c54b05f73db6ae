//! `e2l`: the command line of event2ledger.

fn main() -> std::process::ExitCode {
    e2l_cli::main()
}
