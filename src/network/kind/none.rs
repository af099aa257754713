//! The host's network namespace.

use super::super::netlink::Lazy;
use super::{Kind, Link, Request};
use crate::config::{Config, Net};
use crate::error::{Error, Result};

pub(super) struct None;

impl Kind for None {
    fn is_link(&self) -> bool {
        false
    }

    fn check(&self, _: u32, net: &Net, config: &Config) -> Result<()> {
        if config.keeps_host_network() {
            return Ok(());
        }
        Err(Error::new("a link of type none cannot be beside others")
            .at(net.origin("type"))
            .hint("type none shares the host's network: make it the only link"))
    }

    fn create(&self, _: &Lazy, request: Request<'_>) -> Result<Link> {
        Ok(Link::without_host_end(&request))
    }
}
