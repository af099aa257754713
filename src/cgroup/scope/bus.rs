//! Requests to systemd over D-Bus (org.freedesktop.systemd1(5)).

use std::path::Path;

use futures_util::StreamExt;
use nix::unistd::Pid;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, Variant};

use crate::cgroup::naming::LEAF;
use crate::error::{Context, Error, Result};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// How many names are tried if there are scopes of the first ones already.
const NAMES: u32 = 100;

/// Has systemd make a delegated scope for the container `name` and put `pid` there; returns when it
/// is done.
pub(super) fn start_scope(bus: &Path, name: &str, pid: Pid) -> Result<()> {
    talk(bus, async |connection| {
        let removed = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SYSTEMD)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        let mut jobs = MessageStream::for_match_rule(removed, connection, None).await?;
        call(connection, "Subscribe", &()).await?;
        let job = start(connection, name, pid).await?;
        while let Some(message) = jobs.next().await {
            let message = message?;
            let body = message.body();
            let (_, done, unit, result): (u32, OwnedObjectPath, String, String) =
                body.deserialize()?;
            if done == job && result == "done" {
                return Ok(());
            } else if done == job {
                return Err(zbus::Error::Failure(format!("{unit} was not started: {result}")));
            }
        }
        Err(zbus::Error::Failure("the bus was closed".into()))
    })
}

/// Starts a scope of a name that is free; returns the job.
async fn start(connection: &Connection, name: &str, pid: Pid) -> zbus::Result<OwnedObjectPath> {
    let mut number = 0;
    loop {
        let unit = unit_name(name, number);
        let pids = [pid.as_raw().unsigned_abs()];
        let properties: [(&str, Variant<'_>); 4] = [
            ("Description", format!("LXC container {name}").into()),
            ("Delegate", true.into()),
            ("PIDs", pids.as_slice().into()),
            ("CollectMode", "inactive-or-failed".into()),
        ];
        let others: [(&str, &[(&str, Variant<'_>)]); 0] = [];
        let words = (unit, "fail", properties.as_slice(), others.as_slice());
        number += 1;
        match call(connection, "StartTransientUnit", &words).await {
            Ok(answer) => return answer.body().deserialize(),
            Err(zbus::Error::MethodError(error, ..))
                if error.as_str() == "org.freedesktop.systemd1.UnitExists" && number < NAMES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Has systemd move `pid` into `unit`: to the leaf, where cgroups that give controllers to others
/// want no processes.
pub(super) fn attach(bus: &Path, unit: &str, pid: Pid) -> Result<()> {
    talk(bus, async |connection| {
        let pids = [pid.as_raw().unsigned_abs()];
        let leaf = format!("/{LEAF}");
        if call(connection, "AttachProcessesToUnit", &(unit, leaf, pids.as_slice())).await.is_ok() {
            return Ok(());
        }
        call(connection, "AttachProcessesToUnit", &(unit, "", pids.as_slice())).await.map(drop)
    })
}

async fn call<B>(connection: &Connection, method: &str, words: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    connection.call_method(Some(SYSTEMD), OBJECT, Some(MANAGER), method, words).await
}

/// Runs a conversation over the bus at the socket `bus`.
fn talk(bus: &Path, words: impl AsyncFnOnce(&Connection) -> zbus::Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot make a runtime for D-Bus")?;
    runtime.block_on(async {
        let socket = tokio::net::UnixStream::connect(bus)
            .await
            .and_then(tokio::net::UnixStream::into_std)
            .context(|| format!("cannot connect to the bus {}", bus.display()))?;
        let conversation = async {
            let connection = zbus::connection::Builder::unix_stream(socket).build().await?;
            words(&connection).await
        };
        conversation.await.map_err(|error| match error {
            zbus::Error::MethodError(_, Some(why), _) | zbus::Error::Failure(why) => {
                Error::new(format!("systemd refused: {why}"))
            }
            error => Error::new(format!("cannot ask systemd over {}: {error}", bus.display())),
        })
    })
}

/// `lxc-NAME-NUMBER.scope`, with what may not stand in a unit's name escaped (systemd.unit(5)).
fn unit_name(name: &str, number: u32) -> String {
    let escaped: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' | b'-' => {
                char::from(byte).to_string()
            }
            other => format!("\\x{other:02x}"),
        })
        .collect();
    format!("lxc-{escaped}-{number}.scope")
}

#[cfg(test)]
mod tests {
    use super::unit_name;

    #[test]
    fn names_of_scopes() {
        assert_eq!(unit_name("web-1.a_b", 0), "lxc-web-1.a_b-0.scope");
        assert_eq!(unit_name("a é\\", 12), "lxc-a\\x20\\xc3\\xa9\\x5c-12.scope");
    }
}
