//! A network namespace with nothing but its loopback.

use super::super::netlink::Lazy;
use super::{Kind, Link, Request};
use crate::config::{Config, Net};
use crate::error::Result;

pub(super) struct Empty;

impl Kind for Empty {
    fn is_link(&self) -> bool {
        false
    }

    fn check(&self, _: u32, _: &Net, _: &Config) -> Result<()> {
        Ok(())
    }

    fn create(&self, _: &Lazy, request: Request<'_>) -> Result<Link> {
        Ok(Link::without_host_end(&request))
    }

    fn can_be_checkpointed(&self) -> bool {
        true
    }

    fn brings_loopback_up(&self) -> bool {
        true
    }
}
