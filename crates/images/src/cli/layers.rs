//! What `lxc-rs image` says and does about unpacked layers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{pull, tell, warn};
use crate::digest::Digest;
use crate::image::Image;
use crate::layers::{Layers, Pruned, Users, keys};
use crate::store::Store;
use crate::{Error, Result};

/// All unpacked layers of this user, with who uses them.
pub(super) struct Unpacked {
    all: Vec<(Layers, Users)>,
}

/// What there is of some layers.
#[derive(Default)]
pub(super) struct Sum {
    pub layers: usize,
    pub bytes: u64,
    pub containers: BTreeSet<PathBuf>,
}

impl Unpacked {
    pub fn find() -> Result<Self> {
        let mut all = Vec::new();
        for layers in Layers::all_of_user()? {
            let (users, unseen) = layers.users()?;
            for path in unseen {
                let path = path.display();
                warn("lxc-rs image", &format!("the containers in {path} cannot be seen"));
            }
            all.push((layers, users));
        }
        Ok(Self { all })
    }

    /// What there is of the layers with these keys; each counts once.
    pub fn sum<'a>(&self, keys: impl IntoIterator<Item = &'a Digest>) -> Result<Sum> {
        let mut sum = Sum::default();
        for key in keys.into_iter().collect::<BTreeSet<_>>() {
            for (layers, users) in &self.all {
                if let Some(record) = layers.record(key)? {
                    sum.layers += 1;
                    sum.bytes += record.size;
                    sum.containers.extend(users.of(key).map(Path::to_path_buf));
                }
            }
        }
        Ok(sum)
    }

    /// What there is of all layers.
    pub fn all(&self) -> Result<Sum> {
        let mut keys = Vec::new();
        for (layers, _) in &self.all {
            keys.extend(layers.all()?);
        }
        self.sum(&keys)
    }

    /// Says what there is of all layers, if there are any.
    pub fn tell(&self) -> Result<()> {
        let sum = self.all()?;
        if sum.layers > 0 {
            let size = pull::mebibytes(sum.bytes);
            let Sum { layers, containers, .. } = sum;
            tell(&format!(
                "{layers} layers unpacked: {size}, used by {} containers",
                containers.len()
            ));
        }
        Ok(())
    }

    /// The layers of `image`, the lowest first.
    pub fn describe(&self, image: &Image) -> Result<Value> {
        let mut values = Vec::new();
        for (layer, key) in image.layers.iter().zip(keys(image)) {
            let sum = self.sum([&key])?;
            let found = self.all.iter().find(|(layers, _)| layers.has(&key));
            values.push(json!({
                "diff_id": layer.plain,
                "unpacked": found.map(|(layers, _)| layers.tree_of(&key)),
                "size": found.map(|_| sum.bytes),
                "containers": sum.containers,
            }));
        }
        Ok(Value::Array(values))
    }

    /// What is damaged of the layers with the keys `of`.
    pub fn verify(&self, of: &[Digest]) -> Vec<Error> {
        let mut damaged = Vec::new();
        for (layers, users) in &self.all {
            for key in of {
                let Some(error) = layers.verify(key).unwrap_or_else(Some) else { continue };
                let users = users.of(key).map(|path| format!("used by {}", path.display()));
                damaged.push(users.fold(error, Error::note));
            }
        }
        damaged
    }

    /// The keys of layers that are not among `known`.
    pub fn others(&self, known: &BTreeSet<Digest>) -> Result<Vec<Digest>> {
        let mut others = BTreeSet::new();
        for (layers, _) in &self.all {
            others.extend(layers.all()?.into_iter().filter(|key| !known.contains(key)));
        }
        Ok(others.into_iter().collect())
    }
}

/// The keys of the layers of all images in `store`.
pub(super) fn wanted(store: &Store) -> Result<BTreeSet<Digest>> {
    let mut wanted = BTreeSet::new();
    for named in store.images()? {
        wanted.extend(keys(&store.image(&named)?.1));
    }
    Ok(wanted)
}

/// Removes the layers that neither an image in `store` nor a container needs, see [`Layers::prune`].
pub(super) fn prune(store: &Store, forget: &[PathBuf], dry: bool) -> Result<Pruned> {
    let wanted = wanted(store)?;
    let mut all = Pruned::default();
    for layers in Layers::all_of_user()? {
        let Pruned { layers, bytes } = layers.prune(&wanted, forget, dry)?;
        all.layers += layers;
        all.bytes += bytes;
    }
    Ok(all)
}
