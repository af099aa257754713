//! Variables that the configuration takes from whoever starts the container.

use crate::config::{Config, Located};
use crate::error::{Error, Result};

/// Gives each `lxc.environment` (`.runtime`, `.hooks`) without a value the one that the variable has in
/// this process's own environment.
pub fn take_from_caller(config: &mut Config) -> Result<()> {
    let lists =
        [&mut config.environment, &mut config.environment_runtime, &mut config.environment_hooks];
    lists.into_iter().flatten().try_for_each(take)
}

fn take(variable: &mut Located<String>) -> Result<()> {
    let name = &variable.value;
    if name.contains('=') {
        return Ok(());
    }
    let value = std::env::var(name).map_err(|_| {
        Error::new(format!("the variable {name} is not set in the environment of this start"))
            .at(variable.origin.as_ref())
            .hint("set it for the command, or write NAME=VALUE")
    })?;
    variable.value = format!("{name}={value}");
    Ok(())
}
