//! `sakimori login`, `tokens`, `users`, `api-keys`, `audit`: who gets in, and what they did.
use super::{NAMES_MAX, Out, group_id, policy_id, tag, word};
use crate::client::Client;
use crate::command_line::{ApiKeys, Audit, Login, Role, Tokens, Users};
use crate::problem::Failure;
use crate::profile::{self, Profile};
use crate::table::Table;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sakimori_api::{
    ActivationToken, ApiKey, AuditRecord, CreatedActivationToken, CreatedApiKey, Credentials,
    NewActivationToken, NewApiKey, PasswordChange, User,
};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

/// Bound of a password, in bytes, as the manager has it.
const PASSWORD_BYTES: u64 = 1024;

pub(super) async fn log_in(out: Out, login: Login) -> Result<(), Failure> {
    let password = password(login.password_stdin)?;
    let mut profile = Profile {
        url: login.url.trim_end_matches('/').to_owned(),
        ca_pin: login.ca_pin,
        ..Profile::default()
    };
    let client = Client::new(profile.clone())?;
    let (session, cookie) = client.log_in(&Credentials { user: login.user, password }).await?;
    profile.cookie = Some(cookie);
    profile.csrf_token = Some(session.csrf_token.clone());
    let path = profile.store()?;
    out.show(&session.user, |user| {
        format!(
            "Logged in as {} ({}) until {}; kept in {}.\n",
            user.name,
            word(&user.role),
            session.expires_at,
            path.display()
        )
    })
}

pub(super) async fn log_out(out: Out) -> Result<(), Failure> {
    let Some(profile) = Profile::load()? else { return out.done("Nobody was logged in.") };
    if profile.cookie.is_some() {
        match Client::new(profile)?.delete("/sessions/current", None).await {
            // A session that has ended, or a manager that is gone, is logged out of as well.
            Ok(()) | Err(Failure::Refused(_) | Failure::Unreachable { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    profile::forget()?;
    out.done("Logged out.")
}

pub(super) async fn users(out: Out, client: &Client, command: Users) -> Result<(), Failure> {
    match command {
        Users::List => {
            let all: Vec<User> = client.list("/users", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["USER", "ROLE", "LAST LOG-IN", "ID"]);
                for user in all {
                    let last = user.last_log_in.as_deref().unwrap_or("never");
                    table.row([&user.name, &word(&user.role), last, &user.id.to_string()]);
                }
                table.to_string()
            })
        }
        Users::ChangePassword { password_stdin } => {
            let current_password = asked_for("Password until now: ", password_stdin)?;
            let new_password = asked_for("New password: ", password_stdin)?;
            client
                .tell("/users/current/password", &PasswordChange { current_password, new_password })
                .await?;
            out.done("Changed. Other sessions of yours have ended.")
        }
    }
}

fn password(from_stdin: bool) -> Result<String, Failure> {
    asked_for("Password: ", from_stdin)
}

/// The next line of standard input. At a terminal it is asked for there, and not shown.
fn asked_for(words: &str, from_stdin: bool) -> Result<String, Failure> {
    let stdin = io::stdin();
    let quiet = if from_stdin {
        None
    } else if stdin.is_terminal() {
        write!(io::stderr(), "{words}")?;
        Some(Quiet::begin()?)
    } else {
        return Err(Failure::Usage(
            "no terminal to ask for the password: give it on standard input with --password-stdin".to_owned(),
        ));
    };
    let mut line = String::new();
    stdin.lock().take(PASSWORD_BYTES).read_line(&mut line)?;
    if let Some(quiet) = quiet {
        drop(quiet);
        writeln!(io::stderr())?;
    }
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        Err(Failure::Usage("the password is empty".to_owned()))
    } else {
        Ok(password.to_owned())
    }
}

/// The terminal shows nothing of what is typed while this lives.
struct Quiet(Termios);

// === impl Quiet ===

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

pub(super) async fn tokens(out: Out, client: &Client, command: Tokens) -> Result<(), Failure> {
    match command {
        Tokens::List => {
            let all: Vec<ActivationToken> = client.list("/activation-tokens", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["NAME", "USABLE", "EXPIRES", "USES", "ID"]);
                for t in all {
                    let most = t.max_uses.map_or_else(|| "any".to_owned(), |most| most.to_string());
                    let uses = format!("{} of {most}", t.uses);
                    table.row([
                        &t.name,
                        if t.usable { "yes" } else { "no" },
                        &t.expires_at,
                        &uses,
                        &t.id.to_string(),
                    ]);
                }
                table.to_string()
            })
        }
        Tokens::Create { name, policy, expires_in, max_uses, group, tags, ephemeral, needs_task } => {
            let group_id = match group {
                Some(group) => Some(group_id(client, &group).await?),
                None => None,
            };
            let tags = tags.iter().map(|text| tag(text)).collect();
            let policy_id = match policy {
                Some(policy) => Some(policy_id(client, &policy).await?),
                None => None,
            };
            let new = NewActivationToken {
                name,
                policy_id,
                group_id,
                tags,
                ephemeral,
                needs_task,
                expires_in_secs: expires_in,
                max_uses,
            };
            let made: CreatedActivationToken = client.post("/activation-tokens", &new).await?;
            out.show(&made, |made| {
                format!(
                    "Token (shown this once, good until {}):\n  {}\nRun as root on the machine to be protected:\n  {}\n",
                    made.activation_token.expires_at, made.token, made.deployment_line
                )
            })
        }
        Tokens::Revoke { token } => {
            client.delete(&format!("/activation-tokens/{token}"), None).await?;
            out.done("Revoked. Computers that it activated stay.")
        }
    }
}

pub(super) async fn api_keys(out: Out, client: &Client, command: ApiKeys) -> Result<(), Failure> {
    match command {
        ApiKeys::List => {
            let all: Vec<ApiKey> = client.list("/api-keys", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table =
                    Table::new(&["NAME", "ROLE", "SCOPES", "SOURCES", "EXPIRES", "LAST USED", "ID"]);
                for k in all {
                    let never = |time: &Option<String>| time.clone().unwrap_or_else(|| "never".to_owned());
                    let all =
                        |words: Option<Vec<String>>| words.map_or_else(|| "all".to_owned(), |w| w.join(" "));
                    let scopes = k.scopes.as_ref().map(|of| of.iter().map(ToString::to_string).collect());
                    table.row([
                        &k.name,
                        &word(&k.role),
                        &all(scopes),
                        &all(k.sources.clone()),
                        &never(&k.expires_at),
                        &never(&k.last_used),
                        &k.id.to_string(),
                    ]);
                }
                table.to_string()
            })
        }
        ApiKeys::Create { name, role, scope, source, expires_in } => {
            let role = match role {
                Role::Administrator => sakimori_api::Role::Administrator,
                Role::Operator => sakimori_api::Role::Operator,
                Role::Auditor => sakimori_api::Role::Auditor,
            };
            let new = NewApiKey {
                name,
                role,
                expires_in_secs: expires_in,
                scopes: (!scope.is_empty()).then_some(scope),
                sources: (!source.is_empty()).then_some(source),
            };
            let made: CreatedApiKey = client.post("/api-keys", &new).await?;
            out.show(&made, |made| {
                format!("Key (shown this once), for SAKIMORI_API_KEY:\n  {}\n", made.secret)
            })
        }
        ApiKeys::Revoke { key } => {
            client.delete(&format!("/api-keys/{key}"), None).await?;
            out.done("Revoked.")
        }
    }
}

pub(super) async fn audit(out: Out, client: &Client, command: Audit) -> Result<(), Failure> {
    let Audit::List { limit } = command;
    let records: Vec<AuditRecord> = client.list("/audit-records", &[], limit).await?;
    out.show(&records, |records| {
        let mut table = Table::new(&["TIME", "WHO", "ACTION", "OBJECT"]);
        for r in records {
            let who = format!("{} {}", r.actor_kind, r.actor_name);
            table.row([&r.at, &who, &r.action, &format!("{} {}", r.object_kind, r.object_id)]);
        }
        table.to_string()
    })
}
