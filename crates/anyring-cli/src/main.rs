//! The `uring` command.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod bench;
mod chaos;
mod check;
mod doctor;
mod manuals;
mod top;
mod trace;

/// io_uring on this machine.
#[derive(Parser)]
#[command(name = "uring", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the figures io_uring is known for.
    Bench(bench::Options),
    /// Make legal but unwelcome things happen to a program.
    Chaos(chaos::Options),
    /// Report mistakes that a program makes with io_uring.
    Check(check::Options),
    /// Explain a finding of uring check.
    Explain(check::Explain),
    /// Find out why io_uring does not work here, or not well.
    Doctor(doctor::Options),
    /// Show the rings of all processes.
    Top(top::Options),
    /// Show what a program does with io_uring.
    Trace(trace::Options),
    /// Write the manual pages and the completions of shells, for make install.
    #[command(hide = true)]
    Manuals {
        /// The folder that gets share/man, share/bash-completion and so on.
        prefix: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(options) => bench::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Chaos(options) => chaos::main(&options),
        Command::Check(options) => check::main(&options).map_err(|error| error.to_string()),
        Command::Explain(options) => check::explain(&options).map_err(|error| error.to_string()),
        Command::Doctor(options) => doctor::main(&options).map_err(|error| error.to_string()),
        Command::Top(options) => top::main(&options).map_err(|error| error.to_string()),
        Command::Trace(options) => trace::main(&options).map_err(|error| error.to_string()),
        Command::Manuals { prefix } => manuals::write(Arguments::command(), &prefix)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| error.to_string()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("uring: {error}");
            ExitCode::FAILURE
        }
    }
}
