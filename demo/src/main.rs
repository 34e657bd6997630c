//! Runs the sample application until it is told to stop.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use claviger_client::Secret;
use claviger_demo::{Config, People, Projects, StartError, start};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
The sample application: notebooks, samples and project runs, to stand behind Claviger's gateway.

Usage: claviger-demo [--help]

It is configured by environment variables:

  DEMO_AUTHORITY    the authority's API            http://127.0.0.1:8400
  DEMO_KEY          the application's own key, of the kind operator
                    (scopes resource:create, resource:read, resource:update,
                    key:verify, history:create)
  DEMO_LISTEN       where to listen, loopback only [127.0.0.1:8490]
  DEMO_OWNER        account that holds the private data        acct_...
  DEMO_MEMBER       account that holds one public sample       acct_...
  DEMO_STRANGER     account that holds nothing                 acct_...
  DEMO_TEAM         team that holds the team notebooks and
                    operates the site                          team_...
  DEMO_ATLAS        project that holds a notebook and a sample proj_...
  DEMO_BOREALIS     project that holds another sample          proj_...
  RUST_LOG          what to log                    [info]

It mirrors its resources to the authority, then serves until SIGTERM or Ctrl-C.
Exit codes: 0 stopped as told, 1 could not start, 2 wrong usage or configuration.
";

/// Where the application listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:8490";

/// What went wrong, and with it the exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}\n\nTry --help.")]
    Usage(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = match &failure {
                Failure::Usage(_) | Failure::Start(StartError::Config(_) | StartError::Authority(_)) => 2,
                Failure::Start(_) | Failure::Io(_) => 1,
            };
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "claviger-demo: {}", chain(&failure));
            ExitCode::from(code)
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {}
        ["--help" | "-h"] => return Ok(io::stdout().write_all(HELP.as_bytes())?),
        [other, ..] => return Err(Failure::Usage(format!("unknown argument `{other}`"))),
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    // Before the start, so that a signal is not lost while the authority is waited for.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let app = tokio::select! {
        app = start(configuration()?) => app?,
        () = &mut stopped => return Ok(()),
    };
    tracing::info!(resources = ?app.resources, "serving");
    stopped.await;
    app.shutdown().await;
    Ok(())
}

/// The error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, which reads its own clock")]
fn configuration() -> Result<Config, Failure> {
    let listen = std::env::var("DEMO_LISTEN").unwrap_or_else(|_| LISTEN.to_owned());
    let listen = listen
        .parse()
        .map_err(|_| Failure::Usage(format!("DEMO_LISTEN is `{listen}`, not an address and port")))?;
    Ok(Config {
        authority: variable("DEMO_AUTHORITY")?,
        key: Secret::new(variable("DEMO_KEY")?),
        listen,
        people: People {
            owner: variable("DEMO_OWNER")?,
            member: variable("DEMO_MEMBER")?,
            stranger: variable("DEMO_STRANGER")?,
        },
        team: variable("DEMO_TEAM")?,
        projects: Projects { atlas: variable("DEMO_ATLAS")?, borealis: variable("DEMO_BOREALIS")? },
        observer: None,
        clock: SystemTime::now,
    })
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| Failure::Usage(format!("{name} is not set (or not text)")))
}
