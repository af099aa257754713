//! Kinds that the configuration knows and that cannot be made yet.

use super::super::netlink::Lazy;
use super::{Kind, Link, Request};
use crate::config::{Config, Net};
use crate::error::{Error, Result};

pub(super) struct Unsupported;

fn refuse(net: &Net) -> Error {
    Error::new("this type of link is not supported")
        .at(net.origin("type"))
        .hint("there are: veth, empty, none")
}

impl Kind for Unsupported {
    fn check(&self, _: u32, net: &Net, _: &Config) -> Result<()> {
        Err(refuse(net))
    }

    fn create(&self, _: &Lazy, request: Request<'_>) -> Result<Link> {
        Err(refuse(request.net))
    }
}
